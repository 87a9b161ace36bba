-- Which buckets got another policy, and from whom?
-- Why: A bucket becomes public by its policy.
-- Asked by: security
-- ATT&CK: T1537
SELECT
  json_extract_scalar(requestparameters, '$.bucketName') AS bucket,
  coalesce(useridentity_sourceidentity, useridentity_arn, useridentity_principalid, useridentity_type) AS who,
  count(*) AS changes,
  count(errorcode) AS denied,
  max(eventtime) AS last_time
FROM from_cloudtrail_readready
WHERE logcalendarday BETWEEN {first_day} AND {last_day}
  AND eventsource = 's3.amazonaws.com'
  AND eventname IN ('PutBucketPolicy', 'PutBucketAcl', 'DeleteBucketPolicy', 'PutBucketPublicAccessBlock', 'DeleteBucketPublicAccessBlock')
GROUP BY 1, 2
ORDER BY changes DESC, bucket, who
LIMIT 100

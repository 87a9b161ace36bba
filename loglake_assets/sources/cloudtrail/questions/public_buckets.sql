-- Who opened a bucket to the public?
-- Why: What is public can be read by anybody, without a trace in a session.
-- Asked by: security
-- ATT&CK: T1530
SELECT
  eventtime,
  coalesce(useridentity_sourceidentity, useridentity_arn, useridentity_principalid, useridentity_type) AS who,
  eventname,
  json_extract_scalar(requestparameters, '$.bucketName') AS of_what,
  sourceipaddress,
  logaccountid,
  errorcode,
  eventid
FROM from_cloudtrail_readready
WHERE logcalendarday BETWEEN {first_day} AND {last_day}
  AND (
    eventname IN ('DeleteBucketPublicAccessBlock', 'DeleteAccountPublicAccessBlock')
    OR (eventname IN ('PutBucketPublicAccessBlock', 'PutAccountPublicAccessBlock') AND requestparameters LIKE '%false%')
    OR (eventname IN ('PutBucketAcl', 'PutObjectAcl') AND (requestparameters LIKE '%AllUsers%' OR requestparameters LIKE '%AuthenticatedUsers%' OR requestparameters LIKE '%public-read%'))
    OR (eventname = 'PutBucketPolicy' AND (requestparameters LIKE '%"Principal":"*"%' OR requestparameters LIKE '%"AWS":"*"%'))
  )
ORDER BY eventtime, eventid
LIMIT 500

-- Which objects of S3 were read, by whom?
-- Why: What left the account leaves by reads.
-- Asked by: security
-- ATT&CK: T1530
SELECT
  coalesce(useridentity_sourceidentity, useridentity_arn, useridentity_principalid, useridentity_type) AS who,
  json_extract_scalar(requestparameters, '$.bucketName') AS bucket,
  count(*) AS objects_read,
  sum(CAST(json_extract_scalar(additionaleventdata, '$.bytesTransferredOut') AS bigint)) AS bytes_out,
  max(eventtime) AS last_time
FROM from_cloudtrail_readready
WHERE logcalendarday BETWEEN {first_day} AND {last_day}
  AND eventsource = 's3.amazonaws.com'
  AND eventname = 'GetObject'
GROUP BY 1, 2
ORDER BY bytes_out DESC, who, bucket
LIMIT 100

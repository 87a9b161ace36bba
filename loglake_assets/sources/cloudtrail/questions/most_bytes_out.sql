-- Who read the most bytes from S3 in one hour?
-- Why: A theft of data is a peak.
-- Asked by: security
-- ATT&CK: T1530
SELECT
  coalesce(useridentity_sourceidentity, useridentity_arn, useridentity_principalid, useridentity_type) AS who,
  date_trunc('hour', eventtime) AS in_hour,
  count(*) AS objects_read,
  sum(CAST(json_extract_scalar(additionaleventdata, '$.bytesTransferredOut') AS bigint)) AS bytes_out
FROM from_cloudtrail_readready
WHERE logcalendarday BETWEEN {first_day} AND {last_day}
  AND eventsource = 's3.amazonaws.com'
  AND eventname = 'GetObject'
GROUP BY 1, 2
ORDER BY bytes_out DESC, who, in_hour
LIMIT 50

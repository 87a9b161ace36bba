-- Who read secrets?
-- Why: A secret that was read once is known, whatever is done to its reader.
-- Asked by: security
-- ATT&CK: T1555.006
SELECT
  eventtime,
  coalesce(useridentity_sourceidentity, useridentity_arn, useridentity_principalid, useridentity_type) AS who,
  eventname,
  coalesce(json_extract_scalar(requestparameters, '$.secretId'), json_extract_scalar(requestparameters, '$.name')) AS of_what,
  sourceipaddress,
  logaccountid,
  errorcode,
  eventid
FROM from_cloudtrail_readready
WHERE logcalendarday BETWEEN {first_day} AND {last_day}
  AND eventname IN ('GetSecretValue', 'BatchGetSecretValue', 'GetParameter', 'GetParameters', 'GetParametersByPath')
ORDER BY eventtime, eventid
LIMIT 500

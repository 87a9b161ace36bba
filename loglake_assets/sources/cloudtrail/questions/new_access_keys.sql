-- Who made an access key, and for whom?
-- Why: A key outlives the session of whoever made it.
-- Asked by: security
-- ATT&CK: T1098.001
SELECT
  eventtime,
  coalesce(useridentity_sourceidentity, useridentity_arn, useridentity_principalid, useridentity_type) AS who,
  eventname,
  json_extract_scalar(requestparameters, '$.userName') AS of_what,
  sourceipaddress,
  logaccountid,
  errorcode,
  eventid
FROM from_cloudtrail_readready
WHERE logcalendarday BETWEEN {first_day} AND {last_day}
  AND eventname IN ('CreateAccessKey', 'UpdateAccessKey', 'CreateServiceSpecificCredential')
ORDER BY eventtime, eventid
LIMIT 500

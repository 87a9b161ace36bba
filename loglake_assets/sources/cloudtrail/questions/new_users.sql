-- Who made a user or a login?
-- Why: An account of their own lets an intruder come back.
-- Asked by: security
-- ATT&CK: T1136.003
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
  AND eventname IN ('CreateUser', 'CreateLoginProfile', 'UpdateLoginProfile')
ORDER BY eventtime, eventid
LIMIT 500

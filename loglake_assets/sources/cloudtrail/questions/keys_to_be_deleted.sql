-- Which keys are to be deleted or were switched off?
-- Why: What is encrypted with a key is lost with it.
-- Asked by: security
-- ATT&CK: T1485
SELECT
  eventtime,
  coalesce(useridentity_sourceidentity, useridentity_arn, useridentity_principalid, useridentity_type) AS who,
  eventname,
  json_extract_scalar(requestparameters, '$.keyId') AS of_what,
  sourceipaddress,
  logaccountid,
  errorcode,
  eventid
FROM from_cloudtrail_readready
WHERE logcalendarday BETWEEN {first_day} AND {last_day}
  AND eventname IN ('ScheduleKeyDeletion', 'DisableKey', 'DeleteImportedKeyMaterial')
ORDER BY eventtime, eventid
LIMIT 500

-- Whose second factor was taken away?
-- Why: Without a second factor a password is enough.
-- Asked by: security
-- ATT&CK: T1556.006
SELECT
  eventtime,
  coalesce(useridentity_sourceidentity, useridentity_arn, useridentity_principalid, useridentity_type) AS who,
  eventname,
  coalesce(json_extract_scalar(requestparameters, '$.userName'), json_extract_scalar(requestparameters, '$.serialNumber')) AS of_what,
  sourceipaddress,
  logaccountid,
  errorcode,
  eventid
FROM from_cloudtrail_readready
WHERE logcalendarday BETWEEN {first_day} AND {last_day}
  AND eventname IN ('DeactivateMFADevice', 'DeleteVirtualMFADevice')
ORDER BY eventtime, eventid
LIMIT 500

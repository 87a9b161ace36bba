-- Who switched off what watches?
-- Why: Detectors and recorders go first, before the rest.
-- Asked by: security
-- ATT&CK: T1562.001
SELECT
  eventtime,
  coalesce(useridentity_sourceidentity, useridentity_arn, useridentity_principalid, useridentity_type) AS who,
  eventname,
  coalesce(json_extract_scalar(requestparameters, '$.detectorId'), json_extract_scalar(requestparameters, '$.configurationRecorderName')) AS of_what,
  sourceipaddress,
  logaccountid,
  errorcode,
  eventid
FROM from_cloudtrail_readready
WHERE logcalendarday BETWEEN {first_day} AND {last_day}
  AND eventname IN ('DeleteDetector', 'UpdateDetector', 'StopConfigurationRecorder', 'DeleteConfigurationRecorder', 'DisableSecurityHub', 'DeleteFlowLogs', 'DeleteAlarms', 'DisableAlarmActions')
ORDER BY eventtime, eventid
LIMIT 500

-- Who stopped, deleted or changed a trail?
-- Why: Whoever stops the log hides what comes after.
-- Asked by: security
-- ATT&CK: T1562.008
SELECT
  eventtime,
  coalesce(useridentity_sourceidentity, useridentity_arn, useridentity_principalid, useridentity_type) AS who,
  eventname,
  coalesce(json_extract_scalar(requestparameters, '$.name'), json_extract_scalar(requestparameters, '$.trailName')) AS of_what,
  sourceipaddress,
  logaccountid,
  errorcode,
  eventid
FROM from_cloudtrail_readready
WHERE logcalendarday BETWEEN {first_day} AND {last_day}
  AND eventname IN ('StopLogging', 'DeleteTrail', 'UpdateTrail', 'PutEventSelectors')
  AND eventsource = 'cloudtrail.amazonaws.com'
ORDER BY eventtime, eventid
LIMIT 500

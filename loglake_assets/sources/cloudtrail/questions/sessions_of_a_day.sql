-- Which sessions on machines were started, and for what reason?
-- Why: The reason often is a ticket's number.
-- Asked by: compliance
-- ATT&CK: T1021.007
SELECT
  eventtime AS started,
  coalesce(useridentity_sourceidentity, useridentity_arn, useridentity_principalid, useridentity_type) AS who,
  json_extract_scalar(requestparameters, '$.target') AS target,
  json_extract_scalar(requestparameters, '$.reason') AS reason,
  f_sessionid,
  eventid
FROM from_cloudtrail_readready
WHERE logcalendarday BETWEEN {first_day} AND {last_day}
  AND eventsource = 'ssm.amazonaws.com'
  AND eventname = 'StartSession'
ORDER BY started, eventid
LIMIT 500

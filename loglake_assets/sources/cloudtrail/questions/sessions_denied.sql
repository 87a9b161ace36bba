-- Who was refused a session on a machine?
-- Why: Was it the wrong machine, or the wrong person?
-- Asked by: security
-- ATT&CK: T1021.007
SELECT
  eventtime,
  coalesce(useridentity_sourceidentity, useridentity_arn, useridentity_principalid, useridentity_type) AS who,
  sourceipaddress AS from_where,
  errorcode,
  eventid
FROM from_cloudtrail_readready
WHERE logcalendarday BETWEEN {first_day} AND {last_day}
  AND eventsource = 'ssm.amazonaws.com'
  AND eventname = 'StartSession'
  AND errorcode IS NOT NULL
ORDER BY eventtime, eventid
LIMIT 200

-- What did a person do in a window of time, as TEAM asks?
-- Why: The view that AWS's Temporary Elevated Access Management asks CloudTrail Lake for: add AND useridentity_arn LIKE '%/<person>' and a role.
-- Asked by: compliance
SELECT
  eventid,
  eventname,
  eventsource,
  eventtime,
  useridentity_arn,
  useridentity_issuerusername AS role
FROM from_cloudtrail_readready
WHERE logcalendarday BETWEEN {first_day} AND {last_day}
  AND useridentity_type = 'AssumedRole'
ORDER BY eventtime DESC
LIMIT 500

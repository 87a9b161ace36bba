-- Which calls were denied most?
-- Why: Shows policies that are too narrow for work that goes on, and probing.
-- Asked by: operations
-- ATT&CK: T1580
SELECT
  eventsource,
  eventname,
  errorcode,
  count(*) AS denials,
  count(DISTINCT coalesce(useridentity_sourceidentity, useridentity_arn, useridentity_principalid, useridentity_type)) AS callers
FROM from_cloudtrail_readready
WHERE logcalendarday BETWEEN {first_day} AND {last_day}
  AND errorcode IS NOT NULL
GROUP BY 1, 2, 3
ORDER BY denials DESC, eventsource, eventname, errorcode
LIMIT 100

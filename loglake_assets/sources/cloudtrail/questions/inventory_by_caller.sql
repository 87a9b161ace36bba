-- Who looked around: many different read calls of many services?
-- Why: Discovery comes before an attack.
-- Asked by: security
-- ATT&CK: T1580
SELECT
  coalesce(useridentity_sourceidentity, useridentity_arn, useridentity_principalid, useridentity_type) AS who,
  count(DISTINCT eventname) AS kinds_of_calls,
  count(DISTINCT eventsource) AS services,
  count(*) AS calls,
  min(eventtime) AS first_time
FROM from_cloudtrail_readready
WHERE logcalendarday BETWEEN {first_day} AND {last_day}
  AND readonly = true
GROUP BY 1
HAVING count(DISTINCT eventsource) >= 3
ORDER BY kinds_of_calls DESC, who
LIMIT 100

-- Who changed something at night or on a weekend, by UTC?
-- Why: Work outside of hours is on call, automation, or not work.
-- Asked by: security
-- ATT&CK: T1078.004
SELECT
  coalesce(useridentity_sourceidentity, useridentity_arn, useridentity_principalid, useridentity_type) AS who,
  count(*) AS changes,
  count(DISTINCT eventname) AS kinds_of_calls,
  min(eventtime) AS first_time,
  max(eventtime) AS last_time
FROM from_cloudtrail_readready
WHERE logcalendarday BETWEEN {first_day} AND {last_day}
  AND readonly = false
  AND useridentity_type IN ('IAMUser', 'AssumedRole', 'SAMLUser', 'IdentityCenterUser')
  AND (hour(eventtime) NOT BETWEEN 6 AND 19 OR day_of_week(eventtime) > 5)
GROUP BY 1
ORDER BY changes DESC, who
LIMIT 100

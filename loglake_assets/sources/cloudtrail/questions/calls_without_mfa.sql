-- Which people changed something in sessions without a second factor?
-- Why: Changes by people are expected from sessions that a second factor opened.
-- Asked by: compliance
-- ATT&CK: T1078.004
SELECT
  coalesce(useridentity_sourceidentity, useridentity_arn, useridentity_principalid, useridentity_type) AS who,
  count(*) AS changes,
  count(DISTINCT eventname) AS kinds_of_calls,
  max(eventtime) AS last_time
FROM from_cloudtrail_readready
WHERE logcalendarday BETWEEN {first_day} AND {last_day}
  AND useridentity_mfaauthenticated = false
  AND readonly = false
  AND errorcode IS NULL
GROUP BY 1
ORDER BY changes DESC, who
LIMIT 100

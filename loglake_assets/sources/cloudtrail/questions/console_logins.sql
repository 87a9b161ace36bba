-- Who logged in to the console, from where, and with what outcome?
-- Why: The first thing an investigation asks.
-- Asked by: security
-- ATT&CK: T1078.004
SELECT
  coalesce(useridentity_sourceidentity, useridentity_arn, useridentity_principalid, useridentity_type) AS who,
  sourceipaddress AS from_where,
  coalesce(json_extract_scalar(responseelements, '$.ConsoleLogin'), 'unknown') AS outcome,
  count(*) AS logins,
  max(eventtime) AS last_time
FROM from_cloudtrail_readready
WHERE logcalendarday BETWEEN {first_day} AND {last_day}
  AND eventname = 'ConsoleLogin'
GROUP BY 1, 2, 3
ORDER BY logins DESC, who, from_where, outcome
LIMIT 100

-- Which sessions ran as root of the machine?
-- Why: Root of a machine may do everything on it.
-- Asked by: security
-- ATT&CK: T1078.003
SELECT
  session_runasuser AS run_as,
  count(DISTINCT f_sessionid) AS sessions,
  count(DISTINCT session_target) AS machines,
  max(eventtime) AS last_time
FROM from_cloudwatch_readready
WHERE logcalendarday BETWEEN {first_day} AND {last_day}
  AND f_sessionid IS NOT NULL
GROUP BY 1
ORDER BY sessions DESC, run_as
LIMIT 100

-- Which sessions were recorded, and how long are their records?
-- Why: What was typed is the record of what was done.
-- Asked by: compliance
-- ATT&CK: T1021.007
SELECT
  f_sessionid,
  min(session_target) AS target,
  min(session_runasuser) AS run_as,
  count(*) AS events,
  sum(session_linecount) AS lines,
  min(eventtime) AS first_time,
  max(eventtime) AS last_time
FROM from_cloudwatch_readready
WHERE logcalendarday BETWEEN {first_day} AND {last_day}
  AND f_sessionid IS NOT NULL
GROUP BY 1
ORDER BY first_time, f_sessionid
LIMIT 500

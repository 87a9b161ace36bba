-- How many sessions are recorded, awaited, lost?
-- Why: What is lost cannot be reviewed, and has to be explained.
-- Asked by: compliance
-- ATT&CK: T1562.008
SELECT
  state,
  count(*) AS sessions,
  min(started) AS first_time,
  max(started) AS last_time
FROM session_activity
WHERE logcalendarday BETWEEN {first_day} AND {last_day}
GROUP BY 1
ORDER BY sessions DESC, state
LIMIT 20

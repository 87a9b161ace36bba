-- Which sessions belong to which ticket or reason?
-- Why: A session without a reason has to be asked for one.
-- Asked by: compliance
SELECT
  coalesce(reason, 'none given') AS reason,
  count(*) AS sessions,
  min(started) AS first_time,
  max(started) AS last_time
FROM session_activity
WHERE logcalendarday BETWEEN {first_day} AND {last_day}
GROUP BY 1
ORDER BY sessions DESC, reason
LIMIT 200

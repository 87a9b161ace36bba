-- Which log groups does the lake hold, and how many sessions were typed in?
-- Why: Where what was typed in sessions lies.
-- Asked by: compliance
SELECT
  loggroup,
  count(*) AS log_events,
  count(DISTINCT logstream) AS log_streams,
  count(DISTINCT f_sessionid) AS sessions,
  sum(session_linecount) AS session_lines
FROM from_cloudwatch_readready
WHERE logcalendarday BETWEEN {first_day} AND {last_day}
GROUP BY loggroup
ORDER BY log_events DESC, loggroup
LIMIT 12

-- Which log groups does the lake hold, and how many sessions were typed in?
SELECT
  loggroup,
  count(*) AS log_events,
  count(DISTINCT logstream) AS log_streams,
  count(DISTINCT f_sessionid) AS sessions,
  sum(session_linecount) AS session_lines
FROM from_cloudwatch_readready
GROUP BY loggroup
ORDER BY log_events DESC, loggroup
LIMIT 12

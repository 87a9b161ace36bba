-- Which log groups deliver, and how much?
-- Why: A log group that fell silent is seen here.
-- Asked by: operations
-- ATT&CK: T1562.008
SELECT
  loggroup,
  count(*) AS events,
  count(DISTINCT logstream) AS streams,
  min(eventtime) AS first_time,
  max(eventtime) AS last_time
FROM from_cloudwatch_readready
WHERE logcalendarday BETWEEN {first_day} AND {last_day}
GROUP BY 1
ORDER BY events DESC, loggroup
LIMIT 200

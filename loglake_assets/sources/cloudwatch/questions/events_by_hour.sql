-- How many log events came in each hour?
-- Why: A gap is as telling as a peak.
-- Asked by: operations
-- ATT&CK: T1562.008
SELECT
  date_trunc('hour', eventtime) AS in_hour,
  count(*) AS events,
  count(DISTINCT loggroup) AS log_groups
FROM from_cloudwatch_readready
WHERE logcalendarday BETWEEN {first_day} AND {last_day}
GROUP BY 1
ORDER BY in_hour
LIMIT 1000

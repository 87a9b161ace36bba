-- Which services answer with errors, and how often?
-- Why: What fails by the hundred costs money and hides what matters.
-- Asked by: operations
SELECT
  eventsource,
  count(*) AS events,
  count(errorcode) AS errors,
  round(100.0 * count(errorcode) / count(*), 2) AS errors_pct
FROM from_cloudtrail_readready
WHERE logcalendarday BETWEEN {first_day} AND {last_day}
GROUP BY 1
HAVING count(errorcode) > 0
ORDER BY errors DESC, eventsource
LIMIT 100

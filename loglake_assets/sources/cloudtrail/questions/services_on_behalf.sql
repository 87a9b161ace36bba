-- Which services of AWS acted on somebody's behalf?
-- Why: What a service does with your rights is yours to know.
-- Asked by: operations
SELECT
  useridentity_invokedby AS service,
  eventsource,
  eventname,
  count(*) AS events
FROM from_cloudtrail_readready
WHERE logcalendarday BETWEEN {first_day} AND {last_day}
  AND useridentity_invokedby IS NOT NULL
GROUP BY 1, 2, 3
ORDER BY events DESC, service, eventsource, eventname
LIMIT 100

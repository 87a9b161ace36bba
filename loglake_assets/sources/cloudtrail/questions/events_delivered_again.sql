-- Which events were delivered once more, and why?
-- Why: An addendum corrects what was logged before.
-- Asked by: operations
SELECT
  eventtime,
  eventname,
  addendum_reason AS why,
  addendum_originaleventid AS of_event,
  eventid
FROM from_cloudtrail_readready
WHERE logcalendarday BETWEEN {first_day} AND {last_day}
  AND addendum_reason IS NOT NULL
ORDER BY eventtime, eventid
LIMIT 200

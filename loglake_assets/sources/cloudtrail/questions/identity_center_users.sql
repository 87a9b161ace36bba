-- What did people of IAM Identity Center do, by the user's id?
-- Why: The id of the store stays when a name changes.
-- Asked by: compliance
SELECT
  useridentity_onbehalfof_userid AS user_id,
  eventsource,
  count(*) AS events,
  max(eventtime) AS last_time
FROM from_cloudtrail_readready
WHERE logcalendarday BETWEEN {first_day} AND {last_day}
  AND useridentity_onbehalfof_userid IS NOT NULL
GROUP BY 1, 2
ORDER BY events DESC, user_id, eventsource
LIMIT 100

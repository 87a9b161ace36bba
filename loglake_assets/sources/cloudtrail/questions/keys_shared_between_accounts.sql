-- Which keys were used by two accounts at once?
-- Why: One action in two accounts' logs has one shared id.
-- Asked by: compliance
SELECT
  sharedeventid,
  min(eventtime) AS at,
  count(*) AS events,
  count(DISTINCT recipientaccountid) AS accounts,
  min(eventname) AS eventname
FROM from_cloudtrail_readready
WHERE logcalendarday BETWEEN {first_day} AND {last_day}
  AND sharedeventid IS NOT NULL
GROUP BY 1
ORDER BY accounts DESC, at, sharedeventid
LIMIT 100

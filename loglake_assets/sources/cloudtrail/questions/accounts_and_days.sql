-- Are there events of every account for every day?
-- Why: An account that fell silent has lost its trail, or its life.
-- Asked by: compliance
-- ATT&CK: T1562.008
SELECT
  recipientaccountid AS account,
  count(DISTINCT logcalendarday) AS days_with_events,
  count(*) AS events,
  min(eventtime) AS first_time,
  max(eventtime) AS last_time
FROM from_cloudtrail_readready
WHERE logcalendarday BETWEEN {first_day} AND {last_day}
GROUP BY 1
ORDER BY days_with_events, account
LIMIT 1000

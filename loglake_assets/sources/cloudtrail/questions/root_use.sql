-- Who used root, and what for?
-- Why: The root user is for the few tasks that nobody else can do; each use wants a reason.
-- Asked by: security
-- ATT&CK: T1078.004
SELECT
  useridentity_accountid AS account,
  eventsource,
  eventname,
  count(*) AS events,
  min(eventtime) AS first_time,
  max(eventtime) AS last_time,
  count(DISTINCT sourceipaddress) AS addresses
FROM from_cloudtrail_readready
WHERE logcalendarday BETWEEN {first_day} AND {last_day}
  AND useridentity_type = 'Root'
GROUP BY 1, 2, 3
ORDER BY events DESC, account, eventsource, eventname
LIMIT 100

-- Who ended which session, and when.
SELECT
  f_sessionid,
  min(eventtime) AS ended
FROM from_cloudtrail_readready
WHERE logcalendarday BETWEEN {first_day} AND {last_day}
  AND eventsource = 'ssm.amazonaws.com'
  AND eventname = 'TerminateSession'
  AND errorcode IS NULL
  AND f_sessionid IS NOT NULL
GROUP BY f_sessionid

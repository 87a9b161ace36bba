-- In which sessions does sudo, ssh or curl stand?
-- Why: A hint where to read; not what was done.
-- Asked by: security
-- ATT&CK: T1059.004
SELECT
  f_sessionid,
  min(session_useridentity_arn) AS who,
  count(*) AS events,
  min(eventtime) AS first_time
FROM from_cloudwatch_readready
WHERE logcalendarday BETWEEN {first_day} AND {last_day}
  AND f_sessionid IS NOT NULL
  AND regexp_like(message, '\b(sudo|ssh|scp|curl|wget)\b')
GROUP BY 1
ORDER BY events DESC, f_sessionid
LIMIT 200

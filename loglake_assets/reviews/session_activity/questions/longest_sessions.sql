-- Which sessions were the longest?
-- Why: A session that is left open is an open door.
-- Asked by: security
-- ATT&CK: T1021.007
SELECT
  started,
  date_diff('minute', started, ended) AS minutes,
  coalesce(useridentity_sourceidentity, useridentity_arn) AS who,
  target,
  f_sessionid
FROM session_activity
WHERE logcalendarday BETWEEN {first_day} AND {last_day}
  AND ended IS NOT NULL
ORDER BY minutes DESC, session_key
LIMIT 50

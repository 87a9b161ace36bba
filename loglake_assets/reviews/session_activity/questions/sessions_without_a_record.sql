-- Of which sessions is no record here?
-- Why: A session without its record is the one to ask about.
-- Asked by: compliance
-- ATT&CK: T1562.008
SELECT
  started,
  coalesce(useridentity_sourceidentity, useridentity_arn) AS who,
  target,
  state,
  state_reason,
  f_sessionid
FROM session_activity
WHERE logcalendarday BETWEEN {first_day} AND {last_day}
  AND state IN ('lost', 'awaiting', 'recorded_partly', 'not_loggable')
ORDER BY started, session_key
LIMIT 200

-- Which sessions had the most API calls around them?
-- Why: What a session's person did beside typing.
-- Asked by: security
SELECT
  started,
  api_call_count AS api_calls,
  coalesce(useridentity_sourceidentity, useridentity_arn) AS who,
  target,
  f_sessionid
FROM session_activity
WHERE logcalendarday BETWEEN {first_day} AND {last_day}
  AND api_call_count > 0
ORDER BY api_calls DESC, session_key
LIMIT 50

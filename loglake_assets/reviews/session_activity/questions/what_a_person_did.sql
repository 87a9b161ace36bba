-- What did each person do in sessions: machines, lines typed, API calls around?
-- Why: The summary that a reviewer begins with.
-- Asked by: compliance
-- ATT&CK: T1021.007
SELECT
  coalesce(useridentity_sourceidentity, useridentity_arn, claimed_arn) AS who,
  count(*) AS sessions,
  count(DISTINCT target) AS machines,
  sum(transcript_lines) AS lines,
  sum(api_call_count) AS api_calls
FROM session_activity
WHERE logcalendarday BETWEEN {first_day} AND {last_day}
GROUP BY 1
ORDER BY sessions DESC, who
LIMIT 100

-- Who typed in sessions, on which machines?
-- Why: One line a person and machine.
-- Asked by: compliance
-- ATT&CK: T1021.007
SELECT
  session_useridentity_arn AS who,
  session_target AS target,
  count(DISTINCT f_sessionid) AS sessions,
  sum(session_linecount) AS lines
FROM from_cloudwatch_readready
WHERE logcalendarday BETWEEN {first_day} AND {last_day}
  AND session_useridentity_arn IS NOT NULL
GROUP BY 1, 2
ORDER BY lines DESC, who, target
LIMIT 100

-- What did agents do in AWS while their tools ran?
-- Why: The tool's own account, and AWS's.
-- Asked by: security
SELECT
  asked,
  tool_name AS tool,
  event_count_while_running AS events,
  useridentity_arn AS agent,
  tool_key
FROM agent_tool_use
WHERE logcalendarday BETWEEN {first_day} AND {last_day}
  AND event_count_while_running > 0
ORDER BY events DESC, tool_key
LIMIT 50

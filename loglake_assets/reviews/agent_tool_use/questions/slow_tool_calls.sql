-- Which calls of tools took the longest?
-- Why: People wait for it.
-- Asked by: operations
SELECT
  asked,
  tool_name AS tool,
  useridentity_arn AS agent,
  ran_milliseconds,
  tool_key
FROM agent_tool_use
WHERE logcalendarday BETWEEN {first_day} AND {last_day}
  AND ran_milliseconds IS NOT NULL
ORDER BY ran_milliseconds DESC, tool_key
LIMIT 50

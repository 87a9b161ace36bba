-- Which tools fail, and for whom?
-- Why: An agent that fails tries again, with other means.
-- Asked by: operations
SELECT
  tool_name AS tool,
  useridentity_arn AS agent,
  coalesce(result_status, 'no result') AS outcome,
  count(*) AS calls
FROM agent_tool_use
WHERE logcalendarday BETWEEN {first_day} AND {last_day}
  AND coalesce(result_status, 'no result') <> 'success'
GROUP BY 1, 2, 3
ORDER BY calls DESC, tool, agent, outcome
LIMIT 100

-- Which agent used which tools, and how did they end?
-- Why: The map of what agents do.
-- Asked by: security
SELECT
  useridentity_arn AS agent,
  tool_name AS tool,
  count(*) AS calls,
  count_if(result_status = 'success') AS succeeded,
  count_if(result_status = 'error') AS failed,
  count_if(result_status IS NULL) AS without_result,
  sum(result_bytes) AS result_bytes,
  count(trail_eventid) AS with_api_event
FROM agent_tool_use
WHERE logcalendarday BETWEEN {first_day} AND {last_day}
GROUP BY 1, 2
ORDER BY calls DESC, agent, tool
LIMIT 12

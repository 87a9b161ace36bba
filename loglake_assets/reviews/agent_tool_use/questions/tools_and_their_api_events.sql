-- Which calls of tools are also in the trail?
-- Why: Two logs that agree are proof; one alone is a hint.
-- Asked by: security
SELECT
  tool_name AS tool,
  count(*) AS calls,
  count(trail_eventid) AS with_event,
  count(*) - count(trail_eventid) AS without_event
FROM agent_tool_use
WHERE logcalendarday BETWEEN {first_day} AND {last_day}
GROUP BY 1
ORDER BY calls DESC, tool
LIMIT 100

-- Which agents act with which person's identity?
-- Why: Somebody answers for an agent.
-- Asked by: compliance
SELECT
  useridentity_arn AS agent,
  coalesce(trail_sourceidentity, 'none') AS person,
  count(*) AS calls,
  count(DISTINCT tool_name) AS tools,
  max(asked) AS last_time
FROM agent_tool_use
WHERE logcalendarday BETWEEN {first_day} AND {last_day}
GROUP BY 1, 2
ORDER BY calls DESC, agent, person
LIMIT 100

-- Which tools were models offered, and how often did they ask for one?
-- Why: A tool that is offered is a right that is given.
-- Asked by: security
SELECT
  input_toolnames AS tools,
  count(*) AS invocations,
  sum(tool_call_count) AS calls_asked,
  count(DISTINCT useridentity_arn) AS callers
FROM from_bedrock_readready
WHERE logcalendarday BETWEEN {first_day} AND {last_day}
  AND input_toolnames IS NOT NULL
GROUP BY 1
ORDER BY invocations DESC, tools
LIMIT 100

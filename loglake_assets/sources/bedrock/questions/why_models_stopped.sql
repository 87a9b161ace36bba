-- Why did models stop?
-- Why: max_tokens cuts an answer, guardrail_intervened withholds one.
-- Asked by: operations
SELECT
  coalesce(stopreason, 'not said') AS stop_reason,
  f_modelname AS model,
  count(*) AS invocations
FROM from_bedrock_readready
WHERE logcalendarday BETWEEN {first_day} AND {last_day}
GROUP BY 1, 2
ORDER BY invocations DESC, stop_reason, model
LIMIT 100

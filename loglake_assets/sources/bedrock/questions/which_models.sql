-- Which models were asked by whom, and which tools did they ask for?
-- Why: The map of who uses which model for what.
-- Asked by: security
SELECT
  useridentity_arn AS who,
  f_modelname AS model,
  count(*) AS invocations,
  sum(tool_call_count) AS tool_calls,
  sum(input_inputtokencount) AS input_tokens,
  sum(output_outputtokencount) AS output_tokens,
  count(errorcode) AS errors
FROM from_bedrock_readready
WHERE logcalendarday BETWEEN {first_day} AND {last_day}
GROUP BY 1, 2
ORDER BY tool_calls DESC, invocations DESC, who, model
LIMIT 12

-- Who invoked which models, with how many tokens?
-- Why: Use, and with it money, by caller.
-- Asked by: operations
SELECT
  useridentity_arn AS who,
  f_modelname AS model,
  count(*) AS invocations,
  sum(input_inputtokencount) AS tokens_in,
  sum(output_outputtokencount) AS tokens_out,
  count(errorcode) AS errors
FROM from_bedrock_readready
WHERE logcalendarday BETWEEN {first_day} AND {last_day}
GROUP BY 1, 2
ORDER BY tokens_out DESC, who, model
LIMIT 100

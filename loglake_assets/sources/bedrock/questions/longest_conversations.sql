-- Which conversations were the longest?
-- Why: An agent that goes round in circles costs money.
-- Asked by: operations
SELECT
  f_conversation AS conversation,
  min(useridentity_arn) AS who,
  count(*) AS invocations,
  sum(input_inputtokencount) AS tokens_in,
  min(request_time) AS first_time,
  max(request_time) AS last_time
FROM from_bedrock_readready
WHERE logcalendarday BETWEEN {first_day} AND {last_day}
  AND f_conversation IS NOT NULL
GROUP BY 1
ORDER BY invocations DESC, conversation
LIMIT 100

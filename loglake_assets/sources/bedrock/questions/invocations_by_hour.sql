-- How many invocations came in each hour?
-- Why: A loop is a peak.
-- Asked by: operations
SELECT
  date_trunc('hour', request_time) AS in_hour,
  count(*) AS invocations,
  sum(output_outputtokencount) AS tokens_out,
  count(errorcode) AS errors
FROM from_bedrock_readready
WHERE logcalendarday BETWEEN {first_day} AND {last_day}
GROUP BY 1
ORDER BY in_hour
LIMIT 1000

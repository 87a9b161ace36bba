-- Which invocations failed, and with what?
-- Why: Throttling and refused access look alike to a user.
-- Asked by: operations
SELECT
  errorcode,
  f_modelname AS model,
  count(*) AS invocations,
  count(DISTINCT useridentity_arn) AS callers,
  max(request_time) AS last_time
FROM from_bedrock_readready
WHERE logcalendarday BETWEEN {first_day} AND {last_day}
  AND errorcode IS NOT NULL
GROUP BY 1, 2
ORDER BY invocations DESC, errorcode, model
LIMIT 100

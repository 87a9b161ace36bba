-- Which invocations were answered in another Region than they were asked in?
-- Why: Data went there.
-- Asked by: compliance
SELECT
  logregion AS asked_in,
  coalesce(inferenceregion, logregion) AS answered_in,
  count(*) AS invocations,
  count_if(inferenceregion <> logregion) AS elsewhere
FROM from_bedrock_readready
WHERE logcalendarday BETWEEN {first_day} AND {last_day}
GROUP BY 1, 2
ORDER BY elsewhere DESC, asked_in, answered_in
LIMIT 50

-- Invocations that ask for tools, tell of them or bring their results, and those whose bodies lie elsewhere.
SELECT
  f_eventkey,
  requestid,
  request_time,
  operation,
  modelid,
  f_modelname,
  logaccountid,
  logregion,
  useridentity_arn,
  f_conversation,
  tool_calls,
  tool_history,
  tool_results,
  input_bodys3path,
  output_bodys3path,
  raw_bucket,
  raw_key,
  raw_versionid,
  raw_etag,
  raw_ordinal,
  raw_objectsha256,
  f_run
FROM from_bedrock_readready
WHERE logcalendarday BETWEEN {first_day} AND {last_day}
  AND (
    tool_calls IS NOT NULL
    OR tool_history IS NOT NULL
    OR tool_results IS NOT NULL
    OR input_bodys3path IS NOT NULL
    OR output_bodys3path IS NOT NULL
  )

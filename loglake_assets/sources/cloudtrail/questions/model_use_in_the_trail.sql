-- Who invoked models, as the trail has it?
-- Why: The trail knows it even where invocations are not logged.
-- Asked by: security
SELECT
  coalesce(useridentity_sourceidentity, useridentity_arn, useridentity_principalid, useridentity_type) AS who,
  eventname,
  json_extract_scalar(requestparameters, '$.modelId') AS model,
  count(*) AS calls,
  count(errorcode) AS errors
FROM from_cloudtrail_readready
WHERE logcalendarday BETWEEN {first_day} AND {last_day}
  AND eventsource = 'bedrock.amazonaws.com'
GROUP BY 1, 2, 3
ORDER BY calls DESC, who, eventname, model
LIMIT 100

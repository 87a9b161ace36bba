-- Who changed the code of functions?
-- Why: Code that runs with a role is a way to that role.
-- Asked by: security
-- ATT&CK: T1648
SELECT
  coalesce(useridentity_sourceidentity, useridentity_arn, useridentity_principalid, useridentity_type) AS who,
  json_extract_scalar(requestparameters, '$.functionName') AS function_name,
  count(*) AS changes,
  count(errorcode) AS denied,
  max(eventtime) AS last_time
FROM from_cloudtrail_readready
WHERE logcalendarday BETWEEN {first_day} AND {last_day}
  AND eventsource = 'lambda.amazonaws.com'
  AND eventname LIKE 'UpdateFunctionCode%'
GROUP BY 1, 2
ORDER BY changes DESC, who, function_name
LIMIT 100

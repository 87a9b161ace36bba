-- Who took a role with a role, one after the other?
-- Why: A chain of roles leads further than the first of them was meant to.
-- Asked by: security
-- ATT&CK: T1550.001
SELECT
  useridentity_issuerarn AS with_role,
  json_extract_scalar(requestparameters, '$.roleArn') AS took_role,
  count(DISTINCT coalesce(useridentity_sourceidentity, useridentity_arn, useridentity_principalid, useridentity_type)) AS callers,
  count(*) AS times,
  max(eventtime) AS last_time
FROM from_cloudtrail_readready
WHERE logcalendarday BETWEEN {first_day} AND {last_day}
  AND eventname = 'AssumeRole'
  AND useridentity_type = 'AssumedRole'
GROUP BY 1, 2
ORDER BY times DESC, with_role, took_role
LIMIT 100

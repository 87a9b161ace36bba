-- Who took which role, and how often?
-- Why: Roles are how people and programs get rights: this is the map of it.
-- Asked by: security
-- ATT&CK: T1550.001
SELECT
  coalesce(useridentity_sourceidentity, useridentity_arn, useridentity_principalid, useridentity_type) AS who,
  json_extract_scalar(requestparameters, '$.roleArn') AS role,
  eventname AS how,
  count(*) AS times,
  count(errorcode) AS denied
FROM from_cloudtrail_readready
WHERE logcalendarday BETWEEN {first_day} AND {last_day}
  AND eventsource = 'sts.amazonaws.com'
  AND eventname LIKE 'AssumeRole%'
GROUP BY 1, 2, 3
ORDER BY times DESC, who, role, how
LIMIT 100

-- Who started machines, and how many calls did it take?
-- Why: Machines cost money, and miners like them.
-- Asked by: operations
-- ATT&CK: T1578.002
SELECT
  coalesce(useridentity_sourceidentity, useridentity_arn, useridentity_principalid, useridentity_type) AS who,
  awsregion,
  eventname,
  count(*) AS calls,
  count(errorcode) AS denied,
  max(eventtime) AS last_time
FROM from_cloudtrail_readready
WHERE logcalendarday BETWEEN {first_day} AND {last_day}
  AND eventsource = 'ec2.amazonaws.com'
  AND eventname IN ('RunInstances', 'StartInstances')
GROUP BY 1, 2, 3
ORDER BY calls DESC, who, awsregion, eventname
LIMIT 100

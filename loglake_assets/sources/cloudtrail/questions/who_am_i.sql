-- Who asked AWS who they are?
-- Why: The first call of somebody with a key that they found.
-- Asked by: security
-- ATT&CK: T1033
SELECT
  coalesce(useridentity_sourceidentity, useridentity_arn, useridentity_principalid, useridentity_type) AS who,
  sourceipaddress AS from_where,
  useragent AS program,
  count(*) AS calls,
  min(eventtime) AS first_time
FROM from_cloudtrail_readready
WHERE logcalendarday BETWEEN {first_day} AND {last_day}
  AND eventname = 'GetCallerIdentity'
GROUP BY 1, 2, 3
ORDER BY calls DESC, who, from_where, program
LIMIT 100

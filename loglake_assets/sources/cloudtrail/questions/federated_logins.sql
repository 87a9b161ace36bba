-- Who came by SAML or web identity, and into which role?
-- Why: Federated access is the door that an identity provider holds the key of.
-- Asked by: compliance
-- ATT&CK: T1078.004
SELECT
  coalesce(useridentity_sourceidentity, useridentity_arn, useridentity_principalid, useridentity_type) AS who,
  eventname AS how,
  json_extract_scalar(requestparameters, '$.roleArn') AS role,
  count(*) AS times,
  max(eventtime) AS last_time
FROM from_cloudtrail_readready
WHERE logcalendarday BETWEEN {first_day} AND {last_day}
  AND eventname IN ('AssumeRoleWithSAML', 'AssumeRoleWithWebIdentity', 'Federate', 'Authenticate')
GROUP BY 1, 2, 3
ORDER BY times DESC, who, how, role
LIMIT 100

-- Which machines get their credentials by the old metadata service?
-- Why: Version 1.0 can be asked by whoever makes a server fetch an address.
-- Asked by: security
-- ATT&CK: T1552.005
SELECT
  useridentity_ec2roledelivery AS version,
  useridentity_issuerarn AS role,
  count(*) AS events,
  count(DISTINCT useridentity_arn) AS machines
FROM from_cloudtrail_readready
WHERE logcalendarday BETWEEN {first_day} AND {last_day}
  AND useridentity_ec2roledelivery IS NOT NULL
GROUP BY 1, 2
ORDER BY version, events DESC, role
LIMIT 100

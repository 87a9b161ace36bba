-- Who opened a network to every address?
-- Why: A port that is open to everybody is found within minutes.
-- Asked by: security
-- ATT&CK: T1562.007
SELECT
  eventtime,
  coalesce(useridentity_sourceidentity, useridentity_arn, useridentity_principalid, useridentity_type) AS who,
  eventname,
  coalesce(json_extract_scalar(requestparameters, '$.groupId'), json_extract_scalar(requestparameters, '$.networkAclId')) AS of_what,
  sourceipaddress,
  logaccountid,
  errorcode,
  eventid
FROM from_cloudtrail_readready
WHERE logcalendarday BETWEEN {first_day} AND {last_day}
  AND (
    eventname IN ('AuthorizeSecurityGroupIngress', 'ModifySecurityGroupRules')
    OR (eventname IN ('CreateNetworkAclEntry', 'ReplaceNetworkAclEntry') AND requestparameters LIKE '%"ruleAction":"allow"%' AND requestparameters LIKE '%"egress":false%')
  )
  AND (requestparameters LIKE '%0.0.0.0/0%' OR requestparameters LIKE '%::/0%')
ORDER BY eventtime, eventid
LIMIT 500

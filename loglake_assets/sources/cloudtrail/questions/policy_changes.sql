-- Who changed rights: policies of roles, users and buckets?
-- Why: Whoever changes rights can give themselves all others.
-- Asked by: security
-- ATT&CK: T1098.003
SELECT
  eventtime,
  coalesce(useridentity_sourceidentity, useridentity_arn, useridentity_principalid, useridentity_type) AS who,
  eventname,
  coalesce(json_extract_scalar(requestparameters, '$.roleName'), json_extract_scalar(requestparameters, '$.bucketName')) AS of_what,
  errorcode,
  eventid
FROM from_cloudtrail_readready
WHERE logcalendarday BETWEEN {first_day} AND {last_day}
  AND eventname IN ('AttachRolePolicy', 'AttachUserPolicy', 'PutRolePolicy', 'PutUserPolicy', 'CreatePolicyVersion', 'UpdateAssumeRolePolicy', 'PutBucketPolicy', 'DeleteBucketPolicy')
ORDER BY eventtime, eventid
LIMIT 500

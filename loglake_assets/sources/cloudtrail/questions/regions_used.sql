-- Which Regions are used, by how many callers?
-- Why: A Region that nobody should use is a hiding place.
-- Asked by: security
-- ATT&CK: T1535
SELECT
  awsregion,
  count(*) AS events,
  count(DISTINCT coalesce(useridentity_sourceidentity, useridentity_arn, useridentity_principalid, useridentity_type)) AS callers,
  count_if(readonly = false) AS changes
FROM from_cloudtrail_readready
WHERE logcalendarday BETWEEN {first_day} AND {last_day}
GROUP BY 1
ORDER BY events, awsregion
LIMIT 50

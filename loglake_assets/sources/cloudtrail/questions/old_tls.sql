-- Which calls came over TLS older than 1.2?
-- Why: AWS ends it, and auditors ask.
-- Asked by: compliance
SELECT
  coalesce(json_extract_scalar(tlsdetails, '$.tlsVersion'), 'not said') AS tls,
  count(DISTINCT coalesce(useridentity_sourceidentity, useridentity_arn, useridentity_principalid, useridentity_type)) AS callers,
  count(*) AS events,
  max(eventtime) AS last_time
FROM from_cloudtrail_readready
WHERE logcalendarday BETWEEN {first_day} AND {last_day}
GROUP BY 1
ORDER BY tls
LIMIT 20

-- Which programs call AWS, by how they name themselves?
-- Why: A program that nobody knows is worth a question.
-- Asked by: security
-- ATT&CK: T1059.009
SELECT
  useragent AS program,
  count(*) AS events,
  count(DISTINCT coalesce(useridentity_sourceidentity, useridentity_arn, useridentity_principalid, useridentity_type)) AS callers,
  min(eventtime) AS first_time
FROM from_cloudtrail_readready
WHERE logcalendarday BETWEEN {first_day} AND {last_day}
  AND useragent IS NOT NULL
GROUP BY 1
ORDER BY events, program
LIMIT 200

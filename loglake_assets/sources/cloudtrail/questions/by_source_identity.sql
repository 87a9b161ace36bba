-- What did each person do behind the roles that they took?
-- Why: The source identity names the person, whatever role the call was made with.
-- Asked by: compliance
SELECT
  useridentity_sourceidentity AS person,
  useridentity_issuerarn AS role,
  count(*) AS events,
  count_if(readonly = false) AS changes,
  count(errorcode) AS errors,
  max(eventtime) AS last_time
FROM from_cloudtrail_readready
WHERE logcalendarday BETWEEN {first_day} AND {last_day}
  AND useridentity_sourceidentity IS NOT NULL
GROUP BY 1, 2
ORDER BY changes DESC, person, role
LIMIT 100

-- Who acted for the first time in the last day of the range?
-- Why: A caller that was never there before is new staff, a new program, or somebody who should not be.
-- Asked by: security
-- ATT&CK: T1078
SELECT who, min(first_time) AS first_time, sum(events) AS events
FROM (
  SELECT coalesce(useridentity_sourceidentity, useridentity_arn, useridentity_principalid, useridentity_type) AS who, logcalendarday, min(eventtime) AS first_time, count(*) AS events
  FROM from_cloudtrail_readready
  WHERE logcalendarday BETWEEN {first_day} AND {last_day}
  GROUP BY 1, 2
)
GROUP BY who
HAVING min(logcalendarday) = {last_day}
ORDER BY events DESC, who
LIMIT 100

-- From which addresses did people come for the first time in the last day of the range?
-- Why: A stolen key is used from somewhere else.
-- Asked by: security
-- ATT&CK: T1078.004
SELECT from_where, min(first_time) AS first_time, sum(events) AS events, sum(callers) AS callers
FROM (
  SELECT sourceipaddress AS from_where, logcalendarday, min(eventtime) AS first_time, count(*) AS events,
    count(DISTINCT coalesce(useridentity_sourceidentity, useridentity_arn, useridentity_principalid, useridentity_type)) AS callers
  FROM from_cloudtrail_readready
  WHERE logcalendarday BETWEEN {first_day} AND {last_day}
    AND sourceipaddress NOT LIKE '%.amazonaws.com'
  GROUP BY 1, 2
)
GROUP BY from_where
HAVING min(logcalendarday) = {last_day}
ORDER BY events DESC, from_where
LIMIT 100

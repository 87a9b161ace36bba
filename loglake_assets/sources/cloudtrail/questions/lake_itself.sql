-- Who asked Athena and Glue, where the lake's own tables live?
-- Why: Who reads the logs is in the logs.
-- Asked by: compliance
-- ATT&CK: T1213
SELECT
  coalesce(useridentity_sourceidentity, useridentity_arn, useridentity_principalid, useridentity_type) AS who,
  eventsource,
  eventname,
  count(*) AS calls,
  max(eventtime) AS last_time
FROM from_cloudtrail_readready
WHERE logcalendarday BETWEEN {first_day} AND {last_day}
  AND eventsource IN ('athena.amazonaws.com', 'glue.amazonaws.com')
GROUP BY 1, 2, 3
ORDER BY calls DESC, who, eventsource, eventname
LIMIT 100

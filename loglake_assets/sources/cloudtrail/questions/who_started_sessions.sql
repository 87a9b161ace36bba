-- Who started sessions, from where?
-- Why: One line a person: the source identity behind the role where there is one. Athena emits StartSession too.
-- Asked by: compliance
-- ATT&CK: T1021.007
SELECT
  coalesce(useridentity_sourceidentity, useridentity_arn) AS who,
  sourceipaddress AS from_where,
  count(*) AS started,
  count(f_sessionid) AS with_session_id,
  count(errorcode) AS denied,
  min(eventtime) AS first_time
FROM from_cloudtrail_readready
WHERE logcalendarday BETWEEN {first_day} AND {last_day}
  AND eventsource = 'ssm.amazonaws.com'
  AND eventname = 'StartSession'
GROUP BY 1, 2
ORDER BY started DESC, who, from_where
LIMIT 12

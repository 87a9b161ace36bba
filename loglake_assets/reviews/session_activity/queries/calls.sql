-- What the principal of each session called from 15 minutes before it to 15 minutes after it: 500 calls, and how many
-- there were. Those about the session come first, then those that change something, then by time: many harmless calls
-- cannot push the others out. The arn of a role's session is anybody's who chose that session name, so the source identity
-- decides too. A session that nobody is seen to end counts as an hour, or as long as it was typed in.
WITH starts AS (
  SELECT
    f_sessionid,
    json_extract_scalar(responseelements, '$.sessionId') AS sessionid,
    eventid AS start_eventid,
    eventtime AS started,
    useridentity_arn,
    useridentity_sourceidentity
  FROM from_cloudtrail_readready
  WHERE logcalendarday BETWEEN {first_session_day} AND {last_session_day}
    AND eventsource = 'ssm.amazonaws.com'
    AND eventname = 'StartSession'
    AND f_sessionid IS NOT NULL
    AND useridentity_arn IS NOT NULL
  UNION ALL
  SELECT
    regexp_extract(json_extract_scalar(responseelements, '$.session.sessionId'), '[^-]+$') AS f_sessionid,
    json_extract_scalar(responseelements, '$.session.sessionId') AS sessionid,
    eventid AS start_eventid,
    eventtime AS started,
    useridentity_arn,
    useridentity_sourceidentity
  FROM from_cloudtrail_readready
  WHERE logcalendarday BETWEEN {first_session_day} AND {last_session_day}
    AND eventsource = 'ecs.amazonaws.com'
    AND eventname = 'ExecuteCommand'
    AND json_extract_scalar(responseelements, '$.session.sessionId') IS NOT NULL
    AND useridentity_arn IS NOT NULL
),
ends AS (
  SELECT f_sessionid, max(eventtime) AS ended
  FROM (
    SELECT f_sessionid, eventtime
    FROM from_cloudtrail_readready
    WHERE logcalendarday BETWEEN {first_session_day} AND {last_day}
      AND eventsource = 'ssm.amazonaws.com'
      AND eventname = 'TerminateSession'
    UNION ALL
    SELECT f_sessionid, eventtime
    FROM from_cloudwatch_readready
    WHERE logcalendarday BETWEEN {first_session_day} AND {last_day}
    UNION ALL
    SELECT n.f_sessionid, w.eventtime
    FROM from_cloudwatch_readready w
    JOIN starts n ON n.sessionid = w.logstream
    WHERE w.logcalendarday BETWEEN {first_session_day} AND {last_day}
      AND w.f_sessionid IS NULL
  ) seen
  WHERE f_sessionid IS NOT NULL
  GROUP BY f_sessionid
),
numbered AS (
  SELECT
    s.f_sessionid AS of_session,
    c.eventid,
    c.eventtime,
    c.eventsource,
    c.eventname,
    c.errorcode,
    c.awsregion,
    c.sourceipaddress,
    CASE WHEN c.eventid = s.start_eventid THEN s.f_sessionid ELSE c.f_sessionid END AS about_session,
    c.raw_bucket,
    c.raw_key,
    c.raw_versionid,
    c.raw_etag,
    c.raw_ordinal,
    c.raw_objectsha256,
    c.f_run,
    row_number() OVER (PARTITION BY s.f_sessionid ORDER BY
      CASE
        WHEN c.f_sessionid = s.f_sessionid OR c.eventid = s.start_eventid THEN 0
        WHEN coalesce(c.readonly, false) THEN 2
        ELSE 1
      END,
      c.eventtime,
      c.eventid
    ) AS call_number,
    count(*) OVER (PARTITION BY s.f_sessionid) AS call_count
  FROM starts s
  LEFT JOIN ends e ON e.f_sessionid = s.f_sessionid
  JOIN from_cloudtrail_readready c
    ON c.useridentity_arn = s.useridentity_arn
    AND c.useridentity_sourceidentity IS NOT DISTINCT FROM s.useridentity_sourceidentity
    AND c.eventtime >= s.started - INTERVAL '15' MINUTE
    AND c.eventtime <= greatest(s.started + INTERVAL '1' HOUR, coalesce(e.ended, s.started)) + INTERVAL '15' MINUTE
  WHERE c.logcalendarday BETWEEN {first_day} AND {last_day}
)
SELECT
  of_session,
  eventid,
  eventtime,
  eventsource,
  eventname,
  errorcode,
  awsregion,
  sourceipaddress,
  about_session,
  raw_bucket,
  raw_key,
  raw_versionid,
  raw_etag,
  raw_ordinal,
  raw_objectsha256,
  f_run,
  call_count
FROM numbered
WHERE call_number <= 500

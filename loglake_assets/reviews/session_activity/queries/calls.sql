-- What the principal of each session called from 15 minutes before it to 15 minutes after it: the first 500 calls, and
-- how many there were. A session that nobody is seen to end counts as an hour, or as long as it was typed in.
WITH starts AS (
  SELECT f_sessionid, min(started) AS started, coalesce(max(trail_arn), max(typed_arn)) AS useridentity_arn
  FROM (
    SELECT f_sessionid, eventtime AS started, useridentity_arn AS trail_arn, CAST(NULL AS varchar) AS typed_arn
    FROM from_cloudtrail_readready
    WHERE logcalendarday BETWEEN {first_session_day} AND {last_session_day}
      AND eventsource = 'ssm.amazonaws.com'
      AND eventname = 'StartSession'
    UNION ALL
    SELECT f_sessionid, eventtime AS started, CAST(NULL AS varchar) AS trail_arn, session_useridentity_arn AS typed_arn
    FROM from_cloudwatch_readready
    WHERE logcalendarday BETWEEN {first_session_day} AND {last_session_day}
  ) seen
  WHERE f_sessionid IS NOT NULL
  GROUP BY f_sessionid
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
    c.f_sessionid AS about_session,
    c.raw_bucket,
    c.raw_key,
    c.raw_versionid,
    c.raw_etag,
    c.raw_ordinal,
    c.raw_sha256,
    c.f_run,
    row_number() OVER (PARTITION BY s.f_sessionid ORDER BY c.eventtime, c.eventid) AS call_number,
    count(*) OVER (PARTITION BY s.f_sessionid) AS call_count
  FROM starts s
  LEFT JOIN ends e ON e.f_sessionid = s.f_sessionid
  JOIN from_cloudtrail_readready c
    ON c.useridentity_arn = s.useridentity_arn
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
  raw_sha256,
  f_run,
  call_count
FROM numbered
WHERE call_number <= 500

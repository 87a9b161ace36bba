-- What was typed and seen in every session, event by event: what the table itself knows to be a session's, and each log
-- stream that has the whole id of a session that was started, whatever its log group is called.
WITH named AS (
  SELECT
    json_extract_scalar(responseelements, '$.sessionId') AS sessionid,
    f_sessionid
  FROM from_cloudtrail_readready
  WHERE logcalendarday BETWEEN {first_day} AND {last_day}
    AND eventsource = 'ssm.amazonaws.com'
    AND eventname = 'StartSession'
    AND f_sessionid IS NOT NULL
  UNION
  SELECT
    json_extract_scalar(responseelements, '$.session.sessionId') AS sessionid,
    regexp_extract(json_extract_scalar(responseelements, '$.session.sessionId'), '[^-]+$') AS f_sessionid
  FROM from_cloudtrail_readready
  WHERE logcalendarday BETWEEN {first_day} AND {last_day}
    AND eventsource = 'ecs.amazonaws.com'
    AND eventname = 'ExecuteCommand'
    AND json_extract_scalar(responseelements, '$.session.sessionId') IS NOT NULL
)
SELECT
  f_sessionid,
  sessionid,
  eventid,
  eventtime,
  logaccountid,
  loggroup,
  extractedfields,
  session,
  session_linecount,
  session_isplain,
  session_target,
  session_runasuser,
  session_useridentity_arn,
  session_awsregion,
  f_flags,
  raw_bucket,
  raw_key,
  raw_versionid,
  raw_etag,
  raw_ordinal,
  raw_objectsha256,
  f_run
FROM from_cloudwatch_readready
WHERE logcalendarday BETWEEN {first_day} AND {last_day}
  AND f_sessionid IS NOT NULL
UNION ALL
SELECT
  n.f_sessionid,
  n.sessionid,
  w.eventid,
  w.eventtime,
  w.logaccountid,
  w.loggroup,
  w.extractedfields,
  w.message AS session,
  CASE WHEN w.message IS NULL THEN 0 ELSE 1 END AS session_linecount,
  true AS session_isplain,
  w.session_target,
  w.session_runasuser,
  w.session_useridentity_arn,
  w.session_awsregion,
  w.f_flags,
  w.raw_bucket,
  w.raw_key,
  w.raw_versionid,
  w.raw_etag,
  w.raw_ordinal,
  w.raw_objectsha256,
  w.f_run
FROM from_cloudwatch_readready w
JOIN named n ON n.sessionid = w.logstream
WHERE w.logcalendarday BETWEEN {first_day} AND {last_day}
  AND w.f_sessionid IS NULL
  AND coalesce(strpos(w.f_flags, 'session_not_of_stream'), 0) = 0

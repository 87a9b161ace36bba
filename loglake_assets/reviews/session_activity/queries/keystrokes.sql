-- What was typed and seen in every session, event by event.
SELECT
  f_sessionid,
  sessionid,
  eventid,
  eventtime,
  logaccountid,
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

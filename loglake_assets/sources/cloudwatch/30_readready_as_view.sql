-- The table's contract: these columns, these types, one row a log event. What a session's plain text is, is decided
-- here too: an event of a session whose message is not the agent's JSON.
SELECT
  eventkey AS f_eventkey,
  eventid,
  eventtime,
  logaccountid,
  loggroup,
  logstream,
  subscriptionfilters,
  policylevel,
  eventordinal,
  message,
  extractedfields,
  sessionid_of_event AS sessionid,
  f_sessionid,
  CASE WHEN f_sessionid IS NOT NULL THEN coalesce(session, message) END AS session,
  CASE WHEN f_sessionid IS NOT NULL THEN coalesce(session_linecount, array_size(split(message, '\n'))) END
    AS session_linecount,
  CASE WHEN f_sessionid IS NOT NULL THEN sessionid IS NULL END AS session_isplain,
  CASE WHEN f_sessionid IS NOT NULL THEN session_target END AS session_target,
  CASE WHEN f_sessionid IS NOT NULL THEN session_runasuser END AS session_runasuser,
  CASE WHEN f_sessionid IS NOT NULL THEN session_useridentity_arn END AS session_useridentity_arn,
  CASE WHEN f_sessionid IS NOT NULL THEN session_awsregion END AS session_awsregion,
  CASE WHEN f_sessionid IS NOT NULL THEN session_eventtime END AS session_eventtime,
  otherfields,
  nullif(
    concat_ws(
      ',',
      flags,
      CASE WHEN sessionid IS NULL AND startswith(message, '{') AND contains(message, '"sessionData"')
        THEN 'session_unreadable' END,
      CASE WHEN sessionid <> logstream THEN 'session_not_of_stream' END
    ),
    ''
  ) AS f_flags,
  raw_bucket,
  raw_key,
  raw_etag,
  raw_versionid,
  raw_objectsha256,
  raw_ordinal,
  f_run,
  logcalendarday
FROM identified_as_view i
LEFT ANTI JOIN duplicates_as_view d
  ON i.object_number = d.object_number AND i.raw_ordinal = d.raw_ordinal

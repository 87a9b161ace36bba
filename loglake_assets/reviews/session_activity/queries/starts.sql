-- Every StartSession of Session Manager, and every ExecuteCommand of ECS Exec, which starts a session in a container.
-- Also those that were denied.
SELECT
  f_eventkey,
  eventid,
  eventname,
  eventtime,
  useridentity_type,
  useridentity_arn,
  useridentity_sourceidentity,
  useridentity_onbehalfof_userid,
  useridentity_onbehalfof_identitystorearn,
  coalesce(recipientaccountid, logaccountid) AS logaccountid,
  awsregion,
  sourceipaddress,
  useragent,
  errorcode,
  errormessage,
  coalesce(
    f_sessionid,
    regexp_extract(json_extract_scalar(responseelements, '$.session.sessionId'), '[^-]+$')
  ) AS f_sessionid,
  requestparameters,
  responseelements,
  raw_bucket,
  raw_key,
  raw_versionid,
  raw_etag,
  raw_ordinal,
  raw_objectsha256,
  f_run
FROM from_cloudtrail_readready
WHERE logcalendarday BETWEEN {first_day} AND {last_day}
  AND ((eventsource = 'ssm.amazonaws.com' AND eventname = 'StartSession')
    OR (eventsource = 'ecs.amazonaws.com' AND eventname = 'ExecuteCommand'))

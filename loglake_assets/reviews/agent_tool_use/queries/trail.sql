-- The API events of invocations with tools, by their request id.
SELECT
  t.requestid,
  t.eventid,
  t.eventtime,
  t.eventname,
  t.useridentity_arn,
  t.useridentity_sourceidentity,
  t.sourceipaddress,
  t.useragent
FROM from_cloudtrail_readready t
JOIN (
  SELECT DISTINCT requestid
  FROM from_bedrock_readready
  WHERE logcalendarday BETWEEN {first_day} AND {last_day}
    AND requestid IS NOT NULL
) b
  ON t.requestid = b.requestid
WHERE t.logcalendarday BETWEEN {first_day} AND {last_day}

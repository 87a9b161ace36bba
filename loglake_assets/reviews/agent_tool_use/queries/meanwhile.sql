-- What the identity of each conversation called between its first and its last invocation: the first 2,000 calls.
WITH talks AS (
  SELECT useridentity_arn, f_conversation, min(request_time) AS began, max(request_time) AS ended
  FROM from_bedrock_readready
  WHERE logcalendarday BETWEEN {first_day} AND {last_day}
    AND f_conversation IS NOT NULL
    AND useridentity_arn IS NOT NULL
  GROUP BY useridentity_arn, f_conversation
  HAVING count(tool_calls) + count(tool_history) > 0
),
numbered AS (
  SELECT
    k.f_conversation,
    c.eventid,
    c.eventtime,
    c.eventsource,
    c.eventname,
    c.errorcode,
    c.requestid,
    row_number() OVER (PARTITION BY k.useridentity_arn, k.f_conversation ORDER BY c.eventtime, c.eventid) AS call_number
  FROM talks k
  JOIN from_cloudtrail_readready c
    ON c.useridentity_arn = k.useridentity_arn
    AND c.eventtime >= k.began
    AND c.eventtime <= k.ended
  WHERE c.logcalendarday BETWEEN {first_day} AND {last_day}
)
SELECT
  f_conversation,
  eventid,
  eventtime,
  eventsource,
  eventname,
  errorcode,
  requestid
FROM numbered
WHERE call_number <= 2000

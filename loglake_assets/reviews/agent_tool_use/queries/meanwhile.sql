-- What the identity of each tool call called between the answer that asked for it and the call that brought the result:
-- the first 100 events of each call, and how many there were. The two invocations themselves are left out.
WITH numbered AS (
  SELECT
    k.tool_key,
    c.eventid,
    c.eventtime,
    c.eventsource,
    c.eventname,
    c.errorcode,
    row_number() OVER (PARTITION BY k.tool_key ORDER BY c.eventtime, c.eventid) AS event_number,
    count(*) OVER (PARTITION BY k.tool_key) AS event_count
  FROM (
    VALUES
      {calls}
  ) AS k (tool_key, useridentity_arn, asked, came_back, asked_by, brought_by)
  JOIN from_cloudtrail_readready c
    ON c.useridentity_arn = k.useridentity_arn
    AND c.eventtime >= k.asked
    AND c.eventtime <= k.came_back
    AND coalesce(c.requestid, '') <> k.asked_by
    AND coalesce(c.requestid, '') <> k.brought_by
  WHERE c.logcalendarday BETWEEN {first_day} AND {last_day}
)
SELECT
  tool_key,
  eventid,
  eventtime,
  eventsource,
  eventname,
  errorcode,
  event_count
FROM numbered
WHERE event_number <= 100

-- Which keys of KMS were rotated?
-- Why: Auditors ask for it.
-- Asked by: compliance
SELECT
  eventtime,
  recipientaccountid AS account,
  json_extract_scalar(serviceeventdetails, '$.keyId') AS key_id,
  json_extract_scalar(serviceeventdetails, '$.rotationType') AS how,
  eventid
FROM from_cloudtrail_readready
WHERE logcalendarday BETWEEN {first_day} AND {last_day}
  AND eventname = 'RotateKey'
ORDER BY eventtime, eventid
LIMIT 200

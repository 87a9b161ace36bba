-- Which long-lived access keys were used, from where?
-- Why: Long-lived keys are to be few, and to stay where they are.
-- Asked by: compliance
-- ATT&CK: T1078.004
SELECT
  useridentity_username AS iam_user,
  useridentity_accesskeyid AS access_key,
  count(*) AS events,
  count(DISTINCT sourceipaddress) AS addresses,
  max(eventtime) AS last_time
FROM from_cloudtrail_readready
WHERE logcalendarday BETWEEN {first_day} AND {last_day}
  AND useridentity_accesskeyid LIKE 'AKIA%'
GROUP BY 1, 2
ORDER BY events DESC, iam_user, access_key
LIMIT 100

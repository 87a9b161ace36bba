-- Which keys were used from more than one address within an hour?
-- Why: One key in two places is two people.
-- Asked by: security
-- ATT&CK: T1078.004
SELECT
  useridentity_accesskeyid AS access_key,
  date_trunc('hour', eventtime) AS in_hour,
  count(DISTINCT sourceipaddress) AS addresses,
  count(*) AS events
FROM from_cloudtrail_readready
WHERE logcalendarday BETWEEN {first_day} AND {last_day}
  AND useridentity_accesskeyid IS NOT NULL
GROUP BY 1, 2
HAVING count(DISTINCT sourceipaddress) > 1
ORDER BY addresses DESC, events DESC, access_key, in_hour
LIMIT 100

-- Who was denied again and again within an hour?
-- Why: Somebody who tries what they may not is lost, or looks for a way in.
-- Asked by: security
-- ATT&CK: T1580
SELECT
  coalesce(useridentity_sourceidentity, useridentity_arn, useridentity_principalid, useridentity_type) AS who,
  date_trunc('hour', eventtime) AS in_hour,
  count(*) AS denials,
  count(DISTINCT eventname) AS calls_tried,
  count(DISTINCT sourceipaddress) AS addresses
FROM from_cloudtrail_readready
WHERE logcalendarday BETWEEN {first_day} AND {last_day}
  AND errorcode IN ('AccessDenied', 'Client.UnauthorizedOperation', 'AccessDeniedException', 'UnauthorizedOperation')
GROUP BY 1, 2
HAVING count(*) >= 2
ORDER BY denials DESC, in_hour, who
LIMIT 100

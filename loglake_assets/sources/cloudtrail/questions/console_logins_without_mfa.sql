-- Which console logins were made without a second factor?
-- Why: A password alone is what phishing gets.
-- Asked by: compliance
-- ATT&CK: T1078.004
SELECT
  eventtime,
  coalesce(useridentity_sourceidentity, useridentity_arn, useridentity_principalid, useridentity_type) AS who,
  useridentity_type AS kind,
  sourceipaddress AS from_where,
  coalesce(json_extract_scalar(additionaleventdata, '$.MFAUsed'), 'not said') AS mfa,
  eventid
FROM from_cloudtrail_readready
WHERE logcalendarday BETWEEN {first_day} AND {last_day}
  AND eventname = 'ConsoleLogin'
  AND coalesce(json_extract_scalar(additionaleventdata, '$.MFAUsed'), 'No') <> 'Yes'
ORDER BY eventtime, eventid
LIMIT 200

-- What did a person do in a window of time, as TEAM asks?
-- Why: The view that AWS's Temporary Elevated Access Management asks CloudTrail Lake for, by principal, role and window.
-- Asked by: compliance
-- Takes: begins (time): the window's first moment
-- Takes: ends (time): the window's last moment
-- Takes: principal (text): the session's name, which in IAM Identity Center is the user's
-- Takes: role (text): what the role's ARN holds, such as the permission set's name
-- Takes: account (text): the account's number
SELECT eventid, eventname, eventsource, eventtime
FROM from_cloudtrail_readready
WHERE logcalendarday BETWEEN {first_day} AND {last_day}
  AND eventtime >= coalesce(CAST(nullif({begins}, '') AS timestamp), eventtime)
  AND eventtime <= coalesce(CAST(nullif({ends}, '') AS timestamp), eventtime)
  AND lower({principal}) IN ('', lower(split_part(useridentity_principalid, ':', 2)))
  AND strpos(coalesce(useridentity_issuerarn, ''), {role}) > 0
  AND {account} IN ('', recipientaccountid)
ORDER BY eventtime DESC, eventid
LIMIT 500

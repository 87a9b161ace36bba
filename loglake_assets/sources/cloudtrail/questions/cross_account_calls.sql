-- Who of another account acted in ours?
-- Why: Access across accounts is agreed on; this shows what is used.
-- Asked by: compliance
-- ATT&CK: T1199
SELECT
  useridentity_accountid AS from_account,
  recipientaccountid AS in_account,
  eventsource,
  count(*) AS events,
  count(errorcode) AS errors
FROM from_cloudtrail_readready
WHERE logcalendarday BETWEEN {first_day} AND {last_day}
  AND useridentity_accountid <> recipientaccountid
GROUP BY 1, 2, 3
ORDER BY events DESC, from_account, in_account, eventsource
LIMIT 100

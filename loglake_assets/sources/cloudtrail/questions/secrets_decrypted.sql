-- Who decrypted with which service's keys?
-- Why: Decryption is how secrets are read, whatever keeps them.
-- Asked by: security
-- ATT&CK: T1555.006
SELECT
  coalesce(useridentity_sourceidentity, useridentity_arn, useridentity_principalid, useridentity_type) AS who,
  eventname,
  count(*) AS calls,
  count(errorcode) AS denied,
  count(DISTINCT sourceipaddress) AS addresses,
  max(eventtime) AS last_time
FROM from_cloudtrail_readready
WHERE logcalendarday BETWEEN {first_day} AND {last_day}
  AND eventsource = 'kms.amazonaws.com'
  AND eventname IN ('Decrypt', 'GenerateDataKey')
GROUP BY 1, 2
ORDER BY calls DESC, who, eventname
LIMIT 100

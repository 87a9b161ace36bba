-- The log events, and the session that those of Session Manager belong to. The id that CloudTrail
-- knows a session by is what follows the last '-' of <session name>-<id>.
-- Streamed sessions say in each message which session they are of. A session that is not streamed arrives as plain text
-- when it ends, and only its log stream names it: any log group whose name says ssm or session, in the two forms that
-- session ids have. Name your group here if it is called otherwise.
SELECT
  s.*,
  nullif(substring_index(s.sessionid_of_event, '-', -1), '') AS f_sessionid
FROM (
  SELECT
    r.*,
    CASE
      WHEN r.sessionid = r.logstream AND r.logstream <> '' THEN r.sessionid
      WHEN r.sessionid IS NULL AND lower(r.loggroup) RLIKE 'ssm|session'
        AND r.logstream RLIKE '-(0[0-9a-f]{16}|[a-z0-9]{26})\\z'
        THEN r.logstream
    END AS sessionid_of_event
  FROM records_as_view r
  CROSS JOIN mybounds_as_view b
  WHERE r.logcalendarday BETWEEN b.floor_as_int AND b.ceiling_as_int
) s

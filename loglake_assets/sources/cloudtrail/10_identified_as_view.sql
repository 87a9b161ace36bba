-- The session a Session Manager call is about. Other services emit StartSession too, so the source decides as well.
-- The id that keystrokes carry is what follows the last '-' of <session name>-<id>; a denied call has none.
SELECT
  r.*,
  CASE
    WHEN r.eventsource = 'ssm.amazonaws.com' AND r.eventname = 'StartSession'
      THEN substring_index(get_json_object(r.responseelements, '$.sessionId'), '-', -1)
    WHEN r.eventsource = 'ssm.amazonaws.com' AND r.eventname IN ('ResumeSession', 'TerminateSession')
      THEN substring_index(get_json_object(r.requestparameters, '$.sessionId'), '-', -1)
  END AS f_sessionid
FROM records_as_view r
CROSS JOIN mybounds_as_view b
WHERE r.logcalendarday BETWEEN b.floor_as_int AND b.ceiling_as_int

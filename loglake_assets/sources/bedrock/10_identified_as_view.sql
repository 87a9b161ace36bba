-- The invocations. A model id may be the ARN of a model or of an inference profile; its name is what
-- follows the last '/'.
SELECT
  r.*,
  substring_index(r.modelid, '/', -1) AS f_modelname
FROM records_as_view r
CROSS JOIN mybounds_as_view b
WHERE r.logcalendarday BETWEEN b.floor_as_int AND b.ceiling_as_int

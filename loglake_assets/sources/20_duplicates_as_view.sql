-- Delivery is at least once: copies of an event share its id and lie in other objects. The one stored first is kept, so
-- that a copy put there later never takes its place, and the same input gives the same rows; the others are listed with
-- both keys, and with whether their content is the same.
SELECT
  object_number,
  raw_ordinal,
  eventkey,
  raw_bucket AS dropped_bucket,
  raw_key AS dropped_key,
  kept_bucket,
  kept_key,
  kept_ordinal,
  record_sha256 = kept_sha256 AS same_content,
  logcalendarday
FROM (
  SELECT
    *,
    row_number() OVER copies AS copy,
    first_value(raw_bucket) OVER copies AS kept_bucket,
    first_value(raw_key) OVER copies AS kept_key,
    first_value(raw_ordinal) OVER copies AS kept_ordinal,
    first_value(record_sha256) OVER copies AS kept_sha256
  FROM identified_as_view
  WINDOW copies AS (PARTITION BY logcalendarday, eventkey ORDER BY raw_lastmodified, raw_key, raw_bucket, raw_ordinal)
)
WHERE copy > 1

"""The row that a raw record must have become: its object read again, through the source's own views."""

from datetime import date
from typing import Any

import pyarrow as pa

from glue_scripts.day_views import ROW_ID, DayViews, find_copies, row_ids
from glue_scripts.object_reader import ObjectReader, decoded_schema
from glue_scripts.whole_objects import FetchedObject
from loglake_assets.sources import LogSource

_NO_RULES = "version = 0"


def expected_row(source: LogSource, found: FetchedObject, ordinal: int, day: date) -> dict[str, Any] | None:
    """The row of record `ordinal` of an object, whatever rules exclude; None where the record is no row of `day`.

    Timestamps are UTC without a zone. Raises OnlySparkError where the views can be run by Spark only.
    """
    batches = ObjectReader(source.name, "", _NO_RULES).batches([found])
    records = pa.Table.from_batches((batch.records for batch in batches), decoded_schema(source))
    views = DayViews(source, day, day, run_id="")
    rows, keys = views.rows_and_keys(records)
    copies = row_ids(find_copies(keys)).to_pylist()
    wanted = (row for row in rows.to_pylist() if row["raw_ordinal"] == ordinal and row[ROW_ID] not in copies)
    return next(({name: value for name, value in row.items() if name != ROW_ID} for row in wanted), None)

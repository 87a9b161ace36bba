"""The row that a raw record must have become: its object read again, through the source's own views."""

from datetime import date
from typing import Any

import duckdb
import pyarrow as pa

from glue_scripts.arguments import JobArguments
from glue_scripts.fetching import FetchedObject
from glue_scripts.light_views import NotLightError, create_views
from glue_scripts.reading import ObjectReader, decoded_schema
from loglake_assets.sources import LogSource
from loglake_assets.sources.views import given_views, view_statements

_NO_RULES = "version = 0"


def expected_row(source: LogSource, found: FetchedObject, ordinal: int, day: date) -> dict[str, Any] | None:
    """The row of record `ordinal` of an object, whatever rules exclude; None where the record is no row of `day`.

    Timestamps are UTC without a zone. Raises NotLightError where the views can be run by Spark only.
    """
    batches = list(ObjectReader(source.name, "", _NO_RULES).batches([found]))
    arguments = JobArguments(source.name, day, day, run_id="", database="", readready_bucket="")
    try:
        with duckdb.connect(":memory:", config={"python_enable_replacements": False}) as connection:
            connection.execute("SET TimeZone = 'UTC'")
            connection.register("decoded_as_view", pa.Table.from_batches(batches, decoded_schema(source)))
            for name, statement in given_views(arguments.first_day, arguments.last_day, arguments.run_id):
                connection.execute(f"CREATE VIEW {name} AS {statement}")
            create_views(connection, view_statements(source))
            rows: pa.Table = connection.sql(f"FROM readready_as_view WHERE raw_ordinal = {ordinal:d}").to_arrow_table()
    except duckdb.Error as error:  # its message may quote a row
        raise NotLightError(f"The views of {source.name} failed ({type(error).__name__}).") from None
    of_ordinal = rows.to_pylist()
    return of_ordinal[0] if of_ordinal else None

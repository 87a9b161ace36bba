"""The views of a source on one table of decoded records: rows as they are written, and the keys that copies share."""

from datetime import date

import pyarrow as pa
import pyarrow.compute as pc

from glue_scripts.object_reader import decoded_fields
from glue_scripts.sql_on_arrow import (
    FAILURES,
    OnlySparkError,
    arrow_table,
    column_aliases,
    connect,
    create_views,
    in_duckdb,
    refusals,
)
from glue_scripts.sql_types import NUMBER, TEXT, check_column, check_types, kind_of_type
from loglake_assets.lake.versions.stored_rows import orc_schema
from loglake_assets.sources import LogSource
from loglake_assets.sources.views import DUPLICATES_VIEW, duplicates_statement, own_statements, window_views

DAY = "logcalendarday"
ROW_ID = "row_id"
KEYS = pa.schema(
    [
        (DAY, pa.int32()),
        ("eventkey", pa.string()),
        ("object_number", pa.int32()),
        ("raw_ordinal", pa.int32()),
        ("raw_lastmodified", pa.int64()),
        ("raw_key", pa.string()),
        ("raw_bucket", pa.string()),
        ("record_sha256", pa.string()),
    ]
)
"""What the view of copies looks at."""
_KINDS_OF_WINDOW_COLUMNS = {
    **dict.fromkeys(("floor_as_date", "ceiling_as_date"), "date"),
    **dict.fromkeys(("floor_as_int", "ceiling_as_int"), NUMBER),
    "f_run": TEXT,
}
"""Of the columns that `window_views` adds."""
_PLACE = "place_in_table"
_MEMORY_MEGABYTES = 128


class CopiesError(RuntimeError):
    """Copies could not be found; the message says what to do, and quotes nothing of the log."""


def row_ids(table: pa.Table) -> pa.ChunkedArray:
    """A number for each record of a window: of its object in the upper half, of its place in the object below it."""
    objects = pc.shift_left(table["object_number"].cast(pa.int64()), 32)
    return pc.bit_wise_or(objects, table["raw_ordinal"].cast(pa.int64()))


def check_views(source: LogSource) -> None:
    """Raises OnlySparkError where the source's views are more than can be made of single records on Arrow."""
    delivered = {name: kind_of_type(hive) for name, hive in decoded_fields(source)}
    kinds = delivered | _KINDS_OF_WINDOW_COLUMNS
    for name, statement in own_statements(source):
        in_duckdb(name, statement)
        if changed := delivered.keys() & column_aliases(name, statement):
            raise OnlySparkError(f"View {name} gives {min(changed)} another meaning, which is not known on Arrow.")
        kinds |= check_types(name, statement, kinds)
    in_duckdb(DUPLICATES_VIEW, duplicates_statement(), windows=True)
    for column in source.readready.all_columns:
        statement = f"SELECT {column.sql or column.name} AS {column.name} FROM identified_as_view"
        in_duckdb("readready_as_view", statement)
        check_column("readready_as_view", statement, kinds, column)


class DayViews:
    """A source's views for a window. Each row is made of one record, so any table of records is as good as all of them.

    What passes through the views unchanged never enters the SQL: only derived columns are asked for.
    """

    def __init__(self, source: LogSource, first_day: date, last_day: date, run_id: str) -> None:
        """Raises OnlySparkError as `check_views` does."""
        check_views(source)
        table = source.readready
        self._given, self._own = window_views(first_day, last_day, run_id), own_statements(source)
        self._run_id, self._connection = run_id, connect(_MEMORY_MEGABYTES)
        self._columns = orc_schema((*table.all_columns, table.partition_key)).append(pa.field(ROW_ID, pa.int64()))
        by_views = {name for view, statement in self._own for name in column_aliases(view, statement)}
        self._derived = {c.name: c.sql or c.name for c in table.all_columns if c.sql or c.name in by_views}
        columns = ", ".join([_PLACE, *(f"{sql} AS {name}" for name, sql in self._derived.items())])
        self._statement = in_duckdb("readready_as_view", f"SELECT {columns} FROM identified_as_view")
        self._has_views = False

    def rows_and_keys(self, records: pa.Table) -> tuple[pa.Table, pa.Table]:
        """Of each record that the views keep: the table's columns, its day and ROW_ID; and its KEYS.

        Raises OnlySparkError.
        """
        places = pa.array(range(len(records)), pa.int32())
        found = self._derive(records.append_column(_PLACE, places))
        if not found[_PLACE].equals(pa.chunked_array([places])):
            records = records.take(found[_PLACE])
        run = pa.array([self._run_id], pa.string()).take(pa.array(bytes(len(records)), pa.int8()))
        kept = records.append_column(ROW_ID, row_ids(records)).append_column("f_run", run)
        with refusals():
            columns = [(found if f.name in self._derived else kept)[f.name].cast(f.type) for f in self._columns]
        return pa.table(columns, schema=self._columns), kept.select(KEYS.names).cast(KEYS)

    def _derive(self, records: pa.Table) -> pa.Table:
        """The columns that the views compute, with the place of each row in `records`."""
        with refusals():
            self._connection.register("decoded_as_view", records)
            if not self._has_views:
                for name, text in self._given:
                    self._connection.execute(f"CREATE VIEW {name} AS {text}")
                create_views(self._connection, self._own)
                self._has_views = True
        return arrow_table(self._connection, self._statement)


def find_copies(keys: pa.Table) -> pa.Table:
    """The records to drop: copies of an event beyond the first, as `duplicates_as_view` lists them.

    `keys` has the KEYS of all records of some events of some days; copies of one event must not be in two tables.
    Raises CopiesError.
    """
    connection = connect(_MEMORY_MEGABYTES)
    try:
        connection.register("keys", keys)
        connection.execute(
            "CREATE VIEW identified_as_view AS SELECT * FROM keys WHERE hash(logcalendarday, eventkey) IN "
            "(SELECT hash(logcalendarday, eventkey) FROM keys GROUP BY 1 HAVING count(*) > 1)"
        )
        create_views(connection, [(DUPLICATES_VIEW, duplicates_statement())], windows=True)
        return connection.sql(f"FROM {DUPLICATES_VIEW}").to_arrow_table()
    except FAILURES as error:
        raise CopiesError(
            f"The copies among {len(keys):,} records could not be found ({type(error).__name__}). Nothing of the "
            "window was committed. Build it again, or fewer days at once."
        ) from None

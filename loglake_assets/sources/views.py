"""The views that make rows of decoded records, in order, as Spark SQL that can be pasted into a Spark shell.

Each source's begin with its own `.sql` files over `records_as_view` and `mybounds_as_view`, go on with the view of
copies that all sources share, and end with the table's contract, which is made from the declaration's columns.
"""

import importlib.resources
from collections.abc import Iterator
from datetime import date

from loglake_assets.sources.calendar_days import day_number
from loglake_assets.sources.model import LogSource

DUPLICATES_VIEW = "duplicates_as_view"
_DUPLICATES = "20_duplicates_as_view.sql"


def window_views(first: date, last: date, run_id: str) -> tuple[tuple[str, str], ...]:
    """(view name, SELECT text): the window's bounds as a literal row, and the decoded records with their run."""
    bounds = (
        f"SELECT DATE '{first}' AS floor_as_date, DATE '{last}' AS ceiling_as_date, "
        f"{day_number(first)} AS floor_as_int, {day_number(last)} AS ceiling_as_int"
    )
    records = f"SELECT *, '{run_id}' AS f_run FROM decoded_as_view"
    return ("mybounds_as_view", bounds), ("records_as_view", records)


def view_statements(source: LogSource) -> tuple[tuple[str, str], ...]:
    """(view name, SELECT text) of each of the source's views; the last is `readready_as_view`, which is written."""
    return (
        *own_statements(source),
        (DUPLICATES_VIEW, duplicates_statement()),
        ("readready_as_view", readready_statement(source)),
    )


def _own_views(source: LogSource) -> Iterator[tuple[str, str]]:
    folder = importlib.resources.files(f"loglake_assets.sources.{source.name}")
    for name in source.views:
        yield _view_name(name), (folder / name).read_text(encoding="utf-8")


def _view_name(file_name: str) -> str:
    return file_name.removesuffix(".sql").split("_", 1)[1]


def own_statements(source: LogSource) -> tuple[tuple[str, str], ...]:
    """(view name, SELECT text) of the views that are the source's own: what comes before copies are looked for."""
    return tuple(_own_views(source))


def duplicates_statement() -> str:
    """The SELECT of `duplicates_as_view` over the `identified_as_view` of any source."""
    return (importlib.resources.files("loglake_assets.sources") / _DUPLICATES).read_text(encoding="utf-8")


def readready_statement(source: LogSource) -> str:
    """The table's contract: its columns in their order, one row an event, without the copies."""
    columns = [f"{c.sql} AS {c.name}" if c.sql else c.name for c in source.readready.all_columns]
    listed = ",\n  ".join([*columns, source.readready.partition_key.name])
    return (
        f"SELECT\n  {listed}\nFROM identified_as_view i\nLEFT ANTI JOIN duplicates_as_view d\n"
        "  ON i.object_number = d.object_number AND i.raw_ordinal = d.raw_ordinal\n"
    )

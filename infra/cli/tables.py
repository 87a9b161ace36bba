"""Tables and their columns from the command line: listed, searched, and written as a page of the documentation."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from infra.cli.terminal_output import print_table
from loglake_assets.reviews import View, load_review, review_names, views_of
from loglake_assets.sources import LogSource, load_source, source_names
from loglake_assets.sources.companions import companion_tables
from loglake_assets.sources.model import Column
from loglake_assets.sources.words import tally

PAGE_HEAD = """# Tables and columns

Made by `loglake tables --page` from the declarations of logs and reviews. `loglake tables WORDS` finds columns by
name or by what they are. Bound every query by `logcalendarday`: it is the partition, and days that are not read cost
nothing.
"""


@dataclass(frozen=True)
class TableEntry:
    """One table as its readers know it. `keys` are its partition keys; the late ledger has none."""

    name: str
    what: str
    columns: tuple[Column, ...]
    keys: tuple[Column, ...]

    @property
    def all_columns(self) -> tuple[Column, ...]:
        return (*self.keys, *self.columns)


def table_entries() -> tuple[TableEntry, ...]:
    """Every table and view: of each log what is asked, what stands beside it and what is raw; then the reviews."""
    logs = [entry for name in source_names() for entry in _entries_of_log(load_source(name))]
    return (*logs, *map(_entry_of_view, views_of(map(load_review, review_names()))))


def _entries_of_log(source: LogSource) -> Iterator[TableEntry]:
    table, raw, day = source.readready, source.raw, (source.readready.partition_key,)
    yield TableEntry(
        table.name, f"{source.title}: {source.description} One row per `{table.key}`.", table.all_columns, day
    )
    for beside in companion_tables(source):
        yield TableEntry(beside.name, beside.description, beside.columns, day if beside.is_partitioned else ())
    yield TableEntry(
        raw.name,
        f"{source.title}, objects as delivered: {source.delivers}.",
        tuple(map(_raw_column, raw.columns)),
        raw.partition_keys,
    )


def _raw_column(column: Column) -> Column:
    """A raw column with what it is: its declaration says so only where it is not the field of its name."""
    return column if column.comment else replace(column, comment="field of the record, as delivered")


def _entry_of_view(view: View) -> TableEntry:
    day = view.table.partition_key
    return TableEntry(view.name, view.description, tuple(c for c in view.columns if c.name != day.name), (day,))


def list_tables(words: Sequence[str], say: Callable[[str], None]) -> bool:
    """A line for each table; with words, one for each column that has all of them. False where none has."""
    entries = table_entries()
    if not words:
        print_table("", ("table", "columns", "what it is"), [[c.name, len(c.all_columns), c.what] for c in entries])
        say("`loglake tables WORDS` finds columns; docs/tables.md has all of them")
        return True
    found = [
        [entry.name, column.name, column.type, column.comment or None]
        for entry in entries
        for column in entry.all_columns
        if all(word.lower() in f"{entry.name} {column.name} {column.comment}".lower() for word in words)
    ]
    if found:
        print_table("", ("table", "column", "type", "what it is"), found)
    tables = len({row[0] for row in found})
    say(f"{tally(len(found), 'column')}, in {tables} of {tally(len(entries), 'table')}")
    return bool(found)


def tables_page() -> str:
    """All tables as Markdown."""
    return "\n".join([PAGE_HEAD, *map(_section, table_entries())])


def _section(entry: TableEntry) -> str:
    keys = {column.name for column in entry.keys}
    rows = [
        f"| `{column.name}` | `{column.type}` | {'partition; ' if column.name in keys else ''}{_cell(column.comment)} |"
        for column in entry.all_columns
    ]
    head = "| column | type | what it is |\n|---|---|---|\n"
    return f"## {entry.name}\n\n{entry.what}\n\n{head}" + "\n".join(rows) + "\n"


def _cell(text: str) -> str:
    """Words of a declaration, as a cell of a Markdown table shows them."""
    return text.replace("<", "&lt;").replace("|", "\\|")

"""What a review is, as a frozen declaration. Standard library only."""

from dataclasses import dataclass

from loglake_assets.sources.model import ReadreadyTable


@dataclass(frozen=True)
class DetailTable:
    """A table of what stands behind a review's rows, such as the lines of a session; `name` is the view over it.

    It is written, committed and placed with the review's own table, under the same run.
    """

    name: str
    description: str
    table: ReadreadyTable


@dataclass(frozen=True)
class Review:
    """A table joined from readready tables, one partition a UTC day.

    `table` is where a day's rows are kept, committed and placed like any readready day; `name` is the Athena view over
    it, whose SELECT stands in the file `view`.
    """

    name: str
    title: str
    description: str
    leading_source: str
    """The log whose built day makes a day of the review possible."""
    joined_sources: tuple[str, ...]
    table: ReadreadyTable
    view: str
    builder: str
    """Dotted path of the module with `build(lake, days, options, address, progress)`, see reviews/builder.py."""
    look_back_days: int
    """Days before a day whose input its rows may need."""
    look_ahead_days: int
    """Days after a day whose input its rows may need: a session goes on after midnight."""
    details: tuple[DetailTable, ...] = ()

    @property
    def sources(self) -> tuple[str, ...]:
        return (self.leading_source, *self.joined_sources)

    @property
    def tables(self) -> tuple[ReadreadyTable, ...]:
        """All tables that its days are kept in, its own last: once that is committed, the others are."""
        return (*(detail.table for detail in self.details), self.table)

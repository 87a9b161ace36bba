"""How complete days are, by what the lake keeps of them: their commits, and the coverage of the newest.

Clients are passed in. Standard library only.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING, TypeVar

from lambdas.looker.answer import BUILT, UNBUILT, DayCoverage
from lambdas.looker.prompt import TableCard
from loglake_assets.lake.checks.coverage import coverage_of_commit, odd_word, state_of_commit
from loglake_assets.lake.storage.keys import COMMITS_PREFIX, commits_prefix, parse_commit_key
from loglake_assets.lake.storage.table import Table
from loglake_assets.sources.calendar_days import day_number, runs_of_days

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

T = TypeVar("T")
_NOT_TO_BE_LISTED = frozenset({"AccessDenied", "403"})
"""S3 answers an absent key with 403 to those who may not list its prefix, which Looker need not."""


@dataclass
class KnownDays:
    """The coverage of days of tables, read once per table and day."""

    s3: "S3Client"
    bucket: str
    cards: Sequence[TableCard]
    empty: set[tuple[str, date]] = field(default_factory=set)
    """Days measured at their newest commit that have no events: there is no percentage of nothing."""
    _known: dict[tuple[str, date], DayCoverage] = field(init=False, default_factory=dict)

    def coverage(self, table: str, days: Sequence[date]) -> Iterator[DayCoverage]:
        """Each of the days of a table or view, which come oldest first."""
        card = next(card for card in self.cards if card.name == table)
        for run in runs_of_days([day for day in days if (table, day) not in self._known]):
            commits = self._newest_commits(card.kept_in, run[0], run[-1])
            self._known |= {(table, day): self._day_coverage(card, day, commits.get(day_number(day))) for day in run}
        yield from (self._known[table, day] for day in days)

    def _newest_commits(self, table: str, first: date, last: date) -> dict[int, int]:
        """Sequence number of the newest commit of each built day in the range; keys come in order."""
        newest: dict[int, int] = {}
        pages = self.s3.get_paginator("list_objects_v2").paginate(
            Bucket=self.bucket,
            Prefix=f"{COMMITS_PREFIX}{table}/",
            StartAfter=commits_prefix(table, day_number(first)),
        )
        for parts in (parse_commit_key(entry["Key"]) for page in pages for entry in page.get("Contents", ())):
            if parts and parts.day > day_number(last):
                break
            if parts:
                newest[parts.day] = parts.seq
        return newest

    def _day_coverage(self, card: TableCard, day: date, commit_seq: int | None) -> DayCoverage:
        if commit_seq is None:
            return DayCoverage(card.name, day, UNBUILT, None)
        if not card.is_measured:
            return DayCoverage(card.name, day, BUILT, None)
        measured = self._read_commit(coverage_of_commit, card.kept_in, day_number(day), commit_seq)
        if measured and measured.pct is None:
            self.empty.add((card.name, day))
        state = self._read_commit(state_of_commit, card.kept_in, day_number(day), commit_seq)
        state = state or odd_word(measured.findings if measured else ())
        return DayCoverage(card.name, day, state or BUILT, measured.pct if measured else None)

    def _read_commit(self, read: Callable[[Table, int, int], T], table: str, day: int, commit_seq: int) -> T | None:
        """What the lake keeps of a commit; None where nothing is kept."""
        from botocore.exceptions import ClientError

        try:
            return read(Table(table, self.s3, self.bucket), day, commit_seq)
        except ClientError as error:
            if error.response["Error"]["Code"] in _NOT_TO_BE_LISTED:
                return None
            raise

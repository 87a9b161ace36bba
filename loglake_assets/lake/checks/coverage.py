"""A day's completeness: what a recount found, as numbers with the names behind them. Counting is recount.py's.

Standard library only; clients are passed in.
"""

import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

from loglake_assets.lake.storage.keys import check_key, coverage_key
from loglake_assets.lake.storage.table import Table
from loglake_assets.s3.json_records import json_record, known_fields
from loglake_assets.s3.objects import object_if_any
from loglake_assets.sources.words import floor_pct

NAMES_SHOWN = 20
WITHHELD = frozenset({"archived", "key_unavailable"})
"""Reasons for which S3 does not give an object that is there."""


class Measure(StrEnum):
    """What was measured of a day's newest commit and is not as it must be."""

    UNCHECKED = "unchecked"
    """It was not measured, or what was measured is of an earlier commit."""
    ALTERED = "files_altered"
    MISSING = "missing"
    SURPLUS = "surplus"
    REPEATED = "repeated"
    DIFFERING = "differing"
    SET_ASIDE = "set_aside"
    WITHHELD = "withheld"
    UNREADABLE = "unreadable"
    UNPLACEABLE = "unplaceable"


@dataclass(frozen=True)
class Coverage:
    """One day's completeness. `pct` is None where there is nothing to be complete about, which is not 100 %.

    An unreadable object, or a record that can be no row, counts as one missing event: what it holds cannot be counted,
    so the true number may be greater. Objects that are not as the day's build read them are set aside by name: the
    events that the build took from them (`set_aside_events`) cannot be compared, and what was not compared is not
    called complete. Neither are rows of files that are not as they were committed (`altered_rows`).
    """

    source: str
    day: int
    expected: int
    found: int
    missing: int
    surplus: int
    repeated: int
    excluded: int
    denied: Mapping[str, int]
    unreadable: Mapping[str, str]
    unplaceable_records: int
    missing_by_object: Mapping[str, int]
    missing_events: tuple[str, ...]
    surplus_events: tuple[str, ...]
    commit_seq: int
    object_count: int
    bytes_read: int
    checked_at: str
    set_aside: Mapping[str, str] = field(default_factory=dict)
    differing: Mapping[str, str] = field(default_factory=dict)
    """Events of which a dropped copy has other content than the kept one, with the object of that copy."""

    set_aside_events: int = 0
    unplaceable_by_object: Mapping[str, int] = field(default_factory=dict)
    objects_read: int = 0
    """Objects of the day's own prefixes that its build read; `object_count` are those that are listed now."""
    altered: Mapping[str, str] = field(default_factory=dict)
    """ORC files, or the day's directory, that are not as the commit says, with what differs."""
    altered_rows: int = 0

    @property
    def denominator(self) -> int:
        return self.expected + len(self.unreadable) + self.unplaceable_records + self.set_aside_events

    @property
    def pct(self) -> float | None:
        """Percentage of the day's events that readready is shown to hold, rounded down so that 100 means all."""
        if self.denominator == 0 and self.altered:
            return 0.0
        shown = max(self.expected - self.missing - max(self.altered_rows, bool(self.altered)), 0)
        return floor_pct(shown, self.denominator)

    @property
    def findings(self) -> tuple[Measure, ...]:
        """Everything that is not as it must be, in the order in which it is mended."""
        return tuple(self._findings())

    def _findings(self) -> Iterator[Measure]:
        why_unreadable = set(self.unreadable.values())
        of_files = {
            Measure.ALTERED: self.altered,
            Measure.MISSING: self.missing,
            Measure.SURPLUS: self.surplus,
            Measure.REPEATED: self.repeated,
            Measure.DIFFERING: self.differing,
            Measure.SET_ASIDE: self.set_aside,
            Measure.WITHHELD: why_unreadable & WITHHELD,
            Measure.UNREADABLE: why_unreadable - WITHHELD,
            Measure.UNPLACEABLE: self.unplaceable_records,
        }
        yield from (measure for measure, found in of_files.items() if found)

    def document(self) -> dict[str, Any]:
        """As JSON, with every name."""
        return {**asdict(self), "coverage_pct": self.pct}


def coverage_of_commit(table: Table, day: int, seq: int) -> Coverage | None:
    """What was measured last of a day (yyyymmdd), if it is of this commit.

    None where nothing was, where it is of another commit, which says nothing of this one, and where it cannot be read.
    """
    body = object_if_any(table.s3, table.bucket, coverage_key(table.name, day))
    if body is None:
        return None
    try:
        found = Coverage(**known_fields(Coverage, json_record(body)))
        return found if found.commit_seq == seq else None
    except (ValueError, TypeError):
        return None


COMPARISON = "reconciliation"
"""What the report of a day is kept under that the hourly checks make."""
BESIDE = (Measure.SURPLUS, Measure.REPEATED, Measure.DIFFERING)
"""What a recount finds of rows that are in the table and should not be so; a percentage of events says none of it."""
ODD = ("damaged", "unregistered", "unplaced", "stale", "raw_gone", *map(str, BESIDE))
"""The words of a built day that is not as its percentage alone would say, the gravest first."""


def odd_word(words: Collection[str]) -> str:
    """The gravest of ODD among the words for a day; empty where none is."""
    return next((word for word in ODD if word in words), "")


def state_of_commit(table: Table, day: int, seq: int) -> str:
    """The word of ODD that was last found of a day (yyyymmdd) with this commit; empty where none is kept.

    It is as old as the last comparison, which is hourly for new days.
    """
    body = object_if_any(table.s3, table.bucket, check_key(table.name, day, COMPARISON))
    try:
        found = json_record(body) if body is not None else {}
    except ValueError:
        return ""
    return odd_word(str(found.get("state")).split(", ")) if found.get("commit_seq") == seq else ""


def put_coverage(table: Table, coverage: Coverage) -> str:
    """Keep the day's result with every name in it; returns its key. The newest result replaces the one before."""
    key = coverage_key(table.name, coverage.day)
    table.s3.put_object(Bucket=table.bucket, Key=key, Body=json.dumps(coverage.document(), sort_keys=True).encode())
    return key

"""The six invariants of a lake, judged from storage alone: raw objects, catalog, commits, manifests, ORC files.

I1 every event of a closed day is in readready exactly once, or rightly in quarantine, or left out by a rule
I2 a reader never sees a mixed, partial or empty day where there was data
I3 the partition of a day is its newest commit, and commits are a sequence without gaps
I4 no raw object was changed or removed
I5 every raw delivery prefix that holds objects has its partition
I6 the counts add up, and each is what storage gives when it is counted again

Nothing here asks the program how it went: its coverage, its states, its decoders and its recounts are not used. Bodies
are read in raw_events and raw_side, the rest of storage in stored_lake and stored_day; days
are judged in judged_day and day_account.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from loglake_assets.sources import LogSource
from loglake_assets.sources.calendar_days import day_from_number, day_number
from loglake_assets.sources.placement import Placement
from loglake_assets.sources.rules import Rules, load_rules
from tests.judged_day import JudgedDay
from tests.raw_side import Progress, placements, raw_side
from tests.stored_day import StoredDay, same_location
from tests.stored_lake import CatalogPartition, StoredLake, etags_below
from tests.verdict import Verdict, Violation, violation_of


def _unheard(text: str) -> None:
    """Progress that nobody reads."""


def violations(
    s3: Any, glue: Any, database: str, source: LogSource, raw_bucket: str, readready_bucket: str, **options: Any
) -> list[Violation]:
    """What is broken, empty when nothing is; the options are those of `verdict_of`."""
    return verdict_of(StoredLake(s3, glue, database, source, raw_bucket, readready_bucket), **options).violations


def verdict_of(
    lake: StoredLake,
    rules: Rules | None = None,
    baseline: Mapping[str, str] | None = None,
    closed_days: Collection[date] | None = None,
    look_ahead: int = 1,
    strict: bool = False,
    progress: Progress = _unheard,
) -> Verdict:
    """Judge one source of a lake. Reads every placed raw object once, and the files of each judged day.

    `baseline` is `stored_lake.listed` of the raw bucket before the fault; without it I4 is not judged. `closed_days`
    are the days that must be complete, those without a commit among them, and narrow I5 to their deliveries; without
    them every day with a commit or a partition is judged. `strict` makes violations of what is otherwise pending.
    """
    rules = rules or load_rules(lake.source.name)
    etags = etags_below(lake.s3, lake.raw_bucket)
    prefixes = _Prefixes(
        lake.source,
        rules,
        placements(lake.source, lake.raw_bucket, etags),
        lake.partitions(lake.source.raw.name),
    )
    raw = raw_side(lake.s3, lake.source, lake.raw_bucket, prefixes.to_be_read(), rules, progress)
    commits, shown = lake.commits(), {int(v[0]): p for v, p in lake.partitions(lake.table).items()}
    days = {day_number(day) for day in closed_days} if closed_days is not None else {*commits, *shown}
    verdict = Verdict(object_count=len(raw.objects))
    verdict.violations += _raw_changed(baseline or {}, etags)
    verdict.violations += prefixes.judge(_with_look_ahead(days, look_ahead) if closed_days is not None else None)
    for day in sorted(days):
        found = commits.get(day, {})
        stored = StoredDay(lake, raw, rules, look_ahead, day, found, shown.get(day), frozenset(commits))
        JudgedDay(stored).judge(verdict)
        progress(f"invariants: {day} judged, {len(verdict.violations)} violations so far")
    if strict:
        verdict.violations, verdict.pending = [*verdict.violations, *verdict.pending], []
    return verdict


def _raw_changed(baseline: Mapping[str, str], now: Mapping[str, str]) -> Iterator[Violation]:
    """I4."""
    yield from violation_of("I4", None, "raw objects were removed", baseline.keys() - now.keys())
    changed = {key for key, etag in baseline.items() if now.get(key, etag) != etag}
    yield from violation_of("I4", None, "raw objects were changed", changed)


@dataclass(frozen=True)
class _Prefixes:
    """The raw bucket's keys that have a placement, beside the partitions that the catalog has."""

    source: LogSource
    rules: Rules
    placed: Mapping[str, Placement]
    partitions: Mapping[tuple[str, ...], CatalogPartition]

    def to_be_read(self) -> dict[str, Placement]:
        """All but the denied. A rule that came later takes no partition away, and its objects are read on."""
        return {
            key: placement
            for key, placement in self.placed.items()
            if placement.values in self.partitions or not self._is_denied(key, placement)
        }

    def judge(self, delivery_days: Collection[int] | None) -> Iterator[Violation]:
        """I5, of all delivery days or of some."""
        absent, elsewhere = set(), set()
        for key, placement in self.placed.items():
            if delivery_days is not None and day_number(placement.day) not in delivery_days:
                continue
            partition = self.partitions.get(placement.values)
            if partition is None and not self._is_denied(key, placement):
                absent.add(placement.location)
            elif partition is not None and not same_location(partition.location, placement.location):
                elsewhere.add(placement.location)
        yield from violation_of("I5", None, "delivery prefixes hold objects and have no partition", absent)
        yield from violation_of("I5", None, "delivery prefixes have a partition with another Location", elsewhere)

    def _is_denied(self, key: str, placement: Placement) -> bool:
        names = tuple(column.name for column in self.source.raw.partition_keys)
        return self.rules.deny_rule(key, names, placement) is not None


def _with_look_ahead(days: Iterable[int], look_ahead: int) -> set[int]:
    """Days and the delivery days that a build of them reads."""
    return {day_number(day_from_number(day) + timedelta(days=n)) for day in days for n in range(look_ahead + 1)}

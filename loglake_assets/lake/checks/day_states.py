"""The state of every day of a source: what landed, what the catalog knows, what is committed, what is missing."""

import json
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import groupby
from typing import Any

from loglake_assets.lake.checks.reconciliation import Reconciler
from loglake_assets.lake.checks.verdicts import RIGHT, DayReconciliation, Verdict
from loglake_assets.lake.storage.keys import coverage_key
from loglake_assets.lake.storage.partitions import ALL_DAYS, partitions
from loglake_assets.lake.storage.raw_objects import EXAMPLES, UNKNOWN_KEY, RawObject, raw_object, raw_objects_by_day
from loglake_assets.lake.versions.commits import Commit, sequences
from loglake_assets.lake.versions.served_day import IN_ORDER, Placing
from loglake_assets.s3.pages import entries
from loglake_assets.sources import LogSource
from loglake_assets.sources.placement import Ignored, day_from_number, place
from loglake_assets.sources.rules import Rules

_OF_RECORDS = frozenset({Placing.COMMIT_MISSING, Placing.COMMIT_BROKEN, Placing.COMMIT_EDITED})
_BESIDE = ("surplus", "repeated", "differing")
"""What a recount finds of rows that are in the table and should not be so; a percentage of events says none of it."""
_NAMED = 3  # event keys or objects of a reason
_RUNS_NAMED = 10  # of neighbouring days
_DAMAGE = (Verdict.SHORT, Verdict.ALTERED, Verdict.UNREADABLE_RECORD)


@dataclass(frozen=True)
class DayState:
    """One day. `coverage_pct` None is n/a or unchecked, as `state` says; `reasons` say why it is not as it must be."""

    day: date
    raw_objects: int
    raw_bytes: int
    prefixes: int
    unregistered: int
    commit: Commit | None
    placed: bool
    coverage_pct: float | None
    state: str
    reasons: tuple[str, ...] = ()

    @property
    def words(self) -> tuple[str, ...]:
        """The words of `state`: a measured day may be incomplete and have surplus rows."""
        return tuple(self.state.split(", "))


@dataclass(frozen=True)
class SourceState:
    """All days of a source, and the objects of its bucket that are no events, by reason.

    `unknown` names some of those that no pattern of the source places.
    """

    days: tuple[DayState, ...]
    ignored: dict[str, int]
    unknown: tuple[str, ...] = ()
    delivered: frozenset[date] = frozenset()
    """Days under whose prefixes any object lies, denied ones included."""


@dataclass(frozen=True)
class Survey:
    """Looks at one source of one lake. Clients are passed in; lists the whole raw bucket."""

    s3: Any
    glue: Any
    source: LogSource
    database: str
    raw_bucket: str
    readready_bucket: str
    rules: Rules

    def state(self, today: date) -> SourceState:
        """The state of every day that has objects or a commit."""
        registered = {tuple(p["Values"]) for p in partitions(self.glue, self.database, self.source.raw.name, ALL_DAYS)}
        landed, ignored, unknown, delivered = self._landed(registered)
        numbers = sequences(self.s3, self.readready_bucket, self.source.readready.name)
        days = sorted({*landed, *(day_from_number(day) for day in numbers)})
        found = {one.day: one for one in self._reconciler.days_of(landed, days, today)}
        states = [self._day(found[day], landed.get(day, []), registered, today) for day in days if day in found]
        return SourceState(tuple(states), ignored, unknown, delivered)

    @property
    def _reconciler(self) -> Reconciler:
        names = self.database, self.raw_bucket, self.readready_bucket
        return Reconciler(self.s3, self.glue, self.source, self.rules, *names)

    def landed_days(self) -> list[date]:
        """Every delivery day that holds objects."""
        return sorted(self._landed(())[0])

    def _landed(
        self, registered: Collection[tuple[str, ...]]
    ) -> tuple[dict[date, list[RawObject]], dict[str, int], tuple[str, ...], frozenset[date]]:
        """Objects by delivery day, counts of the rest (no events, or kept without a partition by a deny rule), some of
        the keys that no pattern places, and the days of all objects that are placed."""
        landed: dict[date, list[RawObject]] = defaultdict(list)
        ignored: dict[str, int] = defaultdict(int)
        unknown: list[str] = []
        delivered: set[date] = set()
        keys = tuple(c.name for c in self.source.raw.partition_keys)
        for entry in entries(self.s3, self.raw_bucket):
            placement = place(self.source, self.raw_bucket, entry["Key"])
            if isinstance(placement, Ignored):
                ignored[placement.reason] += 1
                if placement.reason == UNKNOWN_KEY and len(unknown) < EXAMPLES:
                    unknown.append(entry["Key"])
                continue
            delivered.add(placement.day)
            rule = None
            if self.rules.deny and placement.values not in registered:
                rule = self.rules.denied_by(entry["Key"], keys, placement)
            if rule:
                ignored[f"denied:{rule}"] += 1
            else:
                landed[placement.day].append(raw_object(self.raw_bucket, entry, placement))
        return landed, dict(ignored), tuple(unknown), frozenset(delivered)

    def _day(
        self, found: DayReconciliation, objects: list[RawObject], registered: Collection[tuple[str, ...]], today: date
    ) -> DayState:
        prefixes = {o.placement.values for o in objects}
        coverage = self._coverage(found.commit)
        reasons = [judged.text for judged in found.judged if judged.verdict not in RIGHT]
        return DayState(
            day=found.day,
            raw_objects=len(objects),
            raw_bytes=sum(o.size for o in objects),
            prefixes=len(prefixes),
            unregistered=sum(values not in registered for values in prefixes),
            commit=found.commit,
            placed=found.placing is Placing.PLACED,
            coverage_pct=coverage["coverage_pct"] if coverage else None,
            state=_state(found, coverage, today),
            reasons=(*_beside_reasons(coverage or {}), *reasons[:EXAMPLES]),
        )

    def _coverage(self, commit: Commit | None) -> dict[str, Any] | None:
        """The newest recount, if it is one of this commit and can be read."""
        if commit is None:
            return None
        try:
            body = self.s3.get_object(Bucket=self.readready_bucket, Key=coverage_key(commit.table, commit.day))["Body"]
            coverage: dict[str, Any] = json.loads(body.read())
            return coverage if coverage["commit_seq"] == commit.seq else None
        except (self.s3.exceptions.NoSuchKey, ValueError, KeyError, TypeError):
            return None


def _state(found: DayReconciliation, coverage: dict[str, Any] | None, today: date) -> str:
    """One word for a day, the gravest that holds; of a day that was measured, each word that the recount gives."""
    if found.named(Verdict.UNREGISTERED):
        return "unregistered"
    if found.placing is Placing.NOT_COMMITTED:
        return "open" if found.day >= today else "unbuilt"
    if found.placing not in IN_ORDER:
        return "damaged" if found.placing in _OF_RECORDS else "unplaced"
    if found.is_rolled_back:
        return "rolled_back"
    if found.named(*_DAMAGE):
        return "damaged"
    if found.is_stale:
        return "stale"
    if found.named(Verdict.GONE):
        return "raw_gone"
    if coverage is None:
        return "unchecked"
    pct = coverage["coverage_pct"]
    wrong = ["incomplete"] if pct is not None and pct < 100 else []
    wrong += [word for word in _BESIDE if coverage.get(word)]
    return ", ".join(wrong) or ("empty" if pct is None else "complete")


def _beside_reasons(coverage: Mapping[str, Any]) -> Iterator[str]:
    """A sentence for each of `_BESIDE`: counts, keys of events and objects, never content."""
    if count := coverage.get("surplus"):
        named = ", ".join(coverage.get("surplus_events", ())[:_NAMED])
        yield f"surplus: {count:,} rows of the table are in no raw log, such as {named}"
    if count := coverage.get("repeated"):
        yield f"repeated: {count:,} rows of the table are there once already"
    if copies := coverage.get("differing"):
        named = "; ".join(f"{event} in {where}" for event, where in sorted(copies.items())[:_NAMED])
        yield f"differing: {len(copies):,} events have a copy with other content, which is no row: {named}"


# --- days without raw logs --------------------------------------------------------------------------------------------


def days_without_raw_logs(s3: Any, source: LogSource, bucket: str, days: Collection[date]) -> list[date]:
    """Those of the days of which no object lies in the source's raw bucket. Lists the days' folders only."""
    return [day for day, objects in raw_objects_by_day(s3, source, bucket, days) if not objects]


def no_raw_logs(days: Collection[date], source: LogSource, bucket: str) -> str:
    """The words for days without raw logs, and what to do if there should be some."""
    runs = list(runs_of_days(days))
    named = ", ".join(f"{run[0]}" if len(run) == 1 else f"{run[0]} to {run[-1]}" for run in runs[:_RUNS_NAMED])
    more = f" and {len(runs) - _RUNS_NAMED:,} more ranges" if len(runs) > _RUNS_NAMED else ""
    return (
        f"{named}{more}: no raw logs are there for {'this day' if len(days) == 1 else 'these days'}. If logs were "
        f"expected, see whether {source.title} is delivered to s3://{bucket}; `loglake load` puts files there."
    )


def runs_of_days(days: Collection[date]) -> Iterator[list[date]]:
    """Neighbouring days together, in order."""
    for _, run in groupby(enumerate(sorted(days)), key=lambda at: at[1] - timedelta(days=at[0])):
        yield [day for _, day in run]

"""The state of every day of a source: what landed, what the catalog knows, what is committed, what is missing."""

import json
from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass
from datetime import date
from typing import Any

from loglake_assets.lake.commits import ROLLBACK, Commit, heads
from loglake_assets.lake.layout import coverage_key
from loglake_assets.lake.listed import entries
from loglake_assets.lake.listing import RawObject, raw_object
from loglake_assets.lake.reconciling import ALL_DAYS, partitions, placed_commits
from loglake_assets.lake.staleness import difference
from loglake_assets.sources import LogSource
from loglake_assets.sources.placement import Ignored, day_from_number, day_number, place
from loglake_assets.sources.rules import Rules


@dataclass(frozen=True)
class DayState:
    """One day. `coverage_pct` None is n/a or unchecked, as `state` says."""

    day: date
    raw_objects: int
    raw_bytes: int
    prefixes: int
    unregistered: int
    commit: Commit | None
    placed: bool
    coverage_pct: float | None
    state: str


@dataclass(frozen=True)
class SourceState:
    """All days of a source, and the objects of its bucket that are no events, by reason."""

    days: tuple[DayState, ...]
    ignored: dict[str, int]


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
        landed, ignored = self._landed(registered)
        placed = placed_commits(self.glue, self.database, self.source.readready.name)
        committed = heads(self.s3, self.readready_bucket, self.source.readready.name)
        days = sorted({*landed, *(day_from_number(day) for day in committed)})
        states = []
        for day in days:
            commit = committed.get(day_number(day))
            states.append(
                self._day(day, landed.get(day, []), registered, commit, placed.get(day_number(day), 0), today)
            )
        return SourceState(tuple(states), ignored)

    def landed_days(self) -> list[date]:
        """Every delivery day that holds objects."""
        return sorted(self._landed(())[0])

    def _landed(self, registered: Collection[tuple[str, ...]]) -> tuple[dict[date, list[RawObject]], dict[str, int]]:
        """Objects by delivery day, and counts of the rest: no events, or kept without a partition by a deny rule."""
        landed: dict[date, list[RawObject]] = defaultdict(list)
        ignored: dict[str, int] = defaultdict(int)
        keys = tuple(c.name for c in self.source.raw.partition_keys)
        for entry in entries(self.s3, self.raw_bucket):
            placement = place(self.source, self.raw_bucket, entry["Key"])
            if isinstance(placement, Ignored):
                ignored[placement.reason] += 1
                continue
            rule = None
            if self.rules.deny and placement.values not in registered:
                rule = self.rules.denied_by(entry["Key"], keys, placement)
            if rule:
                ignored[f"denied:{rule}"] += 1
            else:
                landed[placement.day].append(raw_object(self.raw_bucket, entry, placement))
        return landed, dict(ignored)

    def _day(
        self,
        day: date,
        objects: list[RawObject],
        registered: Collection[tuple[str, ...]],
        commit: Commit | None,
        placed_seq: int,
        today: date,
    ) -> DayState:
        prefixes = {o.placement.values for o in objects}
        unregistered = sum(values not in registered for values in prefixes)
        coverage = self._coverage(commit)
        placed = commit is not None and placed_seq >= commit.seq
        state = self._verdict(day, objects, unregistered, commit, placed, coverage, today)
        pct = coverage["coverage_pct"] if coverage else None
        size = sum(o.size for o in objects)
        return DayState(day, len(objects), size, len(prefixes), unregistered, commit, placed, pct, state)

    def _verdict(
        self,
        day: date,
        objects: list[RawObject],
        unregistered: int,
        commit: Commit | None,
        placed: bool,
        coverage: dict[str, Any] | None,
        today: date,
    ) -> str:
        if unregistered:
            return "unregistered"
        if commit is None:
            return "open" if day >= today else "unbuilt"
        if not placed:
            return "unplaced"
        if commit.reason == ROLLBACK:
            return "rolled_back"
        if differs := difference(self.s3, self.readready_bucket, commit, objects):
            return differs
        if coverage is None:
            return "unchecked"
        if coverage["coverage_pct"] is None:
            return "empty"
        return "complete" if coverage["coverage_pct"] == 100 else "incomplete"

    def _coverage(self, commit: Commit | None) -> dict[str, Any] | None:
        """The newest recount, if it is one of this commit."""
        if commit is None:
            return None
        try:
            body = self.s3.get_object(Bucket=self.readready_bucket, Key=coverage_key(commit.table, commit.day))["Body"]
        except self.s3.exceptions.NoSuchKey:
            return None
        coverage: dict[str, Any] = json.loads(body.read())
        return coverage if coverage["commit_seq"] == commit.seq else None

"""What building some days would take, before anybody builds them: objects, bytes, Glue runs, DPU-hours and money.

The rate is the lake's own: what its newest builds took for an object, by the ledger. A lake that has built nothing
yet has none, and then nothing is said of hours and money.
"""

import math
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date

from loglake_assets.lake.checks.day_report import DayReport
from loglake_assets.lake.checks.ledger import read_ledger_day
from loglake_assets.lake.checks.reconciliation import Reconciler
from loglake_assets.lake.storage.table import Table
from loglake_assets.lake.versions.commits import sequences
from loglake_assets.lake.versions.served_day import Placing
from loglake_assets.sources.calendar_days import runs_of_days

RATED_DAYS = 30
LEAST_DPU_SECONDS = 120.0
"""Of a Glue run: two workers of one DPU, billed for a minute at least."""


@dataclass(frozen=True)
class PlannedDay:
    """One day: what lies in its raw bucket, and what a build would bring: `new`, `change`, `same` or `nothing`."""

    day: date
    objects: int
    bytes: int
    brings: str
    state: str


@dataclass(frozen=True)
class BuildPlan:
    """The days that were asked for, those without anything to build among them.

    `dpu_seconds` is None where no build of this log is known to go by.
    """

    days: tuple[PlannedDay, ...]
    days_per_run: int
    dpu_seconds_an_object: float | None

    @property
    def to_build(self) -> tuple[PlannedDay, ...]:
        return tuple(day for day in self.days if day.brings != "nothing")

    @property
    def objects(self) -> int:
        return sum(day.objects for day in self.to_build)

    @property
    def bytes(self) -> int:
        return sum(day.bytes for day in self.to_build)

    @property
    def glue_runs(self) -> int:
        """Windows of at most `days_per_run` days, none of which spans a gap."""
        runs = runs_of_days([one.day for one in self.to_build])
        return sum(math.ceil(len(days) / self.days_per_run) for days in runs)

    @property
    def dpu_seconds(self) -> float | None:
        if self.dpu_seconds_an_object is None:
            return None
        return max(self.objects * self.dpu_seconds_an_object, self.glue_runs * LEAST_DPU_SECONDS)


def build_plan(reconciler: Reconciler, days: Sequence[date], first_open: date, days_per_run: int) -> BuildPlan:
    """The plan of building `days`; days from `first_open` on are still open. Lists their objects and opens none."""
    reports = {report.day: report for report in reconciler.days(days, first_open)}
    planned = tuple(_planned_day(day, reports.get(day)) for day in sorted(set(days)))
    return BuildPlan(planned, days_per_run, _rate(reconciler.table))


def _planned_day(day: date, report: DayReport | None) -> PlannedDay:
    if report is None or not report.landed_count:
        return PlannedDay(day, 0, 0, "nothing", "nothing delivered" if report is None else report.state)
    brings = "new" if report.placing is Placing.NOT_COMMITTED else "change" if report.is_stale else "same"
    return PlannedDay(day, report.landed_count, report.landed_bytes, brings, report.state)


def _rate(table: Table) -> float | None:
    """DPU-seconds an object, of the newest days that this lake built."""
    newest = sorted(sequences(table))[-RATED_DAYS:]
    with ThreadPoolExecutor(8) as pool:
        known = [one for one in pool.map(lambda day: read_ledger_day(table, day), newest) if one]
    objects = sum(one.totals.get("object_count", 0) for one in known)
    return sum(one.dpu_seconds for one in known) / objects if objects else None

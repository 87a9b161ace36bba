"""The parts of the benchmark, one after the other. Each returns what results.json holds of it; nothing here formats."""

import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TypeVar

from bench import addapart
from bench.figures import Figure, figure, per_million, slope
from bench.layouts import measure_layouts
from bench.named_figures import (
    Part,
    growth_figures,
    layout_figures,
    orchestration_figures,
    peak_a_core,
    query_figures,
    ratios,
    sizes,
    steady_ratio,
)
from bench.native import NoNativeFloorError, native_floor
from bench.orchestration import silence, time_orchestration
from bench.queries import measure_queries
from bench.recount import measure_recount
from bench.rounds import (
    DRIVER_MEMORY,
    JOB,
    LOCAL,
    NAIVE,
    OTHERS,
    SCHEMA,
    Contender,
    Runs,
    compare,
    environment,
    floors,
)
from bench.sizes import Size
from bench.volumes import Volume, VolumePlan, volume

Say = Callable[[str], None]
T = TypeVar("T")
TINY = 5  # events an object, as quiet accounts deliver
GROWTH_HEAP = "512m"
"""A JVM takes the heap it is given; what our job needs shows where it is given little."""


class Bench:
    """One run of the suite: where volumes lie, how large they are, and who hears of progress."""

    def __init__(self, size: Size, root: Path, say: Say) -> None:
        self.size, self._root, self._say = size, root, say
        self._volumes = root / "volumes"
        self._scratch = root / f"scratch-{os.getpid()}"  # two runs side by side must not empty each other's
        self._points: dict[VolumePlan, dict[str, float]] = {}

    def parts(self) -> dict[str, Callable[[], Part]]:
        """Name: what measures it, in their order."""
        return {
            "build_all": self.build_all,
            "quiet_day": self.quiet_day,
            "needle": self.needle,
            "tiny": self.tiny,
            **({"large": self.large} if self.size.large_events else {}),
            "recount": self.recount,
            "growth": self.growth,
            "queries": self.queries,
            "layouts": self.layouts,
            "addapart": self.addapart,
            "orchestration": self.orchestration,
        }

    def build_all(self) -> Part:
        """Every event kept, by all contenders, and by the Spark ones at a smaller size too, for the slope."""
        large, small = self._volume(self.size.build_events), self._volume(self.size.base_events)
        runs = self._compare("build_all", (JOB, LOCAL, NAIVE, SCHEMA, *OTHERS, *self._floors()), large, False)
        base = self._compare("build_all, smaller", (JOB, LOCAL, NAIVE, SCHEMA), small, False)
        figures = ratios("build_all", runs, "cpu")
        figures |= ratios("local", runs, "cpu", LOCAL.name) | ratios("local_smaller", base, "cpu", LOCAL.name)
        figures |= sizes(runs)
        figures |= _steady("build_all", base, runs, (JOB, NAIVE, SCHEMA))
        figures |= steady_ratio("build_all", figures, runs, "floor")
        return _part(figures, {"build_all": runs, "build_all_smaller": base})

    def quiet_day(self) -> Part:
        """A day of few events, where what a JVM costs is most of it."""
        runs = self._compare("quiet day", (LOCAL, NAIVE), self._volume(self.size.quiet_events), False)
        return _part(ratios("local_quiet", runs, "cpu", LOCAL.name), {"quiet_day": runs})

    def needle(self) -> Part:
        """Three event names of five accounts kept."""
        contenders = (JOB, LOCAL, NAIVE, SCHEMA, *OTHERS, *self._floors())
        large, small = self._volume(self.size.build_events), self._volume(self.size.base_events)
        rounds = self.size.needle_rounds
        runs = self._compare("needle", contenders, large, True, rounds)
        base = self._compare("needle, smaller", (JOB,), small, True, rounds)
        figures = ratios("needle", runs, "cpu") | ratios("needle_local", runs, "cpu", LOCAL.name)
        figures |= _steady("needle", base, runs, (JOB,))
        figures |= steady_ratio("needle", figures, runs, "gunzip")
        return _part(figures, {"needle": runs})

    def tiny(self) -> Part:
        """Five events an object: what an object costs."""
        given = self._volume(self.size.tiny_events, TINY)
        contenders = (JOB, LOCAL, NAIVE, SCHEMA, *OTHERS, *self._floors())
        runs = self._compare("tiny", contenders, given, False, self.size.tiny_rounds)
        figures = ratios("tiny", runs, "cpu") | ratios("tiny", runs, "wall")
        figures |= ratios("tiny_local", runs, "wall", LOCAL.name)
        if (size := sizes(runs).get("size.ratio_delivered")) is not None:
            figures["size.tiny_ratio_delivered"] = size
        return _part(figures, {"tiny": runs})

    def large(self) -> Part:
        """Both again with so many events that starting hardly counts, ours with the JVM options of the others."""
        given = self._volume(self.size.large_events)
        contenders = (replace(JOB, java=""), LOCAL, NAIVE)
        runs = self._compare("large", contenders, given, False, 1)
        needle = self._compare("large, needle", contenders, given, True, 1)
        figures = ratios("large", runs, "cpu") | ratios("large_needle", needle, "cpu")
        figures |= ratios("large_local", runs, "cpu", LOCAL.name)
        figures |= peak_a_core("large", runs, JOB.name) | peak_a_core("large_local", runs, LOCAL.name)
        return _part(figures, {"large": runs, "large_needle": needle})

    def recount(self) -> Part:
        """What the coverage check reads again, in one process."""
        given = self._volume(self.size.large_events or self.size.build_events)
        self._say(f"recount: {given.event_count:,} events, built and counted again")
        cost = _fresh(self._scratch / "recount", lambda home: measure_recount(given, home))
        figures = {
            "recount.cpu_per_million": per_million([cost.cpu_seconds], given.event_count, "CPU s"),
            "recount.peak_mb": figure([cost.peak_bytes / 1e6], f"MB for {given.event_count:,} events"),
        }
        return _part(figures, {})

    def growth(self) -> Part:
        """Our job alone, against one measure at a time."""
        size, each = self.size, self.size.growth_objects_each
        axes = {
            "events": [VolumePlan(n) for n in size.growth_events],
            "objects": [VolumePlan(each, events_per_object=n) for n in size.growth_per_object],
            "days": [VolumePlan(each, days=n) for n in size.growth_days],
            "accounts": [VolumePlan(each, accounts=n) for n in size.growth_accounts],
        }
        points = {axis: [self._point(axis, plan) for plan in plans] for axis, plans in axes.items()}
        return {"figures": {n: f.document() for n, f in growth_figures(points).items()}, "growth": points}

    def queries(self) -> Part:
        """Raw against readready."""
        self._say("queries: building both tables")
        told = _fresh(
            self._scratch / "queries",
            lambda root: measure_queries(root, self.size.query_events, self.size.query_rounds),
        )
        return {"figures": {n: f.document() for n, f in query_figures(told).items()}, "queries": told}

    def layouts(self) -> Part:
        """The same rows under other ORC layouts."""
        self._say("layouts: building both tables, then writing and asking each")
        size = self.size
        told = _fresh(
            self._scratch / "layouts",
            lambda root: measure_layouts(
                root, size.layout_events, size.layout_rounds, size.query_rounds, size.java_options
            ),
        )
        return {"figures": {n: f.document() for n, f in layout_figures(told).items()}, "layouts": told}

    def addapart(self) -> Part:
        """The producer's code, and what a million arrivals would cost."""
        found = {
            "addapart.notifications_per_second": figure(
                addapart.rates(self.size.notifications, silence), "notifications/s a core"
            ),
            "addapart.usd_per_million_objects": figure([addapart.usd_a_million()], "USD, modelled"),
        }
        return {"figures": {name: one.document() for name, one in found.items()}}

    def orchestration(self) -> Part:
        """Dagster and the local stack around a build."""
        self._say("orchestration: a private stack")
        told = _fresh(self._scratch / "lake", lambda home: time_orchestration(home, self.size.backfill_days, self._say))
        return {"figures": {n: f.document() for n, f in orchestration_figures(told).items()}, "orchestration": told}

    def _volume(self, events: int, events_per_object: int = 500) -> Volume:
        return self._make_volume(VolumePlan(events, events_per_object))

    def _make_volume(self, plan: VolumePlan) -> Volume:
        self._say(f"volume {plan.name}")
        return volume(self._volumes, plan)

    def _compare(
        self, what: str, contenders: Sequence[Contender], given: Volume, needle: bool, rounds: int | None = None
    ) -> Runs:
        self._say(f"{what}: {given.event_count:,} events in {given.object_count:,} objects")
        times = rounds or self.size.rounds
        return compare(contenders, given, needle, times, self._scratch, self.size.java_options, self._say)

    def _floors(self) -> tuple[Contender, ...]:
        try:
            return floors(native_floor(self._root / "native"))
        except NoNativeFloorError as error:
            self._say(f"no native floor: {error}")
            return ()

    def _point(self, axis: str, plan: VolumePlan) -> dict[str, float]:
        if plan not in self._points:
            self._points[plan] = self._measure_point(plan)
        point = self._points[plan]
        return {"x": point[axis], **point}

    def _measure_point(self, plan: VolumePlan) -> dict[str, float]:
        given = self._make_volume(plan)
        with environment({DRIVER_MEMORY: GROWTH_HEAP}):
            runs = self._compare(f"growth, {plan.days} days, {plan.accounts} accounts", (JOB,), given, False, 1)
        if (verdict := runs.verdict(JOB.name)) != "right":
            raise RuntimeError(f"Our job on {plan.name} is {verdict}")
        sizes = {"events": given.event_count, "objects": given.object_count}
        return {**asdict(runs.costs[JOB.name][0]), **sizes, "days": plan.days, "accounts": plan.accounts}


def _fresh(folder: Path, work: Callable[[Path], T]) -> T:
    """Work in a folder that is empty before and gone after."""
    shutil.rmtree(folder, ignore_errors=True)
    try:
        return work(folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _steady(what: str, base: Runs, runs: Runs, contenders: Sequence[Contender]) -> dict[str, Figure]:
    """CPU of a million more events, of each that did both sizes."""
    events = base.volume.event_count, runs.volume.event_count
    names = [one.name for one in contenders if one.name not in {**runs.failures, **base.failures}]
    return {f"{what}.steady_cpu.{n}": slope(base.cpu(n), runs.cpu(n), *events, "CPU s") for n in names}


def _part(figures: dict[str, Figure], comparisons: dict[str, Runs]) -> Part:
    told = {name: one.document() for name, one in figures.items()}
    return {"figures": told, "comparisons": {name: comparison(runs) for name, runs in comparisons.items()}}


def comparison(runs: Runs) -> Part:
    """What results.json holds of one comparison."""
    given = runs.volume
    return {
        "events": given.event_count,
        "objects": given.object_count,
        "delivered_bytes": given.delivered_bytes,
        "inflated_bytes": given.inflated_bytes,
        "wanted_rows": runs.wanted,
        "contenders": {name: _contender(runs, name) for name in {**runs.costs, **runs.failures}},
    }


def _contender(runs: Runs, name: str) -> Part:
    output = runs.outputs.get(name)
    return {
        "verdict": runs.verdict(name),
        "cpu_seconds": runs.cpu(name),
        "wall_seconds": runs.wall(name),
        "peak_bytes": max((cost.peak_bytes for cost in runs.costs[name]), default=0),
        "output": asdict(output) if output else None,
    }

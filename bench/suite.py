"""The parts of the benchmark, one after the other. Each returns what results.json holds of it; nothing here formats."""

import shutil
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from bench import addapart, cost
from bench.contending import JOB, NAIVE, OTHERS, SCHEMA, Contender, Runs, compared, floors
from bench.figures import Figure, figure, growth_exponent, per_million, ratio, slope
from bench.native import NoNativeFloorError, native_floor
from bench.orchestration import orchestrated, silence
from bench.queries import queried
from bench.sizes import Size
from bench.volumes import Volume, VolumePlan, volume

Say = Callable[[str], None]
Part = dict[str, Any]
TINY = 5  # events an object, as quiet accounts deliver


class Bench:
    """One run of the suite: where volumes lie, how large they are, and who hears of progress."""

    def __init__(self, size: Size, root: Path, say: Say) -> None:
        self.size, self._root, self._say = size, root, say
        self._volumes, self._scratch = root / "volumes", root / "scratch"
        self._points: dict[VolumePlan, dict[str, float]] = {}

    def parts(self) -> dict[str, Callable[[], Part]]:
        """Name: what measures it, in their order."""
        return {
            "build_all": self.build_all,
            "needle": self.needle,
            "tiny": self.tiny,
            "growth": self.growth,
            "queries": self.queries,
            "addapart": self.addapart,
            "orchestration": self.orchestration,
        }

    def build_all(self) -> Part:
        """Every event kept, by all contenders, and by the Spark ones at a smaller size too, for the slope."""
        large, small = self._volume(self.size.build_events), self._volume(self.size.base_events)
        runs = self._compared("build_all", (JOB, NAIVE, SCHEMA, *OTHERS, *self._floors()), large, False)
        base = self._compared("build_all, smaller", (JOB, NAIVE, SCHEMA), small, False)
        figures = _ratios("build_all", runs, "cpu")
        figures |= _sizes(runs)
        for name in (JOB.name, NAIVE.name, SCHEMA.name):
            if name not in {**runs.failures, **base.failures}:
                sizes = small.event_count, large.event_count
                figures[f"build_all.steady_cpu.{name}"] = slope(base.cpu(name), runs.cpu(name), *sizes, "CPU s")
        return _part(figures, {"build_all": runs, "build_all_smaller": base})

    def needle(self) -> Part:
        """Three event names of five accounts kept."""
        contenders = (JOB, NAIVE, SCHEMA, *OTHERS, *self._floors())
        runs = self._compared("needle", contenders, self._volume(self.size.build_events), True)
        return _part(_ratios("needle", runs, "cpu"), {"needle": runs})

    def tiny(self) -> Part:
        """Five events an object: what an object costs."""
        given = self._volume(self.size.tiny_events, TINY)
        contenders = (JOB, NAIVE, SCHEMA, *OTHERS, *self._floors())
        runs = self._compared("tiny", contenders, given, False, self.size.tiny_rounds)
        return _part(_ratios("tiny", runs, "cpu") | _ratios("tiny", runs, "wall"), {"tiny": runs})

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
        return {"figures": {n: f.told() for n, f in _growth_figures(points).items()}, "growth": points}

    def queries(self) -> Part:
        """Raw against readready."""
        self._say("queries: building both tables")
        told = _fresh(
            self._root / "queries", lambda root: queried(root, self.size.query_events, self.size.query_rounds)
        )
        return {"figures": {n: f.told() for n, f in _query_figures(told).items()}, "queries": told}

    def addapart(self) -> Part:
        """The producer's code, and what a million arrivals would cost."""
        found = {
            "addapart.notifications_per_second": figure(
                addapart.rates(self.size.notifications, silence), "notifications/s a core"
            ),
            "addapart.usd_per_million_objects": figure([addapart.usd_a_million()], "USD, modelled"),
        }
        return {"figures": {name: one.told() for name, one in found.items()}}

    def orchestration(self) -> Part:
        """Dagster and the local stack around a build."""
        self._say("orchestration: a private stack")
        told = _fresh(self._root / "lake", lambda home: orchestrated(home, self.size.backfill_days, self._say))
        return {"figures": {n: f.told() for n, f in _orchestration_figures(told).items()}, "orchestration": told}

    def _volume(self, events: int, events_per_object: int = 500) -> Volume:
        return self._made(VolumePlan(events, events_per_object))

    def _made(self, plan: VolumePlan) -> Volume:
        self._say(f"volume {plan.name}")
        return volume(self._volumes, plan)

    def _compared(
        self, what: str, contenders: Sequence[Contender], given: Volume, needle: bool, rounds: int | None = None
    ) -> Runs:
        self._say(f"{what}: {given.event_count:,} events in {given.object_count:,} objects")
        times = rounds or self.size.rounds
        return compared(contenders, given, needle, times, self._scratch, self.size.java_options, self._say)

    def _floors(self) -> tuple[Contender, ...]:
        try:
            return floors(native_floor(self._root / "native"))
        except NoNativeFloorError as error:
            self._say(f"no native floor: {error}")
            return ()

    def _point(self, axis: str, plan: VolumePlan) -> dict[str, float]:
        if plan not in self._points:
            self._points[plan] = self._measured_point(plan)
        point = self._points[plan]
        return {"x": point[axis], **point}

    def _measured_point(self, plan: VolumePlan) -> dict[str, float]:
        given = self._made(plan)
        runs = self._compared(f"growth, {plan.days} days, {plan.accounts} accounts", (JOB,), given, False, 1)
        if (verdict := runs.verdict(JOB.name)) != "right":
            raise RuntimeError(f"Our job on {plan.name} is {verdict}")
        sizes = {"events": given.event_count, "objects": given.object_count}
        return {**asdict(runs.costs[JOB.name][0]), **sizes, "days": plan.days, "accounts": plan.accounts}


def modelled(results: Part) -> Part:
    """Cost on AWS from what was measured, session once a run. Raises ValueError, and KeyError without a build."""
    compared_by = results["comparisons"]
    steady = results["figures"]["build_all.steady_cpu.job"]["median"]
    if steady <= 0:
        raise ValueError("the two sizes differ by less than the noise: nothing can be said of a million events")
    base = compared_by["build_all_smaller"]
    fixed = max(_job_cpu(base) - steady * base["events"] / 1e6, 0.0)
    assumed = cost.Assumptions(fixed_cpu_seconds=fixed)
    a_million = {"every event": steady}
    if "needle" in compared_by:
        needle = compared_by["needle"]
        a_million["the needles"] = max(_job_cpu(needle) - fixed, 0.0) / needle["events"] * 1e6
    kept = {name: cost.modelled(cost.ORIGINAL, cpu, assumed) for name, cpu in a_million.items()}
    build = compared_by["build_all"]
    lake = cost.lake_usd(cost.ORIGINAL, build["inflated_bytes"] / build["delivered_bytes"])
    return {
        "figures": {name: one.told() for name, one in _cost_figures(kept, lake).items()},
        "cost": {
            "workload": asdict(cost.ORIGINAL),
            "assumptions": asdict(assumed),
            "kept": {name: one.told() for name, one in kept.items()},
            "cloudtrail_lake_usd": lake,
        },
    }


def _job_cpu(comparison: Part) -> float:
    return figure(comparison["contenders"][JOB.name]["cpu_seconds"], "CPU s").median


def _cost_figures(kept: dict[str, cost.Cost], lake: float) -> dict[str, Figure]:
    found = {"cost.cloudtrail_lake_usd": figure([lake], "USD, list price")}
    for name, one in kept.items():
        short = "original" if name == "every event" else "original_needle"
        found[f"cost.{short}_usd"] = figure([one.usd], "USD, modelled")
        found[f"cost.{short}_dpu_hours"] = figure([one.dpu_seconds / 3600], "DPU-hours, modelled")
        found[f"cost.{short}_gb_per_dpu_hour"] = figure([one.gb_a_dpu_hour], "GB a DPU-hour, modelled")
    return found


def _fresh(folder: Path, work: Callable[[Path], Part]) -> Part:
    """Work in a folder that is empty before and gone after."""
    shutil.rmtree(folder, ignore_errors=True)
    try:
        return work(folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _ratios(what: str, runs: Runs, measure: str) -> dict[str, Figure]:
    """Above 1: the job takes less than the others; against the floors how many times more it takes than they."""
    if JOB.name in runs.failures:
        return {}
    taken = runs.cpu if measure == "cpu" else runs.wall
    unit = "CPU s" if measure == "cpu" else "s"
    found = {f"{what}.{measure}_per_million.job": per_million(taken(JOB.name), runs.volume.event_count, unit)}
    for name in runs.costs:
        if name == JOB.name or name in runs.failures:
            continue
        is_floor = name in ("floor", "parse", "gunzip")
        pair = (taken(JOB.name), taken(name)) if is_floor else (taken(name), taken(JOB.name))
        found[f"{what}.{measure}_ratio_{name}"] = ratio(*pair)
    return found


def _sizes(runs: Runs) -> dict[str, Figure]:
    """Delivered gzip over what was written: above 1, the table is smaller than what was delivered."""
    found = {}
    for name, output in runs.outputs.items():
        title = "size.ratio_delivered" if name == JOB.name else f"size.ratio_delivered.{name}"
        found[title] = figure([runs.volume.delivered_bytes / output.output_bytes], "times smaller than delivered")
    return found


def _growth_figures(points: dict[str, list[dict[str, float]]]) -> dict[str, Figure]:
    found = {}
    for axis, line in points.items():
        first, last = line[0], line[-1]
        grown = last["x"] / first["x"]
        found[f"growth.{axis}.cpu_ratio"] = figure(
            [last["cpu_seconds"] / first["cpu_seconds"]], f"for {grown:.3g} times"
        )
        exponent = growth_exponent([(p["x"], p["cpu_seconds"]) for p in line])
        found[f"growth.{axis}.cpu_exponent"] = figure([exponent], "1 is linear, 0 is flat")
    return found


def _query_figures(told: Part) -> dict[str, Figure]:
    found = {}
    for name, workload in told["workloads"].items():
        for title, measure in (
            ("speedup", "wall_seconds"),
            ("cpu_ratio", "cpu_seconds"),
            ("bytes_ratio", "bytes_read"),
        ):
            raw, ready = ([run[measure] for run in workload[side]] for side in ("raw", "readready"))
            found[f"query.{name}.{title}"] = ratio(raw, ready)
    for source, sizes in told["sizes"].items():
        found[f"query.size_ratio.{source}"] = figure(
            [sizes["raw_bytes"] / sizes["readready_bytes"]], "raw over readready"
        )
    return found


def _orchestration_figures(told: Part) -> dict[str, Figure]:
    days, runs = told["backfill_days"], told["backfill_runs"]
    return {
        "orchestration.code_location_load_seconds": figure(told["code_location_load_seconds"], "s"),
        "orchestration.sensor_idle_tick_seconds": figure(told["sensor_idle_tick_seconds"], "s a source"),
        "orchestration.sensor_busy_tick_seconds": figure(told["sensor_busy_tick_seconds"], "s a source"),
        "orchestration.materialize_to_glue_seconds": figure([told["materialize_to_glue_seconds"]], "s"),
        "orchestration.backfill_overhead_seconds": figure(
            [told["backfill_overhead_seconds"]], f"s for {days} days in {runs} runs"
        ),
        "addapart.latency_warm_seconds": figure(told["addapart_warm_seconds"], "s"),
        "addapart.latency_cold_seconds": figure([told["addapart_cold_seconds"]], "s"),
    }


def _part(figures: dict[str, Figure], comparisons: dict[str, Runs]) -> Part:
    told = {name: one.told() for name, one in figures.items()}
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

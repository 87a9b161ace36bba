"""From what the parts measured to named figures: the names that results.json and the page use."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from bench import cost
from bench.figures import Figure, figure, growth_exponent, per_million, ratio
from bench.layouts import PRESENT, RANDOM_IDS
from bench.process_tree import CORES
from bench.rounds import JOB, Runs

Part = dict[str, Any]


def ratios(what: str, runs: Runs, measure: str, ours: str = JOB.name) -> dict[str, Figure]:
    """Above 1: ours takes less than the others; against the floors how many times more it takes than they."""
    if ours in runs.failures or ours not in runs.costs:
        return {}
    taken = runs.cpu if measure == "cpu" else runs.wall
    unit = "CPU s" if measure == "cpu" else "s"
    found = {f"{what}.{measure}_per_million.{ours}": per_million(taken(ours), runs.volume.event_count, unit)}
    for name in runs.costs:
        if name == ours or name in runs.failures:
            continue
        is_floor = name in ("floor", "parse", "gunzip")
        pair = (taken(ours), taken(name)) if is_floor else (taken(name), taken(ours))
        found[f"{what}.{measure}_ratio_{name}"] = ratio(*pair)
    return found


def sizes(runs: Runs) -> dict[str, Figure]:
    """Delivered gzip over what was written: above 1, the table is smaller than what was delivered."""
    found = {}
    for name, output in runs.outputs.items():
        title = "size.ratio_delivered" if name == JOB.name else f"size.ratio_delivered.{name}"
        found[title] = figure([runs.volume.delivered_bytes / output.output_bytes], "times smaller than delivered")
    return found


def peak_a_core(what: str, runs: Runs, name: str) -> dict[str, Figure]:
    """The most memory of all processes of a contender, for each core."""
    if name in runs.failures or name not in runs.costs:
        return {}
    peaks = [cost.peak_bytes / 1e6 / CORES for cost in runs.costs[name]]
    return {f"{what}.peak_mb_a_core": figure(peaks, "MB a core")}


def growth_figures(points: dict[str, list[dict[str, float]]]) -> dict[str, Figure]:
    found = {}
    for axis, line in points.items():
        first, last = line[0], line[-1]
        grown = last["x"] / first["x"]
        found[f"growth.{axis}.cpu_ratio"] = figure(
            [last["cpu_seconds"] / first["cpu_seconds"]], f"for {grown:.3g} times"
        )
        exponent = growth_exponent([(p["x"], p["cpu_seconds"]) for p in line])
        found[f"growth.{axis}.cpu_exponent"] = figure([exponent], "1 is linear, 0 is flat")
        found[f"growth.{axis}.peak_ratio"] = figure(
            [last["peak_bytes"] / first["peak_bytes"]], f"for {grown:.3g} times"
        )
    peak = max(point["peak_bytes"] for line in points.values() for point in line)
    found["growth.peak_mb_a_core"] = figure([peak / 1e6 / CORES], "MB")
    return found


def steady_ratio(what: str, figures: Mapping[str, Figure], runs: Runs, floor: str) -> dict[str, Figure]:
    """Our CPU of a million more events over that of a native loop, which has no start to speak of."""
    steady = figures.get(f"{what}.steady_cpu.{JOB.name}")
    if steady is None or floor not in runs.costs or floor in runs.failures:
        return {}
    below = per_million(runs.cpu(floor), runs.volume.event_count, "CPU s")
    return {f"{what}.steady_ratio_{floor}": figure([steady.median / below.median], "times")}


def query_figures(told: Part) -> dict[str, Figure]:
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


def layout_figures(told: Part) -> dict[str, Figure]:
    """Each layout over the present one, and what the columns of random ids take of it."""
    layouts, found = told["layouts"], {}
    present = layouts[PRESENT.name]
    for name, one in layouts.items():
        if name != PRESENT.name:
            found[f"layout.{name}.size_ratio"] = ratio([one["bytes"]], [present["bytes"]])
            found[f"layout.{name}.ratio_delivered"] = ratio([told["delivered_bytes"]], [one["bytes"]])
            found[f"layout.{name}.write_cpu_ratio"] = ratio(one["cpu_seconds"], present["cpu_seconds"])
    for name, columns in told["columns"].items():
        ids = sum(columns[column] for column in RANDOM_IDS)
        a_event, share = ids / told["events"], 100 * ids / layouts[name]["bytes"]
        found[f"layout.{name}.random_ids_bytes"] = figure([a_event], "bytes an event")
        found[f"layout.{name}.random_ids_pct"] = figure([share], "% of the file")
    return found


def orchestration_figures(told: Part) -> dict[str, Figure]:
    days, runs = told["backfill_days"], told["backfill_runs"]
    return {
        "orchestration.code_location_load_seconds": figure(told["code_location_load_seconds"], "s"),
        "orchestration.help_over_dagster": figure(told["help_over_dagster"], "times"),
        "orchestration.sensor_idle_tick_seconds": figure(told["sensor_idle_tick_seconds"], "s a source"),
        "orchestration.sensor_busy_tick_seconds": figure(told["sensor_busy_tick_seconds"], "s a source"),
        "orchestration.materialize_to_glue_seconds": figure([told["materialize_to_glue_seconds"]], "s"),
        "orchestration.backfill_overhead_seconds": figure(
            [told["backfill_overhead_seconds"]], f"s for {days} days in {runs} runs"
        ),
        "addapart.latency_warm_seconds": figure(told["addapart_warm_seconds"], "s"),
        "addapart.latency_cold_seconds": figure([told["addapart_cold_seconds"]], "s"),
    }


def cost_figures(results: Part) -> Part:
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
    kept = {name: cost.cost_of(cost.ORIGINAL, cpu, assumed) for name, cpu in a_million.items()}
    build = compared_by["build_all"]
    lake = cost.lake_usd(cost.ORIGINAL, build["inflated_bytes"] / build["delivered_bytes"])
    return {
        "figures": {name: one.document() for name, one in _cost_figures(kept, lake).items()},
        "cost": {
            "workload": asdict(cost.ORIGINAL),
            "assumptions": asdict(assumed),
            "kept": {name: one.document() for name, one in kept.items()},
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

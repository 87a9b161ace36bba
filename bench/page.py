"""docs/performance.md from results.json: every number on the page is one that a run measured, and none is typed."""

import statistics
import textwrap
from typing import Any

from bench.cells import mb as _mb
from bench.cells import number as _number
from bench.cells import table as _table
from bench.cost import PUBLISHED_GB_A_DPU_HOUR, PUBLISHED_LAKE_IS_FASTER
from bench.layout_page import column_table, layout_table
from bench.rounds import JOB, LOCAL, NAIVE, OTHERS, SCHEMA
from bench.targets import targets_table

TITLES = {
    **{one.name: one.title for one in (JOB, LOCAL, NAIVE, SCHEMA, *OTHERS)},
    "gunzip": "native loop, gunzip alone",
    "parse": "native loop, gunzip and parse",
    "floor": "native loop, gunzip, parse, ORC: the floor",
}
_COMPARISONS = {
    "build_all": "Every event kept",
    "needle": "Three event names of five accounts kept",
    "tiny": "Five events an object",
    "large": "Every event of millions kept",
    "large_needle": "Three event names of five accounts kept, of millions",
    "quiet_day": "A quiet day",
    "build_all_smaller": "Every event kept, the smaller size that the slope is taken from",
}
MEANINGS = {
    "cpu_ratio_": "CPU of that contender over our job's; against `floor`, `parse` and `gunzip` our job's over theirs",
    "wall_ratio_": "the same of wall seconds",
    "local.": "our job by processes in the place of Spark; `local_smaller.` at the smaller size, "
    "`local_quiet.` of a quiet day, and `needle_local.`, `tiny_local.`, `large_local.` of those volumes",
    "steady_ratio_": "our CPU of a million more events over that of the native loop",
    "large.": "every event of millions kept, both compilers of Java for all; `large_needle.` the needles of them",
    "steady_cpu.": "CPU of a million more events, by two sizes; only SIZE=full begins beyond warm-up",
    "recount.": "the coverage check reads raw objects and rows again, as it does after each build",
    "size.ratio_delivered": "delivered gzip over the files written; above 1 is smaller than delivered",
    "query.": "raw over readready: wall (`speedup`), CPU, bytes read; above 1 readready is better",
    "layout.": "that layout over the present one: size (`size_ratio`), CPU to write; below 1 is less",
    "growth.": "last point over first (`cpu_ratio`, `peak_ratio` of memory), and p of CPU ~ size^p (`cpu_exponent`)",
}

_SMALLER = """The targets are those of SIZE=full. This run is smaller: the numbers of events in the targets' texts are
not those that were measured here, which stand below, and the parts that only SIZE=full has are missing."""

_IN_SHORT = {
    "build_all.cpu_ratio_naive": "every event: CPU of Spark with an inferred schema over ours",
    "build_all.cpu_ratio_schema": "every event: CPU of Spark with a given schema over ours",
    "build_all.cpu_ratio_floor": "every event: our CPU over the native floor's",
    "local.cpu_ratio_naive": "every event: CPU of Spark with an inferred schema over ours by processes",
    "local_smaller.cpu_ratio_naive": "the same at the smaller size, where what a JVM costs is most of it",
    "large.cpu_ratio_naive": "every event, millions: CPU of Spark with an inferred schema over ours",
    "large_local.cpu_ratio_naive": "the same over ours by processes",
    "large.peak_mb_a_core": "five million events by Spark: the most memory, MB a core",
    "large_local.peak_mb_a_core": "five million events by processes: the most memory, MB a core",
    "large_needle.cpu_ratio_naive": "needles of millions: CPU of Spark with an inferred schema over ours",
    "needle.cpu_ratio_naive": "needles: CPU of Spark with an inferred schema over ours",
    "needle.cpu_ratio_gunzip": "needles: our CPU over that of gunzip alone",
    "tiny.wall_ratio_schema": "five events an object: wall of Spark with a given schema over ours",
    "recount.cpu_per_million": "the coverage check's recount: CPU s a million events, in one process",
    "recount.peak_mb": "its memory, MB",
    "size.ratio_delivered": "delivered gzip over our ORC",
    "query.one_session.speedup": "one session: raw over readready, wall",
    "query.counts_by_event.speedup": "counts by event name: raw over readready, wall",
    "query.join_by_session.speedup": "both logs joined by session: raw over readready, wall",
    "layout.zlib.size_ratio": "ORC ZLIB over ORC ZSTD, size",
    "layout.present.random_ids_pct": "% of our ORC that eventid and requestid take",
    "growth.events.cpu_ratio": "ten times the events: CPU, times",
    "growth.objects.cpu_ratio": "ten times the objects of the same events: CPU, times",
    "addapart.notifications_per_second": "AddAPart: notifications a second a core",
    "addapart.latency_warm_seconds": "AddAPart: seconds from one object to its partition",
}


def page(results: dict[str, Any], plot: str | None) -> str:
    """The page's Markdown. `plot` is the path of the growth plot from the page, where there is one."""
    blocks = [_head(results), targets_table(results["figures"])]
    if results["size"] != "full":
        blocks.append(_SMALLER)
    blocks.append(_in_short(results["figures"]))
    blocks += [
        _comparison(name, results["comparisons"][name]) for name in _COMPARISONS if name in results["comparisons"]
    ]
    if "growth" in results:
        blocks.append(_growth(results["growth"], plot))
    if "queries" in results:
        blocks.append(_queries(results["queries"]))
    if "layouts" in results:
        blocks += [layout_table(results["layouts"]), column_table(results["layouts"])]
    if "orchestration" in results:
        blocks.append(_orchestration(results["orchestration"]))
    if "cost" in results:
        blocks.append(_cost(results["cost"]))
    blocks.append(_figures(results))
    return "\n\n".join(blocks) + "\n"


def _head(results: dict[str, Any]) -> str:
    m = results["machine"]
    versions = _fold(", ".join(f"{name} {number}" for name, number in m["packages"].items()))
    failed = "".join(f"\n\n**The part {name} failed**: {why}" for name, why in results["failures"].items())
    rounds = f" ROUNDS={results['rounds']}" if results.get("rounds") else ""
    counter = _fold(f"CPU is counted by {m['cpu_counter']}.")
    day = results["begun"][:10]
    return f"""# Performance

Made by `make bench SIZE={results["size"]}{rounds}` on {day}, and not by hand; `bench/results.json` has
every figure, and [bench/README.md](../bench/README.md) says how each is measured.

{m["cores"]} cores of {m["processor"]}, {m["memory_gb"]} GB, {m["system"]}, Python {m["python"]},
{m["java"]};
{versions}.
Spark contenders run as `local[2]`, ours with `{results["own_java_options"]}`,
the others with `{results["java_options"]}`.
Load average before: {m["load_average_before"]}. Well above 1 would mean that others used it,
and that wall seconds mean little.
{counter}{_earlier(results)}{failed}"""


def _earlier(results: dict[str, Any]) -> str:
    """Which parts this run did not measure, and of which run they are."""
    parts = sorted(results["parts"].items())
    earlier = [
        f"`{name}` of {part['begun']}" + (f" with ROUNDS={part['rounds']}" if part["rounds"] else "")
        for name, part in parts
        if part["begun"] != results["begun"]
    ]
    if not earlier:
        return ""
    said = f"Not of this run, but of earlier ones in the same conditions: {', '.join(earlier)}."
    return f"\n\n{_fold(said)}"


def _in_short(figures: dict[str, Any]) -> str:
    told = [(text, figures[name]) for name, text in _IN_SHORT.items() if name in figures]
    rows = [(text, _number(f["median"]), f"{_number(f['lowest'])} to {_number(f['highest'])}") for text, f in told]
    return f"## In short\n\n{_table(('what', 'median', 'spread'), rows)}"


def _orchestration(told: dict[str, Any]) -> str:
    days, runs = told["backfill_days"], told["backfill_runs"]
    lists = {
        "loading the code location, in a process of its own": told["code_location_load_seconds"],
        "a sensor's tick over five years, nothing new, of each source": told["sensor_idle_tick_seconds"],
        "its longest tick while it caught up with them": told["sensor_busy_tick_seconds"],
        "Materialize to the start of the Glue run": [told["materialize_to_glue_seconds"]],
        f"{days} days in {runs} Glue runs, apart from the time they were going": [told["backfill_overhead_seconds"]],
        "one object to its visible partition, warm": told["addapart_warm_seconds"],
        "the same, the first": [told["addapart_cold_seconds"]],
    }
    rows = [(what, *map(_number, (statistics.median(v), min(v), max(v)))) for what, v in lists.items()]
    return f"## Dagster and AddAPart around it\n\n{_table(('seconds', 'median', 'least', 'most'), rows)}"


def _figures(results: dict[str, Any]) -> str:
    rows = [
        (f"`{name}`", _number(f["median"]), f"{_number(f['lowest'])} to {_number(f['highest'])}", f["count"], f["unit"])
        for name, f in sorted(results["figures"].items())
    ]
    meanings = "\n".join(f"- `{part}`: {text}." for part, text in MEANINGS.items())
    table = _table(("figure", "median", "spread", "rounds", "unit"), rows)
    said = "Ratios are taken round by round, contenders running in turn on the same files."
    return f"## All figures\n\n{said}\n\n{meanings}\n\n{table}"


def _comparison(name: str, told: dict[str, Any]) -> str:
    head = (
        f"## {_COMPARISONS[name]}\n\n{told['events']:,} events in {told['objects']:,} objects, "
        f"{_mb(told['delivered_bytes'])} MB gzip, {_mb(told['inflated_bytes'])} MB inflated; "
        f"{told['wanted_rows']:,} rows are right."
    )
    names = (
        "contender",
        "CPU s a million",
        "spread",
        "wall s a million",
        "peak MB",
        "MB written",
        "text verbatim",
        "rows",
    )
    rows = [_contender(key, told["contenders"][key], told["events"]) for key in TITLES if key in told["contenders"]]
    return f"{head}\n\n{_table(names, rows)}"


def _contender(name: str, one: dict[str, Any], events: int) -> tuple[Any, ...]:
    cpu, wall = ([value / events * 1e6 for value in one[key]] for key in ("cpu_seconds", "wall_seconds"))
    output = one["output"] or {}
    verbatim = output.get("verbatim_pct")
    if not cpu:
        return (TITLES[name], *("",) * 6, one["verdict"])
    return (
        TITLES[name],
        _number(statistics.median(cpu)),
        f"{_number(min(cpu))} to {_number(max(cpu))}",
        _number(statistics.median(wall)),
        f"{one['peak_bytes'] / 1e6:,.0f}",
        _mb(output["output_bytes"]) if output else "",
        "" if not output else "no text" if verbatim is None else _floored_pct(verbatim),
        one["verdict"],
    )


def _growth(told: dict[str, list[dict[str, float]]], plot: str | None) -> str:
    rows = [
        (
            axis,
            f"{p['x']:,.0f}",
            f"{p['events']:,.0f}",
            f"{p['objects']:,.0f}",
            _number(p["cpu_seconds"]),
            _number(p["wall_seconds"]),
            f"{p['peak_bytes'] / 1e6:,.0f}",
        )
        for axis, points in told.items()
        for p in points
    ]
    table = _table(("against", "size", "events", "objects", "CPU s", "wall s", "peak MB"), rows)
    shown = f"\n\n![CPU and wall against each measure]({plot})" if plot else ""
    return f"## Growth of our job\n\nOne run a point, session included, in a heap of 512 MB.{shown}\n\n{table}"


def _queries(told: dict[str, Any]) -> str:
    rows = [
        (
            name.replace("_", " "),
            side,
            _number(1000 * statistics.median(run["wall_seconds"] for run in workload[side])),
            _number(1000 * statistics.median(run["cpu_seconds"] for run in workload[side])),
            _mb(statistics.median(run["bytes_read"] for run in workload[side])),
            "same" if workload["same_answer"] else "DIFFERENT",
        )
        for name, workload in told["workloads"].items()
        for side in ("raw", "readready")
    ]
    sizes = "; ".join(
        f"{name}: raw {_mb(s['raw_bytes'])} MB, readready {_mb(s['readready_bytes'])} MB"
        for name, s in told["sizes"].items()
    )
    table = _table(("workload", "table", "wall ms", "CPU ms", "MB read", "answers"), rows)
    return f"## Queries\n\nOne day of both logs, asked warm in chDB, which reads both formats. {sizes}.\n\n{table}"


def _cost(told: dict[str, Any]) -> str:
    work, assumed = told["workload"], told["assumptions"]
    names = ("kept", "DPU-seconds", "Glue", "S3 requests", "SQS", "Lambda", "USD together", "GB a DPU-hour")
    rows = [(kept, *_cost_row(one)) for kept, one in told["kept"].items()]
    assumptions = "\n".join(f"- `{name}`: {value:,g}" for name, value in assumed.items())
    return f"""## Cost on AWS, modelled

{work["name"]}: {work["delivered_bytes"] / 1e9:g} GB gzip,
{work["events"] / 1e6:g} million events, {work["objects"]:,.0f} objects, {work["partitions"]:,.0f} partitions.
Nothing of this was billed, and only from SIZE=full is it worth a thought: in smaller runs the JVM is still warming up,
which the model multiplies. It is measured CPU, list prices of us-east-1 (`bench/cost.py`) and these assumptions:

{assumptions}

{_table(names, rows)}

athena-glue-service-logs publishes {PUBLISHED_GB_A_DPU_HOUR} GB a DPU-hour, of other files and an
older Glue. The original found CloudTrail Lake {PUBLISHED_LAKE_IS_FASTER} times faster than its own job,
and its job 10 to 100 times less costly, with the needles kept; that is of its job and not of this one, and was not
measured here. By list price, ingesting the workload there costs
{told["cloudtrail_lake_usd"]:,.0f} USD, inflated as the samples are."""


def _cost_row(one: dict[str, float]) -> tuple[str, ...]:
    money = (f"{one[name]:.2f}" for name in ("glue_usd", "s3_usd", "sqs_usd", "lambda_usd", "usd"))
    return (f"{one['dpu_seconds']:,.0f}", *money, f"{one['gb_a_dpu_hour']:.1f}")


def _fold(text: str) -> str:
    return textwrap.fill(text, 120)


def _floored_pct(value: float) -> str:
    """A percentage that never rounds up to 100."""
    return f"{int(value * 100) / 100:.2f} %"

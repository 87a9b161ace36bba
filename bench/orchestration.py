"""What Dagster adds: loading the code location, a sensor's tick over five years, a backfill without its Glue runs."""

import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from bench.addapart import latencies
from infra.cli.build import build_range
from infra.cli.dagster_runs import dagster_instance
from infra.cli.load import await_partitions, put_objects, samples_to_put
from infra.cli.local_lake import LocalLake, local_lake
from infra.cli.tick import tick_raw_sensor
from loglake_assets.sources import LogSource, load_source, source_names
from loglake_assets.sources.calendar_days import day_number
from loglake_assets.sources.sample_deliveries import generate

Say = Callable[[str], None]
SOURCE = "cloudtrail"
YEARS = 5
_EVENTS_A_DAY = 600  # the least a sample day holds, and some
_PARTITIONS_A_CALL = 100
_TICKS_TO_QUIET = 40
_LOADS = 3
_STARTS = 7


def time_orchestration(home: Path, backfill_days: int, say: Say) -> dict[str, Any]:
    """Measure on a private stack in `home`. Seconds; lists are repetitions."""
    say("  loading the code location")
    loads = [_seconds(_load_definitions) for _ in range(_LOADS)]
    say("  loglake --help beside import dagster")
    shares = [
        _cpu_seconds("-m", "infra.cli.main", "--help") / _cpu_seconds("-c", "import dagster") for _ in range(_STARTS)
    ]
    with local_lake(home, lambda text: None) as lake:
        say("  one object to its partition")
        probes = latencies(lake, load_source(SOURCE))
        say(f"  {backfill_days} days through Dagster")
        built = _measure_backfill(lake, backfill_days)
        say(f"  sensor ticks over {YEARS} years of {len(source_names())} sources")
        ticks = _measure_ticks(lake)
    return {
        "code_location_load_seconds": loads,
        "help_over_dagster": shares,
        "addapart_cold_seconds": probes[0],
        "addapart_warm_seconds": probes[1:],
        **built,
        **ticks,
    }


def _seconds(work: Callable[[], Any]) -> float:
    started = time.monotonic()
    work()
    return time.monotonic() - started


def _cpu_seconds(*arguments: str) -> float:
    """CPU of a Python that is started with the arguments and ends; none of them starts a process that it leaves."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-W", "ignore", *arguments], check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def _load_definitions() -> None:
    told = "from loglake_assets.definitions import defs; defs().get_repository_def().load_all_definitions()"
    subprocess.run([sys.executable, "-W", "ignore", "-c", told], check=True, capture_output=True)


def _measure_backfill(lake: LocalLake, days: int) -> dict[str, Any]:
    """Wall of a backfill in windows of the policy's size, less the time that its Glue runs were going."""
    source, last = load_source(SOURCE), datetime.now(UTC).date() - timedelta(days=2)
    first = last - timedelta(days=days - 1)
    samples = generate(SOURCE, first, days, _EVENTS_A_DAY * days)
    loaded = put_objects(lake, source, samples_to_put(samples.objects()), lambda text: None)
    await_partitions(lake, source, loaded.partitions, lambda text: None, 120)
    began_at, started = time.time(), time.monotonic()
    results = build_range(lake, source, first, last, lambda text: None)
    wall = time.monotonic() - started
    if failed := [r.error for r in results if r.error]:
        raise RuntimeError(f"The backfill of {days} days failed: {failed[0]}")
    runs = lake.client("glue").get_job_runs(JobName=lake.settings.readready_job)["JobRuns"]
    spans = sorted((r["StartedOn"].timestamp(), r["CompletedOn"].timestamp()) for r in runs)
    spans = [span for span in spans if span[0] >= began_at]
    glue = sum(end - begin for begin, end in spans)
    return {
        "materialize_to_glue_seconds": spans[0][0] - began_at,
        "backfill_days": len(results),
        "backfill_runs": len(spans),
        "backfill_wall_seconds": wall,
        "backfill_glue_seconds": glue,
        "backfill_overhead_seconds": wall - glue,
    }


def _measure_ticks(lake: LocalLake) -> dict[str, Any]:
    """Ticks of every source's sensor with five years of days in the catalog: the busiest, and one with nothing new."""
    first, idle, counts = [], [], []
    with dagster_instance(lake) as instance:
        for name in source_names():
            source = load_source(name)
            _register_years(lake, source)
            busy, quiet, found = _ticks_of(lambda source=source: tick_raw_sensor(lake, instance, source))  # type: ignore[misc]
            first.append(busy)
            idle.append(quiet)
            counts.append(found)
    return {"sensor_busy_tick_seconds": first, "sensor_idle_tick_seconds": idle, "sensor_days": counts}


def _ticks_of(tick: Callable[[], int]) -> tuple[float, float, int]:
    """Seconds of the longest tick that found days and of the last, which found none; the days found."""
    longest, found = 0.0, 0
    for _ in range(_TICKS_TO_QUIET):
        started = time.monotonic()
        days = tick()
        took = time.monotonic() - started
        if not days:
            return longest, took, found
        longest, found = max(longest, took), found + days
    return longest, took, found


def _register_years(lake: LocalLake, source: LogSource) -> None:
    """A partition for each day of the years before today, as AddAPart would have left it."""
    glue, settings = lake.client("glue"), lake.settings
    inputs = [_partition(source, day) for day in _days_of_years(datetime.now(UTC).date())]
    for start in range(0, len(inputs), _PARTITIONS_A_CALL):
        glue.batch_create_partition(
            DatabaseName=settings.database,
            TableName=source.raw.name,
            PartitionInputList=inputs[start : start + _PARTITIONS_A_CALL],
        )


def _days_of_years(today: date) -> Iterator[date]:
    first = today.replace(year=today.year - YEARS, day=1)
    return (first + timedelta(days=n) for n in range((today - first).days))


def _partition(source: LogSource, day: date) -> dict[str, Any]:
    values = [str(day_number(day)) if c.name == "logcalendarday" else "bench" for c in source.raw.partition_keys]
    return {
        "Values": values,
        "StorageDescriptor": {"Location": f"s3://bench-nowhere/{day:%Y/%m/%d}/"},
        "Parameters": {"loglake.last_arrival": f"{day}T23:59:00Z"},
    }


@contextmanager
def silence() -> Iterator[None]:
    """Nothing on stdout meanwhile: the producer prints its metrics there."""
    import contextlib
    import io

    with contextlib.redirect_stdout(io.StringIO()):
        yield

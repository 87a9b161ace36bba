"""The stress run as a command: on which stack, told as a table, kept as a plot and as figures."""

import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from infra.cli.home import lake_home
from infra.cli.local_lake import LocalLake, local_lake
from infra.cli.stress.plot import plot
from infra.cli.stress.results import BUSIEST_RATE, Bounds, Step, failures, loss_sentence, percentile, scale_to, verdict
from infra.cli.stress.run import Say, Stress, StressSettings
from infra.cli.terminal_output import print_table
from loglake_assets.sources import LogSource

HEADINGS = (
    *("offered/s", "stored/s", "events/s", "objects", "late", "refused", "put ms p50/p95/max", "new prefixes"),
    *(
        "partition s p50/p95/max",
        "queue",
        "before it",
        "drained s",
        "lost",
        "cores: generator/stack/lambdas/others",
        "held",
    ),
)


class StressOptionError(ValueError):
    """An option of the stress run is odd; the message names it."""


def stress_settings(
    rate: float | None, seconds: float | None, new_prefix_pct: float | None, up_to: float | None
) -> StressSettings:
    """The run that the options ask for; what is not given is as StressSettings has it. Raises StressOptionError."""
    given: dict[str, Any] = {"rate": rate, "seconds": seconds, "new_prefix_pct": new_prefix_pct, "up_to": up_to}
    if odd := [f"--{name.replace('_', '-')}" for name, value in given.items() if value is not None and value != value]:
        raise StressOptionError(f"Invalid value for '{odd[0]}': nan is no number.")
    return replace(StressSettings(), **{name: value for name, value in given.items() if value is not None})


def stress(source: LogSource, settings: StressSettings, on_own_lake: bool, say: Say) -> int:
    """Run, tell, keep. Returns 0 when nothing was lost, 1 when anything was."""
    home = lake_home()
    with _lake(home, on_own_lake) as lake:
        place = f"the lake of {home}" if on_own_lake else "a private stack"
        say(f"{source.title}: {_question(settings)} on {place}")
        run = Stress(lake, source, settings, say)
        try:
            steps = run.run()
        finally:
            if on_own_lake:
                run.clear_away()
    print_table("", HEADINGS, [row(step, settings.bounds) for step in steps])
    say("partition s: from S3's answer to the CreationTime of the partition in the catalog; 0 where it came first")
    for path in keep(home / "stress", source, steps, settings):
        say(f"kept {path}")
    say(verdict(steps, settings.bounds))
    say(scale_to(steps, settings.bounds, settings.new_prefix_pct))
    lost = [step for step in steps if step.loss.total]
    say(f"LOST at {lost[0].rate:,.0f}/s: {loss_sentence(lost[0].loss)}" if lost else "Nothing was lost.")
    return 1 if lost else 0


@contextmanager
def _lake(home: Path, is_own: bool) -> Iterator[LocalLake]:
    """The lake of `home`, or one of a scratch folder in it that is removed afterwards."""
    if is_own:
        with local_lake(home, lambda text: None) as lake:
            yield lake
        return
    home.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix="stress-", dir=home))
    try:
        with local_lake(scratch, lambda text: None) as lake:
            yield lake
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _question(settings: StressSettings) -> str:
    end = f"{settings.up_to:g}" if settings.up_to else "where something gives"
    return (
        f"from {settings.rate:g} objects/s, times {settings.factor:g} each {settings.seconds:g} s, up to {end}, "
        f"{settings.new_prefix_pct:g} % of them opening a prefix,"
    )


def row(step: Step, bounds: Bounds) -> list[Any]:
    """A step as a row under HEADINGS."""
    sending = step.depths_while_due
    return [
        f"{step.rate:,.1f}",
        f"{step.objects_per_second:,.1f}",
        f"{step.events_a_second:,.0f}",
        len(step.puts),
        step.late(bounds),
        step.errors,
        _percentiles(step.put_seconds, 1000, 0),
        step.new_prefixes,
        _percentiles([seconds for _, seconds in step.latencies], 1, 3),
        max((depth.queued for depth in sending), default=0),
        max((depth.backlog for depth in sending), default=0),
        f"{step.drain_seconds:.1f}",
        step.loss.total,
        "/".join(f"{used:.2f}" for used in step.cores.values()),
        "no" if failures(step, bounds) else "yes",
    ]


def _percentiles(seconds: Sequence[float], factor: float, digits: int) -> str:
    found = [percentile(seconds, pct) for pct in (50, 95, 100)]
    return "/".join("-" if value is None else f"{value * factor:,.{digits}f}" for value in found)


def keep(folder: Path, source: LogSource, steps: Sequence[Step], settings: StressSettings) -> list[Path]:
    """Write the plot and the figures of a run; returns their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    name = f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{source.name}"
    title = f"{source.title}: {_question(settings).rstrip(',')}"
    drawn, figures = folder / f"{name}.svg", folder / f"{name}.json"
    drawn.write_text(plot(title, steps, settings.bounds), encoding="utf-8")
    document = {
        "source": source.name,
        "settings": {**asdict(settings), "first_day": settings.first_day.isoformat()},
        "cores": os.cpu_count(),
        "busiest_rate": BUSIEST_RATE,
        "steps": [_figures(step, settings.bounds) for step in steps],
        "verdict": verdict(steps, settings.bounds),
    }
    figures.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    return [drawn, figures]


def _figures(step: Step, bounds: Bounds) -> dict[str, Any]:
    seconds = [s for _, s in step.latencies]
    return {
        "offered_rate": step.rate,
        "achieved_rate": step.objects_per_second,
        "events_a_second": step.events_a_second,
        "object_count": len(step.puts),
        "late_count": step.late(bounds),
        "refused_count": step.errors,
        "new_prefix_count": step.new_prefixes,
        "put_seconds": {f"p{pct}": percentile(step.put_seconds, pct) for pct in (50, 95, 100)},
        "partition_seconds": {f"p{pct}": percentile(seconds, pct) for pct in (50, 95, 100)},
        "queued_by_second": [[round(d.time - step.puts[0].due, 2), d.queued, d.backlog] for d in step.depths],
        "drain_seconds": step.drain_seconds,
        "loss": asdict(step.loss),
        "cores_used": step.cores,
        "gave": failures(step, bounds),
    }

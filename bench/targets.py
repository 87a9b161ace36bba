"""What this project set out to reach, beside what was measured. A target that is missed is shown as missed."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from bench.cells import number, table


@dataclass(frozen=True)
class Target:
    """A bound of one figure. `inverse`: the target is of 1 over the figure, as a share of what the other takes."""

    text: str
    figure: str
    bound: float
    inverse: bool = False
    at_least: bool = False

    def reached(self, median: float) -> tuple[float, bool]:
        """(the measured value in the target's terms, whether it is within the bound)."""
        value = 1 / median if self.inverse else median
        return value, value >= self.bound if self.at_least else value <= self.bound


TARGETS = (
    Target("every event, 5 million: our CPU over Spark's with an inferred schema", "large.cpu_ratio_naive", 0.25, True),
    Target("every event, a million more: our CPU over the native floor's", "build_all.steady_ratio_floor", 2),
    Target(
        "needles, 5 million: our CPU over Spark's with an inferred schema", "large_needle.cpu_ratio_naive", 0.15, True
    ),
    Target("needles, a million more: our CPU over that of gunzip alone", "needle.steady_ratio_gunzip", 4),
    Target("tiny objects: our wall over Spark's with a given schema", "tiny.wall_ratio_schema", 0.30, True),
    Target("tiny objects: our CPU over chDB's", "tiny.cpu_ratio_chdb", 1, True),
    Target("peak memory a core, JVM and Python, in a heap of 512 MB", "growth.peak_mb_a_core", 512),
    Target("our ORC over the delivered gzip", "size.ratio_delivered", 0.62, True),
    Target("our ORC over the delivered gzip of tiny objects", "size.tiny_ratio_delivered", 0.48, True),
    Target("our ORC as ZSTD over the delivered gzip", "layout.zstd.ratio_delivered", 0.54, True),
    Target("one session: raw over readready, wall", "query.one_session.speedup", 60, at_least=True),
    Target("counts by event name: raw over readready, wall", "query.counts_by_event.speedup", 25, at_least=True),
    Target("both logs joined by session: raw over readready, wall", "query.join_by_session.speedup", 25, at_least=True),
    Target(
        "light engine, 400,000 events: its CPU over Spark's with an inferred schema",
        "light.cpu_ratio_naive",
        0.20,
        True,
    ),
    Target("light engine, a day of 20,000 events: its CPU over Spark's", "light_quiet.cpu_ratio_naive", 0.10, True),
)


def targets_table(figures: Mapping[str, Mapping[str, Any]]) -> str:
    """The targets whose figures were measured, as Markdown."""
    return f"## Targets\n\n{table(('what', 'target', 'measured', ''), _rows(figures))}"


def _rows(figures: Mapping[str, Mapping[str, Any]]) -> Iterator[tuple[str, ...]]:
    for target in TARGETS:
        if target.figure in figures:
            value, is_met = target.reached(figures[target.figure]["median"])
            bound = f"at {'least' if target.at_least else 'most'} {number(target.bound)}"
            yield target.text, bound, number(value), "met" if is_met else "**missed**"

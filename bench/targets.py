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

    def judge(self, median: float) -> tuple[float, bool]:
        """(the measured value in the target's terms, whether it is within the bound)."""
        value = 1 / median if self.inverse else median
        return value, value >= self.bound if self.at_least else value <= self.bound


_NAIVE = "our CPU over Spark's with an inferred schema"
TARGETS = (
    Target(f"every event, 1 million, by Spark: {_NAIVE}", "build_all.cpu_ratio_naive", 0.45, True),
    Target(f"every event, 5 million, by Spark: {_NAIVE}", "large.cpu_ratio_naive", 0.45, True),
    Target(f"every event, 1 million, by processes: {_NAIVE}", "local.cpu_ratio_naive", 0.35, True),
    Target(f"needles, 1 million, by Spark: {_NAIVE}", "needle.cpu_ratio_naive", 0.20, True),
    Target(f"needles, 1 million, by processes: {_NAIVE}", "needle_local.cpu_ratio_naive", 0.20, True),
    Target("tiny objects, by Spark: our wall over Spark's with a given schema", "tiny.wall_ratio_schema", 0.35, True),
    Target(
        "tiny objects, by processes: our wall over Spark's with a given schema",
        "tiny_local.wall_ratio_schema",
        0.35,
        True,
    ),
    Target(f"a quiet day of 20,000 events, by processes: {_NAIVE}", "local_quiet.cpu_ratio_naive", 0.08, True),
    Target("peak memory a core, by processes, 5 million events", "large_local.peak_mb_a_core", 512),
    Target("peak memory by Spark at ten times the events, over that at one", "growth.events.peak_ratio", 1.25),
    Target("peak memory by Spark at ten times the objects, over that at one", "growth.objects.peak_ratio", 1.25),
    Target("peak memory by Spark at ten times the days, over that at one", "growth.days.peak_ratio", 1.25),
    Target("recount of 5 million events: memory of its process, MB", "recount.peak_mb", 1000),
    Target("our ORC over the delivered gzip", "size.ratio_delivered", 0.63, True),
    Target("`loglake --help`: its CPU over that of `import dagster`", "orchestration.help_over_dagster", 0.20),
    Target("one session: raw over readready, wall", "query.one_session.speedup", 60, at_least=True),
)


def targets_table(figures: Mapping[str, Mapping[str, Any]]) -> str:
    """All targets as Markdown; of one whose figure was not measured that is what it says."""
    return f"## Targets\n\n{table(('what', 'target', 'measured', ''), _rows(figures))}"


def _rows(figures: Mapping[str, Mapping[str, Any]]) -> Iterator[tuple[str, ...]]:
    for target in TARGETS:
        bound = f"at {'least' if target.at_least else 'most'} {number(target.bound)}"
        if target.figure in figures:
            value, is_met = target.judge(figures[target.figure]["median"])
            yield target.text, bound, number(value), "met" if is_met else "**missed**"
        else:
            yield target.text, bound, "not measured", ""

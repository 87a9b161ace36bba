"""The contenders, and rounds in which each runs once, alternately, on the same files."""

import os
import shutil
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from bench.checking import Checked, checked, delivered_parameters
from bench.measuring import ContenderFailedError, Cost, measured
from bench.volumes import Volume

Say = Callable[[str], None]


@dataclass(frozen=True)
class Contender:
    """One way to do it. `module` is of bench.contenders; what is `unwritten` leaves no rows to be checked."""

    name: str
    title: str
    module: str
    environment: Mapping[str, str] = field(default_factory=dict)
    unwritten: bool = False


JOB = Contender("job", "our Glue job", "job")
NAIVE = Contender("naive", "Spark, inferred schema", "spark_naive")
SCHEMA = Contender("schema", "Spark, given schema", "spark_schema")
OTHERS = (
    Contender("duckdb", "DuckDB, ORC by pyarrow", "duckdb_orc"),
    Contender("polars", "Polars, ORC by pyarrow", "polars_orc"),
    Contender("chdb", "chDB", "chdb_orc"),
    Contender("python", "one Python loop: isal, msgspec, pyarrow", "python_loop"),
)


def floors(program: Path | None) -> tuple[Contender, ...]:
    """The native loop as far as it goes in each, or nothing where it could not be built."""
    if program is None:
        return ()
    named = {"gunzip": "gunzip alone", "parse": "gunzip and parse", "orc": "gunzip, parse, ORC: the floor"}
    return tuple(
        Contender(
            "floor" if stage == "orc" else stage,
            f"native loop, {title}",
            "floor",
            {"BENCH_FLOOR": str(program), "BENCH_STAGE": stage},
            unwritten=stage != "orc",
        )
        for stage, title in named.items()
    )


@dataclass
class Runs:
    """What the rounds of one comparison took, by contender, and what each wrote or why it failed."""

    volume: Volume
    wanted: int
    costs: dict[str, list[Cost]] = field(default_factory=lambda: defaultdict(list))
    outputs: dict[str, Checked] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)

    def cpu(self, name: str) -> list[float]:
        return [cost.cpu_seconds for cost in self.costs[name]]

    def wall(self, name: str) -> list[float]:
        return [cost.wall_seconds for cost in self.costs[name]]

    def verdict(self, name: str) -> str:
        """right, or what is wrong with it."""
        if name in self.failures:
            return f"failed: {self.failures[name]}"
        found = self.outputs.get(name)
        if found is None:
            return "writes nothing"
        if (found.rows, found.distinct_ids) != (self.wanted, self.wanted):
            return f"WRONG: {found.rows:,} rows, {found.distinct_ids:,} ids of {self.wanted:,}"
        return "right"


def compared(
    contenders: Sequence[Contender], volume: Volume, needle: bool, rounds: int, scratch: Path, java: str, say: Say
) -> Runs:
    """Every contender once a round, in turn. The first round's output is checked; one that fails runs no more."""
    runs = Runs(volume, volume.needle_count if needle else volume.event_count)
    delivered = delivered_parameters(volume)
    for number in range(rounds):
        for contender in contenders:
            if contender.name not in runs.failures:
                _run(contender, volume, needle, scratch, java, runs, delivered if number == 0 else None)
                say(f"  round {number + 1} of {rounds}, {contender.title}: {_told(runs, contender.name)}")
    return runs


def _told(runs: Runs, name: str) -> str:
    if name in runs.failures:
        return runs.verdict(name)
    cost = runs.costs[name][-1]
    return f"{cost.cpu_seconds:.1f} CPU s, {cost.wall_seconds:.1f} s"


def _run(
    contender: Contender,
    volume: Volume,
    needle: bool,
    scratch: Path,
    java: str,
    runs: Runs,
    delivered: Mapping[str, str] | None,
) -> None:
    with emptied(scratch / contender.name) as out, environment({**contender.environment, JAVA: java}):
        try:
            runs.costs[contender.name].append(
                measured(command(contender, volume, out, needle), out.with_suffix(".log"))
            )
        except ContenderFailedError as error:
            runs.failures[contender.name] = str(error).strip().splitlines()[-1][:200]
            return
        if delivered is not None and not contender.unwritten:
            runs.outputs[contender.name] = checked(out / "rows", delivered)


JAVA = "LOGLAKE_SPARK_JAVA_OPTIONS"


def command(contender: Contender, volume: Volume, out: Path, needle: bool) -> list[str]:
    program = [sys.executable, "-W", "ignore", "-m", f"bench.contenders.{contender.module}"]
    return [*program, str(volume.folder), str(out), *(["needle"] if needle else [])]


@contextmanager
def emptied(folder: Path) -> Iterator[Path]:
    """A folder that is empty before and gone after."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def environment(given: Mapping[str, str]) -> Iterator[None]:
    before = dict(os.environ)
    os.environ.update(given)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)

"""The contenders, and rounds in which each runs once, alternately, on the same files."""

import os
import shutil
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from bench.answer_check import RowCheck, check_answer, delivered_parameters
from bench.process_tree import ContenderFailedError, Cost, measure
from bench.volumes import NEEDLE_NAMES, Volume
from infra.emulator.glue_child import DEFAULT_JAVA_OPTIONS

Say = Callable[[str], None]


@dataclass(frozen=True)
class Contender:
    """One way to do it: a module of bench.contenders, or the native loop with the stage it goes to."""

    name: str
    title: str
    module: str = ""
    program: Path | None = None
    stage: str = ""
    java: str = ""
    """JVM options of its own, in the place of those that a comparison gives to all."""

    @property
    def writes(self) -> bool:
        return self.stage in ("", "orc")


JOB = Contender("job", "our Glue job by Spark", "job", java=DEFAULT_JAVA_OPTIONS)
LOCAL = Contender("local", "our job by processes, without Spark", "local")
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
        Contender("floor" if stage == "orc" else stage, f"native loop, {title}", program=program, stage=stage)
        for stage, title in named.items()
    )


@dataclass
class Runs:
    """What the rounds of one comparison took, by contender, and what each wrote or why it failed."""

    volume: Volume
    wanted: int
    costs: dict[str, list[Cost]] = field(default_factory=lambda: defaultdict(list))
    outputs: dict[str, RowCheck] = field(default_factory=dict)
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


def compare(
    contenders: Sequence[Contender], volume: Volume, needle: bool, rounds: int, scratch: Path, java: str, say: Say
) -> Runs:
    """Every contender once a round, in turn. The first round's output is checked; one that fails runs no more."""
    runs = Runs(volume, volume.needle_count if needle else volume.event_count)
    delivered = delivered_parameters(volume)
    for number in range(rounds):
        for contender in contenders:
            if contender.name not in runs.failures:
                _run(contender, volume, needle, scratch, java, runs, delivered if number == 0 else None)
                say(f"  round {number + 1} of {rounds}, {contender.title}: {_outcome(runs, contender.name)}")
    return runs


def _outcome(runs: Runs, name: str) -> str:
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
    with empty_folder(scratch / contender.name) as out, environment({JAVA: contender.java or java}):
        try:
            runs.costs[contender.name].append(measure(command(contender, volume, out, needle), out.with_suffix(".log")))
        except ContenderFailedError as error:
            runs.failures[contender.name] = str(error).strip().splitlines()[-1][:200]
            return
        if delivered is not None and contender.writes:
            runs.outputs[contender.name] = check_answer(out / "rows", delivered)


JAVA, DRIVER_MEMORY = "LOGLAKE_SPARK_JAVA_OPTIONS", "LOGLAKE_SPARK_DRIVER_MEMORY"


def command(contender: Contender, volume: Volume, out: Path, needle: bool) -> list[str]:
    """The command line; the native loop is started itself, since it may be over before a Python has begun."""
    if contender.program is None:
        program = [sys.executable, "-W", "ignore", "-m", f"bench.contenders.{contender.module}"]
        return [*program, str(volume.folder), str(out), *(["needle"] if needle else [])]
    paths = out / "paths.txt"
    paths.write_text("\n".join(volume.paths()) + "\n", encoding="utf-8")
    (out / "rows").mkdir()
    kept = [",".join(NEEDLE_NAMES), ",".join(volume.needle_accounts)] if needle else ["-", "-"]
    return [str(contender.program), contender.stage, str(paths), str(out / "rows" / "rows.orc"), *kept]


@contextmanager
def empty_folder(folder: Path) -> Iterator[Path]:
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

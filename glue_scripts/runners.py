"""How tasks are spread: over the processes of one machine, or by Spark. Both run the same tasks in the same two rounds.

A runner deals slices of objects to the first task, brings together what tasks hand on to the same partition, and gives
each partition to a second task as often as it is asked. What is brought together is bytes, which no runner looks into.
"""

import os
import re
import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, suppress
from multiprocessing import forkserver, get_context, parent_process
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from glue_scripts.progress import Progress, Report
from glue_scripts.whole_objects import ObjectRef

if TYPE_CHECKING:
    from pyspark import RDD
    from pyspark.sql import SparkSession

Slice = tuple[int, Sequence[ObjectRef]]
First = Callable[[int, Sequence[ObjectRef]], Iterator[tuple[int, bytes]]]
T = TypeVar("T")
Second = Callable[[int, Iterable[bytes]], Iterator[T]]
Numbered = tuple[int, int, bytes]
"""(slice, place in it, payload)"""
_LENGTH_BYTES = 8
_MEMORY, _CONTROL_GROUP = Path("/proc/meminfo"), Path("/sys/fs/cgroup")
_AVAILABLE = re.compile(r"^MemAvailable: +(\d+) kB$", re.M)
_BYTES_A_PROCESS = 768 << 20  # at its peak: docs/decisions/0020-one-build.md
_FOLDER_OF_SOCKETS = "/tmp"


class LostProcessError(RuntimeError):
    """A process of the build was ended from outside. The message says what to do."""


class Partitions(Protocol):
    """What the first round made, by partition."""

    def run(self, task: Second[T], partitions: Sequence[int], what: str) -> list[T]:
        """All that the task gives for the partitions, in no order. `what` is named in the progress."""


class Runner(Protocol):
    """One way to spread tasks."""

    def slice_count(self, total_bytes: int, objects: int) -> int:
        """Into how many slices objects are best dealt."""

    def read(self, task: First, slices: Sequence[Slice], partitions: int) -> Partitions:
        """Run the first round."""


class LocalRunner:
    """Processes of one machine; where there is one slice, none. Partitions lie in files."""

    BYTES_A_SLICE = 16 << 20  # of gzip
    OBJECTS_A_SLICE = 2_500

    def __init__(self, folder: Path, report: Report, processes: int | None = None) -> None:
        self._folder, self._report, self._processes = folder, report, processes
        self._pool: ProcessPoolExecutor | None = None
        self._has_one_slice = True

    def slice_count(self, total_bytes: int, objects: int) -> int:
        wanted = max(1, total_bytes // self.BYTES_A_SLICE, objects // self.OBJECTS_A_SLICE)
        return min(wanted, max(1, objects))

    def read(self, task: First, slices: Sequence[Slice], partitions: int) -> "LocalPartitions":
        self._has_one_slice = len(slices) == 1
        for _ in self.map(_read_slice, [(task, *hand, self._folder) for hand in slices], "slices of objects read"):
            pass
        self.close()
        return LocalPartitions(self, self._folder)

    def map(self, function: Callable[..., T], calls: Sequence[tuple[Any, ...]], what: str) -> Iterator[T]:
        """What the function gives for each call's arguments, as they end."""
        progress = Progress(self._report, what, len(calls))
        if self._has_one_slice:
            for done, call in enumerate(calls, 1):
                yield function(*call)
                progress.at(done)
            return
        futures: list[Future[T]] = [self._processes_pool().submit(function, *call) for call in calls]
        try:
            for done, future in enumerate(as_completed(futures), 1):
                yield future.result()
                progress.at(done)
        except BrokenProcessPool as error:
            raise LostProcessError(
                f'A process of this build was ended from outside during "{what}", as a system does that is out of '
                "memory. Nothing of the window was committed. Build it again, or fewer days at once."
            ) from error
        finally:
            for future in futures:
                future.cancel()

    def _processes_pool(self) -> ProcessPoolExecutor:
        """Processes of one fork server, which has imported what tasks need, so that a new one costs next to nothing."""
        if self._pool is None:
            context = get_context("forkserver")
            context.set_forkserver_preload(["glue_scripts.tasks", "pandas"])
            _start_fork_server()
            count = self._processes or process_count()
            self._pool = ProcessPoolExecutor(count, context, _begin_process, (dict(os.environ),))
        return self._pool

    def close(self) -> None:
        """End the processes, and with them what reading has left in their memory."""
        if self._pool:
            self._pool.shutdown(cancel_futures=True)
            self._pool = None


@contextmanager
def local_runner(report: Report, processes: int | None = None) -> Iterator[LocalRunner]:
    """A LocalRunner whose files and processes are gone at the end of the block."""
    with tempfile.TemporaryDirectory(prefix="loglake-build-") as folder:
        runner = LocalRunner(Path(folder), report, processes)
        try:
            yield runner
        finally:
            runner.close()


class LocalPartitions:
    """Files of a folder: `<partition>/<slice>`."""

    def __init__(self, runner: LocalRunner, folder: Path) -> None:
        self._runner, self._folder = runner, folder

    def run(self, task: Second[T], partitions: Sequence[int], what: str) -> list[T]:
        calls = [(task, n, self._folder / str(n)) for n in partitions if (self._folder / str(n)).is_dir()]
        return [result for results in self._runner.map(_run_partition, calls, what) for result in results]


def process_count() -> int:
    """As many processes as there are cores for this one, and as there is memory for; at least one."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(cores, _available_bytes() // _BYTES_A_PROCESS))


def _available_bytes() -> int:
    """Of the system's memory, and where a container has a limit, of that. Where neither is said: all there is."""
    found = [os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")]
    with suppress(OSError):
        found += [int(kilobytes) << 10 for kilobytes in _AVAILABLE.findall(_MEMORY.read_text())]
    with suppress(OSError, ValueError):  # without a limit it says max
        found.append(
            int((_CONTROL_GROUP / "memory.max").read_text()) - int((_CONTROL_GROUP / "memory.current").read_text())
        )
    return min(found)


def _start_fork_server() -> None:
    """Start it with its socket in a short path: a system takes some hundred bytes, and a run's own folder has more."""
    before, tempfile.tempdir = tempfile.tempdir, _FOLDER_OF_SOCKETS
    try:
        forkserver.ensure_running()
    finally:
        tempfile.tempdir = before


def _begin_process(environment: dict[str, str]) -> None:
    """Take the build's environment as it is now, and end when the build does, also where that was killed."""
    os.environ.clear()
    os.environ.update(environment)
    threading.Thread(target=_end_with_build, daemon=True).start()


def _end_with_build() -> None:
    build = parent_process()
    assert build is not None, "a process of the pool has the build as its parent"
    build.join()
    os._exit(1)


def _read_slice(task: First, number: int, refs: Sequence[ObjectRef], folder: Path) -> None:
    for partition, payload in task(number, refs):
        directory = folder / str(partition)
        directory.mkdir(parents=True, exist_ok=True)
        with (directory / f"{number:06d}").open("ab") as file:
            file.write(len(payload).to_bytes(_LENGTH_BYTES, "big") + payload)


def _run_partition(task: Second[T], partition: int, folder: Path) -> list[T]:
    return list(task(partition, _payloads(folder)))


def _payloads(folder: Path) -> Iterator[bytes]:
    for path in sorted(folder.iterdir()):
        with path.open("rb") as file:
            while length := file.read(_LENGTH_BYTES):
                yield file.read(int.from_bytes(length, "big"))


def _numbered(task: First, number: int, refs: Sequence[ObjectRef]) -> Iterator[tuple[int, Numbered]]:
    """What a first task gives, each payload with the numbers of its slice and of its place in it."""
    for place, (partition, payload) in enumerate(task(number, refs)):
        yield partition, (number, place, payload)


def payloads_in_order(found: Iterable[Numbered]) -> Iterator[bytes]:
    """Payloads in the order of slices. A shuffle gives them in any, and a repeated task must write the same files."""
    return (payload for _, _, payload in sorted(found))


class SparkRunner:
    """Spark's executors. What is shuffled is bytes; the shuffle's files stay, so that objects are read once."""

    BYTES_A_SLICE = 32 << 20

    def __init__(self, spark: "SparkSession", report: Report) -> None:
        self._spark, self._report = spark, report

    def slice_count(self, total_bytes: int, objects: int) -> int:
        wanted = max(self._spark.sparkContext.defaultParallelism * 4, total_bytes // self.BYTES_A_SLICE)
        return min(wanted, max(1, objects))

    def read(self, task: First, slices: Sequence[Slice], partitions: int) -> "SparkPartitions":
        context = self._spark.sparkContext
        dealt = context.parallelize(slices, max(1, len(slices))).flatMap(lambda hand: _numbered(task, *hand))
        return SparkPartitions(self._spark, self._report, dealt.partitionBy(partitions, int))


class SparkPartitions:
    """Partitions of an RDD behind a shuffle, which Spark runs when the first task asks for it."""

    def __init__(self, spark: "SparkSession", report: Report, rdd: "RDD[tuple[int, Numbered]]") -> None:
        self._spark, self._report, self._rdd = spark, report, rdd

    def run(self, task: Second[T], partitions: Sequence[int], what: str) -> list[T]:
        shared = self._spark.sparkContext.broadcast(task)

        def run_partition(number: int, pairs: Iterable[tuple[int, Numbered]]) -> Iterator[T]:
            return shared.value(number, payloads_in_order(payload for _, payload in pairs))

        with spark_progress(self._spark, self._report, what):
            rdd = self._rdd.mapPartitionsWithIndex(run_partition)
            return list(self._spark.sparkContext.runJob(rdd, iter, list(partitions)))


@contextmanager
def spark_progress(spark: "SparkSession", report: Report, what: str) -> Iterator[None]:
    """Tell of finished Spark tasks every few seconds while the block runs."""
    done = threading.Event()
    thread = threading.Thread(target=_watch, args=(spark, report, what, done), daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join(timeout=5)


def _watch(spark: "SparkSession", report: Report, what: str, done: threading.Event) -> None:
    tracker = spark.sparkContext.statusTracker()
    progress: Progress | None = None
    while not done.wait(1.0):
        stages = [info for stage in tracker.getActiveStageIds() if (info := tracker.getStageInfo(stage))]
        if stages:
            progress = progress or Progress(report, what, max(s.numTasks for s in stages))
            progress.at(max(s.numCompletedTasks for s in stages))

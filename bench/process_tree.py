"""One command, measured: CPU of every process it starts, wall, peak memory. Linux.

Run as a program it is the measured command's parent and the reaper of whatever that leaves behind: a JVM outlives the
Python that started it. `measured` starts that program and reads its answer; `bench.counters` counts the CPU.
"""

import contextlib
import ctypes
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from bench import counters

CORES = 2
"""Processors that a command may run on: those of local[2]. Each library else takes all that there are."""
_SET_CHILD_SUBREAPER = 36  # prctl
_MEMORY_SECONDS = 0.2
_KEPT_OUTPUT = 4000
_REST_SECONDS = 20.0  # for what outlives the command
_TIMED_OUT = 124  # as timeout(1) exits


@dataclass(frozen=True)
class Cost:
    """What a command took. CPU is user and system seconds of all its processes; memory is shared pages counted once."""

    cpu_seconds: float
    wall_seconds: float
    peak_bytes: int


class ContenderFailedError(RuntimeError):
    """A contender did not end well; the message names it, its exit code and the end of what it said."""


def measure(command: Sequence[str], log: Path, timeout_seconds: float = 3600, counter: str = "") -> Cost:
    """Run the command and return what it took, counted as `counter` or as `counters.available()` says.

    Raises ContenderFailedError where it ends with another exit code than 0, or does not end in time: then it and all
    that it started are killed, so that nothing runs beside the next one.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    answer = log.with_suffix(".cost.json")
    settings = [str(answer), counter or counters.available(), str(timeout_seconds)]
    with log.open("wb") as output:
        program = [sys.executable, "-m", "bench.process_tree", *settings, *command]
        code = subprocess.run(program, stdout=output, stderr=output, check=False).returncode
    if code:
        said = log.read_text(errors="replace")[-_KEPT_OUTPUT:]
        late = f" It was killed after {timeout_seconds:g} s." if code == _TIMED_OUT else ""
        raise ContenderFailedError(f"{' '.join(command[:4])} ended with exit code {code}.{late} Its last words: {said}")
    return Cost(**json.loads(answer.read_text(encoding="utf-8")))


def _main(answer: str, counter_name: str, timeout_seconds: str, *command: str) -> int:
    ctypes.CDLL(None, use_errno=True).prctl(_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # ignored, as it may be inherited, it would hide every child's end
    with counters.counter(counter_name) as counter:
        started = time.monotonic()
        child = _start(command, counter)
        watch = _Watch(counter, started + float(timeout_seconds), min(_REST_SECONDS, float(timeout_seconds) / 4))
        code, ended = _reap(child, counter, watch)
        watch.end()
        cost = Cost(counter.cpu_seconds(), ended - started, watch.peak_bytes)
    Path(answer).write_text(json.dumps(asdict(cost)), encoding="utf-8")
    return _TIMED_OUT if watch.is_late else code


def _start(command: Sequence[str], counter: counters.Counter) -> int:
    """The pid of a child that enters the counter and becomes the command. There is no other thread yet."""
    child = os.fork()
    if child:
        return child
    try:
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:CORES])
        counter.enter()
        os.execv(command[0], list(command))
    except OSError as error:
        print(f"{command[0]} cannot be started: {error}", file=sys.stderr, flush=True)
    finally:
        os._exit(127)


def _reap(child: int, counter: counters.Counter, watch: "_Watch") -> tuple[int, float]:
    """Exit code of the child and when it ended, once it and all that was left to this process have ended."""
    code, ended = 1, 0.0
    while True:
        try:
            pid, status = counter.wait()
        except ChildProcessError:
            return code, ended
        if pid == child:
            code, ended = os.waitstatus_to_exitcode(status), time.monotonic()
            watch.limit_rest()


class _Watch:
    """A thread that samples while the command runs, and kills what is left of it when its time is over.

    Processes that outlive the command have `rest_seconds`: a helper that a Java process was starting as it ended waits
    for its parent for ever.
    """

    def __init__(self, counter: counters.Counter, deadline: float, rest_seconds: float) -> None:
        self.peak_bytes, self.is_late = 0, False
        self._counter, self._deadline, self._over = counter, deadline, threading.Event()
        self._rest_seconds, self._is_rest = rest_seconds, False
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def limit_rest(self) -> None:
        """The command itself has ended: what it left may go on for a while, and is no lateness of the command."""
        self._is_rest, self._deadline = True, time.monotonic() + self._rest_seconds

    def end(self) -> None:
        """Sample no more."""
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        next_memory = 0.0
        while not self._over.wait(counters.SAMPLE_SECONDS):
            self._counter.sample()
            if (now := time.monotonic()) >= next_memory:
                self._sample_memory()
                next_memory = now + _MEMORY_SECONDS
            if now >= self._deadline:
                self._kill()

    def _sample_memory(self) -> None:
        """Proportional set sizes: a page that several share counts once."""
        total = sum(map(_proportional_bytes, _own_descendants()))
        self.peak_bytes = max(self.peak_bytes, total)

    def _kill(self) -> None:
        self.is_late = self.is_late or not self._is_rest
        for pid in _own_descendants():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def _own_descendants() -> list[int]:
    return counters.descendants({process.pid: process for process in counters.processes()}, os.getpid())


def _proportional_bytes(pid: int) -> int:
    try:
        with open(f"/proc/{pid}/smaps_rollup") as file:
            return next((int(line.split()[1]) << 10 for line in file if line.startswith("Pss:")), 0)
    except (OSError, ValueError):
        return 0  # it ended meanwhile


if __name__ == "__main__":
    sys.exit(_main(*sys.argv[1:]))

"""One command, measured: CPU of every process it starts, wall, peak memory. Linux.

Run as a program it is the measured command's parent and the reaper of whatever that leaves behind: a JVM outlives the
Python that started it, and its CPU would else be counted nowhere. `measured` starts that program and reads its answer.
"""

import ctypes
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

_SET_CHILD_SUBREAPER = 36  # prctl
_SAMPLE_SECONDS = 0.2
_KEPT_OUTPUT = 4000


@dataclass(frozen=True)
class Cost:
    """What a command took. CPU is user and system seconds of all its processes; memory is shared pages counted once."""

    cpu_seconds: float
    wall_seconds: float
    peak_bytes: int


class ContenderFailedError(RuntimeError):
    """A contender did not end well; the message names it, its exit code and the end of what it said."""


def measured(command: Sequence[str], log: Path, timeout_seconds: float = 3600) -> Cost:
    """Run the command and return what it took. Raises ContenderFailedError, subprocess.TimeoutExpired."""
    log.parent.mkdir(parents=True, exist_ok=True)
    answer = log.with_suffix(".cost.json")
    with log.open("wb") as output:
        program = [sys.executable, "-m", "bench.measuring", str(answer), *command]
        code = subprocess.run(program, stdout=output, stderr=output, timeout=timeout_seconds, check=False).returncode
    if code:
        said = log.read_text(errors="replace")[-_KEPT_OUTPUT:]
        raise ContenderFailedError(f"{' '.join(command[:4])} ended with exit code {code}. Its last words: {said}")
    return Cost(**json.loads(answer.read_text(encoding="utf-8")))


def _main(answer: str, *command: str) -> int:
    ctypes.CDLL(None, use_errno=True).prctl(_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    memory, done = _Memory(), threading.Event()
    sampler = threading.Thread(target=memory.sample, args=(done,), daemon=True)
    started = time.monotonic()
    child = os.posix_spawn(command[0], command, os.environ)
    sampler.start()
    code, cpu, ended = _reaped(child)
    done.set()
    sampler.join()
    cost = {"cpu_seconds": cpu, "wall_seconds": ended - started, "peak_bytes": memory.peak_bytes}
    Path(answer).write_text(json.dumps(cost), encoding="utf-8")
    return code


def _reaped(child: int) -> tuple[int, float, float]:
    """Exit code of the child, CPU seconds of all that was left to this process, and when the child itself ended."""
    code, cpu, ended = 1, 0.0, 0.0
    while True:
        try:
            pid, status, usage = os.wait4(-1, 0)
        except ChildProcessError:
            return code, cpu, ended
        cpu += usage.ru_utime + usage.ru_stime
        if pid == child:
            code, ended = os.waitstatus_to_exitcode(status), time.monotonic()


class _Memory:
    """The highest sum of proportional set sizes over the tree, sampled."""

    def __init__(self) -> None:
        self.peak_bytes = 0

    def sample(self, done: threading.Event) -> None:
        import psutil

        me = psutil.Process()
        while not done.wait(_SAMPLE_SECONDS):
            total = sum(_proportional_bytes(process.pid) for process in me.children(recursive=True))
            self.peak_bytes = max(self.peak_bytes, total)


def _proportional_bytes(pid: int) -> int:
    try:
        with open(f"/proc/{pid}/smaps_rollup") as file:
            return next((int(line.split()[1]) << 10 for line in file if line.startswith("Pss:")), 0)
    except (OSError, ValueError):
        return 0  # it ended meanwhile


if __name__ == "__main__":
    sys.exit(_main(*sys.argv[1:]))

"""Counters of the CPU that a command and every process it starts use. Linux.

What `wait4` says at the end of a process is not enough: the kernel itself removes the children of a parent that ignores
SIGCHLD, as PySpark's daemon does, and their CPU is then in nobody's account. So there are two counters:

- a control group of its own (cgroup v2) for the command: the kernel adds up all processes that were ever in it. Exact.
- where none can be made, `wait4` for all that can be waited for, which is exact, and for the others the last of the
  samples of /proc. Such a process is short by what it used since its last sample (`SAMPLE_SECONDS` times its running
  threads, and 0.02 s for the kernel's ticks), and one that begins and ends between two samples is missed. A parent that
  refuses to wait by SA_NOCLDWAIT, and not by ignoring SIGCHLD, is not recognised.

Neither counts what another service starts at the command's request, as a container engine does.
"""

import contextlib
import os
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from signal import SIGCHLD
from typing import Protocol

CGROUP, SAMPLES = "cgroup", "samples"
TITLES = {
    CGROUP: "a control group of the kernel for each contender, which misses no process",
    SAMPLES: "`wait4`, and 20 samples of /proc a second of processes that nobody waits for, which may be short of a "
    "twentieth of a second of each",
}
SAMPLE_SECONDS = 0.05
_GROUP_ROOT_FIELD, _GROUP_MOUNT_FIELD = 3, 4  # of a line of mountinfo
_TICKS = os.sysconf("SC_CLK_TCK")
_REMOVAL_TRIES = 50


class Counter(Protocol):
    """Counts the CPU of a command's processes; this process is the command's parent and the reaper of its orphans."""

    def enter(self) -> None:
        """Called in the child before it becomes the command."""

    def sample(self) -> None:
        """Called every SAMPLE_SECONDS from a thread of its own."""

    def wait(self) -> tuple[int, int]:
        """Wait for a child; its pid and status. Raises ChildProcessError where there is none left."""

    def cpu_seconds(self) -> float:
        """User and system time of all the processes, once all have ended."""


def available() -> str:
    """CGROUP where this process may make a control group and start a process in it, otherwise SAMPLES."""
    try:
        with _group() as folder:
            script = 'echo $$ > "$0"'
            entered = subprocess.run(["/bin/sh", "-c", script, str(folder / "cgroup.procs")], capture_output=True)
            return CGROUP if entered.returncode == 0 and (folder / "cpu.stat").exists() else SAMPLES
    except OSError:
        return SAMPLES


@contextlib.contextmanager
def counter(name: str) -> Iterator[Counter]:
    """The counter of that name. Raises OSError where a control group cannot be made."""
    if name == SAMPLES:
        yield Samples()
        return
    with _group() as folder:
        yield ControlGroup(folder)


@contextlib.contextmanager
def _group() -> Iterator[Path]:
    """A new control group below that of this process, removed at the end."""
    folder = _own_group() / f"loglake-bench-{os.getpid()}-{time.monotonic_ns()}"
    folder.mkdir()
    try:
        yield folder
    finally:
        _remove(folder)


def _own_group() -> Path:
    """Folder of this process's control group. Raises FileNotFoundError where no cgroup v2 is mounted for it."""
    lines = Path("/proc/self/cgroup").read_text(encoding="utf-8").splitlines()
    own = next((line.removeprefix("0::") for line in lines if line.startswith("0::")), None)
    for line in Path("/proc/self/mountinfo").read_text(encoding="utf-8").splitlines():
        fields, _, source = line.partition(" - ")
        root, mount = (fields.split()[n] for n in (_GROUP_ROOT_FIELD, _GROUP_MOUNT_FIELD))
        if own and source.startswith("cgroup2 ") and Path(own).is_relative_to(root):
            return Path(mount) / Path(own).relative_to(root)
    raise FileNotFoundError("No control group (cgroup v2) of this process is mounted.")


def _remove(folder: Path) -> None:
    """The kernel may need a moment after the last process has ended. A group that stays is empty and costs nothing."""
    for _ in range(_REMOVAL_TRIES):
        try:
            folder.rmdir()
        except OSError:
            time.sleep(0.02)
        else:
            return


class ControlGroup:
    """A control group in which the command runs, so that the kernel adds up all of it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def enter(self) -> None:
        """Move this process into the group; what it starts begins there."""
        (self._folder / "cgroup.procs").write_text(str(os.getpid()), encoding="ascii")

    def sample(self) -> None:
        """Nothing: the kernel counts."""

    def wait(self) -> tuple[int, int]:
        """Wait for a child; its pid and status. Raises ChildProcessError where there is none left."""
        return os.wait()

    def cpu_seconds(self) -> float:
        """What the kernel counted."""
        lines = (self._folder / "cpu.stat").read_text(encoding="ascii").splitlines()
        return int(dict(line.split() for line in lines)["usage_usec"]) / 1e6


class Samples:
    """`wait4`, and the last sample of each process whose end no `wait4` sees.

    Such is every process below a parent that ignores SIGCHLD, as long as none of its ancestors is handed to this one.
    """

    def __init__(self) -> None:
        self._reaped_seconds = 0.0
        self._ended_seconds = 0.0
        self._unwaited: dict[int, _Unwaited] = {}
        self._lock = threading.Lock()

    def enter(self) -> None:
        """Nothing: this process is the command's parent."""

    def sample(self) -> None:
        """Note what each process has used that nobody waits for, and keep what those used that have ended."""
        with self._lock:
            found = {process.pid: process for process in processes()}
            for one in self._unwaited.values():
                if not _lives(one.process, found) and not self._is_waited_for(one, found):
                    self._ended_seconds += one.process.cpu_seconds
            self._unwaited = _unwaited_processes(found)

    def wait(self) -> tuple[int, int]:
        """Wait for a child; its pid and status. Raises ChildProcessError where there is none left."""
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOWAIT)
        with self._lock:  # its pid is not given to another before its sample is away
            pid, status, used = os.wait4(-1, 0)
            self._reaped_seconds += used.ru_utime + used.ru_stime
            self._forget(pid)
        return pid, status

    def cpu_seconds(self) -> float:
        """What was waited for, and the last samples of the rest."""
        last = sum(one.process.cpu_seconds for one in self._unwaited.values())
        return self._reaped_seconds + self._ended_seconds + last

    def _is_waited_for(self, one: "_Unwaited", found: dict[int, "Process"]) -> bool:
        """Whether what an ended process used is now in the sample of an ancestor that waited for it."""
        above: _Unwaited | None = one
        while above is not None and not above.is_ignored:
            if above.process.parent in found:
                return True
            above = self._unwaited.get(above.process.parent)
        return False

    def _forget(self, pid: int) -> None:
        """What `wait4` said of the process holds its own time and that of the children it waited for."""
        self._unwaited.pop(pid, None)
        for one in [one for one in self._unwaited.values() if one.process.parent == pid and not one.is_ignored]:
            self._forget(one.process.pid)


@dataclass(frozen=True)
class _Unwaited:
    """A sample of a process that nobody waits for, and whether it is its own parent that ignores its end."""

    process: "Process"
    is_ignored: bool


def _lives(process: "Process", found: dict[int, "Process"]) -> bool:
    return process.pid in found and found[process.pid].started == process.started


def _unwaited_processes(found: dict[int, "Process"]) -> dict[int, _Unwaited]:
    """The descendants of this process which end below a parent that ignores SIGCHLD, or have such an ancestor."""
    unwaited: dict[int, _Unwaited] = {}
    mine = descendants(found, os.getpid())
    ignoring = {pid for pid in {found[pid].parent for pid in mine} if _ignores_children(pid)}
    for process in (found[pid] for pid in mine):  # parents before their children
        if process.parent in ignoring or process.parent in unwaited:
            unwaited[process.pid] = _Unwaited(process, process.parent in ignoring)
    return unwaited


@dataclass(frozen=True)
class Process:
    """A process as /proc/<pid>/stat has it. CPU is its own and that of the children which it waited for."""

    pid: int
    parent: int
    started: int
    cpu_seconds: float


def processes() -> Iterator[Process]:
    """All processes that this one can see."""
    for entry in os.listdir("/proc"):
        if entry.isdigit() and (process := _process(int(entry))) is not None:
            yield process


def _process(pid: int) -> Process | None:
    try:
        text = Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return None  # it has ended meanwhile
    fields = text.rpartition(b")")[2].split()  # from its state on; before it stands a name that may hold anything
    return Process(pid, int(fields[1]), int(fields[19]), sum(map(int, fields[11:15])) / _TICKS)


def descendants(found: dict[int, Process], root: int) -> list[int]:
    """Pids of the children of `root`, their children and so on; a parent comes before its children."""
    children: dict[int, list[int]] = {}
    for process in found.values():
        children.setdefault(process.parent, []).append(process.pid)
    mine, level = [], [root]
    while level:
        level = [child for pid in level for child in children.get(pid, ())]
        mine += level
    return mine


def _ignores_children(pid: int) -> bool:
    """Whether the process has SIGCHLD ignored, so that the kernel removes its children without a wait."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return False
    mask = next((line.split()[1] for line in lines if line.startswith("SigIgn:")), "0")
    return bool(int(mask, 16) >> (SIGCHLD - 1) & 1)

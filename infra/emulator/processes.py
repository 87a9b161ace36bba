"""Starting, finding and stopping the local stack, and knowing one process from another.

A pid alone never names a process here: pids are recycled, so a process is its pid and its start time together. What
runs inside the stack does not belong here (see stack.py).
"""

import contextlib
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

DECISIONS = "decisions.jsonl"
"""In the stack's home: what IAM decided for whom, where it is enforced."""
READY_SECONDS = 30.0
STOP_SECONDS = 8.0
LOG_TAIL_BYTES = 4000
HEALTH_PATH = "/_ministack/health"
REPOSITORY = Path(__file__).resolve().parents[2]
_PROC = Path("/proc")


class StackError(RuntimeError):
    """The local stack could not be started or stopped; the message says on which home and what to do."""


@dataclass(frozen=True)
class StackInfo:
    """A stack that runs, and its credentials: `started` is the start time of `pid` as the operating system tells it."""

    pid: int
    port: int
    started: str
    access_key_id: str
    secret_access_key: str = field(repr=False)

    @property
    def endpoint_url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def credentials(self) -> dict[str, str]:
        """The credentials as boto3's clients and sessions take them; every request to the stack is signed with them."""
        return {"aws_access_key_id": self.access_key_id, "aws_secret_access_key": self.secret_access_key}


def running_stack(home: Path) -> StackInfo | None:
    """The stack that serves `home`, or None. Its pid, start time and health answer are all asked for."""
    try:
        info = StackInfo(**json.loads((home / "stack.json").read_text()))
    except (OSError, ValueError, TypeError):
        return None
    return info if process_start(info.pid) == info.started and is_healthy(info.port) else None


def start_stack(
    home: Path,
    port: int | None = None,
    auth: bool = False,
    log: Callable[[str], None] = print,
    arguments: Sequence[str] = (),
) -> StackInfo:
    """Start a stack on `home` as a child with a session of its own, or return the one that already serves it.

    `port` None picks a free one. Raises StackError with the tail of `home`/stack.log when it is not ready in 30 s.
    """
    present = running_stack(home)
    if present is not None:
        log(f"The stack of {home} already runs on {present.endpoint_url} (pid {present.pid}).")
        return present
    make_private(home)
    command = [sys.executable, "-m", "infra.emulator.stack", "--home", str(home), "--port", str(port or free_port())]
    command += ["--auth"] * auth + list(arguments)
    child: subprocess.Popen[bytes] | None = None
    try:
        with _hold_signals(), (home / "stack.log").open("ab") as output:
            child = subprocess.Popen(
                command, cwd=REPOSITORY, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
            )
        info = _wait_until_ready(home, child)
    except BaseException:  # Ctrl-C among them: nobody else knows of it yet
        if child:
            _end(child)
        raise
    child.returncode = 0  # it is meant to outlive this process: else Popen warns that it is still running
    log(f"The stack of {home} runs on {info.endpoint_url} (pid {info.pid}); its log is {home / 'stack.log'}.")
    return info


def stop_stack(info: StackInfo) -> None:
    """End the stack cleanly, by SIGKILL after 8 s. Where its pid is gone or recycled nothing is done."""
    deadline = time.monotonic() + STOP_SECONDS
    send_signal(info.pid, info.started, signal.SIGTERM)
    while is_running(info.pid, info.started):
        if time.monotonic() > deadline:
            send_signal(info.pid, info.started, signal.SIGKILL)
        time.sleep(0.05)


def free_port() -> int:
    """A TCP port of 127.0.0.1 that nothing listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def is_healthy(port: int) -> bool:
    """Whether an emulator answers on 127.0.0.1:`port` within 2 s."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
    try:
        connection.request("GET", HEALTH_PATH)
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def process_start(pid: int) -> str | None:
    """When `pid` started, as text to compare and nothing else; None when there is no such process or it is a zombie."""
    if _PROC.joinpath("self").exists():
        fields = _stat_fields(pid)
        return None if fields is None or fields[0] == "Z" else f"{_boot_id()}:{fields[19]}"
    answer = subprocess.run(["ps", "-o", "stat=,lstart=", "-p", str(pid)], capture_output=True, text=True, check=False)
    state, _, started = answer.stdout.strip().partition(" ")
    return None if not started or state.startswith("Z") else started.strip()


def is_running(pid: int, started: str) -> bool:
    """Whether the very process that was started then is still there. Reaps it when it is our own child."""
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)
    return process_start(pid) == started


def send_signal(pid: int, started: str, number: signal.Signals) -> None:
    """Signal `pid` only while it is the process that was started then."""
    if process_start(pid) == started:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


def signal_session(leader: int, mark: str, number: signal.Signals) -> int:
    """Signal every process of the session `leader` whose environment holds `mark`; returns how many there were.

    The whole session and not its process group: pyspark's worker daemon makes a group of its own. Without /proc it is
    the group, and only for a leader that the caller has just checked.
    """
    if not _PROC.joinpath("self").exists():
        return _signal_group(leader, number)
    count = 0
    for pid in list(_session_members(leader, mark.encode())):
        try:
            os.kill(pid, number)
            count += 1
        except ProcessLookupError:
            continue
    return count


def write_atomically(path: Path, text: str) -> None:
    """Replace `path` by `text` in one step, so that a reader sees the old text or the new; only its owner reads it."""
    scratch = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    scratch.unlink(missing_ok=True)
    with open(os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as output:
        output.write(text)
    os.replace(scratch, path)


def make_private(folder: Path) -> None:
    """Make a folder that only its owner may enter; one that is there already keeps its permissions."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)


def write_stack_info(home: Path, info: StackInfo) -> None:
    """Say in stack.json, which only its owner may read, that the stack runs, and with which credentials."""
    write_atomically(home / "stack.json", json.dumps(asdict(info)))


def _wait_until_ready(home: Path, child: subprocess.Popen[bytes]) -> StackInfo:
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline and child.poll() is None:
        info = running_stack(home)
        if info is not None and info.pid == child.pid:
            return info
        time.sleep(0.1)
    code = child.poll()
    _end(child)
    became = f"was not ready after {READY_SECONDS:.0f} s and was ended" if code is None else f"ended with code {code}"
    raise StackError(
        f"The local stack on {home} {became}. Starting it again helps only once the cause below is gone.\n"
        f"{_log_tail(home / 'stack.log')}"
    )


@contextlib.contextmanager
def _hold_signals() -> Iterator[None]:
    """Deliver Ctrl-C and SIGTERM at the end of the block: in the midst of starting a process they would lose it."""
    if threading.current_thread() is not threading.main_thread():  # signals are the main thread's
        yield
        return
    found = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    # What is ignored stays so, since the process that is started ignores it as well.
    handlers = {number: handler for number, handler in found.items() if handler not in (signal.SIG_IGN, None)}
    held: list[signal.Signals] = []
    for number in handlers:
        signal.signal(number, lambda number, frame: held.append(signal.Signals(number)))
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
        for number in held:
            signal.raise_signal(number)


def _end(child: subprocess.Popen[bytes]) -> None:
    if child.poll() is None:
        child.kill()
        child.wait()


def _log_tail(path: Path) -> str:
    with path.open("rb") as log:
        log.seek(0, os.SEEK_END)
        log.seek(max(0, log.tell() - LOG_TAIL_BYTES))
        return log.read().decode(errors="replace")


def _stat_fields(pid: int) -> list[str] | None:
    """Fields of /proc/<pid>/stat from the state on: the command before them may hold spaces and brackets."""
    try:
        return (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None


def _boot_id() -> str:
    return (_PROC / "sys/kernel/random/boot_id").read_text().strip()


def _session_members(leader: int, mark: bytes) -> Iterator[int]:
    for entry in _PROC.iterdir():
        if not entry.name.isdigit():
            continue
        fields = _stat_fields(int(entry.name))
        if fields is None or fields[0] == "Z" or int(fields[3]) != leader:
            continue
        try:
            marked = mark in (entry / "environ").read_bytes().split(b"\0")
        except OSError:
            continue
        if marked:
            yield int(entry.name)


def _signal_group(leader: int, number: signal.Signals) -> int:
    try:
        os.killpg(leader, number)
    except (ProcessLookupError, PermissionError):
        return 0
    return 1

"""`make up`: the stack and Dagster, with its daemon and UI, on the persistent lake, until Ctrl-C. And `make down`."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType

from infra.local.opened import REPOSITORY, OpenedLake, environment, opened_lake
from infra.local.orphaned_runs import end_orphaned_runs
from infra.local.processes import free_port, is_running, running_stack, stop_stack

DEFAULT_UI_PORT = 3000
_STOP_SECONDS = 20.0


class UpError(RuntimeError):
    """The lake cannot be brought up; the message says what stands in the way and what to do."""


def up(home: Path, say: Callable[[str], None]) -> int:
    """Run stack and Dagster until Ctrl-C or SIGTERM, then stop both. Returns 0 after a clean stop."""
    port = ui_port()
    _stop_on_signals()
    with opened_lake(home, lambda text: None) as lake:
        say(f"Lake {lake.settings.name} in {home}; AWS endpoint {lake.info.endpoint_url}")
        say(f"Dagster UI: http://127.0.0.1:{port} (first answer in some ten seconds); Ctrl-C stops everything")
        if count := end_orphaned_runs(lake.dagster_home):
            say(f"{count} Dagster runs were cut off when it was last stopped or killed; they are tried once more.")
        return _dagster(lake, port, say)


def ui_port() -> int:
    """UI_PORT, else 3000; for a lake elsewhere than .loglake/, a free port when 3000 is taken. Raises UpError."""
    asked = os.environ.get("UI_PORT")
    if asked and not asked.isdigit():
        raise UpError(f"UI_PORT={asked!r} is not a port number.")
    port = int(asked or DEFAULT_UI_PORT)
    if _is_free(port):
        return port
    if not asked and os.environ.get("LOGLAKE_HOME"):
        return free_port()
    raise UpError(f"Port {port} on 127.0.0.1 is in use. Stop what uses it, or choose another: make up UI_PORT=3001")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _stop_on_signals() -> None:
    """SIGTERM and SIGINT end the command as Ctrl-C does, also where a background job inherited SIGINT ignored."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, interrupt)
    signal.signal(signal.SIGINT, interrupt)


def _dagster(lake: OpenedLake, port: int, say: Callable[[str], None]) -> int:
    command = [
        sys.executable,
        "-m",
        "infra.local.ui",
        "dev",
        "-w",
        "workspace.yaml",
        "-h",
        "127.0.0.1",
        "-p",
        str(port),
        "--log-level",
        "warning",
    ]
    child = subprocess.Popen(
        command,
        cwd=REPOSITORY,
        env={**os.environ, **environment(lake), "PYTHONWARNINGS": "ignore"},
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    (lake.home / "dagster.pid").write_text(str(child.pid))
    try:
        while child.poll() is None:
            if not is_running(lake.info.pid, lake.info.started):
                say("The stack was stopped, by make down or a kill, so Dagster is stopped too. `make up` starts both.")
                return 1
            time.sleep(2)
        return child.returncode
    except KeyboardInterrupt:
        say("Stopping Dagster, then the stack")
        _end(child)
        return 0
    finally:
        _end(child)
        (lake.home / "dagster.pid").unlink(missing_ok=True)


def _end(child: "subprocess.Popen[bytes]") -> None:
    """SIGTERM, a while to stop cleanly, then SIGKILL for the whole session."""
    if child.poll() is not None:
        return
    child.terminate()
    deadline = time.monotonic() + _STOP_SECONDS
    while child.poll() is None and time.monotonic() < deadline:
        time.sleep(0.1)
    if child.poll() is None:
        os.killpg(child.pid, signal.SIGKILL)
        child.wait()


def down(home: Path, say: Callable[[str], None]) -> int:
    """Stop the stack of `home`, if one runs. Returns 0 either way: nothing runs afterwards."""
    info = running_stack(home)
    if info is None:
        say(f"No stack runs for {home}.")
        return 0
    stop_stack(info)
    say(f"Stopped the stack of {home} (pid {info.pid}); what it held is kept.")
    return 0

"""`loglake up`: Dagster, with its daemon and UI, on this machine until Ctrl-C; for a lake on AWS or on this machine."""

import fcntl
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import IO

from infra.cli.command_lake import CommandLake
from infra.cli.dagster_home import write_dagster_home
from infra.cli.dagster_output import show_warnings
from infra.cli.first_day import lake_first_day
from infra.cli.home import REPOSITORY
from infra.cli.orphaned_runs import end_orphaned_runs
from resources.settings import FIRST_DAY, is_local, loglake

DEFAULT_UI_PORT = 3000
LARGEST_PORT = 65_535
_UP = "up"
_STOP_SECONDS = 20.0


class UpError(RuntimeError):
    """The lake cannot be brought up; the message says what stands in the way and what to do."""


def up_aws(lake: CommandLake, asked_port: str | None, say: Callable[[str], None]) -> int:
    """Run Dagster on this machine for a lake on AWS until Ctrl-C; its runs are recorded in the lake's folder here."""
    refuse_second(lake.home)
    port = ui_port(asked_port)
    with record_as_up(lake.home, port):
        say(f"Lake {lake.settings.name}: {lake.place}; Dagster records its runs in {lake.dagster_home}")
        say_where(port, say)
        write_dagster_home(lake.dagster_home)
        return run_dagster(lake, port, {}, lake_first_day(lake), say, lambda: True)


def say_where(port: int, say: Callable[[str], None]) -> None:
    say(f"Dagster UI: http://127.0.0.1:{port} (first answer in some ten seconds); Ctrl-C stops everything")
    say(
        f"Build days: http://127.0.0.1:{port}/assets lists every log, review and audit; choose an asset, then "
        "Materialize with the days wanted; the job backfill_everything builds days of them all"
    )


def refuse_second(home: Path) -> None:
    """Raise UpError where this lake is up already: two Dagsters on one database would build everything twice."""
    try:
        known = (home / _UP).open()
    except FileNotFoundError:
        return
    with known:
        if not _is_locked(known):
            return
        raise UpError(
            f"The lake in {home} is up already, with its Dagster UI at http://127.0.0.1:{known.read().strip()}. "
            f"Use that one; {_how_to_stop()} stops it."
        )


def _how_to_stop() -> str:
    by_hand = "Ctrl-C where it runs"
    return f"`{loglake('down')}` or {by_hand}" if is_local() else by_hand


@contextmanager
def record_as_up(home: Path, port: int) -> Iterator[None]:
    """Say in the home that the lake is up, and at which port, for as long as this process lives."""
    with (home / _UP).open("a+") as known:
        fcntl.flock(known, fcntl.LOCK_EX)
        known.truncate(0)
        known.write(f"{port}\n")
        known.flush()
        yield


def _is_locked(known: IO[str]) -> bool:
    try:
        fcntl.flock(known, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    return False


def ui_port(asked: str | None) -> int:
    """The port asked for, else 3000; for a lake elsewhere than .loglake/ a free one when 3000 is taken.

    Raises UpError.
    """
    if asked and not (re.fullmatch("[0-9]{1,5}", asked) and 1 <= int(asked) <= LARGEST_PORT):
        raise UpError(f"--port {asked[:40]!r} is no port number; accepted: 1 to {LARGEST_PORT}, such as 3001.")
    port = int(asked or DEFAULT_UI_PORT)
    if _is_free(port):
        return port
    if not asked and os.environ.get("LOGLAKE_HOME"):
        return _free_port()
    other = DEFAULT_UI_PORT + 1 if port == DEFAULT_UI_PORT else DEFAULT_UI_PORT
    raise UpError(
        f"Port {port} on 127.0.0.1 is in use. Stop what uses it, or choose another: {loglake(f'up --port {other}')}"
    )


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def prepare_instance(dagster_home: Path) -> None:
    """Make the Dagster instance, if it is new, and give it the limits of its pools before anything runs in them."""
    from dagster import DagsterInstance

    from loglake_assets.orchestration.pools import initialize_pools

    with DagsterInstance.from_config(str(dagster_home)) as instance:
        initialize_pools(instance)


def run_dagster(
    lake: CommandLake,
    port: int,
    own: Mapping[str, str],
    first: date,
    say: Callable[[str], None],
    is_lake_there: Callable[[], bool],
) -> int:
    prepare_instance(lake.dagster_home)
    if count := end_orphaned_runs(lake.dagster_home):
        say(f"{count} Dagster runs were cut off when it was last stopped or killed; they are tried once more.")
    command = [
        sys.executable,
        "-m",
        "infra.cli.dagster_ui",
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
        env={**os.environ, **own, FIRST_DAY: first.isoformat(), "PYTHONWARNINGS": "ignore"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    show_warnings(child.stdout, say)
    (lake.home / "dagster.pid").write_text(str(child.pid))
    try:
        while child.poll() is None:
            if not is_lake_there():
                how = f"by `{loglake('down')}` or a kill"
                say(f"The stack was stopped, {how}, and Dagster with it: `{loglake('up')}` starts both")
                return 1
            time.sleep(2)
        return child.returncode
    except KeyboardInterrupt:
        say("Stopping Dagster")
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

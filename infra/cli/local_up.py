"""`loglake up` of a lake on this machine, which has its stack running beside Dagster; and `loglake down`."""

import time
from collections.abc import Callable
from pathlib import Path

from infra.cli.first_day import forget_first_day, lake_first_day, note_first_day
from infra.cli.local_lake import environment, local_lake
from infra.cli.up import UpError, record_as_up, refuse_second, run_dagster, say_where, ui_port
from infra.emulator.processes import is_running, running_stack, stop_stack


def up_local(home: Path, asked_port: str | None, say: Callable[[str], None]) -> int:
    """Run stack and Dagster until Ctrl-C or SIGTERM, then stop both. Returns 0 after a clean stop."""
    refuse_second(home)
    port = ui_port(asked_port)
    with local_lake(home, lambda text: None) as lake, record_as_up(home, port):
        say(f"Lake {lake.settings.name} in {home}; AWS endpoint {lake.info.endpoint_url}")
        say_where(port, say)
        first = lake_first_day(lake)
        say(f"Days in the UI begin with {first}: the first raw day, or 35 days ago while there is none")
        note_first_day(home, first)
        try:
            return run_dagster(
                lake, port, environment(lake), first, say, lambda: is_running(lake.info.pid, lake.info.started)
            )
        finally:
            forget_first_day(home)


def down(home: Path, say: Callable[[str], None]) -> int:
    """Stop the stack of `home`, if one runs. Returns 0 either way: nothing runs afterwards."""
    info = running_stack(home)
    if info is None:
        say(f"No stack runs for {home}.")
        return 0
    stop_stack(info)
    _await_end_of_ui(home)
    say(f"Stopped the stack of {home} (pid {info.pid}); what it held is kept.")
    return 0


def _await_end_of_ui(home: Path, seconds: float = 30) -> None:
    """Wait until the `up` of this lake has noticed that its stack is gone, so that another one may begin."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            refuse_second(home)
        except UpError:
            time.sleep(0.2)
        else:
            return

"""What Dagster's processes print, and which of it a person needs: warnings and errors.

Dagster prints every event of every run at DEBUG, a thousand lines in 45 minutes. They stand in the UI as well. Its own
setting of a level would take what runs say of themselves out of the UI too.
"""

import re
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import IO

_RECORD = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\S* .*? - (DEBUG|INFO|WARNING|ERROR|CRITICAL) - ")
_SHOWN = {"WARNING", "ERROR", "CRITICAL"}


def warnings_of(lines: Iterable[str]) -> Iterator[str]:
    """The lines of warnings and errors, tracebacks behind them, and whatever is no record of a log."""
    is_shown = True
    for line in lines:
        if record := _RECORD.match(line):
            is_shown = record[1] in _SHOWN
        if is_shown:
            yield line.rstrip("\n")


def show_warnings(output: IO[bytes] | None, say: Callable[[str], None]) -> None:
    """Say them as they come, in a thread of its own that ends with the output."""
    if output is None:
        return
    lines = (line.decode(errors="replace") for line in output)

    def show() -> None:
        for line in warnings_of(lines):
            say(line)

    threading.Thread(target=show, daemon=True, name="dagster-output").start()

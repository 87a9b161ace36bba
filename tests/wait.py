"""Waiting for what happens in other processes."""

import time
from collections.abc import Callable
from typing import Any

PLACEMENT_SECONDS = 400
"""Of a day whose commit record an earlier test may have broken while its message was read: the queue gives a message
that failed, and all behind it in its group, back after 180 s."""


def until(condition: Callable[[], Any], seconds: float = 60, pause_seconds: float = 0.05) -> Any:
    """The first true value of `condition`; fails after `seconds`."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if value := condition():
            return value
        time.sleep(pause_seconds)
    raise AssertionError(f"it did not come to pass within {seconds} s")

"""Waiting for what happens in other processes."""

import time
from collections.abc import Callable
from typing import Any


def until(condition: Callable[[], Any], seconds: float = 60, pause_seconds: float = 0.05) -> Any:
    """The first true value of `condition`; fails after `seconds`."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if value := condition():
            return value
        time.sleep(pause_seconds)
    raise AssertionError(f"it did not come to pass within {seconds} s")

"""Where a run is between the end of its Glue run and its last event: a line when something begins, one when it ends."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg


@contextmanager
def stage(context: dg.AssetExecutionContext, what: str) -> Iterator[None]:
    """Tell the run's log that `what` begins, and how many seconds it took; an error is told by whoever catches it."""
    started = time.monotonic()
    context.log.info(f"{what} begins.")
    yield
    context.log.info(f"{what} took {time.monotonic() - started:.1f} s.")

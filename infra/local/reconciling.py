"""Reconciling from the command line: what landed or was committed without reaching the catalog is sent to AddAPart."""

import time
from collections.abc import Callable

from infra.local.opened import OpenedLake
from infra.local.status import survey
from loglake_assets.reconcile import reconcile
from loglake_assets.sources import LogSource, load_source, source_names

WAIT_SECONDS = 60.0


def reconcile_all(lake: OpenedLake, say: Callable[[str], None]) -> int:
    """Send what the catalog misses of every source and wait for it; returns how much is still missing."""
    return sum(_reconcile(lake, load_source(name), say) for name in source_names())


def _reconcile(lake: OpenedLake, source: LogSource, say: Callable[[str], None]) -> int:
    days = survey(lake, source).landed_days()
    if not days:
        say(f"{source.title}: no object has landed")
        return 0
    started = time.monotonic()
    while True:
        prefixes, commits = reconcile(source, lake.resource, days)
        say(f"{source.title}: {prefixes} raw prefixes and {commits} commits are not in the catalog")
        if not prefixes + commits or time.monotonic() - started > WAIT_SECONDS:
            return prefixes + commits
        say("  sent to AddAPart; looking again")
        time.sleep(3)

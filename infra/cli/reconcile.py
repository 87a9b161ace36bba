"""Reconciling from the command line: what landed or was committed without reaching the catalog is sent to AddAPart."""

import time
from collections.abc import Callable
from datetime import UTC, datetime

from infra.cli.command_lake import CommandLake
from loglake_assets.lake.checks.day_report import first_open_day
from loglake_assets.orchestration.reconcile_job import send_gaps, send_unplaced_commits
from loglake_assets.reviews import Review, load_review, review_names
from loglake_assets.sources import LogSource, load_source, source_names
from loglake_assets.sources.words import inflect, tally

WAIT_SECONDS = 60.0


def reconcile_all(lake: CommandLake, say: Callable[[str], None]) -> int:
    """Send what the catalog misses of every source and wait for it; returns how much is still missing."""
    missing = sum(_reconcile(lake, load_source(name), say) for name in source_names())
    return missing + sum(_reconcile_review(lake, load_review(name), say) for name in review_names())


def _reconcile_review(lake: CommandLake, review: Review, say: Callable[[str], None]) -> int:
    def send() -> int:
        commits = sum(send_unplaced_commits(lake.resource, table.name) for table in review.tables)
        say(f"{review.title}: {tally(commits, 'commit')} {inflect(commits, 'is', 'are')} not in the catalog")
        return commits

    return _until_nothing(send, say)


def _reconcile(lake: CommandLake, source: LogSource, say: Callable[[str], None]) -> int:
    def send() -> int:
        reports = lake.resource.source_report(source, first_open_day(datetime.now(UTC))).days
        if not reports:
            say(f"{source.title}: no object has landed")
            return 0
        prefixes, commits = send_gaps(source, lake.resource, reports)
        say(
            f"{source.title}: {tally(prefixes, 'raw prefix', 'raw prefixes')} and {tally(commits, 'commit')} "
            "are not in the catalog"
        )
        return prefixes + commits

    return _until_nothing(send, say)


def _until_nothing(send: Callable[[], int], say: Callable[[str], None]) -> int:
    """Send until nothing is missing, or time is up; returns how much still is."""
    started = time.monotonic()
    while missing := send():
        if time.monotonic() - started > WAIT_SECONDS:
            break
        say("  sent to AddAPart; looking again")
        time.sleep(3)
    return missing

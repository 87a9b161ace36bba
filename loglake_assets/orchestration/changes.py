"""Whether anything changed in the lake since a moment, told from little: partitions, late ledger, commits, failed runs.

What leaves no trace there, such as an object that was removed or a notification that was lost, is not seen here.
"""

import hashlib
import json
from collections.abc import Iterator
from datetime import date, timedelta

import dagster as dg

from loglake_assets.lake.checks.day_report import LOOK_BACK_DAYS
from loglake_assets.lake.lake import Lake
from loglake_assets.lake.storage.keys import COMMITS_PREFIX
from loglake_assets.lake.storage.partitions import ALL_DAYS, days_expression, partitions
from loglake_assets.lake.versions.late_ledger import late_counts
from loglake_assets.reviews import load_review, review_names, tables_of
from loglake_assets.s3.pages import entries
from loglake_assets.sources import load_source, source_names


def fingerprint(lake: Lake, instance: dg.DagsterInstance, today: date) -> str:
    """Another text when something changed. It opens no object, and lists no raw one."""
    digest = hashlib.sha256()
    for part in _parts(lake, instance, today):
        digest.update(part.encode() + b"\n")
    return digest.hexdigest()[:16]


def _parts(lake: Lake, instance: dg.DagsterInstance, today: date) -> Iterator[str]:
    days = days_expression([today - timedelta(days=LOOK_BACK_DAYS), today])
    for name in source_names():
        source = load_source(name)
        yield from _table(lake, source.raw.name, days)
        yield from _newest_commits(lake, source.readready.name)
        yield json.dumps(late_counts(lake.table(source.readready.name)), sort_keys=True)
    for table in tables_of(map(load_review, review_names())):
        yield from _newest_commits(lake, table.name)
    failed = instance.get_runs(filters=dg.RunsFilter(statuses=[dg.DagsterRunStatus.FAILURE]), limit=1)
    yield failed[0].run_id if failed else "no failed run"


def _newest_commits(lake: Lake, table: str) -> Iterator[str]:
    """A table's partitions, and its commit records."""
    yield from _table(lake, table, ALL_DAYS)
    for entry in entries(lake.s3, lake.settings.readready_bucket, f"{COMMITS_PREFIX}{table}/"):
        yield f"{entry['Key']} {entry['ETag']}"


def _table(lake: Lake, table: str, expression: str) -> list[str]:
    found = partitions(lake.catalog, table, expression)
    return sorted(
        json.dumps([p["Values"], p["StorageDescriptor"].get("Location"), p.get("Parameters", {})], sort_keys=True)
        for p in found
    )

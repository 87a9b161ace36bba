"""What the catalog misses: what landed without a partition and what was committed without being placed.

Notifications are at least once and can be lost; listing is the authority behind them. What is missing is given to
AddAPart's consumer again, which stays the only writer of partitions.
"""

import contextlib
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from loglake_assets.lake.addapart.messages import send_key
from loglake_assets.lake.addapart.partition_placer import PartitionPlacer
from loglake_assets.lake.checks.day_report import DayReport, ObjectVerdict, Verdict
from loglake_assets.lake.storage.catalog import Catalog
from loglake_assets.lake.storage.keys import companions
from loglake_assets.lake.storage.partitions import ALL_DAYS, TableMissingError, partitions
from loglake_assets.lake.storage.table import Table
from loglake_assets.lake.versions.commits import Commit, heads, shown_seq
from loglake_assets.sources import LogSource
from loglake_assets.sources.placement import Placement, place

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient


@dataclass(frozen=True)
class UnregisteredPrefix:
    """A delivery prefix that holds objects and has no partition that lies there."""

    values: tuple[str, ...]
    location: str
    example_key: str
    object_count: int


def unregistered_prefixes(source: LogSource, reports: Iterable[DayReport]) -> list[UnregisteredPrefix]:
    """Prefixes of the days that hold objects and have no raw partition; without those that a deny rule keeps out."""
    objects: dict[Placement, list[ObjectVerdict]] = defaultdict(list)
    for judged in (judged for report in reports for judged in report.select(Verdict.UNREGISTERED)):
        placement = place(source, judged.bucket, judged.key)
        if isinstance(placement, Placement):
            objects[placement].append(judged)
    return [
        UnregisteredPrefix(placement.values, placement.location, judged[0].key, len(judged))
        for placement, judged in sorted(objects.items(), key=lambda found: found[0].values)
    ]


def unplaced_commits(table: Table, catalog: Catalog) -> list[Commit]:
    """Newest commits of a table that the catalog does not show as they are, the tables beside it included."""
    shown = {table.name: _commits_on_show(catalog, table.name)}
    for name, _ in companions(table.name, "", 0):
        with contextlib.suppress(TableMissingError):  # a lake deployed before there were such tables
            shown[name] = _commits_on_show(catalog, name)
    newest = heads(table)
    return [commit for _, commit in sorted(newest.items()) if not _is_shown(table.bucket, commit, shown)]


def _is_shown(bucket: str, commit: Commit, shown: Mapping[str, Mapping[int, tuple[int, str]]]) -> bool:
    """Whether every table's partition of the day shows this commit where it lies, or a later one."""
    places = {commit.table: commit.location}
    for name, prefix in companions(commit.table, commit.run_id, commit.day):
        places[name] = f"s3://{bucket}/{prefix}"
    for name, partitions_of_table in shown.items():
        seq, location = partitions_of_table.get(commit.day, (0, ""))
        if seq < commit.seq or (seq == commit.seq and location != places[name]):
            return False
    return True


def _commits_on_show(catalog: Catalog, table: str) -> dict[int, tuple[int, str]]:
    """By day: the commit that the partition shows, and where it lies."""
    return {
        int(p["Values"][0]): (shown_seq(p.get("Parameters", {})), p["StorageDescriptor"]["Location"])
        for p in partitions(catalog, table, ALL_DAYS)
    }


def send_prefix(sqs: "SQSClient", queue_url: str, source: LogSource, bucket: str, prefix: UnregisteredPrefix) -> None:
    """Have AddAPart register a raw prefix."""
    placer = PartitionPlacer(source.raw.name, prefix.values, prefix.location)
    send_key(sqs, queue_url, placer, bucket, prefix.example_key)

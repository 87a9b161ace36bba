"""Storage against catalog: what landed without a partition and what was committed without being placed.

Notifications are at least once and can be lost; listing is the authority behind them. What is missing is given to
AddAPart's consumer again, which stays the only writer of partitions.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import date
from typing import Any

from lambdas.addapart_placing import PartitionPlacer
from loglake_assets.lake.commits import COMMIT_SEQ, RUN, Commit, commit_numbered, sequences
from loglake_assets.lake.layout import companions
from loglake_assets.lake.listing import RawObject, raw_objects
from loglake_assets.lake.publishing import send_key
from loglake_assets.sources import LogSource
from loglake_assets.sources.placement import day_number
from loglake_assets.sources.rules import Rules

ALL_DAYS = "logcalendarday > 0"


@dataclass(frozen=True)
class UnregisteredPrefix:
    """A delivery prefix that holds objects and has no partition. `denied_by` names the rule that wants it so."""

    values: tuple[str, ...]
    location: str
    example_key: str
    object_count: int
    denied_by: str | None


def partitions(glue: Any, database: str, table: str, expression: str) -> Iterator[dict[str, Any]]:
    """All partitions of a table that an expression selects."""
    pages = glue.get_paginator("get_partitions").paginate(
        DatabaseName=database, TableName=table, Expression=expression, ExcludeColumnSchema=True
    )
    for page in pages:
        yield from page["Partitions"]


def days_expression(days: Collection[date]) -> str:
    """A catalog expression for a range that holds all the days."""
    return f"logcalendarday >= {day_number(min(days))} AND logcalendarday <= {day_number(max(days))}"


def registered_values(glue: Any, database: str, source: LogSource, days: Collection[date]) -> set[tuple[str, ...]]:
    """Values of the raw partitions of a range of delivery days."""
    return {tuple(p["Values"]) for p in partitions(glue, database, source.raw.name, days_expression(days))}


def unregistered_prefixes(
    s3: Any, glue: Any, source: LogSource, rules: Rules, database: str, bucket: str, days: Collection[date]
) -> list[UnregisteredPrefix]:
    """Prefixes of the days that hold objects and have no raw partition, denied ones among them under their rule."""
    known = registered_values(glue, database, source, days)
    landed: dict[tuple[str, ...], list[RawObject]] = {}
    for found in raw_objects(s3, source, bucket, days):
        if found.placement.values not in known:
            landed.setdefault(found.placement.values, []).append(found)
    names = tuple(c.name for c in source.raw.partition_keys)
    return [
        UnregisteredPrefix(
            values,
            objects[0].placement.location,
            objects[0].key,
            len(objects),
            rules.denied_by(objects[0].key, names, objects[0].placement),
        )
        for values, objects in sorted(landed.items())
    ]


def placed_commits(glue: Any, database: str, table: str) -> dict[int, int]:
    """The commit that the catalog shows of each day (yyyymmdd)."""
    return {day: seq for day, (seq, _) in _shown(glue, database, table).items()}


def unplaced_commits(s3: Any, glue: Any, table: str, database: str, bucket: str) -> list[Commit]:
    """Newest commits of a table that the catalog does not show as they are, the tables beside it included.

    The keys say which numbers there are; only records of days that differ are read.
    """
    shown = [_shown(glue, database, table)]
    for name, _ in companions(table, "", 0):
        try:
            shown.append(_shown(glue, database, name))
        except glue.exceptions.EntityNotFoundException:  # a lake deployed before there were such tables
            continue
    newest = {day: numbers[-1] for day, numbers in sequences(s3, bucket, table).items()}
    odd = [day for day, seq in sorted(newest.items()) if any(not _shows(one.get(day), seq) for one in shown)]
    return [commit_numbered(s3, bucket, table, day, newest[day]) for day in odd]


def _shows(partition: tuple[int, bool] | None, seq: int) -> bool:
    """Whether a partition shows this commit or a later one, and lies where the run that it names wrote."""
    return partition is not None and partition[0] >= seq and partition[1]


def _shown(glue: Any, database: str, table: str) -> dict[int, tuple[int, bool]]:
    """By day: the commit that the partition shows, and whether it lies where the run that it names wrote."""
    found = {}
    for partition in partitions(glue, database, table, ALL_DAYS):
        parameters = partition.get("Parameters", {})
        run, location = parameters.get(RUN, ""), partition["StorageDescriptor"]["Location"]
        found[int(partition["Values"][0])] = int(parameters.get(COMMIT_SEQ, "0")), f"/run={run}/" in location
    return found


def send_prefix(sqs: Any, queue_url: str, source: LogSource, bucket: str, prefix: UnregisteredPrefix) -> None:
    """Have AddAPart register a raw prefix."""
    placer = PartitionPlacer(source.raw.name, prefix.values, prefix.location)
    send_key(sqs, queue_url, placer, bucket, prefix.example_key)

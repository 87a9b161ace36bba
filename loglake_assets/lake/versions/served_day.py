"""Which run of a day readers are sent to, and whether the sequence of commits agrees with it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING

from loglake_assets.lake.storage.catalog import Catalog
from loglake_assets.lake.storage.table import Table
from loglake_assets.lake.versions.commits import COMMIT_DIGEST, RUN, Commit, commit_numbers, newest_record, shown_seq

if TYPE_CHECKING:
    from mypy_boto3_glue.type_defs import PartitionTypeDef


class Placing(StrEnum):
    """How the catalog's partition of a day stands to the day's newest commit."""

    PLACED = "placed"
    NOT_COMMITTED = "not_committed"
    """No commit and no partition: the day is not built."""
    PARTITION_MISSING = "partition_missing"
    PARTITION_BEHIND = "partition_behind"
    """The partition shows an older commit than the newest."""
    COMMIT_MISSING = "commit_missing"
    """The partition shows a commit that is not among the records, or their sequence has a gap: one was removed."""
    LOCATION_DIFFERS = "location_differs"
    """The partition has the newest commit's number and another location."""
    COMMIT_BROKEN = "commit_broken"
    """The newest record is empty, cut, or lacks a field: which run readers should see is not known."""
    COMMIT_EDITED = "commit_edited"
    """The newest record is not the one that was placed, by its digest."""


IN_ORDER = frozenset({Placing.PLACED, Placing.NOT_COMMITTED})


@dataclass(frozen=True)
class ServedDay:
    """A day as it is read: `run_id` and `location` of the newest commit, or of the partition where its record is gone.

    `run_id` is None where there is neither. Sequence numbers are 0 where there is none. `commit` is the record of
    that run, None where there is none.
    """

    table: str
    day: int
    placing: Placing
    run_id: str | None
    location: str
    commit_seq: int
    partition_seq: int
    commit: Commit | None


def partition_of_day(catalog: Catalog, table: str, day: int) -> "PartitionTypeDef | None":
    """The catalog's partition of a day (yyyymmdd); None where there is none."""
    try:
        answer = catalog.glue.get_partition(DatabaseName=catalog.database, TableName=table, PartitionValues=[str(day)])
    except catalog.glue.exceptions.EntityNotFoundException:
        return None
    return answer["Partition"]


def served_day(table: Table, catalog: Catalog, day: int) -> ServedDay:
    """One day of a table. What is out of order is looked at twice: a commit may be on its way to the catalog."""
    served = _look_at(table, catalog, day)
    return served if served.placing in IN_ORDER else _look_at(table, catalog, day)


def _look_at(table: Table, catalog: Catalog, day: int) -> ServedDay:
    """The partition is asked first: a commit that it shows has its record by then."""
    partition = partition_of_day(catalog, table.name, day)
    numbers = commit_numbers(table, day)
    newest, digest = newest_record(table, day, numbers)
    served = _serve(table.name, day, newest, numbers, partition)
    if numbers and newest is None:
        return replace(served, placing=Placing.COMMIT_BROKEN, commit_seq=numbers[-1])
    known = (partition or {}).get("Parameters", {}).get(COMMIT_DIGEST, digest)
    if newest and served.partition_seq == newest.seq and known != digest:
        return replace(served, placing=Placing.COMMIT_EDITED)
    return served


def _serve(
    table: str, day: int, commit: Commit | None, numbers: Sequence[int], partition: "PartitionTypeDef | None"
) -> ServedDay:
    parameters = (partition or {}).get("Parameters", {})
    partition_seq = shown_seq(parameters)
    location = partition["StorageDescriptor"]["Location"] if partition else ""
    placing = _judge_placement(commit, partition_seq, location if partition else None)
    known = {*numbers, *(commit.acknowledged if commit else ())}
    if commit and not known.issuperset(range(1, commit.seq)):
        placing = Placing.COMMIT_MISSING
    if commit and partition_seq <= commit.seq:
        return ServedDay(table, day, placing, commit.run_id, commit.location, commit.seq, partition_seq, commit)
    return ServedDay(
        table, day, placing, parameters.get(RUN), location, commit.seq if commit else 0, partition_seq, None
    )


def _judge_placement(commit: Commit | None, partition_seq: int, location: str | None) -> Placing:
    if location is None:
        return Placing.PARTITION_MISSING if commit else Placing.NOT_COMMITTED
    if commit is None or partition_seq > commit.seq:
        return Placing.COMMIT_MISSING
    if partition_seq < commit.seq:
        return Placing.PARTITION_BEHIND
    return Placing.PLACED if location == commit.location else Placing.LOCATION_DIFFERS

"""Which run of a day readers are sent to, and whether the sequence of commits agrees with it."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Any

from loglake_assets.lake.commits import Commit, commit_numbered, commit_numbers, sequences
from loglake_assets.lake.reconciling import days_expression, partitions
from loglake_assets.sources.placement import day_number

SEQ, RUN = "loglake.commit_seq", "loglake.run"


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


@dataclass(frozen=True)
class Served:
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


def served_days(
    s3: Any, glue: Any, database: str, bucket: str, table: str, days: Collection[date]
) -> dict[date, Served]:
    """Those of the days that have a commit or a partition. One record is read of each, however long its sequence."""
    numbers = sequences(s3, bucket, table)
    found = partitions(glue, database, table, days_expression(days)) if days else ()
    placed = {int(p["Values"][0]): p for p in found}
    return {
        day: _served(
            table, number, _newest(s3, bucket, table, number, numbers), numbers.get(number, []), placed.get(number)
        )
        for day in sorted(days)
        if (number := day_number(day)) in numbers or number in placed
    }


def _newest(s3: Any, bucket: str, table: str, day: int, numbers: Mapping[int, Sequence[int]]) -> Commit | None:
    return commit_numbered(s3, bucket, table, day, numbers[day][-1]) if numbers.get(day) else None


def served_day(s3: Any, glue: Any, database: str, bucket: str, table: str, day: int) -> Served:
    """One day of a table."""
    try:
        partition = glue.get_partition(DatabaseName=database, TableName=table, PartitionValues=[str(day)])["Partition"]
    except glue.exceptions.EntityNotFoundException:
        partition = None
    numbers = commit_numbers(s3, bucket, table, day)
    return _served(table, day, _newest(s3, bucket, table, day, {day: numbers}), numbers, partition)


def _served(
    table: str, day: int, commit: Commit | None, numbers: Sequence[int], partition: dict[str, Any] | None
) -> Served:
    parameters = (partition or {}).get("Parameters", {})
    partition_seq = int(parameters.get(SEQ, "0"))
    location = partition["StorageDescriptor"]["Location"] if partition else ""
    placing = _placing(commit, partition_seq, location if partition else None)
    if list(numbers) != list(range(1, len(numbers) + 1)):
        placing = Placing.COMMIT_MISSING
    if commit and partition_seq <= commit.seq:
        return Served(table, day, placing, commit.run_id, commit.location, commit.seq, partition_seq, commit)
    return Served(table, day, placing, parameters.get(RUN), location, commit.seq if commit else 0, partition_seq, None)


def _placing(commit: Commit | None, partition_seq: int, location: str | None) -> Placing:
    if location is None:
        return Placing.PARTITION_MISSING if commit else Placing.NOT_COMMITTED
    if commit is None or partition_seq > commit.seq:
        return Placing.COMMIT_MISSING
    if partition_seq < commit.seq:
        return Placing.PARTITION_BEHIND
    return Placing.PLACED if location == commit.location else Placing.LOCATION_DIFFERS

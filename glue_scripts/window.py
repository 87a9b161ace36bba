"""Which objects a run reads: the catalog's partitions of the window, listed, and the late ledger's additions."""

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from glue_scripts.arguments import JobArguments, WindowError
from glue_scripts.whole_objects import IN_FLIGHT, ObjectRef
from loglake_assets.lake.storage.table import Table
from loglake_assets.lake.versions.late_ledger import late_objects
from loglake_assets.s3.pages import entries
from loglake_assets.s3.urls import bucket_and_prefix
from loglake_assets.sources import LogSource
from loglake_assets.sources.calendar_days import day_number
from loglake_assets.sources.placement import Placement, place

if TYPE_CHECKING:
    from mypy_boto3_glue import GlueClient
    from mypy_boto3_glue.type_defs import PartitionTypeDef
    from mypy_boto3_s3 import S3Client


@dataclass(frozen=True)
class WindowObjects:
    """The objects of a window: what to read, and the prefix days that have a partition at all.

    `late` are (day, bucket, key) of what the late ledger names for the window's days.
    """

    refs: tuple[ObjectRef, ...]
    partition_days: frozenset[int]
    late: frozenset[tuple[int, str, str]] = frozenset()

    @property
    def total_bytes(self) -> int:
        """As listed."""
        return sum(ref.size for ref in self.refs)


def window_objects(glue: "GlueClient", s3: "S3Client", source: LogSource, arguments: JobArguments) -> WindowObjects:
    """List the window's raw objects. Raises WindowError beyond the bounds: refused whole, never cut short."""
    partitions = list(_partitions(glue, source, arguments))
    locations = [p["StorageDescriptor"]["Location"] for p in partitions]
    listed = {(delivery.bucket, delivery.key): delivery for delivery in _list(s3, source, locations, arguments)}
    late = dict(_late(s3, source, arguments))
    for delivery in late.values():
        listed.setdefault((delivery.bucket, delivery.key), delivery)
    _check_bounds(arguments, len(listed), sum(delivery.size for delivery in listed.values()))
    refs = (ObjectRef(number, *listed[name]) for number, name in enumerate(sorted(listed)))
    days = frozenset(int(p["Values"][_day_position(source)]) for p in partitions)
    return WindowObjects(tuple(refs), days, frozenset(late))


class _Delivery(NamedTuple):
    """An object of the log: the rest of an ObjectRef."""

    bucket: str
    key: str
    prefix_day: int
    size: int = 0


def _day_position(source: LogSource) -> int:
    return [c.name for c in source.raw.partition_keys].index("logcalendarday")


def _partitions(glue: "GlueClient", source: LogSource, arguments: JobArguments) -> Iterator["PartitionTypeDef"]:
    first, last = (day_number(day) for day in arguments.prefix_days)
    pages = glue.get_paginator("get_partitions").paginate(
        DatabaseName=arguments.database,
        TableName=source.raw.name,
        Expression=f"logcalendarday >= {first} AND logcalendarday <= {last}",
        ExcludeColumnSchema=True,
    )
    position = _day_position(source)
    for page in pages:
        yield from (p for p in page["Partitions"] if first <= int(p["Values"][position]) <= last)


def _list(s3: "S3Client", source: LogSource, locations: Sequence[str], arguments: JobArguments) -> Iterator[_Delivery]:
    with ThreadPoolExecutor(IN_FLIGHT) as pool:
        for found in pool.map(lambda location: list(_deliveries_under(s3, source, location, arguments)), locations):
            yield from found


def _deliveries_under(s3: "S3Client", source: LogSource, location: str, arguments: JobArguments) -> Iterator[_Delivery]:
    """The deliveries of the log below a partition's location that the build of one of the window's days reads."""
    bucket, prefix = bucket_and_prefix(location)
    reach = arguments.reach
    for entry in entries(s3, bucket, prefix):
        placement = place(source, bucket, entry["Key"])
        if not isinstance(placement, Placement):
            continue
        day, stored = placement.day, entry["LastModified"].timestamp()
        if day >= arguments.first_day or reach.reads(arguments.first_day, day, stored):
            yield _Delivery(bucket, entry["Key"], day_number(day), entry["Size"])


def _late(
    s3: "S3Client", source: LogSource, arguments: JobArguments
) -> Iterator[tuple[tuple[int, str, str], _Delivery]]:
    """What the ledger names for the window's days, under prefixes that the window does not read, by day and name.

    An entry whose key no pattern places was made by nobody here, and is left to the checks, which name it.
    """
    for day in arguments.days:
        for late in late_objects(Table(source.readready.name, s3, arguments.readready_bucket), day_number(day)):
            placement = place(source, late.bucket, late.key)
            if isinstance(placement, Placement):
                found = _Delivery(late.bucket, late.key, day_number(placement.day))
                yield (late.day, late.bucket, late.key), found


def _check_bounds(arguments: JobArguments, files: int, size: int) -> None:
    if files > arguments.max_files or size > arguments.max_bytes:
        raise WindowError(
            f"The window {arguments.first_day} to {arguments.last_day} holds {files:,} objects of {size:,} bytes; one "
            f"run reads at most {arguments.max_files:,} objects and {arguments.max_bytes:,} bytes. Nothing was read. "
            "Ask for fewer days, or raise --max_files and --max_bytes with the workers to match."
        )


def slices(refs: Sequence[ObjectRef], count: int) -> Iterable[tuple[ObjectRef, ...]]:
    """The list dealt out in `count` hands, so that every slice gets small and large, early and late objects."""
    return (tuple(refs[n::count]) for n in range(count))

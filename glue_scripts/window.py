"""Which objects a run reads: the catalog's partitions of the window, listed, and the late ledger's additions."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

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
    listed = dict(_list(s3, source, locations, arguments))
    late = frozenset(_late(s3, source, arguments))
    for _, bucket, key in sorted(late):
        listed.setdefault((bucket, key), 0)
    _check_bounds(arguments, len(listed), sum(listed.values()))
    refs = (_ref(number, source, *name, listed[name]) for number, name in enumerate(sorted(listed)))
    days = frozenset(int(p["Values"][_day_position(source)]) for p in partitions)
    return WindowObjects(tuple(refs), days, late)


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


def _list(
    s3: "S3Client", source: LogSource, locations: Sequence[str], arguments: JobArguments
) -> Iterator[tuple[tuple[str, str], int]]:
    with ThreadPoolExecutor(IN_FLIGHT) as pool:
        for objects in pool.map(lambda location: _objects_under(s3, source, location, arguments), locations):
            yield from objects


def _objects_under(
    s3: "S3Client", source: LogSource, location: str, arguments: JobArguments
) -> list[tuple[tuple[str, str], int]]:
    bucket, prefix = bucket_and_prefix(location)
    found = entries(s3, bucket, prefix)
    return [((bucket, e["Key"]), e["Size"]) for e in found if _is_read(source, bucket, e, arguments)]


def _is_read(source: LogSource, bucket: str, entry: Mapping[str, Any], arguments: JobArguments) -> bool:
    """Whether a listed object is a delivery of the log that the build of one of the window's days reads."""
    placement = place(source, bucket, entry["Key"])
    if not isinstance(placement, Placement):
        return False
    if placement.day >= arguments.first_day:
        return True
    return arguments.reach.reads(arguments.first_day, placement.day, entry["LastModified"].timestamp())


def _late(s3: "S3Client", source: LogSource, arguments: JobArguments) -> Iterator[tuple[int, str, str]]:
    """(day, bucket, key) that the ledger names for the window's days: under prefixes that the window does not read.

    An entry whose key no pattern places was made by nobody here, and is left to the checks, which name it.
    """
    for day in arguments.days:
        for late in late_objects(Table(source.readready.name, s3, arguments.readready_bucket), day_number(day)):
            if isinstance(place(source, late.bucket, late.key), Placement):
                yield late.day, late.bucket, late.key


def _ref(number: int, source: LogSource, bucket: str, key: str, size: int) -> ObjectRef:
    placement = place(source, bucket, key)
    assert isinstance(placement, Placement), "only placed keys are listed"
    return ObjectRef(number, bucket, key, day_number(placement.day), size)


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

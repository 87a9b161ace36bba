"""Partitions of the catalog's tables, by days."""

from collections.abc import Collection, Iterator
from datetime import date
from typing import TYPE_CHECKING

from loglake_assets.lake.storage.catalog import Catalog
from loglake_assets.sources import LogSource
from loglake_assets.sources.calendar_days import day_from_number, day_number

if TYPE_CHECKING:
    from mypy_boto3_glue.type_defs import PartitionTypeDef

ALL_DAYS = "logcalendarday > 0"


class TableMissingError(LookupError):
    """The catalog has no such table; the message says what brings it back."""


def partitions(catalog: Catalog, table: str, expression: str) -> Iterator["PartitionTypeDef"]:
    """All partitions of a table that an expression selects."""
    pages = catalog.glue.get_paginator("get_partitions").paginate(
        DatabaseName=catalog.database, TableName=table, Expression=expression, ExcludeColumnSchema=True
    )
    try:
        for page in pages:
            yield from page["Partitions"]
    except catalog.glue.exceptions.EntityNotFoundException as error:
        raise TableMissingError(
            f"The catalog has no table {catalog.database}.{table}: somebody dropped it, or the lake is not deployed. "
            "The logs are untouched. Trying again does not help; deploy the lake, which makes the table again, "
            "then reconcile."
        ) from error


def a_day_since(catalog: Catalog, table: str, first: date, position: int = 0) -> date | None:
    """A day, of `first` and all later ones, of which a table has a partition; None where it has none of them.

    `position` is that of the day among the values of a partition.
    """
    pages = catalog.glue.get_paginator("get_partitions").paginate(
        DatabaseName=catalog.database,
        TableName=table,
        Expression=f"logcalendarday >= {day_number(first)}",
        ExcludeColumnSchema=True,
        PaginationConfig={"MaxItems": 1},
    )
    return next((day_from_number(one["Values"][position]) for page in pages for one in page["Partitions"]), None)


def delivered_days(catalog: Catalog, source: LogSource, expression: str = ALL_DAYS) -> set[date]:
    """Delivery days of a source that have a raw partition, of those that an expression selects."""
    return {day for day, _ in raw_partitions(catalog, source, expression)}


def raw_partitions(
    catalog: Catalog, source: LogSource, expression: str = ALL_DAYS
) -> Iterator[tuple[date, "PartitionTypeDef"]]:
    """Raw partitions of a source that an expression selects, each with its delivery day."""
    position = day_position(source)
    for partition in partitions(catalog, source.raw.name, expression):
        yield day_from_number(partition["Values"][position]), partition


def day_position(source: LogSource) -> int:
    """Where the delivery day stands among the values of a raw partition."""
    return [column.name for column in source.raw.partition_keys].index("logcalendarday")


def days_expression(days: Collection[date]) -> str:
    """A catalog expression for a range that holds all the days."""
    return f"logcalendarday >= {day_number(min(days))} AND logcalendarday <= {day_number(max(days))}"


def registered_values(catalog: Catalog, source: LogSource, days: Collection[date]) -> set[tuple[str, ...]]:
    """Values of the raw partitions of a range of delivery days."""
    return set(registered_locations(catalog, source, days))


def registered_locations(catalog: Catalog, source: LogSource, days: Collection[date]) -> dict[tuple[str, ...], str]:
    """Where each raw partition of a range of delivery days lies, by its values."""
    found = partitions(catalog, source.raw.name, days_expression(days))
    return {tuple(p["Values"]): p["StorageDescriptor"]["Location"] for p in found}

"""Partitions of the catalog's tables, by days."""

from collections.abc import Collection, Iterator
from datetime import date
from typing import Any

from loglake_assets.sources import LogSource
from loglake_assets.sources.placement import day_from_number, day_number

ALL_DAYS = "logcalendarday > 0"


class TableMissingError(LookupError):
    """The catalog has no such table; the message says what brings it back."""


def partitions(glue: Any, database: str, table: str, expression: str) -> Iterator[dict[str, Any]]:
    """All partitions of a table that an expression selects."""
    pages = glue.get_paginator("get_partitions").paginate(
        DatabaseName=database, TableName=table, Expression=expression, ExcludeColumnSchema=True
    )
    try:
        for page in pages:
            yield from page["Partitions"]
    except glue.exceptions.EntityNotFoundException as error:
        raise TableMissingError(
            f"The catalog has no table {database}.{table}: somebody dropped it, or the lake is not deployed. The logs "
            "are untouched. Trying again does not help; deploy the lake, which makes the table again, then reconcile."
        ) from error


def raw_days(glue: Any, database: str, source: LogSource, expression: str = ALL_DAYS) -> set[date]:
    """Delivery days of a source that have a raw partition, of those that an expression selects."""
    return {day for day, _ in raw_partitions(glue, database, source, expression)}


def raw_partitions(
    glue: Any, database: str, source: LogSource, expression: str = ALL_DAYS
) -> Iterator[tuple[date, dict[str, Any]]]:
    """Raw partitions of a source that an expression selects, each with its delivery day."""
    position = [column.name for column in source.raw.partition_keys].index("logcalendarday")
    for partition in partitions(glue, database, source.raw.name, expression):
        yield day_from_number(partition["Values"][position]), partition


def days_expression(days: Collection[date]) -> str:
    """A catalog expression for a range that holds all the days."""
    return f"logcalendarday >= {day_number(min(days))} AND logcalendarday <= {day_number(max(days))}"


def registered_values(glue: Any, database: str, source: LogSource, days: Collection[date]) -> set[tuple[str, ...]]:
    """Values of the raw partitions of a range of delivery days."""
    return set(registered_locations(glue, database, source, days))


def registered_locations(
    glue: Any, database: str, source: LogSource, days: Collection[date]
) -> dict[tuple[str, ...], str]:
    """Where each raw partition of a range of delivery days lies, by its values."""
    found = partitions(glue, database, source.raw.name, days_expression(days))
    return {tuple(p["Values"]): p["StorageDescriptor"]["Location"] for p in found}

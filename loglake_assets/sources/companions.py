"""The tables beside a readready table: what was not loaded, what was dropped, what came late. Standard library only.

The first two are written by the day's run and placed with its commit; the late ledger is one table without partitions.
"""

from dataclasses import dataclass

from loglake_assets.sources.model import Column, LogSource

ORC, JSON = "orc", "json"


@dataclass(frozen=True)
class CompanionTable:
    """A table beside a readready table. `format` is ORC or JSON lines; `prefix` its place in the readready bucket."""

    name: str
    description: str
    format: str
    prefix: str
    columns: tuple[Column, ...]
    is_partitioned: bool = True


def companion_tables(source: LogSource) -> tuple[CompanionTable, ...]:
    """The tables beside a source's readready table."""
    table = source.readready.name
    base = table.removesuffix("_readready")
    return (
        CompanionTable(
            f"{base}_quarantine",
            f"{source.title}: every object and record that was read and not loaded, with the reason, by delivery day.",
            JSON,
            f"quarantine/{table}/",
            QUARANTINE_COLUMNS,
        ),
        CompanionTable(
            f"{base}_duplicates",
            f"{source.title}: copies of events beyond the first, with the keys of both objects, by day of the event.",
            ORC,
            f"duplicates/{table}/",
            DUPLICATE_COLUMNS,
        ),
        CompanionTable(
            f"{base}_late",
            f"{source.title}: the late ledger, an entry for each object that holds events of a day built without it.",
            JSON,
            f"late/{table}/",
            LATE_COLUMNS,
            is_partitioned=False,
        ),
    )


QUARANTINE_COLUMNS = (
    Column("raw_bucket", "string", "bucket of the object"),
    Column("raw_key", "string", "key of the object"),
    Column("raw_etag", "string", "ETag of the object as it was read"),
    Column("raw_versionid", "string", "version of the object as it was read; null in a bucket without versions"),
    Column("raw_ordinal", "int", "position of the record in its object, from 0; null where the whole object is meant"),
    Column("reason", "string", "why it is not loaded"),
)
DUPLICATE_COLUMNS = (
    Column("eventkey", "string", "the event, by what is unique in its table"),
    Column("raw_ordinal", "int", "position of the dropped copy in its object"),
    Column("dropped_bucket", "string", "bucket of the object of the dropped copy"),
    Column("dropped_key", "string", "key of that object"),
    Column("kept_bucket", "string", "bucket of the object of the event that is in the table"),
    Column("kept_key", "string", "key of that object"),
    Column("kept_ordinal", "int", "position of the event in that object, from 0"),
    Column("same_content", "boolean", "false: two records with one id differ"),
)
LATE_COLUMNS = (
    Column("day", "int", "UTC day of the events, yyyymmdd"),
    Column("prefix_day", "int", "delivery day of the object, yyyymmdd"),
    Column("days_late", "int", "days between the two"),
    Column("events", "bigint", "how many events of the day the object holds"),
    Column("bucket", "string", "bucket of the object"),
    Column("key", "string", "key of the object"),
    Column("etag", "string", "ETag of the object as it was read"),
    Column("last_modified", "double", "seconds since 1970, when the object was stored"),
    Column("found_by_run", "string", "Glue run that read the object"),
)

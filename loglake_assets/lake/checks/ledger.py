"""The ledger: what building a day read, kept, set apart and cost, as one small record a day beside its checks.

A manifest says it too, with every object by name; a report over a year needs the sums alone.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

from loglake_assets.lake.storage.keys import check_key
from loglake_assets.lake.storage.table import Table
from loglake_assets.s3.json_records import json_record, known_fields
from loglake_assets.s3.objects import object_if_any

if TYPE_CHECKING:
    from loglake_assets.lake.versions.manifests import Manifest

LEDGER = "ledger"


@dataclass(frozen=True)
class LedgerDay:
    """One built day (yyyymmdd) of a table. Seconds and US dollars are the day's share of its Glue run.

    `totals` are the manifest's: records_read, duplicates, excluded, quarantined_records, quarantined_objects,
    delivered_later, object_count, content_bytes.
    """

    day: int
    commit_seq: int
    run_id: str
    totals: Mapping[str, int] = field(default_factory=dict)
    excluded_by: Mapping[str, int] = field(default_factory=dict)
    glue_seconds: float = 0.0
    dpu_seconds: float = 0.0
    usd: float = 0.0


def ledger_day(manifest: "Manifest", commit_seq: int, glue_seconds: float, dpu_seconds: float, usd: float) -> LedgerDay:
    """The record of a day that was just committed."""
    return LedgerDay(
        manifest.day,
        commit_seq,
        manifest.run_id,
        dict(manifest.totals),
        dict(manifest.excluded_by),
        glue_seconds,
        dpu_seconds,
        usd,
    )


def put_ledger_day(table: Table, found: LedgerDay) -> None:
    """Keep a day's record; the newest build replaces the one before."""
    key = check_key(table.name, found.day, LEDGER)
    table.s3.put_object(Bucket=table.bucket, Key=key, Body=json.dumps(asdict(found), sort_keys=True).encode())


def read_ledger_day(table: Table, day: int) -> LedgerDay | None:
    """The record of a day; None where none was kept, as of days that older code built, or where it cannot be read."""
    body = object_if_any(table.s3, table.bucket, check_key(table.name, day, LEDGER))
    if body is None:
        return None
    try:
        return LedgerDay(**known_fields(LedgerDay, json_record(body)))
    except (ValueError, TypeError):
        return None

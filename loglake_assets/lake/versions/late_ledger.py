"""The late ledger: objects that hold events of a day its build did not read. Nothing is dropped for being late.

Standard library only; clients are passed in.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from loglake_assets.lake.storage.keys import late_key, late_prefix
from loglake_assets.lake.storage.reach import Reach
from loglake_assets.lake.storage.table import Table
from loglake_assets.lake.versions.commits import head_if_readable
from loglake_assets.lake.versions.manifests import (
    Manifest,
    ManifestObject,
    events_of_other_days,
    is_promised,
    manifest_if_any,
)
from loglake_assets.s3.json_records import json_record, known_fields
from loglake_assets.s3.objects import whole_object
from loglake_assets.s3.pages import keys
from loglake_assets.sources.calendar_days import day_from_number

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


@dataclass(frozen=True)
class LateObject:
    """One ledger entry: `events` of `day` stand in an object under the delivery prefix of `prefix_day`."""

    day: int
    bucket: str
    key: str
    etag: str
    last_modified: float
    prefix_day: int
    events: int
    found_by_run: str
    days_late: int = 0


def late_objects(table: Table, day: int) -> list[LateObject]:
    """The ledger's entries for a day, of those that can be read; `broken_entries` names the others."""
    return [entry for _, entry in _entries(table, day) if isinstance(entry, LateObject)]


def broken_entries(table: Table, day: int) -> dict[str, str]:
    """Why entries of a day cannot be read, by key: the late object that such an entry names is not known."""
    return {key: entry for key, entry in _entries(table, day) if isinstance(entry, str)}


def _entries(table: Table, day: int) -> Iterator[tuple[str, LateObject | str]]:
    """(key, the entry or why it cannot be read) of a day."""
    for key in keys(table.s3, table.bucket, late_prefix(table.name, day)):
        try:
            yield (
                key,
                _late_entry(known_fields(LateObject, json_record(whole_object(table.s3, table.bucket, key)["Body"]))),
            )
        except (ValueError, TypeError) as error:
            yield key, str(error)


def _late_entry(known: dict[str, Any]) -> LateObject:
    """An entry whose fields are of their types. Raises ValueError or TypeError."""
    texts = (known["bucket"], known["key"], known["etag"])
    if not all(isinstance(text, str) and text for text in texts):
        raise ValueError("it names no object")
    numbers = {name: int(known[name]) for name in ("day", "prefix_day", "events")}
    day_from_number(numbers["day"])
    day_from_number(numbers["prefix_day"])
    return LateObject(**{**known, **numbers, "last_modified": float(known["last_modified"])})


def record_late(s3: "S3Client", bucket: str, manifests: Iterable[Manifest]) -> list[LateObject]:
    """Enter into the ledger what a window's build found for days whose commit did not read it; returns the entries."""
    built = list(manifests)
    found: list[LateObject] = []
    committed: dict[int, set[tuple[str, str, str]] | None] = {}
    for day, entry in events_of_other_days(built):
        if day not in committed:
            committed[day] = _inputs_of_commit(Table(built[0].table, s3, bucket), day)
        if _is_late(entry, day, committed[day], built[0].reach):
            found.append(_late_object(entry, day, built[0].run_id))
    for late in found:
        key = late_key(built[0].table, late.day, late.bucket, late.key, late.etag)
        s3.put_object(Bucket=bucket, Key=key, Body=json.dumps(asdict(late), sort_keys=True).encode())
    return found


def _late_object(entry: ManifestObject, day: int, run_id: str) -> LateObject:
    modified, prefix_day, events = entry.last_modified, entry.prefix_day, entry.days[day]
    days_late = (day_from_number(prefix_day) - day_from_number(day)).days
    return LateObject(day, entry.bucket, entry.key, entry.etag, modified, prefix_day, events, run_id, days_late)


def _is_late(entry: ManifestObject, day: int, read: set[tuple[str, str, str]] | None, reach: Reach) -> bool:
    if read is None:  # not built yet: its own prefixes bring it, and for what other prefixes bring the ledger speaks
        return day != entry.prefix_day
    return (entry.bucket, entry.key, entry.etag) not in read or not is_promised(entry, day, reach)


def _inputs_of_commit(table: Table, day: int) -> set[tuple[str, str, str]] | None:
    """What the day's newest commit read, or None when the day has none."""
    newest = head_if_readable(table, day)
    if newest is None:
        return None
    manifest = manifest_if_any(table, day, newest.run_id)
    return {(o.bucket, o.key, o.etag) for o in manifest.objects} if manifest else set()


def was_read(late: LateObject, read: ManifestObject | None) -> bool:
    """Whether a build read this content or a later one of the object; `read` is what it read, None where nothing."""
    if read is None:
        return False
    return read.etag == late.etag or read.last_modified >= late.last_modified


def late_counts(table: Table) -> dict[int, int]:
    """How many ledger entries each day (yyyymmdd) has; the keys say it, nothing is read."""
    root = late_prefix(table.name, 0).removesuffix("0/")
    counts: dict[int, int] = {}
    for key in keys(table.s3, table.bucket, root):
        day, slash, _ = key.removeprefix(root).partition("/")
        if slash and len(day) == 8 and day.isdigit():  # a file that somebody put there is no entry
            counts[int(day)] = counts.get(int(day), 0) + 1
    return counts

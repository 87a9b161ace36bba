"""What a run says it read, counted and wrote for one day: its manifest, written once and read back.

Standard library only; clients are passed in.
"""

import gzip
import hashlib
import json
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from loglake_assets.lake.storage.keys import manifest_key
from loglake_assets.lake.storage.reach import Reach
from loglake_assets.lake.storage.table import Table
from loglake_assets.s3.json_records import BrokenRecordError, json_record, known_fields
from loglake_assets.s3.objects import ALREADY_THERE, put_once, whole_object
from loglake_assets.sources.calendar_days import day_from_number

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

FORMAT = 1
_TOTALS = frozenset({"records_read", "excluded", "duplicates", "quarantined_records"})
GONE_WHILE_READING = "gone_while_reading"
"""Reason of an object that was listed and not there any more when it was read."""


class ManifestMissingError(LookupError):
    """A run left no manifest for a day: it did not finish it. Building the day again helps."""


class ManifestRefusedError(RuntimeError):
    """S3 did not take what a run wrote; the message names its key and what came back. The day cannot be committed."""


class BrokenManifestError(BrokenRecordError):
    """A manifest is there and cannot be read. The day must be built again, or the manifest restored."""


@dataclass(frozen=True)
class ManifestObject:
    """One raw object as the run read it; `days` counts its events by their own day (yyyymmdd)."""

    bucket: str
    key: str
    etag: str
    version_id: str | None
    last_modified: float
    prefix_day: int
    records: int
    reason: str | None
    days: Mapping[int, int]
    excluded: int
    duplicates: int

    @property
    def name(self) -> tuple[str, str]:
        return self.bucket, self.key


@dataclass(frozen=True)
class Manifest:
    """One day of one run. `totals` holds the counts that `records_read = written + excluded + ...` is checked on."""

    source: str
    table: str
    day: int
    run_id: str
    base_seq: int
    look_ahead: int
    has_source: bool
    location: str
    content_hash: str
    totals: Mapping[str, int]
    excluded_by: Mapping[str, int]
    files: tuple[Mapping[str, Any], ...]
    objects: tuple[ManifestObject, ...]
    quarantine: tuple[Mapping[str, Any], ...]
    look_behind: int = 0
    definition: str = ""
    """What made the rows, by `definition_digest`; empty in manifests that are older than it."""
    exclusions: str = ""
    """The exclude rules of the build, by `Rules.exclusion_digest`; empty in manifests that are older than it."""
    digest: str = ""
    """SHA-256 of the manifest as it is stored, which the commit record names."""
    columns: tuple[str, ...] = ()
    """Names of the table's columns when it was built; empty in manifests that are older than it."""
    first_day: int = 0
    """The window of the run that built the day (yyyymmdd), with `last_day`; 0 for a review, which has none."""
    last_day: int = 0
    listed_at: float = 0.0
    """When the run listed the raw objects, in seconds since 1970."""
    rules_version: int = 0
    code_version: str = ""
    format: int = FORMAT

    @property
    def reach(self) -> Reach:
        """Which delivery prefixes the build looked at."""
        return Reach(self.look_ahead, self.look_behind)

    @property
    def rows(self) -> int:
        return sum(f["rows"] for f in self.files)

    @property
    def bytes(self) -> int:
        return sum(f["bytes"] for f in self.files)

    def versions(self) -> dict[tuple[str, str], tuple[str, float]]:
        """(ETag, last modified) by (bucket, key): which content of each object was read."""
        return {o.name: (o.etag, o.last_modified) for o in self.objects}

    def reads_newer_than(self, other: "Manifest") -> bool:
        """Whether this run read an object, or a later version of one, that the other did not."""
        theirs = other.versions()
        return any(
            name not in theirs or (etag != theirs[name][0] and modified >= theirs[name][1])
            for name, (etag, modified) in self.versions().items()
        )


def manifest_body(manifest: Manifest) -> bytes:
    """As it is stored: gzip of JSON, the same bytes for the same manifest."""
    document = {name: value for name, value in vars(manifest).items() if name != "digest"}
    return gzip.compress(json.dumps(document, default=_jsonable).encode(), mtime=0)


def _jsonable(value: Any) -> Any:
    """What json knows not of a manifest: its objects, and mappings that are no dict."""
    return vars(value) if isinstance(value, ManifestObject) else dict(value)


def put_manifest(s3: "S3Client", bucket: str, manifest: Manifest) -> None:
    """Write the manifest of one day of one run. Raises ManifestRefusedError where S3 does not take it.

    S3 refuses a second one of the same run that says something else.
    """
    key = manifest_key(manifest.table, manifest.day, manifest.run_id)
    put_of_run(s3, bucket, key, manifest_body(manifest))


def put_of_run(s3: "S3Client", bucket: str, key: str, body: bytes, content_type: str = "application/json") -> None:
    """Write something of a run once. Raises ManifestRefusedError with what to do where S3 does not take it."""
    from botocore.exceptions import ClientError

    try:
        put_once(s3, bucket, key, body, content_type)
    except ClientError as error:
        if error.response["Error"]["Code"] in ALREADY_THERE:
            raise
        said = error.response["Error"]
        raise ManifestRefusedError(
            f"S3 did not take s3://{bucket}/{key}: {said['Code']}. {said.get('Message', '')} Its day is not "
            "committed. What a grant to the job's role or new credentials mend, mend; then build the day again."
        ) from error


def read_manifest(table: Table, day: int, run_id: str) -> Manifest:
    """The manifest of one day of one run. Raises ManifestMissingError."""
    key = manifest_key(table.name, day, run_id)
    try:
        body = whole_object(table.s3, table.bucket, key)["Body"]
    except table.s3.exceptions.NoSuchKey as error:
        raise ManifestMissingError(
            f"Run {run_id} left no manifest for {table.name} {day} at s3://{table.bucket}/{key}: it did not finish "
            "the day. Nothing was committed; build the day again."
        ) from error
    try:
        return _manifest(json_record(gzip.decompress(body)), hashlib.sha256(body).hexdigest())
    except (ValueError, TypeError, KeyError, AttributeError, EOFError, OSError, zlib.error) as error:
        why = str(error) if type(error) is ValueError else f"it is no manifest ({type(error).__name__})"
        remedy = f"Restore it from the bucket's versions, or build {day_from_number(day)} again."
        raise BrokenManifestError(table.bucket, key, why, remedy) from error


def manifest_if_any(table: Table, day: int, run_id: str) -> Manifest | None:
    """The manifest of one day of one run; None where the run left none, or it is gone or cannot be read."""
    try:
        return read_manifest(table, day, run_id)
    except (ManifestMissingError, BrokenManifestError):
        return None


def _manifest(document: Mapping[str, Any], digest: str) -> Manifest:
    known = known_fields(Manifest, document) | {"digest": digest}
    for file in known["files"]:
        if not (isinstance(file["key"], str) and isinstance(file["bytes"], int) and isinstance(file["rows"], int)):
            raise ValueError("a file in it has no key, size or rows")
    if absent := _TOTALS - known["totals"].keys():
        raise ValueError(f"its totals lack {', '.join(sorted(absent))}")
    known["objects"] = tuple(_object(entry) for entry in known["objects"])
    known.update({name: tuple(known[name]) for name in ("files", "quarantine", "columns") if name in known})
    return Manifest(**known)


def _object(entry: Mapping[str, Any]) -> ManifestObject:
    known = known_fields(ManifestObject, entry)
    known["days"] = {int(day): int(count) for day, count in known["days"].items()}
    known["last_modified"] = float(known["last_modified"])
    return ManifestObject(**known)


def events_of_other_days(manifests: Iterable[Manifest]) -> Iterator[tuple[int, ManifestObject]]:
    """(event day, object) for every object of a window that holds events its prefix does not promise.

    An object is read for the event days whose builds reach its prefix anyway. Events of other days, and events of days
    outside the window, are what the late ledger is about.
    """
    built = list(manifests)
    window = {m.day for m in built}
    seen: set[tuple[int, tuple[str, str]]] = set()
    for manifest in built:
        for entry in manifest.objects:
            for day in entry.days:
                outside = day not in window or not is_promised(entry, day, manifest.reach)
                if outside and (day, entry.name) not in seen:
                    seen.add((day, entry.name))
                    yield day, entry


def is_promised(entry: ManifestObject, day: int, reach: Reach) -> bool:
    """Whether the build of a day (yyyymmdd) reads the object because of its prefix."""
    return reach.reads(day_from_number(day), day_from_number(entry.prefix_day), entry.last_modified)

"""A day of a review as it is kept: one ORC file in the run's own directory, its files beside it, and a manifest."""

import hashlib
import io
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.orc as orc

from loglake_assets.lake.storage.keys import commit_key, day_prefix, packets_prefix
from loglake_assets.lake.storage.table import Table
from loglake_assets.lake.versions.manifests import Manifest, ManifestObject, put_manifest, read_manifest
from loglake_assets.lake.versions.stored_rows import orc_schema
from loglake_assets.reviews.builder import ReviewDay, ReviewFile
from loglake_assets.reviews.inputs import BUILT, Input
from loglake_assets.reviews.review_model import Review
from loglake_assets.s3.read_ahead import results_in_order
from loglake_assets.sources import DEFAULT_COMPRESSION
from loglake_assets.sources.calendar_days import day_number
from loglake_assets.sources.model import ReadreadyTable

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_IN_FLIGHT = 16
_BATCH_ROWS = 20_000


def put_review_day(
    s3: "S3Client", bucket: str, review: Review, found: ReviewDay, run_id: str, bases: Mapping[str, int]
) -> list[Manifest]:
    """Write one day of a review; nobody sees it until it is committed. `bases`: newest commit of each of its tables.

    Returns a manifest for each of the review's tables, in the order in which they are to be committed.
    """
    _put_files(s3, bucket, packets_prefix(review.name, day_number(found.day), run_id), found.files)
    rows: dict[str, Iterable[Mapping[str, Any]]] = {
        detail.table.name: found.details.get(detail.name, ()) for detail in review.details
    }
    order = review.table.sort_by
    rows[review.table.name] = sorted(found.rows, key=lambda row: tuple(_sortable(row[name]) for name in order))
    return [
        _put_table(s3, bucket, review.name, table, rows[table.name], found, run_id, bases[table.name])
        for table in review.tables
    ]


def _put_table(
    s3: "S3Client",
    bucket: str,
    review: str,
    table: ReadreadyTable,
    rows: Iterable[Mapping[str, Any]],
    found: ReviewDay,
    run_id: str,
    base_seq: int,
) -> Manifest:
    """Write one table's rows of a day, then the manifest that says so."""
    day = day_number(found.day)
    prefix = day_prefix(table.name, run_id, day)
    part = orc_part(table, rows, run_id)
    manifest = Manifest(
        source=review,
        table=table.name,
        run_id=run_id,
        day=day,
        base_seq=base_seq,
        look_ahead=0,
        has_source=True,
        location=f"s3://{bucket}/{prefix}",
        content_hash=part.content_hash,
        totals={
            "records_read": part.rows,
            "written": part.rows,
            "excluded": 0,
            "duplicates": 0,
            "quarantined_records": 0,
        },
        excluded_by={},
        files=tuple(_put_part(s3, bucket, f"{prefix}part-00000.orc", part)),
        objects=tuple(_object(bucket, entry) for entry in found.inputs if entry.status == BUILT),
        quarantine=(),
    )
    put_manifest(s3, bucket, manifest)
    return read_manifest(Table(table.name, s3, bucket), day, run_id)


def _put_files(s3: "S3Client", bucket: str, prefix: str, files: Iterable[ReviewFile]) -> None:
    def put(file: ReviewFile) -> None:
        s3.put_object(Bucket=bucket, Key=prefix + file.name, Body=file.body, ContentType=file.content_type)

    for _ in results_in_order(put, files, _IN_FLIGHT):
        pass


@dataclass(frozen=True)
class OrcPart:
    """Rows as a file: its bytes, how many rows, and the hash of what does not differ from run to run."""

    body: bytes
    rows: int
    content_hash: str


def _put_part(s3: "S3Client", bucket: str, key: str, part: OrcPart) -> Iterator[dict[str, Any]]:
    """Put the file of a day, and describe it; a day without rows has none."""
    if part.rows:
        s3.put_object(Bucket=bucket, Key=key, Body=part.body, ContentType="application/octet-stream")
        yield {"key": key, "bytes": len(part.body), "rows": part.rows}


def orc_part(table: ReadreadyTable, rows: Iterable[Mapping[str, Any]], run_id: str) -> OrcPart:
    """Rows as an ORC file with the table's columns, in the order in which they come. Times are UTC and lose their zone.

    A batch of rows is in memory at a time, since how many lines a session has is whoever typed it to choose.
    """
    target, digest, count = io.BytesIO(), hashlib.sha256(), 0
    schema = orc_schema(table.all_columns)
    hashed = [name for name in schema.names if name not in {"f_run", "packet"}]
    waiting = iter(rows)
    with orc.ORCWriter(target, compression=DEFAULT_COMPRESSION) as writer:
        while batch := [{**row, "f_run": run_id} for row in islice(waiting, _BATCH_ROWS)]:
            count += len(batch)
            for row in batch:
                digest.update(json.dumps([row[name] for name in hashed], default=str).encode() + b"\n")
            arrays = [pa.array([_store(row[field.name]) for row in batch], field.type) for field in schema]
            writer.write(pa.table(arrays, schema=schema))
    return OrcPart(target.getvalue(), count, f"sha256:{digest.hexdigest()}:{count}")


def _sortable(value: Any) -> tuple[bool, int, str]:
    """None first, then numbers by their size, then text."""
    if isinstance(value, int):
        return True, value, ""
    return value is not None, 0, "" if value is None else str(value)


def _store(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.replace(tzinfo=None)
    if isinstance(value, str):
        return value.encode(errors="replace").decode()  # half of a surrogate pair cannot be stored
    return value


def input_name(entry: Input) -> str:
    """What a manifest calls a day of a table that was read: the place of its commits."""
    return commit_key(entry.table, day_number(entry.day), 0).rpartition("/")[0]


def input_version(entry: Input) -> str:
    """Which commit of it was read."""
    return f"{entry.commit_seq}:{entry.run_id}"


def _object(bucket: str, entry: Input) -> ManifestObject:
    """A day of a table that was read, as manifests name what was read: its commit record, and when that was made."""
    committed = datetime.fromisoformat(entry.committed_at).timestamp() if entry.committed_at else 0.0
    return ManifestObject(
        bucket=bucket,
        key=input_name(entry),
        etag=input_version(entry),
        version_id=None,
        last_modified=committed,
        prefix_day=day_number(entry.day),
        records=0,
        reason=None,
        days={},
        excluded=0,
        duplicates=0,
    )

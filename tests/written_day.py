"""A day that a test writes by hand, object by object and record by record: what checks must say of it is known.

Real ORC files, manifests, commits and a partition, in buckets of its own beside the deployed lake; no build is needed.
"""

import gzip
import hashlib
import io
import json
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import date, timedelta
from typing import Any

import pyarrow as pa
import pyarrow.orc as orc

from infra.cli.local_lake import LocalLake
from loglake_assets.lake.checks.coverage import Coverage
from loglake_assets.lake.checks.day_report import DayReport
from loglake_assets.lake.storage.keys import commit_key, day_prefix, duplicates_prefix, late_key, manifest_key
from loglake_assets.lake.storage.raw_bucket import RawBucket
from loglake_assets.lake.storage.raw_objects import raw_objects_by_day
from loglake_assets.lake.storage.table import Table
from loglake_assets.lake.versions.commits import BUILD, COMMIT_DIGEST, COMMIT_SEQ, RUN, Commit, append
from loglake_assets.lake.versions.late_ledger import LateObject
from loglake_assets.lake.versions.manifests import Manifest, ManifestObject, manifest_if_any
from loglake_assets.lake.versions.publish import Publisher
from loglake_assets.lake.versions.served_day import ServedDay, served_day
from loglake_assets.lake.versions.stored_rows import orc_schema, stored_hash
from loglake_assets.sources import LogSource
from loglake_assets.sources.calendar_days import day_number
from loglake_assets.sources.rules import load_rules

DAY = date(2013, 3, 5)
NUMBER = day_number(DAY)
_VALUES = ("AWSLogs", "111122223333", "eu-west-1")


def raw_key(name: str, day: date = DAY) -> str:
    return f"AWSLogs/111122223333/CloudTrail/eu-west-1/{day:%Y/%m/%d}/{name}.json"


def content(*events: tuple[str, str]) -> bytes:
    """A raw object of events, each an id and a time."""
    records = [{"eventVersion": "1.11", "eventID": i, "eventTime": t, "eventName": "X"} for i, t in events]
    return json.dumps({"Records": records}).encode()


def at_noon(*ids: str, day: date = DAY) -> bytes:
    return content(*((i, f"{day}T12:00:00Z") for i in ids))


@dataclass(frozen=True)
class WrittenDay:
    """DAY of one log, as far as a test has written it."""

    lake: LocalLake
    source: LogSource
    raw: str
    readready: str

    @property
    def s3(self) -> Any:
        return self.lake.client("s3")

    @property
    def table(self) -> str:
        return self.source.readready.name

    def land(self, name: str, body: bytes, day: date = DAY) -> str:
        """Put a raw object; returns its ETag."""
        answer = self.s3.put_object(Bucket=self.raw, Key=raw_key(name, day), Body=body)
        return str(answer["ETag"]).strip('"')

    def read(self, name: str, *ids: str, day: date = DAY, reason: str | None = None) -> ManifestObject:
        """An object with events of DAY that lies under `day`, and its entry in the manifest of a run that read it."""
        etag = self.land(name, at_noon(*ids), day)
        events = {NUMBER: len(ids)} if ids and not reason else {}
        number = day_number(day)
        return ManifestObject(self.raw, raw_key(name, day), etag, None, 1.0, number, len(ids), reason, events, 0, 0)

    def run(
        self, run_id: str, objects: tuple[ManifestObject, ...], rows: Sequence[tuple[str, str]], **said: Any
    ) -> Manifest:
        """What a run leaves: an ORC file of `rows` (event id and raw object's name) and the manifest."""
        prefix = day_prefix(self.table, run_id, NUMBER)
        key, body = f"{prefix}part-0.orc", self.orc(rows)
        self.s3.put_object(Bucket=self.readready, Key=key, Body=body)
        totals = {"records_read": len(rows), "excluded": 0, "duplicates": 0, "quarantined_records": 0}
        found = Manifest(
            source=self.source.name,
            table=self.table,
            day=NUMBER,
            run_id=run_id,
            base_seq=0,
            look_ahead=1,
            has_source=True,
            location=f"s3://{self.readready}/{prefix}",
            content_hash=stored_hash(self.s3, self.source, self.readready, [key]),
            totals=totals,
            excluded_by={},
            files=({"key": key, "bytes": len(body), "rows": len(rows)},),
            objects=objects,
            quarantine=(),
            columns=tuple(column.name for column in self.source.readready.all_columns),
        )
        return self.keep(replace(found, **said))

    def keep(self, manifest: Manifest) -> Manifest:
        """Store a manifest; returns it as it is read back."""
        body = gzip.compress(json.dumps(asdict(replace(manifest, digest=""))).encode(), mtime=0)
        key = manifest_key(self.table, NUMBER, manifest.run_id)
        self.s3.put_object(Bucket=self.readready, Key=key, Body=body)
        found = manifest_if_any(Table(self.table, self.s3, self.readready), NUMBER, manifest.run_id)
        assert found is not None
        return found

    def orc(self, rows: Sequence[tuple[str, str]], **said_by_all: str) -> bytes:
        schema = orc_schema(self.source.readready.all_columns)
        said = [{"eventid": i, "raw_bucket": self.raw, "raw_key": raw_key(name), **said_by_all} for i, name in rows]
        written = io.BytesIO()
        orc.write_table(pa.Table.from_pylist(said, schema), written)
        return written.getvalue()

    def rewrite(self, manifest: Manifest, body: bytes) -> Manifest:
        """The run's file with another content, which its manifest says too."""
        (file,) = manifest.files
        self.s3.put_object(Bucket=self.readready, Key=file["key"], Body=body)
        return self.keep(replace(manifest, files=({**file, "bytes": len(body)},)))

    def commit(self, manifest: Manifest, reason: str = BUILD) -> Commit:
        """Commit a run, and send readers to it."""
        publisher = self.publisher
        proposed = publisher._propose(manifest, reason, publisher.verify(manifest))
        made = append(self.s3, self.readready, proposed, lambda current: True)
        self.show(made.seq, made.run_id, made.location, self.digest(made.seq))
        return made

    def digest(self, seq: int) -> str:
        answer = self.s3.get_object(Bucket=self.readready, Key=commit_key(self.table, NUMBER, seq))
        return hashlib.sha256(answer["Body"].read()).hexdigest()

    def show(self, seq: int, run_id: str, location: str, digest: str | None = None) -> None:
        """The catalog's partition of the day."""
        glue, named = self.lake.client("glue"), {"DatabaseName": self.lake.settings.database, "TableName": self.table}
        descriptor = glue.get_table(DatabaseName=named["DatabaseName"], Name=self.table)["Table"]["StorageDescriptor"]
        parameters = {COMMIT_SEQ: str(seq), RUN: run_id} | ({COMMIT_DIGEST: digest} if digest else {})
        shown = {"Values": [str(NUMBER)], "StorageDescriptor": {**descriptor, "Location": location}}
        self.hide()
        glue.create_partition(**named, PartitionInput={**shown, "Parameters": parameters})

    def hide(self) -> None:
        """The catalog without a partition of the day."""
        glue, named = self.lake.client("glue"), {"DatabaseName": self.lake.settings.database, "TableName": self.table}
        try:
            glue.delete_partition(**named, PartitionValues=[str(NUMBER)])
        except glue.exceptions.EntityNotFoundException:
            return

    def late(self, key: str, etag: str, events: int, last_modified: float = 9e9) -> None:
        """An entry of the late ledger."""
        entry = LateObject(NUMBER, self.raw, key, etag, last_modified, 20130420, events, "r")
        name = late_key(self.table, NUMBER, self.raw, key, etag)
        self.s3.put_object(Bucket=self.readready, Key=name, Body=json.dumps(asdict(entry)).encode())

    def copies(self, run_id: str, rows: list[dict[str, Any]]) -> str:
        """A file of the copies that a run dropped; returns its key."""
        key, written = f"{duplicates_prefix(self.table, run_id)}logcalendarday={NUMBER}/part-0.orc", io.BytesIO()
        orc.write_table(pa.Table.from_pylist(rows), written)
        self.s3.put_object(Bucket=self.readready, Key=key, Body=written.getvalue())
        return key

    @property
    def served(self) -> ServedDay:
        return served_day(self.written_table, self.lake.catalog, NUMBER)

    @property
    def written_table(self) -> Table:
        """The lake's table, with the files of this test's bucket."""
        return Table(self.table, self.s3, self.readready)

    @property
    def publisher(self) -> Publisher:
        made = self.lake.resource.publisher()
        return replace(made, bucket=self.readready, wait_seconds=0.3, resend_seconds=9.0, poll_seconds=0.05)

    def reconciled(
        self, moved_to: str | None = None, registered: bool = True, rules: str = "", is_due: bool = True
    ) -> DayReport:
        """The cheap comparison of the day; `moved_to` is where the catalog says that the raw partition lies."""
        made = self.lake.resource.reconciler(self.source)
        raw = RawBucket(self.s3, self.source, self.raw)
        made = replace(made, raw=raw, table=self.written_table, rules=load_rules("cloudtrail", rules))
        days = [DAY, DAY + timedelta(days=1)]
        landed = dict(raw_objects_by_day(raw, days))
        places = {(*_VALUES, str(day_number(d))): f"s3://{self.raw}/{raw_key('', d)[:-5]}" for d in days}
        if moved_to:
            places[(*_VALUES, str(NUMBER))] = moved_to
        found = made.compare(DAY, landed, places if registered else {}, is_due)
        assert found is not None
        return found

    def counted(self, rules: str = "", registered: bool = False) -> Coverage:
        """The day counted again; `registered` is whether its raw partition is in the catalog, for deny rules."""
        (found,) = self.counted_days(DAY, rules=rules, registered=registered)
        return found

    def counted_days(self, *days: date, rules: str = "", registered: bool = False) -> list[Coverage]:
        values = {(*_VALUES, str(NUMBER))} if registered else set()

        def served(day: date) -> ServedDay:
            return served_day(self.written_table, self.lake.catalog, day_number(day))

        raw = RawBucket(self.s3, self.source, self.raw)
        made = replace(self.lake.resource.recount(self.source, 1), raw=raw, table=self.written_table)
        made = replace(made, rules=load_rules("cloudtrail", rules), served=served, registered=lambda days: values)
        return list(made.days(days))


@contextmanager
def written_day(lake: LocalLake, source: LogSource) -> Iterator[WrittenDay]:
    """An empty day in buckets of its own; the catalog forgets it when the block is left."""
    made = WrittenDay(lake, source, f"written-raw-{uuid.uuid4().hex[:12]}", f"written-{uuid.uuid4().hex[:12]}")
    for bucket in (made.raw, made.readready):
        made.s3.create_bucket(Bucket=bucket)
    try:
        yield made
    finally:
        made.hide()

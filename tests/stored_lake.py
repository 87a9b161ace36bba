"""A lake as its storage tells of it: listings, catalog partitions, commit records, manifests, ORC files. No judgement.

Read with nothing but boto3, json and Arrow: of the program only the names of keys (lake/layout.py) are used.
"""

import gzip
import io
import json
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.orc as orc

from loglake_assets.lake.storage.keys import duplicates_prefix, late_prefix, manifest_key, parse_commit_key
from loglake_assets.s3.urls import bucket_and_prefix
from loglake_assets.sources import LogSource
from tests.raw_side import key_digest

COMMIT_SEQ = "loglake.commit_seq"


def etags_below(s3: Any, bucket: str, prefix: str = "") -> dict[str, str]:
    """ETag by key of every object under a prefix: taken of a raw bucket before a fault, the baseline of I4."""
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
    return {entry["Key"]: entry["ETag"].strip('"') for page in pages for entry in page.get("Contents", ())}


@dataclass(frozen=True)
class CatalogPartition:
    """What readers are sent to; `seq` is the commit it says it shows, 0 where it says none."""

    location: str
    seq: int


@dataclass
class StoredRows:
    """What the files of one location hold: rows by key, digests of all grains, the runs that the rows name."""

    rows: dict[str, int] = field(default_factory=dict)
    digests: Any = field(default_factory=lambda: np.empty(0, "u8"))
    runs: set[str] = field(default_factory=set)
    unreadable: list[str] = field(default_factory=list)

    @property
    def row_count(self) -> int:
        return sum(self.rows.values())


@dataclass(frozen=True)
class StoredLake:
    """One source's part of a lake. Clients are passed in."""

    s3: Any
    glue: Any
    database: str
    source: LogSource
    raw_bucket: str
    readready_bucket: str

    @property
    def table(self) -> str:
        return self.source.readready.name

    def partitions(self, table: str) -> dict[tuple[str, ...], CatalogPartition]:
        """All partitions of a table by their values."""
        pages = self.glue.get_paginator("get_partitions").paginate(DatabaseName=self.database, TableName=table)
        return {tuple(p["Values"]): _partition(p) for page in pages for p in page["Partitions"]}

    def commits(self) -> dict[int, dict[int, dict[str, Any]]]:
        """Commit records by day and by the sequence number of their key."""
        found: dict[int, dict[int, dict[str, Any]]] = defaultdict(dict)
        for key in etags_below(self.s3, self.readready_bucket, f"commits/{self.table}/"):
            if parts := parse_commit_key(key):
                found[parts.day][parts.seq] = json.loads(self._body(key))
        return dict(found)

    def manifest(self, day: int, run_id: str) -> dict[str, Any] | None:
        """The manifest of a day of a run, or None where there is none."""
        try:
            body = self._body(manifest_key(self.table, day, run_id))
        except self.s3.exceptions.NoSuchKey:
            return None
        found: dict[str, Any] = json.loads(gzip.decompress(body))
        return found

    def late_keys(self, day: int) -> set[str]:
        """Keys of the raw objects that the late ledger names for a day."""
        ledger = etags_below(self.s3, self.readready_bucket, late_prefix(self.table, day))
        return {json.loads(self._body(key))["key"] for key in ledger}

    def stored_rows(self, location: str) -> StoredRows:
        """All files of a location, counted by their footers; a file that is no ORC is named."""
        stored, digests = StoredRows(), []
        for key, file in self._files(location):
            if file is None:
                stored.unreadable.append(key)
                continue
            stored.rows[key] = file.nrows
            columns = file.read(columns=[*self.source.readready.grain, "f_run"])
            keys = self._keys(columns)
            digests.append(np.fromiter(map(key_digest, map(str, keys)), "u8", len(keys)))
            stored.runs |= {str(run) for run in columns.column("f_run").unique().to_pylist()}
        stored.digests = np.concatenate([stored.digests, *digests])
        return stored

    def evidence(self, location: str, digests: set[int]) -> Iterator[tuple[str, str, int]]:
        """(raw key, raw ETag, ordinal) that the rows of some grains name."""
        place = ["raw_key", "raw_etag", "raw_ordinal"]
        for _, file in self._files(location):
            if file is None:
                continue
            columns = file.read(columns=[*self.source.readready.grain, *place])
            for key, row in zip(self._keys(columns), columns.select(place).to_pylist(), strict=True):
                if key_digest(str(key)) in digests:
                    yield row["raw_key"], row["raw_etag"], row["raw_ordinal"]

    def _keys(self, rows: pa.Table) -> list[str | None]:
        """What is unique of each row."""
        keys: list[str | None] = pc.coalesce(*(rows.column(name) for name in self.source.readready.grain)).to_pylist()
        return keys

    def duplicate_rows(self, day: int, run_id: str) -> int:
        """Rows of the table of dropped copies, of one day of a run."""
        prefix = f"{duplicates_prefix(self.table, run_id)}logcalendarday={day}/"
        files = self._files(f"s3://{self.readready_bucket}/{prefix}")
        return sum(file.nrows for _, file in files if file is not None)

    def _files(self, location: str) -> Iterator[tuple[str, Any]]:
        """(key, ORC file or None where it cannot be read as one) of a location; connectors leave folder markers."""
        bucket, prefix = bucket_and_prefix(location)
        for key in etags_below(self.s3, bucket, prefix):
            if not key.endswith("/"):
                yield key, _orc(self.s3.get_object(Bucket=bucket, Key=key)["Body"].read())

    def _body(self, key: str) -> bytes:
        body: bytes = self.s3.get_object(Bucket=self.readready_bucket, Key=key)["Body"].read()
        return body


def _partition(described: dict[str, Any]) -> CatalogPartition:
    location = described["StorageDescriptor"].get("Location", "")
    return CatalogPartition(location, int(described.get("Parameters", {}).get(COMMIT_SEQ, "0")))


def _orc(body: bytes) -> Any:
    try:
        return orc.ORCFile(io.BytesIO(body))
    except (pa.ArrowInvalid, OSError):
        return None


def placed_commits(glue: Any, database: str, table: str) -> dict[int, int]:
    """The commit that the catalog shows of each day (yyyymmdd)."""
    pages = glue.get_paginator("get_partitions").paginate(DatabaseName=database, TableName=table)
    return {int(p["Values"][0]): _partition(p).seq for page in pages for p in page["Partitions"]}

"""From a row back to what it was made from, and whether all of it still agrees: object, record, commit, catalog.

How a row is found, and how this is shown to people, does not belong here.
"""

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from loglake_assets.lake.storage.table import Table
from loglake_assets.lake.versions.commits import Commit, commits, edited_records
from loglake_assets.lake.versions.integrity import differences
from loglake_assets.lake.versions.manifests import Manifest, manifest_if_any
from loglake_assets.lake.versions.served_day import ServedDay
from loglake_assets.s3.objects import refusal, whole_object
from loglake_assets.s3.urls import bucket_and_key, bucket_and_prefix
from loglake_assets.sources import LogSource
from loglake_assets.sources.calendar_days import day_from_number
from loglake_assets.sources.digest_report import DigestVouch, PublicKeysError
from loglake_assets.sources.model import Column


class WithheldError(RuntimeError):
    """S3 holds an object and does not give it; the message is `archived` or `key_unavailable`."""


Records = Callable[[LogSource, bytes], tuple[bytes, list[Any], bool]]
"""From an object's bytes to (content, records as delivered, whether characters were replaced); raises ValueError."""
ExpectedRow = Callable[[LogSource, Mapping[str, Any], bytes, date], Mapping[str, Any] | None]
"""From a source, a row's evidence, its object's bytes and its day to the row that its record must have become.

None where the record is no row of that day; raises RuntimeError where that cannot be known here.
"""
ContentHash = Callable[[LogSource, str, Sequence[str]], str]
"""From a source, a bucket and keys of ORC files to the hash of their rows, as manifests spell it."""
_LARGEST_DAY = 1 << 30  # bytes of ORC that are hashed for one row
Vouch = Callable[[str, str], DigestVouch | None]
"""From bucket and key of a raw object to the digest that names it."""
_NO_VERSION = frozenset({None, "", "null"})


@dataclass(frozen=True)
class Statement:
    """One thing that was compared: `agrees` None where it cannot be known. `detail` holds keys, hashes and numbers."""

    what: str
    agrees: bool | None
    detail: str


@dataclass(frozen=True)
class Evidence:
    """A row with all that stands behind it. `record` is the record's bytes as they stand in the raw object."""

    source: str
    table: str
    day: int
    row: Mapping[str, Any]
    record: bytes | None
    commit: Commit | None
    vouching: DigestVouch | None
    statements: tuple[Statement, ...]

    @property
    def agrees(self) -> bool:
        """Whether nothing that was compared disagrees."""
        return all(statement.agrees is not False for statement in self.statements)


@dataclass(frozen=True)
class Examiner:
    """Examines rows of one source. Clients are passed in; `vouch` is None for a log without digests."""

    table: Table
    source: LogSource
    served: ServedDay
    records: Records
    expected: ExpectedRow
    content_hash: ContentHash
    vouch: Vouch | None = None

    def examine(self, row: Mapping[str, Any]) -> Evidence:
        """What stands behind a row of the day that `served` is of; `row` is by column name, values as Athena gives."""
        body, object_statements = self._object(row)
        record, record_statements = self._record(row, body)
        commit, commit_statements = self._commit(row)
        vouching, digest_statements = self._vouch(row)
        return Evidence(
            source=self.source.name,
            table=self.served.table,
            day=self.served.day,
            row=row,
            record=record,
            commit=commit,
            vouching=vouching,
            statements=(*object_statements, *record_statements, *digest_statements, *commit_statements),
        )

    def _object(self, row: Mapping[str, Any]) -> tuple[bytes | None, list[Statement]]:
        name = f"s3://{row['raw_bucket']}/{row['raw_key']}"
        try:
            now, etag = self._get(row["raw_bucket"], row["raw_key"], None)
        except WithheldError as error:
            return None, [Statement("raw object", None, f"{name} is there, and S3 does not give it: {error}")]
        if now is not None and _is_what_was_read(row, now, etag):
            said = f"{name}, ETag {etag}, {len(now):,} bytes, SHA-256 {hashlib.sha256(now).hexdigest()}"
            return now, [Statement("raw object", True, said)]
        found = "gone" if now is None else f"ETag {etag}, SHA-256 {hashlib.sha256(now).hexdigest()} now"
        read = f"ETag {row['raw_etag']}, SHA-256 {row.get('raw_objectsha256')}"
        changed = Statement("raw object", False, f"{name} was read with {read} and is {found}")
        if row.get("raw_versionid") in _NO_VERSION:
            return None, [changed]
        old, old_etag = self._get(row["raw_bucket"], row["raw_key"], str(row["raw_versionid"]))
        kept = old is not None and _is_what_was_read(row, old, old_etag)
        said = f"version {row['raw_versionid']}, which was read, is {'still kept' if kept else 'not kept'}"
        return (old if kept else None), [changed, Statement("raw version", kept, said)]

    def _get(self, bucket: str, key: str, version: str | None) -> tuple[bytes | None, str]:
        from botocore.exceptions import ClientError

        asked: dict[str, Any] = {"VersionId": version} if version else {}
        try:
            answer = whole_object(self.table.s3, bucket, key, **asked)
        except ClientError as error:
            if error.response["Error"]["Code"] in {"NoSuchKey", "NoSuchVersion", "404", "MethodNotAllowed"}:
                return None, ""
            if reason := refusal(error):
                raise WithheldError(reason) from error
            raise
        return answer["Body"], answer["ETag"].strip('"')

    def _record(self, row: Mapping[str, Any], body: bytes | None) -> tuple[bytes | None, list[Statement]]:
        """The record cut out of the object, by its position, and compared with the row, column by column."""
        if body is None:
            return None, [Statement("raw record", None, "the object that was read is not there to look into")]
        ordinal = int(row["raw_ordinal"])
        try:
            _, found, _ = self.records(self.source, body)
            raw = found[ordinal]
        except (ValueError, IndexError) as error:
            said = f"record {ordinal} cannot be cut out of the object ({type(error).__name__})"
            return None, [Statement("raw record", False, said)]
        digest = hashlib.sha256(raw).hexdigest()
        said = f"record {ordinal} of {len(found):,}, {len(memoryview(raw)):,} bytes, SHA-256 {digest}"
        return bytes(raw), [Statement("raw record", True, said), *self._compare(row, body)]

    def _compare(self, row: Mapping[str, Any], body: bytes) -> Iterator[Statement]:
        """The row made again from its record, and every column compared, absent values too."""
        what, (columns, left_out) = "record is this row", self._columns(row)
        try:
            expected = self.expected(self.source, row, body, day_from_number(self.served.day))
        except RuntimeError as error:
            yield Statement(what, None, f"the row cannot be made again here, so no column was compared: {error}")
            return
        if expected is None:
            yield Statement(what, False, "the record is no row of this day")
            return
        differing = sorted(c.name for c in columns if _comparable(expected.get(c.name)) != _comparable(row.get(c.name)))
        key = next((row[name] for name in self.source.readready.grain if row[name] is not None), None)
        said = f"its key is {key}; {len(columns):,} columns compared; differing: {', '.join(differing) or 'none'}"
        yield Statement(what, not differing, said)
        if left_out:
            yield Statement(
                "other columns",
                None,
                f"not compared, as the manifest says that the day was built without them: {', '.join(left_out)}. Build "
                "the day again to have them compared",
            )

    def _columns(self, row: Mapping[str, Any]) -> tuple[list[Column], list[str]]:
        """The columns to compare, and the names of others: those that the day's manifest lacks and the row has not.

        The run is compared by its commit. What a manifest lacks and the row has is compared: a column that was added
        later has no value.
        """
        built = manifest_if_any(self.table, self.served.day, row["f_run"])
        names = set(built.columns) if built else set()
        declared = [c for c in self.source.readready.all_columns if c.name != "f_run"]
        left_out = [c.name for c in declared if names and c.name not in names and row.get(c.name) is None]
        return [column for column in declared if column.name not in left_out], left_out

    def _commit(self, row: Mapping[str, Any]) -> tuple[Commit | None, list[Statement]]:
        sequence = list(commits(self.table, self.served.day))
        own = [commit for commit in sequence if commit.run_id == row["f_run"]]
        if not own:
            return None, [Statement("commit", False, f"no commit of the day refers to run {row['f_run']}")]
        commit, newest = own[-1], sequence[-1]
        is_newest = commit.seq == newest.seq
        said = f"commit {commit.seq} ({commit.reason}) of run {commit.run_id}, {commit.committed_at}"
        placed = f"the catalog shows commit {self.served.partition_seq} at {self.served.location}"
        return commit, [
            Statement("commit", is_newest, said if is_newest else f"{said}; the newest is {newest.seq}"),
            Statement("catalog", self.served.placing == "placed", f"{placed} ({self.served.placing})"),
            *self._file(row, commit),
            *self._manifest(row, commit),
        ]

    def _file(self, row: Mapping[str, Any], commit: Commit) -> Iterator[Statement]:
        """The ORC file that the row was read from, against what was verified when it was committed."""
        if not (file := str(row.get("orc_file") or "")):
            return
        bucket, key = bucket_and_key(file)
        if not file.startswith(commit.location):
            yield Statement("ORC file", False, f"{file} does not lie where commit {commit.seq} sends readers")
        elif key in commit.etags:
            etag = self.table.s3.head_object(Bucket=bucket, Key=key)["ETag"].strip('"')
            said = f"{file}, ETag {etag}"
            same = etag == commit.etags[key]
            yield Statement("ORC file", same, said if same else f"{said}, committed with {commit.etags[key]}")

    def _manifest(self, row: Mapping[str, Any], commit: Commit) -> Iterator[Statement]:
        """What the run's manifest says of object, place and rows, against the row and the commit record."""
        manifest = manifest_if_any(self.table, commit.day, commit.run_id)
        if manifest is None:
            yield Statement("manifest", False, f"{commit.manifest} is not there, or cannot be read")
            return
        yield _manifest_statement(manifest, row, commit)
        differing = differences(commit, manifest)
        said = f"commit {commit.seq} and the manifest of its run; differing: {', '.join(differing) or 'none'}"
        yield Statement("commit is of this manifest", not differing, said)
        edited = edited_records(self.table, commit.day)
        said = f"records of the day that were edited, by the ones after them: {', '.join(edited) or 'none'}"
        yield Statement("earlier commits", not edited, said)
        yield self._rows(manifest)

    def _rows(self, manifest: Manifest) -> Statement:
        """All rows of the day, by their hash, against what the run noted when it wrote them."""
        if manifest.bytes > _LARGEST_DAY:
            return Statement("rows of the day", None, f"{manifest.bytes:,} bytes: too many to hash for one row")
        bucket, _ = bucket_and_prefix(manifest.location)
        try:
            found = self.content_hash(self.source, bucket, [file["key"] for file in manifest.files])
        except (OSError, KeyError, ValueError) as error:
            return Statement("rows of the day", False, f"they cannot be read ({type(error).__name__})")
        said = (
            f"hash {found}" if found == manifest.content_hash else f"hash {found}, written as {manifest.content_hash}"
        )
        return Statement("rows of the day", found == manifest.content_hash, said)

    def _vouch(self, row: Mapping[str, Any]) -> tuple[DigestVouch | None, list[Statement]]:
        if self.vouch is None:
            return None, [Statement("digest", None, "this log is delivered without digests")]
        try:
            found = self.vouch(row["raw_bucket"], row["raw_key"])
        except PublicKeysError as error:
            return None, [Statement("digest", None, str(error))]
        if found is None:
            return None, [Statement("digest", None, "no digest names the object: nothing vouches for it")]
        agrees = found.is_same_content and found.is_signature_valid
        fault = f": {found.fault}" if found.fault else ""
        said = f"{found.digest_key}, signed by {found.fingerprint}{fault}"
        return found, [Statement("digest", agrees, said)]


def _is_what_was_read(row: Mapping[str, Any], body: bytes, etag: str) -> bool:
    """By ETag and digest; a row that was written before there were digests names none."""
    named = row.get("raw_objectsha256")
    return etag == row["raw_etag"] and named in {None, hashlib.sha256(body).hexdigest()}


def _manifest_statement(manifest: Manifest, row: Mapping[str, Any], commit: Commit) -> Statement:
    entry = next((o for o in manifest.objects if o.name == (row["raw_bucket"], row["raw_key"])), None)
    if entry is None:
        return Statement("manifest", False, f"{commit.manifest} does not name the raw object")
    said = f"{commit.manifest} names the object with ETag {entry.etag} and {entry.records:,} records"
    return Statement("manifest", entry.etag == row["raw_etag"], said)


def _comparable(value: Any) -> Any:
    """Times to the millisecond, UTC: Athena gives no more of them."""
    if not isinstance(value, datetime):
        return value
    moment = value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)

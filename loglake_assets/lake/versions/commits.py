"""The sequence of commits of a day: the newest one is what readers see. Standard library only; clients are passed in.

Glue has no compare-and-set on partitions, so order is decided here, by S3's conditional write: a commit is a new object
`commits/<table>/<day>/<seq>.json` that only one writer can create. Clocks decide nothing.
"""

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

from loglake_assets.lake.storage.keys import COMMITS_PREFIX, commit_key, commits_prefix, parse_commit_key
from loglake_assets.lake.storage.table import Table
from loglake_assets.s3.json_records import BrokenRecordError, json_record, known_fields
from loglake_assets.s3.objects import object_if_any, whole_object
from loglake_assets.s3.pages import keys
from loglake_assets.s3.read_ahead import results_in_order

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

BUILD, ACCEPTING_LOSS = "build", "build_accepting_loss"
ROLLBACK = "rollback"
"""Reason of a commit by which a person sent readers back to an older run: it stands until the day is built again."""
COMMIT_SEQ, RUN, COMMIT_DIGEST = "loglake.commit_seq", "loglake.run", "loglake.commit_sha256"
"""Parameters of a day's partition in the catalog: the commit it shows, the run that wrote it, the record's digest."""
_IN_FLIGHT = 16
_LOST_THE_RACE = {"PreconditionFailed", "ConditionalRequestConflict", "412", "409"}


@dataclass(frozen=True)
class Commit:
    """One commit record. `location` is the s3:// directory readers are sent to; `manifest` a key beside it."""

    table: str
    day: int
    seq: int
    run_id: str
    location: str
    manifest: str
    rows: int
    files: int
    bytes: int
    content_hash: str
    committed_at: str
    reason: str = "build"
    acknowledged: tuple[int, ...] = ()
    """Numbers before this one of which a person knows that no record is left; kept by every later commit."""
    etags: Mapping[str, str] = field(default_factory=dict)
    """ETag by key of the files that were verified: a file of the same size and another content is not the one."""
    previous: str = ""
    """SHA-256 of the record before this one, which an edit of that record no longer has; empty where there is none."""
    manifest_sha256: str = ""
    """SHA-256 of the run's manifest as it was verified; empty in records that are older than it."""


class BrokenCommitError(BrokenRecordError):
    """A commit record is there and cannot be read. A build of its day commits after it; restoring it mends it too."""


class CommitError(RuntimeError):
    """S3 did not take a commit; the message names its key and what came back. Readers see the day as before."""


class SupersededError(RuntimeError):
    """Another build of the same day was committed meanwhile, `commit`; this one stays unseen. Nothing to do."""

    def __init__(self, message: str, commit: Commit) -> None:
        super().__init__(message)
        self.commit = commit


def shown_seq(parameters: Mapping[str, str]) -> int:
    """The commit that a partition shows by its parameters; 0 where it shows none."""
    return int(parameters.get(COMMIT_SEQ, "0"))


def commits(table: Table, day: int) -> Iterator[Commit]:
    """All commits of a day whose records can be read, oldest first."""
    for key in _keys(table.s3, table.bucket, commits_prefix(table.name, day)):
        if commit := _if_readable(table.s3, table.bucket, key):
            yield commit


def head(table: Table, day: int) -> Commit | None:
    """The newest commit of a day, or None. Raises BrokenCommitError when its record cannot be read."""
    found = _keys(table.s3, table.bucket, commits_prefix(table.name, day))
    return _read(table.s3, table.bucket, found[-1]) if found else None


def head_if_readable(table: Table, day: int) -> Commit | None:
    """The newest commit of a day; None where there is none or its record cannot be read."""
    found = _keys(table.s3, table.bucket, commits_prefix(table.name, day))
    return _if_readable(table.s3, table.bucket, found[-1]) if found else None


def heads(table: Table) -> dict[int, Commit]:
    """The newest commit of every day of a table; a day whose newest record cannot be read is not among them."""
    newest: dict[int, str] = {}
    for key in _keys(table.s3, table.bucket, f"{COMMITS_PREFIX}{table.name}/"):
        if parts := parse_commit_key(key):
            newest[parts.day] = key
    found = results_in_order(lambda key: _if_readable(table.s3, table.bucket, key), newest.values(), _IN_FLIGHT)
    return {day: commit for day, commit in zip(newest, found, strict=True) if commit}


def sequences(table: Table) -> dict[int, list[int]]:
    """The sequence numbers that every day of a table has records of, in order; the keys say it, nothing is read."""
    found: dict[int, list[int]] = {}
    for key in keys(table.s3, table.bucket, f"{COMMITS_PREFIX}{table.name}/"):
        if parts := parse_commit_key(key):
            found.setdefault(parts.day, []).append(parts.seq)
    return found


def commit_numbers(table: Table, day: int) -> list[int]:
    """The sequence numbers that a day has records of, in order."""
    parts = (parse_commit_key(key) for key in _keys(table.s3, table.bucket, commits_prefix(table.name, day)))
    return [part.seq for part in parts if part]


def commit_if_readable(table: Table, day: int, seq: int) -> Commit | None:
    """The commit of one number; None where its record is gone or cannot be read."""
    key = commit_key(table.name, day, seq)
    body = object_if_any(table.s3, table.bucket, key)
    return None if body is None else _parse_if_readable(table.bucket, key, body)


def newest_record(table: Table, day: int, numbers: Sequence[int]) -> tuple[Commit | None, str]:
    """The commit of the last of a day's numbers, None where its record cannot be read, and the record's SHA-256."""
    if not numbers:
        return None, ""
    key = commit_key(table.name, day, numbers[-1])
    body = whole_object(table.s3, table.bucket, key)["Body"]
    return _parse_if_readable(table.bucket, key, body), hashlib.sha256(body).hexdigest()


def edited_records(table: Table, day: int) -> list[str]:
    """Keys of the day's records that are not what the record after them says they were."""
    found = _keys(table.s3, table.bucket, commits_prefix(table.name, day))
    bodies = [whole_object(table.s3, table.bucket, key)["Body"] for key in found]
    edited = []
    for at, body in enumerate(bodies[1:]):
        try:
            following = Commit(**known_fields(Commit, json_record(body)))
        except (ValueError, TypeError):
            continue
        is_next = parse_commit_key(found[at]).seq == following.seq - 1  # type: ignore[union-attr]  # _keys gives no other
        if following.previous and is_next and hashlib.sha256(bodies[at]).hexdigest() != following.previous:
            edited.append(found[at])
    return edited


def append(
    s3: "S3Client",
    bucket: str,
    proposed: Commit,
    supersedes: Callable[[Commit], bool],
    after: int = 0,
    acknowledge: bool = False,
    shown: tuple[int, str] = (0, ""),
) -> Commit:
    """Commit `proposed` at the next sequence number; committing the head's own run again returns the head.

    `supersedes(current)` says whether the proposal is newer than the head it would follow. `after` is the number that
    readers have seen already: a number whose record is gone is not given twice. `acknowledge` says that a person knows
    of the records that are missing. `shown` is the number that the catalog shows and the SHA-256 of its record when it
    was placed: that one stands in the new record, so that an edit since then is not taken for the truth. Raises
    SupersededError when superseded, and CommitError when S3 refuses.
    """
    table = Table(proposed.table, s3, bucket)
    while True:
        numbers = commit_numbers(table, proposed.day)
        current, digest = newest_record(table, proposed.day, numbers)
        following = max(numbers[-1] if numbers else 0, after) + 1
        known = current.acknowledged if current else ()
        missing = tuple(n for n in range(1, following) if n not in numbers) if acknowledge else known
        again = current and current.run_id == proposed.run_id and current.reason == proposed.reason
        if current and again and missing == known and current.seq >= after:
            return current
        if current and not supersedes(current):
            raise SupersededError(
                f"Run {proposed.run_id} of {proposed.table} {proposed.day} stays unseen: run {current.run_id} made "
                f"commit {current.seq} meanwhile, from all that this run read. There is nothing to do.",
                current,
            )
        previous = shown[1] if numbers and numbers[-1] == shown[0] and shown[1] else digest
        numbered = replace(proposed, seq=following, acknowledged=missing, previous=previous)
        if _put_if_absent(s3, bucket, numbered):
            return numbered


def _put_if_absent(s3: "S3Client", bucket: str, commit: Commit) -> bool:
    from botocore.exceptions import ClientError

    try:
        s3.put_object(
            Bucket=bucket,
            Key=commit_key(commit.table, commit.day, commit.seq),
            Body=json.dumps(asdict(commit), sort_keys=True).encode(),
            ContentType="application/json",
            IfNoneMatch="*",
        )
    except ClientError as error:
        if error.response["Error"]["Code"] in _LOST_THE_RACE:
            return False
        raise CommitError(_refusal_text(bucket, commit, error)) from error
    return True


def _refusal_text(bucket: str, commit: Commit, error: Any) -> str:
    said = error.response["Error"]
    return (
        f"S3 did not take commit {commit.seq} of {commit.table} {commit.day} at "
        f"s3://{bucket}/{commit_key(commit.table, commit.day, commit.seq)}: {said['Code']}. {said.get('Message', '')} "
        "Nothing was committed, and readers see the day as before. What a grant or new credentials mend, mend; then "
        "build the day again."
    )


def _keys(s3: "S3Client", bucket: str, prefix: str) -> list[str]:
    return sorted(key for key in keys(s3, bucket, prefix) if parse_commit_key(key))


def _read(s3: "S3Client", bucket: str, key: str) -> Commit:
    return _parse(bucket, key, whole_object(s3, bucket, key)["Body"])


def _if_readable(s3: "S3Client", bucket: str, key: str) -> Commit | None:
    return _parse_if_readable(bucket, key, whole_object(s3, bucket, key)["Body"])


def _parse_if_readable(bucket: str, key: str, body: bytes) -> Commit | None:
    try:
        return _parse(bucket, key, body)
    except BrokenCommitError:
        return None


def _parse(bucket: str, key: str, body: bytes) -> Commit:
    """The record of a key. Raises BrokenCommitError, also for a record that says it is another one."""
    try:
        known = known_fields(Commit, json_record(body))
        commit = Commit(**{**known, "acknowledged": tuple(known.get("acknowledged", ()))})
        if commit_key(commit.table, commit.day, commit.seq) != key:
            raise ValueError("it says that it is the record of another commit")
        texts = (commit.run_id, commit.location, commit.manifest, commit.content_hash, commit.reason)
        if not all(isinstance(text, str) and text for text in texts) or not isinstance(commit.etags, dict):
            raise ValueError("a field of it is empty or of another type")
    except (ValueError, TypeError) as error:
        why = str(error) if type(error) is ValueError else f"a field has another type ({type(error).__name__})"
        remedy = "Restore it from the bucket's versions, or build its day again, which commits after it."
        raise BrokenCommitError(bucket, key, why, remedy) from error
    return commit

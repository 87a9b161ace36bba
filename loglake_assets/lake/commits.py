"""The sequence of commits of a day: the newest one is what readers see. Standard library only; clients are passed in.

Glue has no compare-and-set on partitions, so order is decided here, by S3's conditional write: a commit is a new object
`commits/<table>/<day>/<seq>.json` that only one writer can create. Clocks decide nothing.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from loglake_assets.lake.layout import COMMITS_PREFIX, commit_key, commits_prefix, parse_commit_key
from loglake_assets.lake.listed import keys
from loglake_assets.lake.whole import whole_object

ROLLBACK = "rollback"
"""Reason of a commit by which a person sent readers back to an older run: it stands until the day is built again."""
COMMIT_SEQ, RUN = "loglake.commit_seq", "loglake.run"
"""Parameters of a day's partition in the catalog: which commit it shows, and the run that wrote it."""
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


class CommitError(RuntimeError):
    """S3 did not take a commit; the message names its key and what came back. Readers see the day as before."""


class SupersededError(RuntimeError):
    """A newer build of the same day was committed meanwhile; this one stays unseen. Nothing to do."""


def commits(s3: Any, bucket: str, table: str, day: int) -> Iterator[Commit]:
    """All commits of a day, oldest first."""
    for key in _keys(s3, bucket, commits_prefix(table, day)):
        yield _read(s3, bucket, key)


def head(s3: Any, bucket: str, table: str, day: int) -> Commit | None:
    """The newest commit of a day, or None."""
    found = _keys(s3, bucket, commits_prefix(table, day))
    return _read(s3, bucket, found[-1]) if found else None


def heads(s3: Any, bucket: str, table: str) -> dict[int, Commit]:
    """The newest commit of every day of a table."""
    newest: dict[int, str] = {}
    for key in _keys(s3, bucket, f"{COMMITS_PREFIX}{table}/"):
        if parts := parse_commit_key(key):
            newest[parts.day] = key
    return {day: _read(s3, bucket, key) for day, key in newest.items()}


def sequences(s3: Any, bucket: str, table: str) -> dict[int, list[int]]:
    """The sequence numbers that every day of a table has records of, in order; the keys say it, nothing is read."""
    found: dict[int, list[int]] = {}
    for key in keys(s3, bucket, f"{COMMITS_PREFIX}{table}/"):
        if parts := parse_commit_key(key):
            found.setdefault(parts.day, []).append(parts.seq)
    return found


def commit_numbers(s3: Any, bucket: str, table: str, day: int) -> list[int]:
    """The sequence numbers that a day has records of, in order."""
    parts = (parse_commit_key(key) for key in _keys(s3, bucket, commits_prefix(table, day)))
    return [part.seq for part in parts if part]


def commit_numbered(s3: Any, bucket: str, table: str, day: int, seq: int) -> Commit:
    """The commit of one number."""
    return _read(s3, bucket, commit_key(table, day, seq))


def append(
    s3: Any,
    bucket: str,
    proposed: Commit,
    supersedes: Callable[[Commit], bool],
    after: int = 0,
    acknowledge: bool = False,
) -> Commit:
    """Commit `proposed` at the next sequence number; committing the head's own run again returns the head.

    `supersedes(current)` says whether the proposal is newer than the head it would follow. `after` is the number that
    readers have seen already: a number whose record is gone is not given twice. `acknowledge` says that a person knows
    of the records that are missing. Raises SupersededError when superseded, and CommitError when S3 refuses.
    """
    while True:
        numbers = commit_numbers(s3, bucket, proposed.table, proposed.day)
        current = commit_numbered(s3, bucket, proposed.table, proposed.day, numbers[-1]) if numbers else None
        following = max(numbers[-1] if numbers else 0, after) + 1
        known = current.acknowledged if current else ()
        missing = tuple(n for n in range(1, following) if n not in numbers) if acknowledge else known
        again = current and current.run_id == proposed.run_id and current.reason == proposed.reason
        if current and again and missing == known and current.seq >= after:
            return current
        if current and not supersedes(current):
            raise SupersededError(
                f"Run {proposed.run_id} of {proposed.table} {proposed.day} is superseded by commit {current.seq} of "
                f"run {current.run_id}, which read newer input. It stays unseen; there is nothing to do."
            )
        numbered = replace(proposed, seq=following, acknowledged=missing)
        if _put_if_absent(s3, bucket, numbered):
            return numbered


def _put_if_absent(s3: Any, bucket: str, commit: Commit) -> bool:
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
        raise CommitError(_refused(bucket, commit, error)) from error
    return True


def _refused(bucket: str, commit: Commit, error: Any) -> str:
    said = error.response["Error"]
    return (
        f"S3 did not take commit {commit.seq} of {commit.table} {commit.day} at "
        f"s3://{bucket}/{commit_key(commit.table, commit.day, commit.seq)}: {said['Code']}. {said.get('Message', '')} "
        "Nothing was committed, and readers see the day as before. What a grant or new credentials mend, mend; then "
        "build the day again."
    )


def _keys(s3: Any, bucket: str, prefix: str) -> list[str]:
    return sorted(key for key in keys(s3, bucket, prefix) if parse_commit_key(key))


def _read(s3: Any, bucket: str, key: str) -> Commit:
    document = json.loads(whole_object(s3, bucket, key)["Body"])
    return Commit(**{**document, "acknowledged": tuple(document.get("acknowledged", ()))})

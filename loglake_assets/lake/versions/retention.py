"""Old runs collected by rule, and readers sent back to one that is still there. Raw objects are never touched here.

What a run wrote stays until the rule lets it go: a superseded run is what an investigator compares with and what a
rollback needs, and a query that began before the partition moved still reads it. Commit records and manifests stay for
good: they are small, and they are the proof of what readers saw when.
"""

import json
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from loglake_assets.lake.storage.keys import RunDirectory, collected_key, parse_run_key, run_roots
from loglake_assets.lake.storage.table import Table
from loglake_assets.lake.versions.commits import Commit, commits
from loglake_assets.lake.versions.manifests import Manifest, ManifestMissingError, read_manifest
from loglake_assets.s3.pages import entries

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import ObjectIdentifierTypeDef, ObjectTypeDef

RunsOnShow = Callable[[str, int], set[str]]
"""From a table and a day (yyyymmdd) to the run that the catalog's partition names; empty where there is none."""
COLLECTION_JOB = "collect_old_runs"
"""The job that collects by rule, and its schedule, which is off until somebody wants it."""
_BATCH = 1000  # DeleteObjects takes no more


class RollbackError(RuntimeError):
    """Readers cannot be sent to the run that was named; the message lists the runs that can be."""


@dataclass(frozen=True)
class RetentionRule:
    """What is kept: the newest `generations` commits of every day, and whatever readers saw in the last `days`."""

    days: int = 30
    generations: int = 3

    def __post_init__(self) -> None:
        if self.days < 1 or self.generations < 1:
            raise ValueError(
                f"A retention of {self.days} days and {self.generations} generations would collect what readers see; "
                "accepted: 1 or more of each."
            )


@dataclass(frozen=True)
class OldRun:
    """What one run wrote for one day and nobody needs by the rule. `why`: superseded, or never_committed."""

    table: str
    day: int
    run_id: str
    why: str
    keys: tuple[str, ...]
    bytes: int


@dataclass(frozen=True)
class CollectedRun:
    """What became of one old run. `kept` are keys that S3 would not delete, such as locked ones, by error code."""

    run: OldRun
    deleted_count: int
    kept: Mapping[str, str]


def old_runs(table: Table, rule: RetentionRule, now: datetime, served: RunsOnShow) -> list[OldRun]:
    """What the rule lets go of a table's runs. Lists the table's directories and reads its commits; deletes nothing.

    `served` says which run the catalog sends readers of a day to: it stays, whatever the commits say. Of a day whose
    sequence of commits has a gap, or lacks the run that readers see, nothing goes: the missing record may be the one
    that refers to it.
    """
    found: dict[RunDirectory, list[ObjectTypeDef]] = defaultdict(list)
    for root in run_roots(table.name):
        for entry in entries(table.s3, table.bucket, root):
            if directory := parse_run_key(table.name, entry["Key"]):
                found[directory].append(entry)
    edge = now - timedelta(days=rule.days)
    kept: dict[int, set[str]] = {}
    committed: dict[int, set[str]] = {}
    for day in {directory.day for directory in found}:
        sequence = list(commits(table, day))
        shown = served(table.name, day) - {""}
        kept[day] = runs_to_keep(sequence, rule, edge) | shown
        committed[day] = {commit.run_id for commit in sequence}
        if _has_gap(sequence) or not shown <= committed[day]:
            kept[day] |= {directory.run_id for directory in found if directory.day == day}
    return [
        _old_run(table.name, directory, stored, directory.run_id in committed[directory.day])
        for directory, stored in sorted(found.items())
        if directory.run_id not in kept[directory.day] and max(e["LastModified"] for e in stored) < edge
    ]


def _has_gap(sequence: Sequence[Commit]) -> bool:
    known = {n for commit in sequence for n in (commit.seq, *commit.acknowledged)}
    return not known.issuperset(range(1, max(known, default=0)))


def runs_to_keep(sequence: Sequence[Commit], rule: RetentionRule, edge: datetime) -> set[str]:
    """Runs of a day that stay: of its newest commits, and of every commit that readers saw at `edge` or later."""
    superseded_at = [datetime.fromisoformat(later.committed_at) for later in sequence[1:]]
    seen = [c for c, until in zip(sequence, superseded_at, strict=False) if until >= edge]
    return {commit.run_id for commit in (*sequence[-rule.generations :], *seen)}


def _old_run(table: str, directory: RunDirectory, stored: Sequence[Mapping[str, Any]], was_committed: bool) -> OldRun:
    return OldRun(
        table,
        directory.day,
        directory.run_id,
        "superseded" if was_committed else "never_committed",
        tuple(entry["Key"] for entry in stored),
        sum(entry["Size"] for entry in stored),
    )


def collect(
    s3: "S3Client", bucket: str, old: Sequence[OldRun], rule: RetentionRule, now: datetime
) -> Iterator[CollectedRun]:
    """Delete what old runs wrote, one run after the other, each noted before its first key goes.

    The day's commits are read again after the note: a rollback made before it keeps its run, one made after it finds
    the note. What S3 refuses to delete (a missing right, a policy of the bucket) is kept and told of; the others go on.
    """
    edge = now - timedelta(days=rule.days)
    for run in old:
        note = {**asdict(run), "collected_at": now.astimezone(UTC).isoformat(timespec="seconds")}
        key = collected_key(run.table, run.day, run.run_id)
        s3.put_object(Bucket=bucket, Key=key, Body=json.dumps(note, sort_keys=True).encode())
        if run.run_id in runs_to_keep(list(commits(Table(run.table, s3, bucket), run.day)), rule, edge):
            _delete(s3, bucket, [key])
            continue
        kept = _delete(s3, bucket, run.keys)
        if len(kept) == len(run.keys):
            _delete(s3, bucket, [key])  # nothing went, so the run can be rolled back to
        yield CollectedRun(run, len(run.keys) - len(kept), kept)


def _delete(s3: "S3Client", bucket: str, keys: Sequence[str]) -> dict[str, str]:
    """Delete keys; returns those that stay, with S3's code."""
    kept: dict[str, str] = {}
    for start in range(0, len(keys), _BATCH):
        batch: list[ObjectIdentifierTypeDef] = [{"Key": key} for key in keys[start : start + _BATCH]]
        answer = s3.delete_objects(Bucket=bucket, Delete={"Objects": batch, "Quiet": True})
        kept |= {error["Key"]: error["Code"] for error in answer.get("Errors", ())}
    return kept


def run_to_roll_back_to(table: Table, day: int, run_id: str) -> Manifest:
    """The manifest of a run that can be committed again. Raises RollbackError with the runs there are."""
    try:
        manifest = read_manifest(table, day, run_id)
    except ManifestMissingError as error:
        raise RollbackError(
            f"There is no finished run {run_id!r} of {table.name} {day}, so readers cannot be sent to it. Nothing was "
            f"changed. Runs of that day: {_runs(table, day)}."
        ) from error
    if is_collected(table, day, run_id):
        raise RollbackError(
            f"What run {run_id} wrote for {table.name} {day} was collected as old, so readers cannot be sent to it. "
            f"Nothing was changed; build the day, or name another run: {_runs(table, day)}."
        )
    return manifest


def is_collected(table: Table, day: int, run_id: str) -> bool:
    """Whether retention has taken what a run wrote for a day, or is about to."""
    return any(True for _ in entries(table.s3, table.bucket, collected_key(table.name, day, run_id)))


def _runs(table: Table, day: int) -> str:
    """The day's commits for people, newest first."""
    found = reversed(list(commits(table, day)))
    return "; ".join(f"{c.run_id} (commit {c.seq}, {c.committed_at}, {c.rows:,} rows)" for c in found) or "none"

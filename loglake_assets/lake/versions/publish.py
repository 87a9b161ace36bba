"""From a finished run to what readers see: verify, commit, and wait until AddAPart has placed the commit."""

import hashlib
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from types import MappingProxyType
from typing import TYPE_CHECKING

from loglake_assets.lake.addapart.messages import send_commit
from loglake_assets.lake.storage.catalog import Catalog
from loglake_assets.lake.storage.keys import manifest_key
from loglake_assets.lake.storage.table import Table
from loglake_assets.lake.versions.commits import (
    ACCEPTING_LOSS,
    BUILD,
    COMMIT_DIGEST,
    ROLLBACK,
    RUN,
    Commit,
    append,
    commits,
    shown_seq,
)
from loglake_assets.lake.versions.manifests import (
    GONE_WHILE_READING,
    Manifest,
    ManifestObject,
    manifest_if_any,
)
from loglake_assets.lake.versions.served_day import partition_of_day
from loglake_assets.s3.orc import columns_of, row_count
from loglake_assets.s3.pages import files
from loglake_assets.sources import load_source
from loglake_assets.sources.calendar_days import day_from_number
from resources.settings import program

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sqs import SQSClient

_KEPT = "Nothing of this day was committed; readers see what they saw."


def _anyway(manifest: Manifest) -> str:
    command = f"{program()} build {manifest.source} {day_from_number(manifest.day)} --accept-loss"
    return f"where the loss is meant, `{command}` (in the Dagster UI the run tag loglake/accept_loss)."


class VerificationError(RuntimeError):
    """What a run wrote is not what its manifest says. Nothing was committed; building the day again can help."""


class LostInputError(RuntimeError):
    """A run would take events from readers whose raw objects were read once and cannot be read now. Not committed."""


@dataclass(frozen=True)
class ShownCommit:
    """What a day's partition shows: 0 and no location where there is none."""

    seq: int
    location: str
    digest: str = ""
    """SHA-256 of the commit's record when it was placed."""


class PlacementError(TimeoutError):
    """A commit stands, but the catalog does not show it. Reconciling sends it again; readers see the old day."""


@dataclass(frozen=True)
class Publisher:
    """Commits days of one lake and sees them placed. Clients are passed in; the queue is AddAPart's of this layer."""

    s3: "S3Client"
    catalog: Catalog
    sqs: "SQSClient"
    bucket: str
    queue_url: str
    wait_seconds: float = 120.0
    resend_seconds: float = 20.0
    poll_seconds: float = 0.1

    def publish(self, manifest: Manifest, accepts_loss: bool = False) -> Commit:
        """Verify, commit, place. Raises VerificationError, LostInputError, SupersededError or PlacementError."""
        etags = self.verify(manifest)
        lost = self.lost_input(manifest)
        if lost and not accepts_loss:
            raise LostInputError(lost)
        reason = ACCEPTING_LOSS if lost else BUILD
        proposed = self._propose(manifest, reason, etags)
        placed = self.placement_of(manifest.table, manifest.day)
        supersedes, shown = self._supersedes(manifest), (placed.seq, placed.digest)
        commit = append(self.s3, self.bucket, proposed, supersedes, placed.seq, shown=shown)
        self.await_placement(commit)
        return commit

    def verify(self, manifest: Manifest) -> dict[str, str]:
        """Manifest against listing, ORC footers recounted, every record accounted for; the files' ETags by key.

        Raises VerificationError.
        """
        found = files(self.s3, manifest.location)
        listed = {key: size for key, (size, _) in found.items()}
        named = {f["key"]: f["bytes"] for f in manifest.files}
        if listed != named:
            odd = sorted(set(listed.items()) ^ set(named.items()))[:3]
            raise VerificationError(self._differs(manifest, f"files listed and named differ, first {odd}"))
        for entry in manifest.files:
            counted = self._row_count(manifest, entry["key"])
            if counted != entry["rows"]:
                raise VerificationError(
                    self._differs(manifest, f"{entry['key']} has {counted} rows, the manifest says {entry['rows']}")
                )
        self._verify_account(manifest)
        return {key: etag for key, (_, etag) in found.items()}

    def _row_count(self, manifest: Manifest, key: str) -> int:
        try:
            return row_count(self.s3, self.bucket, key)
        except OSError as error:  # Arrow's word for a file that is no ORC
            raise VerificationError(self._differs(manifest, f"{key} cannot be read as ORC")) from error

    def _verify_account(self, manifest: Manifest) -> None:
        t = manifest.totals
        accounted = manifest.rows + t["excluded"] + t["duplicates"] + t["quarantined_records"]
        if accounted != t["records_read"]:
            raise VerificationError(
                self._differs(manifest, f"{t['records_read']} records were read and {accounted} are accounted for")
            )

    def _differs(self, manifest: Manifest, what: str) -> str:
        return (
            f"Run {manifest.run_id} of {manifest.table} {manifest.day} is not what its manifest says: {what}. "
            "Nothing was committed, readers see the day as before. Build the day again; if it differs again, the run's "
            f"directory {manifest.location} is the evidence."
        )

    def lost_input(self, manifest: Manifest) -> str:
        """What readers would lose by this run, as a sentence; empty where they would lose nothing.

        Compared with what they see now, and with the newest build where that is a rollback.
        """
        sequence = list(commits(Table(manifest.table, self.s3, self.bucket), manifest.day))
        builds = [commit for commit in sequence if commit.reason != ROLLBACK]
        compared = {c.run_id: f"commit {c.seq}" for c in (*sequence[-1:], *builds[-1:])}
        if run := self._shown_run(manifest):
            compared.setdefault(run, "the partition that readers see")
        for run, name in compared.items():
            if lost := self._losses_against(manifest, run, name):
                return lost
        return ""

    def _shown_run(self, manifest: Manifest) -> str:
        """The run that readers are sent to, by the catalog: also where no record of its commit can be read."""
        partition = partition_of_day(self.catalog, manifest.table, manifest.day)
        return str((partition or {}).get("Parameters", {}).get(RUN, ""))

    def _losses_against(self, manifest: Manifest, run: str, before: str) -> str:
        named = f"Run {manifest.run_id} of {manifest.table} {manifest.day}"
        theirs = manifest_if_any(Table(manifest.table, self.s3, self.bucket), manifest.day, run)
        if theirs is None:
            key = manifest_key(manifest.table, manifest.day, run)
            return (
                f"{named} cannot be compared with {before}, since its manifest {key} is gone or cannot be read. "
                f"{_KEPT} Restore it from the bucket's versions, {_anyway(manifest)}"
            )
        lost = lost_objects(manifest, theirs)
        if not lost:
            return self._overwrite_losses(manifest, theirs, before)
        shown = ", ".join(f"s3://{o.bucket}/{o.key}" for o in lost[:3])
        return (
            f"{named} does not have all of {sum(o.days.get(manifest.day, 0) for o in lost):,} events that "
            f"{before} has from {len(lost):,} raw objects: they are gone, archived, unreadable, hold fewer events, "
            f"or their prefix has no partition; the first: {shown}. {_KEPT} Restore the objects (from their archive "
            f"class, or from their bucket's versions), `{program()} reconcile`, and build the day again; "
            f"{_anyway(manifest)}"
        )

    def _overwrite_losses(self, manifest: Manifest, theirs: Manifest, before: str) -> str:
        """The same for objects that were overwritten since: by the rows, as there may be as many under the same keys.

        Where both runs made rows by the same code, a row must say the same in every column of the log; else its key
        must be there.
        """
        now = {o.name: o.etag for o in manifest.objects}
        changed = {o.name for o in theirs.objects if o.days.get(manifest.day) and now.get(o.name) != o.etag}
        if not changed:
            return ""
        same_code = bool(theirs.definition) and theirs.definition == manifest.definition
        rows = self._rows_from(theirs, changed, None, same_code)
        now_rows = self._rows_from(manifest, None, rows.keys(), same_code) if rows else {}
        lost = [key for key, row in rows.items() if now_rows.get(key) != row]
        if not lost:
            return ""
        shown = ", ".join(f"s3://{bucket}/{key}" for bucket, key in sorted(changed)[:3])
        return (
            f"Run {manifest.run_id} of {manifest.table} {manifest.day} does not have {len(lost):,} events that "
            f"{before} has from {len(changed):,} raw objects as they were before they were overwritten; the first: "
            f"{shown}. {_KEPT} Find out who overwrote them, restore them from their bucket's versions, and build "
            f"again; {_anyway(manifest)}"
        )

    def _rows_from(
        self,
        manifest: Manifest,
        objects: Collection[tuple[str, str]] | None,
        among: Collection[str] | None,
        with_content: bool,
    ) -> dict[str, str]:
        """Rows of a run that come from these objects (all where None) and are `among` these keys (all where None).

        By key: a digest of what the log says in the row, or nothing where only keys are asked for.
        """
        table = load_source(manifest.source).readready
        said = [column.name for column in table.columns] if with_content else []
        columns: list[str | tuple[str, ...]] = [table.grain, "raw_bucket", "raw_key", *said]
        found: dict[str, str] = {}
        for file in manifest.files:
            rows = zip(*columns_of(self.s3, self.bucket, file["key"], columns), strict=True)
            for key, bucket, name, *values in rows:
                if (objects is None or (bucket, name) in objects) and (among is None or key in among):
                    found[key] = hashlib.sha256(repr(values).encode(errors="replace")).hexdigest()
        return found

    def roll_back(self, manifest: Manifest) -> Commit:
        """Send readers to an older run again: verify it, commit it whatever is newer, and see it placed.

        It also says that a person knows of commit records that are missing, which ends their being told of.
        """
        etags = self.verify(manifest)
        proposed = self._propose(manifest, ROLLBACK, etags)
        placed = self.placement_of(manifest.table, manifest.day)
        after, shown = placed.seq, (placed.seq, placed.digest)
        commit = append(self.s3, self.bucket, proposed, lambda current: True, after, acknowledge=True, shown=shown)
        self.await_placement(commit)
        return commit

    def commit(self, manifest: Manifest, reason: str = BUILD) -> Commit:
        """Append the day's next commit. Raises SupersededError when a build of newer input was committed meanwhile."""
        return append(self.s3, self.bucket, self._propose(manifest, reason), self._supersedes(manifest))

    def _propose(self, manifest: Manifest, reason: str, etags: Mapping[str, str] = MappingProxyType({})) -> Commit:
        return Commit(
            table=manifest.table,
            day=manifest.day,
            seq=0,
            run_id=manifest.run_id,
            location=manifest.location,
            manifest=manifest_key(manifest.table, manifest.day, manifest.run_id),
            rows=manifest.rows,
            files=len(manifest.files),
            bytes=manifest.bytes,
            content_hash=manifest.content_hash,
            committed_at=datetime.now(UTC).isoformat(timespec="milliseconds"),
            reason=reason,
            etags=dict(etags),
            manifest_sha256=manifest.digest,
        )

    def _supersedes(self, manifest: Manifest) -> Callable[[Commit], bool]:
        """A commit that stood when the run listed its input is always followed; a newer one only by newer input."""

        def supersedes(current: Commit) -> bool:
            if current.seq <= manifest.base_seq:
                return True
            if current.reason == ROLLBACK:
                return False  # a person's word that came after the run began
            theirs = manifest_if_any(Table(current.table, self.s3, self.bucket), current.day, current.run_id)
            return theirs is None or manifest.reads_newer_than(theirs)

        return supersedes

    def await_placement(self, commit: Commit) -> None:
        """Wait until the catalog shows this commit or a newer one; send it again meanwhile. Raises PlacementError."""
        started = sent = time.monotonic()
        while (now := time.monotonic()) - started < self.wait_seconds:
            placed = self.placement_of(commit.table, commit.day)
            if placed.seq > commit.seq or (placed.seq, placed.location) == (commit.seq, commit.location):
                return
            if now - sent >= self.resend_seconds:
                self.send_again(commit)
                sent = now
            time.sleep(self.poll_seconds)
        raise PlacementError(
            f"Commit {commit.seq} of {commit.table} {commit.day} stands, and after {self.wait_seconds:.0f} s the "
            "catalog does not show it. Readers see the day as before. Look at AddAPart's consumer and its dead-letter "
            f"queue, then `{program()} reconcile`, which sends it again."
        )

    def placement_of(self, table: str, day: int) -> ShownCommit:
        """The commit that the catalog's partition of a day shows, and where it sends readers."""
        found = partition_of_day(self.catalog, table, day)
        if found is None:
            return ShownCommit(0, "")
        parameters = found.get("Parameters", {})
        digest = parameters.get(COMMIT_DIGEST, "")
        return ShownCommit(shown_seq(parameters), found["StorageDescriptor"]["Location"], digest)

    def send_again(self, commit: Commit) -> None:
        """Tell AddAPart of a commit once more."""
        send_commit(self.sqs, self.queue_url, self.bucket, commit.table, commit.day, commit.seq)


def lost_objects(manifest: Manifest, before: Manifest) -> list[ManifestObject]:
    """Objects of which this run has less than `before` has: fewer events of the day, or no longer the object at all.

    An object of the day's own prefix is missed even where it held no event: one that could not be read may not
    vanish by being deleted.
    """
    now = {o.name: o for o in manifest.objects if o.reason != GONE_WHILE_READING}
    return [o for o in before.objects if o.reason != GONE_WHILE_READING and _has_less(now.get(o.name), o, manifest.day)]


def _has_less(now: ManifestObject | None, before: ManifestObject, day: int) -> bool:
    events = now.days.get(day, 0) if now else 0
    return events < before.days.get(day, 0) or (now is None and before.prefix_day == day)

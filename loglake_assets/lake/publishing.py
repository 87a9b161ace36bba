"""From a finished run to what readers see: verify, commit, and wait until AddAPart has placed the commit."""

import json
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from lambdas.addapart_placing import PartitionPlacer
from loglake_assets.lake.commits import ROLLBACK, Commit, append, head
from loglake_assets.lake.layout import bucket_and_prefix, commit_key, manifest_key
from loglake_assets.lake.listed import entries
from loglake_assets.lake.manifests import Manifest, ManifestMissingError, ManifestObject, read_manifest
from loglake_assets.lake.orc_files import row_count


class VerificationError(RuntimeError):
    """What a run wrote is not what its manifest says. Nothing was committed; building the day again can help."""


class LostInputError(RuntimeError):
    """A run would take events from readers whose raw objects were read once and cannot be read now. Not committed."""


class PlacementError(TimeoutError):
    """A commit stands, but the catalog does not show it. Reconciling sends it again; readers see the old day."""


@dataclass(frozen=True)
class Publisher:
    """Commits days of one lake and sees them placed. Clients are passed in; the queue is AddAPart's of this layer."""

    s3: Any
    glue: Any
    sqs: Any
    database: str
    bucket: str
    queue_url: str
    wait_seconds: float = 120.0
    resend_seconds: float = 20.0
    poll_seconds: float = 0.1

    def publish(self, manifest: Manifest, accepts_loss: bool = False) -> Commit:
        """Verify, commit, place. Raises VerificationError, LostInputError, SupersededError or PlacementError."""
        self.verify(manifest)
        if not accepts_loss:
            self.refuse_lost_input(manifest)
        commit = self.commit(manifest)
        self.await_placement(commit)
        return commit

    def verify(self, manifest: Manifest) -> None:
        """Manifest against listing, ORC footers recounted, every record accounted for. Raises VerificationError."""
        listed = self._listed(manifest.location)
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

    def _listed(self, location: str) -> dict[str, int]:
        bucket, prefix = bucket_and_prefix(location)
        found = entries(self.s3, bucket, prefix)
        return {e["Key"]: e["Size"] for e in found if not e["Key"].endswith("/")}  # connectors leave folder markers

    def refuse_lost_input(self, manifest: Manifest) -> None:
        """Raise LostInputError when the run lacks objects that gave readers events of the day until now."""
        current = head(self.s3, self.bucket, manifest.table, manifest.day)
        if current is None:
            return
        try:
            theirs = read_manifest(self.s3, self.bucket, current.table, current.day, current.run_id)
        except ManifestMissingError:
            return
        lost = lost_input(manifest, theirs)
        if lost:
            shown = ", ".join(f"s3://{o.bucket}/{o.key}" for o in lost[:3])
            events = sum(o.days[manifest.day] for o in lost)
            raise LostInputError(
                f"Run {manifest.run_id} of {manifest.table} {manifest.day} does not have {events:,} events of "
                f"{len(lost):,} raw objects that commit {current.seq} holds: they are gone, unreadable now, or their "
                f"prefix has no partition; the first: {shown}. Nothing was committed, readers see commit {current.seq}."
                " Run the reconcile job, or restore the objects from their bucket's versions, and build the day again; "
                "where they are to be given up, build it with ACCEPT_LOSS=yes (run tag loglake/accept_loss)."
            )

    def roll_back(self, manifest: Manifest) -> Commit:
        """Send readers to an older run again: verify it, commit it whatever is newer, and see it placed."""
        self.verify(manifest)
        commit = append(self.s3, self.bucket, self._proposed(manifest, ROLLBACK), lambda current: True)
        self.await_placement(commit)
        return commit

    def commit(self, manifest: Manifest, reason: str = "build") -> Commit:
        """Append the day's next commit. Raises SupersededError when a build of newer input was committed meanwhile."""
        return append(self.s3, self.bucket, self._proposed(manifest, reason), self._supersedes(manifest))

    def _proposed(self, manifest: Manifest, reason: str) -> Commit:
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
        )

    def _supersedes(self, manifest: Manifest) -> Callable[[Commit], bool]:
        """A commit that stood when the run listed its input is always followed; a newer one only by newer input."""

        def supersedes(current: Commit) -> bool:
            if current.seq <= manifest.base_seq:
                return True
            try:
                theirs = read_manifest(self.s3, self.bucket, current.table, current.day, current.run_id)
            except ManifestMissingError:
                return True
            return manifest.reads_newer_than(theirs)

        return supersedes

    def await_placement(self, commit: Commit) -> None:
        """Wait until the catalog shows this commit or a newer one; send it again meanwhile. Raises PlacementError."""
        started = sent = time.monotonic()
        while (now := time.monotonic()) - started < self.wait_seconds:
            if self.placed_seq(commit.table, commit.day) >= commit.seq:
                return
            if now - sent >= self.resend_seconds:
                self.send_again(commit)
                sent = now
            time.sleep(self.poll_seconds)
        raise PlacementError(
            f"Commit {commit.seq} of {commit.table} {commit.day} stands, and after {self.wait_seconds:.0f} s the "
            "catalog does not show it. Readers see the day as before. Look at AddAPart's consumer and its dead-letter "
            "queue, then run the reconcile job, which sends it again."
        )

    def placed_seq(self, table: str, day: int) -> int:
        """The commit that the catalog's partition of a day shows, 0 where there is no partition."""
        try:
            answer = self.glue.get_partition(DatabaseName=self.database, TableName=table, PartitionValues=[str(day)])
        except self.glue.exceptions.EntityNotFoundException:
            return 0
        return int(answer["Partition"].get("Parameters", {}).get("loglake.commit_seq", "0"))

    def send_again(self, commit: Commit) -> None:
        """Tell AddAPart of a commit once more."""
        send_commit(self.sqs, self.queue_url, self.bucket, commit)


def lost_input(manifest: Manifest, before: Manifest) -> list[ManifestObject]:
    """Objects that gave `before` events of the day and give this run none: absent, gone or unreadable."""
    readable = {o.name for o in manifest.objects if o.reason is None}
    return [o for o in before.objects if o.days.get(manifest.day) and o.name not in readable]


def send_commit(sqs: Any, queue_url: str, bucket: str, commit: Commit) -> None:
    """Have AddAPart place a commit."""
    placer = PartitionPlacer(commit.table, (str(commit.day),), None, commit.seq)
    send_key(sqs, queue_url, placer, bucket, commit_key(commit.table, commit.day, commit.seq))


def send_key(sqs: Any, queue_url: str, placer: PartitionPlacer, bucket: str, key: str) -> None:
    """Give AddAPart's consumer a key directly, past the producer and past FIFO's five minutes of deduplication."""
    sqs.send_message(
        QueueUrl=queue_url,
        MessageGroupId=placer.group_id,
        MessageDeduplicationId=f"{placer.group_id}-{uuid.uuid4().hex[:12]}",
        MessageBody=json.dumps({"bucket": bucket, "key": key, "time": None}),
    )

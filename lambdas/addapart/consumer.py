"""AddAPart consumer: a message becomes a partition in the Glue catalog. The only writer of partitions in the lake.

Raw: create the partition of a delivery prefix, and note on it what arrives once its day is over, which is what sensors
watch. Arrivals while the day lasts are not noted: that would cost two calls of Glue for every object.
Readready: point the day's partition at its newest commit, reading the sequence again after the write, since Glue has no
compare-and-set.
"""

import functools
import json
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime
from time import monotonic
from typing import TYPE_CHECKING, Any

from lambdas.addapart.metrics import emit
from loglake_assets.lake.addapart.addapart_settings import AddAPartSettings, addapart_settings
from loglake_assets.lake.addapart.partition_placer import PartitionPlacer, placer
from loglake_assets.lake.storage.keys import companions
from loglake_assets.lake.storage.table import Table
from loglake_assets.lake.versions.commits import (
    COMMIT_DIGEST,
    COMMIT_SEQ,
    RUN,
    Commit,
    commit_numbers,
    newest_record,
    shown_seq,
)

if TYPE_CHECKING:
    from mypy_boto3_glue import GlueClient
    from mypy_boto3_glue.type_defs import PartitionInputTypeDef, PartitionTypeDef, StorageDescriptorOutputTypeDef
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sqs import SQSClient

LAST_ARRIVAL = "loglake.last_arrival"
"""Parameter of a raw partition: when it was created, or when the newest object came after its day, in ISO 8601, UTC."""
_TRUST_SECONDS = 3600.0
"""For how long a container takes a partition for there without asking: somebody may drop it."""
_MOST_KNOWN = 100_000
"""Partitions that a container remembers, some 50 MB."""


class PoisonError(ValueError):
    """The message can never become a partition; it goes to the quarantine queue and its group goes on."""


class CommitEditedError(RuntimeError):
    """The record of a commit is not the one that was placed under its number: readers are not sent where it says."""


class CommitGoneError(RuntimeError):
    """The catalog shows a commit that has no record any more: for a person to look at, so it ends dead and alarmed."""


def handle(event: dict[str, Any], context: object) -> dict[str, Any]:
    """Lambda's entry point: SQS records in, partial batch failures out."""
    return consumer().consume(event)


@functools.cache
def consumer() -> "Consumer":
    """One consumer per container, so that each table is asked for once."""
    import boto3

    return Consumer(addapart_settings(), boto3.client("glue"), boto3.client("s3"), boto3.client("sqs"))


class Consumer:
    """Places partitions of one layer. Clients are passed in."""

    def __init__(self, settings: AddAPartSettings, glue: "GlueClient", s3: "S3Client", sqs: "SQSClient") -> None:
        self._settings, self._glue, self._s3, self._sqs = settings, glue, s3, sqs
        self._descriptors: dict[str, StorageDescriptorOutputTypeDef] = {}
        self._known_until: dict[PartitionPlacer, float] = {}

    def consume(self, event: dict[str, Any]) -> dict[str, Any]:
        """Handle each record; after a failure the rest of its group waits, as FIFO order wants."""
        counts: Counter[str] = Counter()
        failed_groups: set[str] = set()
        failures: list[dict[str, str]] = []
        for record in event["Records"]:
            group = record.get("attributes", {}).get("MessageGroupId", record["messageId"])
            outcome = "failed" if group in failed_groups else self._outcome(record)
            counts[outcome] += 1
            if outcome == "failed":
                failed_groups.add(group)
                failures.append({"itemIdentifier": record["messageId"]})
        emit(self._settings.layer, counts)
        return {"batchItemFailures": failures}

    def _outcome(self, record: dict[str, Any]) -> str:
        """What became of one record: `created`, `existed`, `moved`, `kept`, `quarantined`, or `failed` (retried)."""
        try:
            return self._place(record["body"])
        except PoisonError as error:
            self._quarantine(record, str(error))
            return "quarantined"
        except Exception as error:  # Lambda must report it for a retry, whatever it is; the text holds no log content
            print(json.dumps({"failed": record["messageId"], "error": type(error).__name__, "said": str(error)[:500]}))
            return "failed"

    def _place(self, body: str) -> str:
        message = _parse(body)
        placed = placer(self._settings, message["bucket"], message["key"])
        if not isinstance(placed, PartitionPlacer):
            raise PoisonError(placed.reason)
        if placed.location is not None:
            return self._place_raw(placed, message.get("time"))
        return self._place_newest_commit(placed)

    def _place_raw(self, placed: PartitionPlacer, time: str | None) -> str:
        """Create the partition, or note the arrival of an object whose day is over; `time` is None on reconciling."""
        arrival = time or _now()
        is_expected = arrival[:10].replace("-", "") in placed.values
        if is_expected and time and monotonic() < self._known_until.get(placed, 0.0):
            return "existed"
        is_new = self._create(placed, str(placed.location), {LAST_ARRIVAL: arrival})
        if not is_new and not is_expected:
            known = (self._partition(placed) or {}).get("Parameters", {})
            stamp = {LAST_ARRIVAL: max(known.get(LAST_ARRIVAL, arrival), arrival)}
            self._update(placed, str(placed.location), {**known, **stamp})
        if len(self._known_until) >= _MOST_KNOWN:
            self._known_until.clear()
        self._known_until[placed] = monotonic() + _TRUST_SECONDS
        return "created" if is_new else "existed"

    def _place_newest_commit(self, placed: PartitionPlacer) -> str:
        """Point the day at its newest commit, and what lies beside it, until what was placed is still the newest."""
        outcome, (newest, digest) = "kept", self._head(placed)
        while True:
            outcome = self._place_commit(placed, newest, digest, newest.location) or outcome
            for table, prefix in companions(placed.table, newest.run_id, newest.day):
                location = f"s3://{self._settings.bucket}/{prefix}"
                self._place_beside(replace(placed, table=table), newest, digest, location)
            again, digest = self._head(placed)
            if again.seq == newest.seq:
                return outcome
            newest = again

    def _place_beside(self, placed: PartitionPlacer, commit: Commit, digest: str, location: str) -> None:
        """What lies beside a day; a lake that was deployed before there were such tables goes on without them."""
        try:
            self._place_commit(placed, commit, digest, location)
        except self._glue.exceptions.EntityNotFoundException:
            print(json.dumps({"absent_table": placed.table, "day": placed.values[0]}))

    def _place_commit(self, placed: PartitionPlacer, commit: Commit, digest: str, location: str) -> str | None:
        stamps = {COMMIT_SEQ: str(commit.seq), RUN: commit.run_id, COMMIT_DIGEST: digest}
        if location == commit.location:
            stamps["numRows"] = str(commit.rows)
        existing = self._partition(placed)
        if existing is None:
            created = self._create(placed, location, stamps)
            return "created" if created else self._place_commit(placed, commit, digest, location)
        known = existing.get("Parameters", {})
        if shown_seq(known) == commit.seq and known.get(COMMIT_DIGEST, digest) != digest:
            raise CommitEditedError(
                f"The record of commit {commit.seq} of {placed.table} {placed.values[0]} is not the one that was "
                "placed: it was edited. The partition stays as it is; restore the record from the bucket's versions."
            )
        if shown_seq(known) > commit.seq:
            raise CommitGoneError(
                f"Partition {list(placed.values)} of {placed.table} shows commit {known[COMMIT_SEQ]}, and the newest "
                f"record is {commit.seq}: one was removed. Readers are not sent back; the check `placement` names "
                "the day."
            )
        if shown_seq(known) == commit.seq and existing["StorageDescriptor"]["Location"] == location:
            return None
        self._update(placed, location, {**known, **stamps})
        return "moved"

    def _head(self, placed: PartitionPlacer) -> tuple[Commit, str]:
        """The newest commit and its record's digest. A record that cannot be read is tried again, then left dead."""
        bucket, day = self._settings.bucket, int(placed.values[0])
        numbers = commit_numbers(Table(placed.table, self._s3, bucket), day)
        if not numbers:
            raise PoisonError("no_such_commit")
        newest, digest = newest_record(Table(placed.table, self._s3, bucket), day, numbers)
        if newest is None:
            raise CommitGoneError(
                f"The record of commit {numbers[-1]} of {placed.table} {day} cannot be read. The partition stays as it "
                "is; build the day again, or restore the record from the bucket's versions."
            )
        return newest, digest

    def _create(self, placed: PartitionPlacer, location: str, parameters: dict[str, str]) -> bool:
        """True when created, False when it was there: AlreadyExists is success."""
        try:
            self._glue.create_partition(
                DatabaseName=self._settings.database,
                TableName=placed.table,
                PartitionInput=self._input(placed, location, parameters),
            )
        except self._glue.exceptions.AlreadyExistsException:
            return False
        return True

    def _update(self, placed: PartitionPlacer, location: str, parameters: dict[str, str]) -> None:
        answer = self._glue.batch_update_partition(
            DatabaseName=self._settings.database,
            TableName=placed.table,
            Entries=[
                {
                    "PartitionValueList": list(placed.values),
                    "PartitionInput": self._input(placed, location, parameters),
                }
            ],
        )
        for error in answer.get("Errors", ()):
            detail = error["ErrorDetail"]
            raise RuntimeError(
                f"Glue did not update partition {list(placed.values)} of {placed.table}: {detail['ErrorCode']}. "
                "The message is retried."
            )

    def _partition(self, placed: PartitionPlacer) -> "PartitionTypeDef | None":
        try:
            answer = self._glue.get_partition(
                DatabaseName=self._settings.database, TableName=placed.table, PartitionValues=list(placed.values)
            )
        except self._glue.exceptions.EntityNotFoundException:
            return None
        return answer["Partition"]

    def _input(self, placed: PartitionPlacer, location: str, parameters: dict[str, str]) -> "PartitionInputTypeDef":
        descriptor: StorageDescriptorOutputTypeDef = {**self._descriptor(placed.table), "Location": location}
        return {"Values": list(placed.values), "StorageDescriptor": descriptor, "Parameters": parameters}

    def _descriptor(self, table: str) -> "StorageDescriptorOutputTypeDef":
        """The table's storage descriptor, asked for once per container. A table that is missing is never created."""
        if table not in self._descriptors:
            answer = self._glue.get_table(DatabaseName=self._settings.database, Name=table)
            self._descriptors[table] = answer["Table"]["StorageDescriptor"]
        return self._descriptors[table]

    def _quarantine(self, record: dict[str, Any], reason: str) -> None:
        self._sqs.send_message(
            QueueUrl=self._settings.quarantine_url,
            MessageBody=json.dumps({"reason": reason, "messageId": record["messageId"], "body": record["body"]}),
        )


def _parse(body: str) -> dict[str, Any]:
    try:
        message = json.loads(body)
        return {"bucket": str(message["bucket"]), "key": str(message["key"]), "time": message.get("time")}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise PoisonError(f"not_an_addapart_message: {type(error).__name__}") from error


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")

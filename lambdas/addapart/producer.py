"""AddAPart producer: an S3 event becomes one FIFO message per partition. It never needs the objects themselves.

S3 cannot notify a FIFO queue, which is why this function exists. S3 invokes it asynchronously: what it cannot send it
raises, so that Lambda retries and at last keeps the event in the on-failure queue. What is no notification no retry
makes one: it goes to the quarantine queue with the reason, and the objects that it names beside are sent.
"""

import functools
import json
from collections import Counter
from typing import TYPE_CHECKING, Any

from lambdas.addapart.metrics import emit
from loglake_assets.lake.addapart.addapart_settings import AddAPartSettings, addapart_settings
from loglake_assets.lake.addapart.partition_placer import PartitionPlacer, placer
from loglake_assets.sources.notifications import NotANotificationError, ObjectCreated, created_objects

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_sqs.type_defs import SendMessageBatchRequestEntryTypeDef

_BATCH = 10  # SendMessageBatch takes no more


class SendError(RuntimeError):
    """SQS did not take some messages; the whole event is retried, and sending twice is sending once."""


def handle(event: dict[str, Any], context: object) -> dict[str, int]:
    """Lambda's entry point."""
    settings = addapart_settings()
    return produce(event, settings, _sqs())


@functools.cache
def _sqs() -> Any:
    import boto3

    return boto3.client("sqs")


def produce(event: Any, settings: AddAPartSettings, sqs: "SQSClient", rules_text: str | None = None) -> dict[str, int]:
    """Send one message for each partition that `event` tells of; returns the counts. Raises SendError."""
    counts: Counter[str] = Counter()
    messages: dict[str, SendMessageBatchRequestEntryTypeDef] = {}
    fault = ""
    try:
        for created in created_objects(event):
            placed = placer(settings, created.bucket, created.key, rules_text)
            if isinstance(placed, PartitionPlacer):
                counts["placed"] += 1
                messages.setdefault(placed.deduplication_id, _message(placed, created))
            else:
                counts[f"ignored:{placed.reason}"] += 1
    except NotANotificationError as error:
        fault = f"not_a_notification: {error}"
        counts["quarantined"] += 1
    _send(sqs, settings.queue_url, list(messages.values()))
    if fault:
        document = json.dumps({"reason": fault, "body": json.dumps(event)})
        sqs.send_message(QueueUrl=settings.quarantine_url, MessageBody=document)
    emit(settings.layer, counts)
    return dict(counts)


def _message(placed: PartitionPlacer, created: ObjectCreated) -> "SendMessageBatchRequestEntryTypeDef":
    return {
        "Id": "",  # a batch numbers its messages
        "MessageGroupId": placed.group_id,
        "MessageDeduplicationId": placed.deduplication_id,
        "MessageBody": json.dumps({"bucket": created.bucket, "key": created.key, "time": created.time}),
    }


def _send(sqs: "SQSClient", queue_url: str, messages: "list[SendMessageBatchRequestEntryTypeDef]") -> None:
    for start in range(0, len(messages), _BATCH):
        batch: list[SendMessageBatchRequestEntryTypeDef] = [
            {**message, "Id": str(n)} for n, message in enumerate(messages[start : start + _BATCH])
        ]
        failed = sqs.send_message_batch(QueueUrl=queue_url, Entries=batch).get("Failed", [])
        if failed:
            codes = sorted({entry["Code"] for entry in failed})
            raise SendError(
                f"{queue_url} did not take {len(failed)} of {len(batch)} messages: {codes}. Retrying helps."
            )

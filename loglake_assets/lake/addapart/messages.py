"""Messages of AddAPart's queue, sent past its producer: what a notification should have said, said again."""

import json
import uuid
from typing import TYPE_CHECKING

from loglake_assets.lake.addapart.partition_placer import PartitionPlacer
from loglake_assets.lake.storage.keys import commit_key

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient


def send_commit(sqs: "SQSClient", queue_url: str, bucket: str, table: str, day: int, seq: int) -> None:
    """Have AddAPart place the commit of this number."""
    placer = PartitionPlacer(table, (str(day),), None, seq)
    send_key(sqs, queue_url, placer, bucket, commit_key(table, day, seq))


def send_key(sqs: "SQSClient", queue_url: str, placer: PartitionPlacer, bucket: str, key: str) -> None:
    """Give AddAPart's consumer a key directly, past the producer and past FIFO's five minutes of deduplication."""
    sqs.send_message(
        QueueUrl=queue_url,
        MessageGroupId=placer.group_id,
        MessageDeduplicationId=f"{placer.group_id}-{uuid.uuid4().hex[:12]}",
        MessageBody=json.dumps({"bucket": bucket, "key": key, "time": None}),
    )

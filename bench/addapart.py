"""AddAPart: notifications a second through its producer's code, one object to its visible partition, cost of a million.

The rate is of the code alone, in this process, over events as S3 sends them, one record each; what SQS and the catalog
take besides is in docs/load.md, where a whole stack is loaded until something gives.
"""

import time
from collections.abc import Iterable
from datetime import date, timedelta
from typing import Any

from bench.cost import addapart_usd
from infra.cli.local_lake import LocalLake
from lambdas.addapart.producer import produce
from loglake_assets.lake.addapart.addapart_settings import AddAPartSettings
from loglake_assets.sources import LogSource
from loglake_assets.sources.placement import Placement, place

_DAY = date(2026, 11, 1)
_ROUNDS = 3
_PROBES = 15
_PATIENCE_SECONDS = 30


class CountingQueue:
    """An SQS client that takes everything and counts it."""

    def __init__(self) -> None:
        self.count = 0

    def send_message_batch(self, QueueUrl: str, Entries: list[Any]) -> dict[str, Any]:  # boto3's names
        self.count += len(Entries)
        return {"Successful": Entries}


def notification(number: int, bucket: str, accounts: int = 150) -> dict[str, Any]:
    """The `number`-th event as S3 sends it, of one object of one of so many accounts."""
    account = f"{200_000_000_000 + number % accounts}"
    key = f"AWSLogs/{account}/CloudTrail/eu-west-1/{_DAY:%Y/%m/%d}/{account}_CloudTrail_eu-west-1_{number:012d}.json.gz"
    told = {"bucket": {"name": bucket}, "object": {"key": key, "size": 40_000}}
    return {"Records": [{"eventName": "ObjectCreated:Put", "eventTime": "2026-11-01T12:00:00Z", "s3": told}]}


def rates(notifications: int, silently: Any) -> list[float]:
    """Notifications a second, in rounds. `silently` makes a context in which the producer's metrics are not shown."""
    settings = AddAPartSettings("raw-cloudtrail", "cloudtrail", "loglake", "bench", "queue", "quarantine")
    found = []
    for _ in range(_ROUNDS):
        events = [notification(number, settings.bucket) for number in range(notifications)]
        sqs: Any = CountingQueue()
        started = time.monotonic()
        with silently():
            for event in events:
                produce(event, settings, sqs)
        found.append(sqs.count / (time.monotonic() - started))
        assert sqs.count == notifications, "each of them means a message"
    return found


def latencies(lake: LocalLake, source: LogSource, days: Iterable[date] | None = None) -> list[float]:
    """Seconds from a put to the visible partition, one after the other, each under a new prefix. The first is cold."""
    chosen = days or (_DAY - timedelta(days=3_650 + n) for n in range(_PROBES))
    return [_latency(lake, source, day) for day in chosen]


def _latency(lake: LocalLake, source: LogSource, day: date) -> float:
    bucket = lake.settings.raw_bucket(source.name)
    key = f"AWSLogs/999999999999/CloudTrail/eu-west-1/{day:%Y/%m/%d}/probe.json.gz"
    placement = place(source, bucket, key)
    assert isinstance(placement, Placement), "the key is a trail's"
    glue, started = lake.client("glue"), time.monotonic()
    lake.client("s3").put_object(Bucket=bucket, Key=key, Body=b"")
    asked = {"DatabaseName": lake.settings.database, "TableName": source.raw.name}
    while time.monotonic() - started < _PATIENCE_SECONDS:
        try:
            glue.get_partition(**asked, PartitionValues=list(placement.values))
        except glue.exceptions.EntityNotFoundException:
            time.sleep(0.002)
            continue
        return time.monotonic() - started
    raise RuntimeError(f"{key} had no partition after {_PATIENCE_SECONDS} s. The stack's log says why.")


def usd_a_million() -> float:
    """Of a million arriving objects, by the model of cost.py at its dearest."""
    return addapart_usd(1e6, 1e6)["usd"]

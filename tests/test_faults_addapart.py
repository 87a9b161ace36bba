"""AddAPart's Lambdas under fault: messages repeated and lost, Glue throttled and absent, a consumer really killed."""

import json
import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import date
from typing import Any

import dagster as dg
import pytest

from infra.cli.home import REPOSITORY
from infra.cli.local_lake import LocalLake
from lambdas.addapart.producer import produce
from loglake_assets.lake.addapart.addapart_settings import AddAPartSettings
from loglake_assets.lake.addapart.partition_placer import PartitionPlacer, placer
from loglake_assets.orchestration.hourly_checks import hourly_results
from loglake_assets.orchestration.source_config import source_config
from loglake_assets.sources import LogSource, load_source
from loglake_assets.sources.placement import Ignored
from tests.fault_proxy import FaultProxy
from tests.reports import reconcile
from tests.test_addapart import event, key_of, message, partition
from tests.wait import until

GONE = {"service": "glue", "error": {"code": "InternalServiceException", "status": 500}}
THROTTLED = {"service": "glue", "operation": "CreatePartition", "error": {"code": "ThrottlingException"}}


@dataclass(frozen=True)
class Layer:
    """The raw layer of one log as deployed: its Lambdas and queues. Only these tests use it meanwhile."""

    lake: LocalLake
    source: LogSource

    @property
    def bucket(self) -> str:
        return self.lake.settings.raw_bucket(self.source.name)

    def function(self, role: str) -> str:
        return f"{self.lake.settings.name}-addapart-raw-{self.source.name}-{role}"

    def queue_url(self, suffix: str) -> str:
        name = f"{self.lake.settings.name}-addapart-raw-{self.source.name}{suffix}"
        return str(self.lake.client("sqs").get_queue_url(QueueName=name)["QueueUrl"])

    def count(self, suffix: str) -> int:
        """Messages in a queue, those among them that somebody is handling."""
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        url = self.queue_url(suffix)
        answer = self.lake.client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
        return sum(int(answer[name]) for name in names)

    def put(self, day: date) -> None:
        key = f"AWSLogs/111122223333/BedrockModelInvocationLogs/eu-west-1/{day:%Y/%m/%d}/00/x.json.gz"
        self.lake.client("s3").put_object(Bucket=self.bucket, Key=key, Body=b"")

    def tell(self, day: date) -> None:
        """The producer invoked with the notification of an object of the day, as S3 words it."""
        key = f"AWSLogs/111122223333/BedrockModelInvocationLogs/eu-west-1/{day:%Y/%m/%d}/00/x.json.gz"
        named = {"bucket": {"name": self.bucket}, "object": {"key": key}}
        told = json.dumps({"Records": [{"eventName": "ObjectCreated:Put", "s3": named}]})
        answer = self.lake.client("lambda").invoke(FunctionName=self.function("producer"), Payload=told.encode())
        assert "FunctionError" not in answer

    def partition(self, day: date) -> dict[str, Any] | None:
        values = {c.name: "" for c in self.source.raw.partition_keys}
        for found in self._partitions(day):
            assert len(found["Values"]) == len(values)
            return found
        return None

    def _partitions(self, day: date) -> list[dict[str, Any]]:
        named = {"DatabaseName": self.lake.settings.database, "TableName": self.source.raw.name}
        glue = self.lake.client("glue")
        found = glue.get_partitions(**named, Expression=f"logcalendarday = {day:%Y%m%d}")
        partitions: list[dict[str, Any]] = found["Partitions"]
        return partitions

    @contextmanager
    def changed(self, role: str, **variables: str) -> Iterator[None]:
        """A function with other variables in its environment, put back afterwards."""
        client, name = self.lake.client("lambda"), self.function(role)
        before = client.get_function_configuration(FunctionName=name)["Environment"]["Variables"]
        client.update_function_configuration(FunctionName=name, Environment={"Variables": {**before, **variables}})
        try:
            yield
        finally:
            client.update_function_configuration(FunctionName=name, Environment={"Variables": before})

    @contextmanager
    def retrying_soon(self) -> Iterator[None]:
        """The queue gives a message out again after a second, and not after three minutes."""
        sqs, url = self.lake.client("sqs"), self.queue_url(".fifo")
        sqs.set_queue_attributes(QueueUrl=url, Attributes={"VisibilityTimeout": "1"})
        try:
            yield
        finally:
            sqs.set_queue_attributes(QueueUrl=url, Attributes={"VisibilityTimeout": "180"})

    def redrive(self) -> int:
        """Send what is in the dead-letter queue again, as the console's redrive does; returns how many."""
        sqs, dead, url = self.lake.client("sqs"), self.queue_url("-dead.fifo"), self.queue_url(".fifo")
        moved = 0
        while found := sqs.receive_message(QueueUrl=dead, MaxNumberOfMessages=10).get("Messages"):
            for one in found:
                body, group = one["Body"], uuid.uuid4().hex
                sqs.send_message(QueueUrl=url, MessageBody=body, MessageGroupId=group, MessageDeduplicationId=group)
                sqs.delete_message(QueueUrl=dead, ReceiptHandle=one["ReceiptHandle"])
                moved += 1
        return moved


@pytest.fixture(scope="module")
def layer(lake: LocalLake) -> Layer:
    return Layer(lake, load_source("bedrock"))


@pytest.fixture
def behind(layer: Layer, proxy: FaultProxy) -> Callable[..., AbstractContextManager[None]]:
    """The layer's consumer with its Glue behind the proxy, and two tries a call as the SDK's bound."""

    @contextmanager
    def behind_the_proxy(**variables: str) -> Iterator[None]:
        through = {"AWS_ENDPOINT_URL_GLUE": proxy.url, "AWS_MAX_ATTEMPTS": "2", **variables}
        with layer.retrying_soon(), layer.changed("consumer", **through):
            yield
        proxy.break_it()

    return behind_the_proxy


@pytest.mark.fault(1, "one object put 100 times, its Lambda event repeated 100 times", "one partition, nothing dead")
def test_a_notification_a_hundred_times_is_one_partition(layer: Layer) -> None:
    day = date(2013, 3, 1)
    for _ in range(100):
        layer.put(day)
    for _ in range(100):
        layer.tell(day)
    until(lambda: layer.partition(day) and layer.count(".fifo") == 0)
    assert len(layer._partitions(day)) == 1
    assert layer.count("-dead.fifo") == layer.count("-undelivered") == layer.count("-quarantine") == 0


@pytest.mark.fault(
    3, "an object put while the bucket tells nobody", "the check is red, reconciling mends it, it is green"
)
def test_the_catalog_lag_check_is_red_until_reconciling_has_mended_it(layer: Layer) -> None:
    s3, day, lake = layer.lake.client("s3"), date(2013, 3, 2), layer.lake.resource
    configuration = s3.get_bucket_notification_configuration(Bucket=layer.bucket)
    configuration.pop("ResponseMetadata")
    try:
        s3.put_bucket_notification_configuration(Bucket=layer.bucket, NotificationConfiguration={})
        layer.put(day)
    finally:
        s3.put_bucket_notification_configuration(Bucket=layer.bucket, NotificationConfiguration=configuration)
    config = source_config(layer.source.name, start_day=date(2013, 1, 1))

    def lag() -> dg.AssetCheckResult:
        found = hourly_results(config, lake, [day], date(2026, 1, 1))
        return next(result for result in found if result.check_name == "catalog_lag")

    assert not lag().passed
    assert reconcile(layer.source, lake, [day])[0] == 1
    until(lambda: layer.partition(day))
    assert lag().passed


@pytest.mark.fault(
    4, "a producer whose queue is not there", "three tries, the event kept undelivered, reconciling heals"
)
def test_a_producer_that_cannot_send_leaves_its_event_undelivered(layer: Layer) -> None:
    day = date(2013, 3, 3)
    with layer.changed("producer", LOGLAKE_QUEUE_URL=layer.queue_url(".fifo").replace("addapart", "absent")):
        layer.put(day)
        until(lambda: layer.count("-undelivered") == 1)
    assert layer.partition(day) is None
    url, sqs = layer.queue_url("-undelivered"), layer.lake.client("sqs")
    (kept,) = sqs.receive_message(QueueUrl=url)["Messages"]
    assert f"{day:%Y/%m/%d}" in kept["Body"]
    sqs.delete_message(QueueUrl=url, ReceiptHandle=kept["ReceiptHandle"])
    assert reconcile(layer.source, layer.lake.resource, [day])[0] == 1
    until(lambda: layer.partition(day))


@pytest.mark.fault(
    6, "Glue throttles CreatePartition three times, the SDK tries twice", "given back, placed by the next try"
)
def test_a_throttled_consumer_gives_its_message_back_and_none_dies(
    layer: Layer, proxy: FaultProxy, behind: Callable[..., AbstractContextManager[None]]
) -> None:
    day = date(2013, 3, 4)
    with behind():
        proxy.break_it({**THROTTLED, "times": 3})
        layer.put(day)
        until(lambda: layer.partition(day))
        assert proxy.firings("CreatePartition") == 3
        until(lambda: layer.count(".fifo") == 0)
    assert layer.count("-dead.fifo") == 0


@pytest.mark.fault(
    7, "Glue answers 500 until a message is dead", "redriven it is placed; the deduplicated one by reconciling"
)
def test_what_died_while_glue_was_down_is_redriven_or_reconciled(
    layer: Layer, proxy: FaultProxy, behind: Callable[..., AbstractContextManager[None]]
) -> None:
    redriven, deduplicated = date(2013, 3, 5), date(2013, 3, 6)
    with behind():
        proxy.break_it(GONE)
        layer.put(redriven)
        layer.put(deduplicated)
        until(lambda: layer.count("-dead.fifo") == 2, 120)
        assert (layer.partition(redriven), layer.partition(deduplicated)) == (None, None)
    layer.tell(deduplicated)  # within five minutes of the message that died: SQS takes it for the same
    sqs, dead = layer.lake.client("sqs"), layer.queue_url("-dead.fifo")
    for one in sqs.receive_message(QueueUrl=dead, MaxNumberOfMessages=10)["Messages"]:
        if f"{deduplicated:%Y/%m/%d}" in one["Body"]:
            sqs.delete_message(QueueUrl=dead, ReceiptHandle=one["ReceiptHandle"])
        else:
            sqs.change_message_visibility(QueueUrl=dead, ReceiptHandle=one["ReceiptHandle"], VisibilityTimeout=0)
    assert layer.redrive() == 1
    until(lambda: layer.partition(redriven) and layer.count(".fifo") == 0)
    assert layer.partition(deduplicated) is None, "the trap: its later objects were taken for the one that died"
    assert reconcile(layer.source, layer.lake.resource, [deduplicated])[0] == 1
    until(lambda: layer.partition(deduplicated))


@pytest.mark.fault(
    12, "the consumer's database is not there", "five tries, dead-letter queue, nothing made; redrive places"
)
def test_a_missing_table_ends_in_the_dead_letter_queue_and_is_redriven(
    layer: Layer, behind: Callable[..., AbstractContextManager[None]]
) -> None:
    day = date(2013, 3, 7)
    with behind(LOGLAKE_DATABASE="absent"):
        layer.put(day)
        until(lambda: layer.count("-dead.fifo") == 1, 120)
    assert "absent" not in {d["Name"] for d in layer.lake.client("glue").get_databases()["DatabaseList"]}
    assert layer.redrive() == 1
    until(lambda: layer.partition(day))


@pytest.mark.parametrize("alarm", ["dead", "undelivered"])
@pytest.mark.fault(4, "the deployed alarms read", "one watches the on-failure queue")
@pytest.mark.fault(7, "the deployed alarms read", "one watches the dead-letter queue")
@pytest.mark.fault(12, "the deployed alarms read", "one watches the dead-letter queue")
def test_every_queue_of_what_failed_has_an_alarm(layer: Layer, alarm: str) -> None:
    name = layer.function(alarm)
    (found,) = layer.lake.client("cloudwatch").describe_alarms(AlarmNames=[name])["MetricAlarms"]
    assert (found["Namespace"], found["MetricName"]) == ("AWS/SQS", "ApproximateNumberOfMessagesVisible")
    assert (found["Threshold"], found["ComparisonOperator"]) == (0, "GreaterThanThreshold")
    (dimension,) = found["Dimensions"]
    assert dimension["Value"] == layer.queue_url("-dead.fifo" if alarm == "dead" else "-undelivered").rpartition("/")[2]


KILLED = """
import json, os, signal, sys
import boto3
from lambdas.addapart.consumer import Consumer
from loglake_assets.lake.addapart.addapart_settings import AddAPartSettings
settings, queue = AddAPartSettings(**json.loads(sys.argv[1])), sys.argv[2]
sqs = boto3.client("sqs")
(found,) = sqs.receive_message(QueueUrl=queue, WaitTimeSeconds=5, MessageSystemAttributeNames=["All"])["Messages"]
record = {"messageId": found["MessageId"], "body": found["Body"], "attributes": found["Attributes"]}
assert Consumer(settings, boto3.client("glue"), boto3.client("s3"), sqs).consume({"Records": [record]}) == {
    "batchItemFailures": []
}
if sys.argv[3] == "die":
    os.kill(os.getpid(), signal.SIGKILL)
sqs.delete_message(QueueUrl=queue, ReceiptHandle=found["ReceiptHandle"])
"""


@pytest.mark.fault(
    5, "a consumer killed after CreatePartition", "the message comes again and finds its partition: acknowledged"
)
def test_a_consumer_killed_before_it_acknowledges_is_followed_by_one_that_does(
    lake: LocalLake, source: LogSource
) -> None:
    sqs, bucket = lake.client("sqs"), lake.settings.raw_bucket(source.name)
    attributes = {"FifoQueue": "true", "VisibilityTimeout": "2"}
    queue = sqs.create_queue(QueueName=f"killed-{uuid.uuid4().hex[:8]}.fifo", Attributes=attributes)["QueueUrl"]
    body = message(bucket, key_of("2013/03/08"))["body"]
    sqs.send_message(QueueUrl=queue, MessageBody=body, MessageGroupId="g", MessageDeduplicationId="d")
    settings = {"layer": f"raw-{source.name}", "source": source.name, "database": lake.settings.database}
    given = json.dumps({**settings, "bucket": bucket, "queue_url": queue, "quarantine_url": ""})

    def consume(end: str) -> int:
        command = [sys.executable, "-c", KILLED, given, queue, end]
        return subprocess.run(command, cwd=REPOSITORY, env=dict(os.environ), check=False, timeout=60).returncode

    values = ["AWSLogs", "111122223333", "eu-west-1", "20130308"]
    assert consume("die") == -signal.SIGKILL
    made = partition(lake, source.raw.name, values)
    assert made is not None
    assert until(lambda: consume("acknowledge") == 0)
    again = partition(lake, source.raw.name, values)
    assert again is not None
    assert again["StorageDescriptor"]["Location"] == made["StorageDescriptor"]["Location"]
    counts = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["All"])["Attributes"]
    assert (counts["ApproximateNumberOfMessages"], counts["ApproximateNumberOfMessagesNotVisible"]) == ("0", "0")


class Nowhere:
    """SQS that nothing may be sent to."""

    def send_message_batch(self, **request: Any) -> Any:
        raise AssertionError("a denied key was sent")


@pytest.mark.fault(
    11, "an account denied after its first day arrived", "no message for it any more, its partition as it was"
)
def test_a_deny_rule_in_mid_stream_leaves_old_partitions_alone(lake: LocalLake, source: LogSource) -> None:
    s3, bucket, account = lake.client("s3"), lake.settings.raw_bucket(source.name), "777700001111"
    s3.put_object(Bucket=bucket, Key=key_of("2013/03/09", account), Body=b"")
    values = ["AWSLogs", account, "eu-west-1", "20130309"]
    before = until(lambda: partition(lake, source.raw.name, values))
    rules = f'[[deny]]\nname = "lever"\nsource = "{source.name}"\naccounts = ["{account}"]'
    settings = AddAPartSettings(f"raw-{source.name}", source.name, lake.settings.database, bucket, "", "")
    denied = [key_of(f"2013/03/{n:02d}", account) for n in (9, 10, 11)]
    assert produce(event(settings, denied), settings, Nowhere(), rules) == {"ignored:denied:lever": 3}
    assert placer(settings, bucket, denied[0], rules) == Ignored("denied:lever")
    assert isinstance(placer(settings, bucket, denied[0], ""), PartitionPlacer)
    assert partition(lake, source.raw.name, values) == before

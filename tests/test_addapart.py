"""AddAPart against the emulator's S3, SQS, Lambda and Glue: from an object to its partition, and what goes wrong."""

import json
import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from infra.cli.local_lake import LocalLake
from infra.cli.mend import message_keys
from lambdas.addapart.consumer import Consumer
from lambdas.addapart.producer import produce
from loglake_assets.lake.addapart.addapart_settings import AddAPartSettings
from loglake_assets.lake.addapart.partition_placer import PartitionPlacer, placer
from loglake_assets.lake.storage.table import Table
from loglake_assets.lake.versions.commits import Commit, SupersededError, append, commits, head
from loglake_assets.sources import LogSource
from loglake_assets.sources.placement import Ignored
from tests.wait import until

YEAR = 2019  # a year of this file's own, so that the shared lake's other days are left alone


def key_of(day: str = "2019/05/01", account: str = "111122223333", name: str = "x.json.gz") -> str:
    return f"AWSLogs/{account}/CloudTrail/eu-west-1/{day}/{name}"


@pytest.fixture
def settings(lake: LocalLake, source: LogSource) -> AddAPartSettings:
    """A raw consumer's settings, with a quarantine queue of the test's own."""
    queue = lake.client("sqs").create_queue(QueueName=f"q-{uuid.uuid4().hex}")["QueueUrl"]
    bucket = lake.settings.raw_bucket(source.name)
    return AddAPartSettings(f"raw-{source.name}", source.name, lake.settings.database, bucket, "", queue)


@pytest.fixture
def consumer(lake: LocalLake, settings: AddAPartSettings) -> Consumer:
    return Consumer(settings, lake.client("glue"), lake.client("s3"), lake.client("sqs"))


def message(bucket: str, key: str, group: str = "g", time: str | None = None) -> dict[str, Any]:
    body = json.dumps({"bucket": bucket, "key": key, "time": time})
    return {"messageId": uuid.uuid4().hex, "body": body, "attributes": {"MessageGroupId": group}}


def partition(lake: LocalLake, table: str, values: list[str]) -> dict[str, Any] | None:
    glue = lake.client("glue")
    try:
        answer = glue.get_partition(DatabaseName=lake.settings.database, TableName=table, PartitionValues=values)
    except glue.exceptions.EntityNotFoundException:
        return None
    found: dict[str, Any] = answer["Partition"]
    return found


@pytest.mark.fault(10, "an object with umlauts, a space, + and %3D in its key", "its partition at the right prefix")
def test_an_object_becomes_a_partition_by_itself(lake: LocalLake, source: LogSource) -> None:
    key = key_of("2019/01/02", name="größe und+mehr%3D.json.gz")
    lake.client("s3").put_object(Bucket=lake.settings.raw_bucket(source.name), Key=key, Body=b"")
    values = ["AWSLogs", "111122223333", "eu-west-1", "20190102"]
    found = until(lambda: partition(lake, source.raw.name, values))
    assert found["StorageDescriptor"]["Location"].endswith("/AWSLogs/111122223333/CloudTrail/eu-west-1/2019/01/02/")
    assert found["Parameters"]["loglake.last_arrival"] >= "2026"
    assert found["StorageDescriptor"]["SerdeInfo"]["SerializationLibrary"] == source.raw.serde


def test_a_thousand_objects_lose_no_partition(lake: LocalLake, source: LogSource) -> None:
    s3, bucket = lake.client("s3"), lake.settings.raw_bucket(source.name)
    keys = [key_of(f"2019/02/{n % 20 + 1:02d}", name=f"{n}.json.gz") for n in range(1000)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda key: s3.put_object(Bucket=bucket, Key=key, Body=b""), keys))
    for day in range(20190201, 20190221):
        until(lambda day=day: partition(lake, source.raw.name, ["AWSLogs", "111122223333", "eu-west-1", str(day)]), 60)


@pytest.mark.fault(2, "messages with arrival times out of order", "one partition with the last arrival after its day")
def test_the_same_message_many_times_is_one_partition(
    lake: LocalLake, source: LogSource, consumer: Consumer, settings: AddAPartSettings
) -> None:
    times = ["2019-05-02T10:00:00.000Z", "2019-05-02T09:00:00.000Z", *["2019-05-02T11:00:00.000Z"] * 8]
    for start in (0, 5):
        records = [message(settings.bucket, key_of(), time=t) for t in times[start : start + 5]]
        assert consumer.consume({"Records": records}) == {"batchItemFailures": []}
    found = partition(lake, source.raw.name, ["AWSLogs", "111122223333", "eu-west-1", "20190501"])
    assert found is not None
    assert found["Parameters"]["loglake.last_arrival"] == "2019-05-02T11:00:00.000Z"


class CountsCalls:
    """Glue's client with the names of the calls that were made."""

    def __init__(self, glue: Any) -> None:
        self._glue, self.exceptions = glue, glue.exceptions
        self.calls: list[str] = []

    def __getattr__(self, name: str) -> Any:
        self.calls.append(name)
        return getattr(self._glue, name)


def test_arrivals_of_a_day_that_lasts_cost_no_call_of_glue(lake: LocalLake, settings: AddAPartSettings) -> None:
    """At a thousand accounts in 17 Regions they are five million a day."""
    glue, values = CountsCalls(lake.client("glue")), ["AWSLogs", "111122223333", "eu-west-1", "20190506"]
    consumer = Consumer(settings, glue, lake.client("s3"), lake.client("sqs"))

    def arrive(time: str | None) -> list[str]:
        glue.calls.clear()
        key = key_of("2019/05/06")
        assert consumer.consume({"Records": [message(settings.bucket, key, time=time)]}) == {"batchItemFailures": []}
        return list(glue.calls)

    assert "create_partition" in arrive("2019-05-06T00:05:00.000Z")
    assert arrive("2019-05-06T00:10:00.000Z") == []
    assert arrive("2019-05-07T00:01:00.000Z") == ["create_partition", "get_partition", "batch_update_partition"]
    glue.delete_partition(DatabaseName=settings.database, TableName="from_cloudtrail_raw", PartitionValues=values)
    assert arrive("2019-05-06T00:15:00.000Z") == []
    assert "create_partition" in arrive(None)  # reconciling asks, whatever a container remembers
    assert partition(lake, "from_cloudtrail_raw", values)


@pytest.mark.fault(
    8,
    "text that is no message, a key of another bucket",
    "both in quarantine with a reason, the message behind them placed",
)
def test_a_poison_message_goes_to_quarantine_and_its_group_goes_on(
    lake: LocalLake, source: LogSource, consumer: Consumer, settings: AddAPartSettings
) -> None:
    poison = {**message("", ""), "body": "{not json"}
    elsewhere = message("another-bucket", key_of())
    good = message(settings.bucket, key_of("2019/05/02"))
    assert consumer.consume({"Records": [poison, elsewhere, good]}) == {"batchItemFailures": []}
    assert partition(lake, source.raw.name, ["AWSLogs", "111122223333", "eu-west-1", "20190502"])
    answer = lake.client("sqs").receive_message(QueueUrl=settings.quarantine_url, MaxNumberOfMessages=10)
    reasons = {json.loads(m["Body"])["reason"] for m in answer["Messages"]}
    assert reasons == {"not_an_addapart_message: JSONDecodeError", "other_bucket"}


class FailsFor:
    """Glue's client, failing CreatePartition for one day as a throttled endpoint would."""

    def __init__(self, glue: Any, day: str) -> None:
        self._glue, self._day = glue, day

    def __getattr__(self, name: str) -> Any:
        return getattr(self._glue, name)

    def create_partition(self, **request: Any) -> Any:
        if self._day in request["PartitionInput"]["Values"]:
            raise ConnectionError("throttled")
        return self._glue.create_partition(**request)


@pytest.mark.fault(
    6, "CreatePartition fails for one of three days", "that message and its group come back, the other group goes on"
)
def test_a_failure_returns_the_message_and_what_follows_it_in_its_group(
    lake: LocalLake, source: LogSource, settings: AddAPartSettings
) -> None:
    consumer = Consumer(settings, FailsFor(lake.client("glue"), "20190503"), lake.client("s3"), lake.client("sqs"))
    failing = message(settings.bucket, key_of("2019/05/03"), "a")
    behind = message(settings.bucket, key_of("2019/05/04"), "a")
    other = message(settings.bucket, key_of("2019/05/05"), "b")
    answer = consumer.consume({"Records": [failing, behind, other]})
    assert [f["itemIdentifier"] for f in answer["batchItemFailures"]] == [failing["messageId"], behind["messageId"]]
    assert partition(lake, source.raw.name, ["AWSLogs", "111122223333", "eu-west-1", "20190504"]) is None
    assert partition(lake, source.raw.name, ["AWSLogs", "111122223333", "eu-west-1", "20190505"])


@pytest.mark.fault(12, "a consumer whose database is not there", "the message is given back, nothing is made")
def test_a_missing_table_is_retried_and_never_created(lake: LocalLake, settings: AddAPartSettings) -> None:
    nowhere = AddAPartSettings(**{**vars(settings), "database": "absent"})
    consumer = Consumer(nowhere, lake.client("glue"), lake.client("s3"), lake.client("sqs"))
    record = message(settings.bucket, key_of())
    assert consumer.consume({"Records": [record]})["batchItemFailures"] == [{"itemIdentifier": record["messageId"]}]
    assert "absent" not in {d["Name"] for d in lake.client("glue").get_databases()["DatabaseList"]}


def test_a_table_is_asked_for_once_a_container(lake: LocalLake, settings: AddAPartSettings) -> None:
    asked: list[str] = []

    class Counting(FailsFor):
        def get_table(self, **request: Any) -> Any:
            asked.append(request["Name"])
            return self._glue.get_table(**request)

    consumer = Consumer(settings, Counting(lake.client("glue"), ""), lake.client("s3"), lake.client("sqs"))
    consumer.consume({"Records": [message(settings.bucket, key_of(f"2019/06/{n:02d}"), str(n)) for n in range(1, 8)]})
    assert len(asked) == 1


class Outbox:
    """SQS as the producer sees it: keeps what was sent, and fails the entries it is told to."""

    def __init__(self, failing: int = 0) -> None:
        self.batches: list[list[dict[str, Any]]] = []
        self._failing = failing

    def send_message_batch(self, QueueUrl: str, Entries: list[dict[str, Any]]) -> dict[str, Any]:
        self.batches.append(Entries)
        return {"Failed": [{"Id": e["Id"], "Code": "InternalError"} for e in Entries[: self._failing]]}


def event(settings: AddAPartSettings, keys: list[str]) -> dict[str, Any]:
    bucket = {"name": settings.bucket}
    records = [{"eventName": "ObjectCreated:Put", "s3": {"bucket": bucket, "object": {"key": key}}} for key in keys]
    return {"Records": records}


@pytest.mark.fault(9, "36 deliveries, a digest and an odd key", "12 messages; the others counted by reason")
def test_a_producer_sends_one_message_a_partition_and_counts_the_rest(settings: AddAPartSettings) -> None:
    outbox = Outbox()
    keys = [key_of(f"2019/07/{n % 12 + 1:02d}", name=str(n)) for n in range(36)]
    keys += ["AWSLogs/111122223333/CloudTrail-Digest/eu-west-1/2019/07/01/d.json.gz", "odd"]
    counts = produce(event(settings, keys), settings, outbox)
    assert counts == {"placed": 36, "ignored:digest": 1, "ignored:unknown_key": 1}
    assert [len(batch) for batch in outbox.batches] == [10, 2]
    sent = [entry for batch in outbox.batches for entry in batch]
    assert len({entry["MessageDeduplicationId"] for entry in sent}) == 12
    assert all(len(entry["MessageGroupId"]) <= 128 for entry in sent)


@pytest.mark.fault(90, "the notification that CloudTrail itself sends", "a message for the partition that it names")
def test_a_producer_takes_what_the_trail_itself_publishes(settings: AddAPartSettings) -> None:
    outbox = Outbox()
    told = {"s3Bucket": settings.bucket, "s3ObjectKey": [key_of(), key_of("2019/05/02")]}
    event = {"Records": [{"EventSource": "aws:sns", "Sns": {"Message": json.dumps(told)}}]}
    assert produce(event, settings, outbox) == {"placed": 2}
    bodies = [json.loads(entry["MessageBody"]) for batch in outbox.batches for entry in batch]
    assert [(body["bucket"], body["key"]) for body in bodies] == [(settings.bucket, key) for key in told["s3ObjectKey"]]


@pytest.mark.fault(90, "what is no notification, beside one", "in quarantine with a reason, what is one is placed")
def test_what_is_no_notification_goes_to_quarantine_and_is_not_tried_again(
    lake: LocalLake, settings: AddAPartSettings
) -> None:
    sqs = lake.client("sqs")
    queue = sqs.create_queue(QueueName=f"q-{uuid.uuid4().hex}.fifo", Attributes={"FifoQueue": "true"})["QueueUrl"]
    settings = AddAPartSettings(**{**vars(settings), "queue_url": queue})
    mixed = {"Records": [{"new": "kind"}, *event(settings, [key_of()])["Records"]]}
    assert produce(mixed, settings, sqs) == {"placed": 1, "quarantined": 1}
    assert produce({"unknown": 1}, settings, sqs) == {"quarantined": 1}
    assert len(sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10)["Messages"]) == 1
    aside = [
        m["Body"] for m in sqs.receive_message(QueueUrl=settings.quarantine_url, MaxNumberOfMessages=10)["Messages"]
    ]
    assert {json.loads(body)["reason"] for body in aside} == {
        "not_a_notification: a record has none of s3, Sns, body",
        "not_a_notification: it has none of Records, detail, s3ObjectKey, Message, Event",
    }
    assert sorted(message_keys(body) for body in aside) == [[], [key_of()]], "what it names is given again by `requeue`"


@pytest.mark.fault(4, "SQS refuses an entry of a batch", "the producer raises, so that Lambda tries again")
def test_a_producer_fails_when_sqs_does_not_take_a_message(settings: AddAPartSettings) -> None:
    with pytest.raises(RuntimeError, match="did not take 1 of 1"):
        produce(event(settings, [key_of()]), settings, Outbox(failing=1))


@pytest.mark.fault(11, "a key of a denied account", "no message, counted under the rule")
def test_a_denied_key_gets_no_partition_and_is_counted_under_the_rule(settings: AddAPartSettings) -> None:
    rules = '[[deny]]\nname = "lever"\nsource = "cloudtrail"\naccounts = ["111122223333"]'
    outbox = Outbox()
    counts = produce(event(settings, [key_of(), key_of(account="444455556666")]), settings, outbox, rules)
    assert counts == {"ignored:denied:lever": 1, "placed": 1}
    assert placer(settings, settings.bucket, key_of(), rules) == Ignored("denied:lever")


def commit(day: int, run: str) -> Commit:
    return Commit(
        "from_cloudtrail_readready",
        day,
        0,
        run,
        f"s3://loglake-readready-000000000000/{run}/",
        "m",
        1,
        1,
        1,
        "h",
        "2019-01-01T00:00:00Z",
    )


@pytest.mark.fault(18, "8 writers commit one day at once", "8 numbers, no gap")
def test_of_many_writers_each_gets_a_sequence_number_of_its_own(lake: LocalLake) -> None:
    s3, bucket = lake.client("s3"), lake.settings.readready_bucket
    with ThreadPoolExecutor(8) as pool:
        done = list(pool.map(lambda n: append(s3, bucket, commit(20190801, f"r{n}"), lambda head: True), range(8)))
    assert sorted(c.seq for c in done) == list(range(1, 9))
    newest = head(Table("from_cloudtrail_readready", s3, bucket), 20190801)
    assert newest is not None
    assert newest.seq == 8


def test_committing_twice_is_committing_once(lake: LocalLake) -> None:
    s3, bucket = lake.client("s3"), lake.settings.readready_bucket
    first = append(s3, bucket, commit(20190802, "r"), lambda head: False)
    assert append(s3, bucket, commit(20190802, "r"), lambda head: False) == first
    assert len(list(commits(Table(first.table, s3, bucket), 20190802))) == 1


@pytest.mark.fault(18, "an older build commits after a newer one", "superseded, and said so")
def test_an_older_build_does_not_follow_a_newer_one(lake: LocalLake) -> None:
    s3, bucket = lake.client("s3"), lake.settings.readready_bucket
    append(s3, bucket, commit(20190803, "newer"), lambda head: False)
    with pytest.raises(SupersededError, match="run newer made commit 1 meanwhile"):
        append(s3, bucket, commit(20190803, "older"), lambda head: False)


@pytest.fixture
def placed_commits(lake: LocalLake) -> list[Commit]:
    s3, bucket = lake.client("s3"), lake.settings.readready_bucket
    return [append(s3, bucket, commit(20190804, f"r{n}"), lambda head: True) for n in range(3)]


@pytest.mark.fault(2, "news of an old commit after the newest", "the partition stays at the newest commit")
def test_the_catalog_follows_the_newest_commit_whatever_order_the_news_come_in(
    lake: LocalLake, placed_commits: list[Commit]
) -> None:
    newest = placed_commits[-1]
    found = until(
        lambda: (
            (p := partition(lake, newest.table, ["20190804"])) and p["Parameters"]["loglake.commit_seq"] == "3" and p
        )
    )
    assert found["StorageDescriptor"]["Location"] == newest.location
    settings = AddAPartSettings("readready", "", lake.settings.database, lake.settings.readready_bucket, "", "")
    consumer = Consumer(settings, lake.client("glue"), lake.client("s3"), lake.client("sqs"))
    old_news = message(lake.settings.readready_bucket, "commits/from_cloudtrail_readready/20190804/00000001.json")
    assert consumer.consume({"Records": [old_news]}) == {"batchItemFailures": []}
    again = partition(lake, newest.table, ["20190804"])
    assert again is not None
    assert again["StorageDescriptor"]["Location"] == newest.location


def test_a_commit_is_a_message_of_its_own_in_the_group_of_its_day() -> None:
    first = PartitionPlacer("t", ("20190804",), None, 1)
    second = PartitionPlacer("t", ("20190804",), None, 2)
    assert first.group_id == second.group_id
    assert first.deduplication_id != second.deduplication_id

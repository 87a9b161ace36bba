"""Rolling back, collecting, asking again, and evidence, on a built lake: what each does, and what it refuses."""

import gzip
import json
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import dagster as dg
import pytest

from infra.cli.build import build_range
from infra.cli.dagster_runs import dagster_instance, load_definitions, readready_key
from infra.cli.evidence import EventNotFoundError, event_evidence, print_evidence
from infra.cli.mend import collect_old_runs, message_keys, requeue, requeue_messages, roll_back
from infra.cli.query import ask
from loglake_assets.lake.addapart.messages import send_commit
from loglake_assets.lake.storage.keys import commit_key, day_prefix, duplicates_prefix, manifest_key, parse_run_key
from loglake_assets.lake.storage.table import Table
from loglake_assets.lake.versions.commits import Commit, commits, head
from loglake_assets.lake.versions.retention import OldRun, RetentionRule, RollbackError, collect, old_runs, runs_to_keep
from loglake_assets.orchestration.check_metadata import NAMES
from loglake_assets.orchestration.lake_housekeeping import NOTHING_LEFT_FAILED, failed_days, failed_days_result
from loglake_assets.orchestration.readready_days import ACCEPT_LOSS_TAG
from loglake_assets.sources.calendar_days import day_number
from tests.check_names import names_of
from tests.conftest import FIRST, LAST, BuiltLake, quiet
from tests.damage import partition_input, stored_lake
from tests.reports import stale_days
from tests.test_reconciliation import TABLE, an_object, newest, put_back, s3
from tests.wait import until

DAYS = [FIRST + timedelta(days=n) for n in range(3)]
DAY = FIRST + timedelta(days=1)


def bucket(built: BuiltLake) -> str:
    return built.lake.settings.readready_bucket


def location(built: BuiltLake, day: date, table: str = TABLE) -> str:
    partition = built.lake.client("glue").get_partition(
        DatabaseName=built.lake.settings.database, TableName=table, PartitionValues=[str(day_number(day))]
    )["Partition"]
    return str(partition["StorageDescriptor"]["Location"])


@pytest.fixture(scope="module")
def rebuilt(built: BuiltLake) -> BuiltLake:
    """The sample days with a second commit of each at least."""
    if any(newest(built, day).seq < 2 for day in DAYS):
        assert [r.error for r in build_range(built.lake, built.source, FIRST, LAST, quiet)] == [None] * 3
    return built


# --- tables beside ----------------------------------------------------------------------------------------------------


def test_what_was_not_loaded_is_a_table(built: BuiltLake) -> None:
    rows = ask(
        built.lake,
        "SELECT raw_key, raw_ordinal, reason, raw_etag FROM from_cloudtrail_quarantine "
        "WHERE logcalendarday BETWEEN 20261101 AND 20261103",
    ).texts
    assert {key: reason for key, ordinal, reason, _ in rows if ordinal is None} == built.truth.quarantined_objects
    assert Counter(reason for _, ordinal, reason, _ in rows if ordinal) == built.truth.quarantined_records
    etags = {e["Key"]: e["ETag"].strip('"') for e in _entries(built)}
    assert all(etags[str(key)] == etag for key, _, _, etag in rows)


def _entries(built: BuiltLake) -> Iterator[dict[str, Any]]:
    pages = s3(built).get_paginator("list_objects_v2").paginate(Bucket=built.lake.settings.raw_bucket("cloudtrail"))
    return (entry for page in pages for entry in page["Contents"])


def test_duplicates_are_a_table_with_both_object_keys(built: BuiltLake) -> None:
    rows = ask(
        built.lake,
        "SELECT logcalendarday, eventkey, dropped_key, kept_key, same_content FROM from_cloudtrail_duplicates "
        "WHERE logcalendarday BETWEEN 20261101 AND 20261103",
    ).texts
    expected = {str(day_number(day)): built.truth.duplicates_by_day[day.isoformat()] for day in DAYS}
    assert Counter(str(row[0]) for row in rows) == expected
    assert all(dropped != kept and same == "true" for _, _, dropped, kept, same in rows)


def test_what_lies_beside_a_day_moves_with_its_commit(rebuilt: BuiltLake) -> None:
    run = newest(rebuilt, DAY).run_id
    prefix = f"s3://{bucket(rebuilt)}/duplicates/{TABLE}/run={run}/logcalendarday={day_number(DAY)}/"
    until(lambda: location(rebuilt, DAY, "from_cloudtrail_duplicates") == prefix)


# --- rolling back -----------------------------------------------------------------------------------------------------


def test_rolling_back_sends_readers_to_an_older_run_and_building_ends_it(rebuilt: BuiltLake) -> None:
    older, before = list(commits(Table(TABLE, s3(rebuilt), bucket(rebuilt)), day_number(DAY)))[-2:]
    commit = roll_back(rebuilt.lake, "cloudtrail", DAY, older.run_id, quiet)
    assert (commit.seq, commit.run_id, commit.reason) == (before.seq + 1, older.run_id, "rollback")
    assert location(rebuilt, DAY) == older.location
    assert roll_back(rebuilt.lake, "cloudtrail", DAY, older.run_id, quiet) == commit, "twice is once"
    key = an_object(rebuilt).rpartition("/")[0] + "/111122223333_CloudTrail_us-east-1_after_rollback.json.gz"
    raw = rebuilt.lake.settings.raw_bucket("cloudtrail")
    try:
        s3(rebuilt).put_object(Bucket=raw, Key=key, Body=b'{"Records":[]}')
        assert stale_days(rebuilt.source, rebuilt.lake.resource, [DAY]) == [], "healing leaves it as a person wants it"
    finally:
        s3(rebuilt).delete_object(Bucket=raw, Key=key)
    (result,) = build_range(rebuilt.lake, rebuilt.source, DAY, DAY, quiet)
    assert result.error is None
    assert newest(rebuilt, DAY).seq == commit.seq + 1
    assert newest(rebuilt, DAY).content_hash == before.content_hash


def test_a_run_that_is_not_there_cannot_be_rolled_back_to(rebuilt: BuiltLake) -> None:
    before = newest(rebuilt, DAY)
    with pytest.raises(RollbackError, match=rf"no finished run 'x'.*{before.run_id} \(commit {before.seq}"):
        roll_back(rebuilt.lake, "cloudtrail", DAY, "x", quiet)
    assert newest(rebuilt, DAY) == before


# --- input that was lost ----------------------------------------------------------------------------------------------


@pytest.mark.fault(
    21,
    "a raw object removed, then its day built again",
    "refused by name, readers keep the older commit, the day is named as failed",
)
def test_a_build_that_would_take_events_from_readers_is_refused_until_that_is_accepted(rebuilt: BuiltLake) -> None:
    raw, key, before = rebuilt.lake.settings.raw_bucket("cloudtrail"), an_object(rebuilt), newest(rebuilt, DAY)
    with put_back(rebuilt, raw, key):
        s3(rebuilt).delete_object(Bucket=raw, Key=key)
        (refused,) = build_range(rebuilt.lake, rebuilt.source, DAY, DAY, quiet)
        assert refused.error is not None
        assert f"s3://{raw}/{key}" in refused.error
        assert "--accept-loss` (in the Dagster UI" in refused.error
        assert newest(rebuilt, DAY) == before
        with dagster_instance(rebuilt.lake) as instance:
            days = load_definitions().resolve_assets_def(readready_key(rebuilt.source)).partitions_def
            assert days is not None
            assert DAY.isoformat() in failed_days(instance, readready_key(rebuilt.source), days)
            checked = load_definitions().resolve_job_def("hourly_checks").execute_in_process(instance=instance)
        (left_failed,) = (e for e in checked.get_asset_check_evaluations() if e.check_name == NOTHING_LEFT_FAILED)
        assert not left_failed.passed
        assert DAY.isoformat() in names_of(left_failed.metadata, "day")
        (accepted,) = build_range(rebuilt.lake, rebuilt.source, DAY, DAY, quiet, {ACCEPT_LOSS_TAG: "true"})
        assert accepted.error is None
        assert newest(rebuilt, DAY).rows < before.rows
        with dagster_instance(rebuilt.lake) as instance:
            assert DAY.isoformat() not in failed_days(instance, readready_key(rebuilt.source), days)
    (healed,) = build_range(rebuilt.lake, rebuilt.source, DAY, DAY, quiet)
    assert healed.error is None
    assert newest(rebuilt, DAY).rows == before.rows, "the restored object has a version id of its own, and all its rows"


def test_nothing_left_failed_names_asset_and_day() -> None:
    key = dg.AssetKey(["readready", "x"])
    result = failed_days_result({key: ["2026-11-02"], dg.AssetKey("y"): []})
    assert not result.passed
    assert result.metadata is not None
    assert result.metadata["failed_days"].value == 1
    assert names_of(result.metadata, "asset") == ["readready/x"]
    whole = failed_days_result({key: []})
    assert whole.passed
    assert NAMES not in (whole.metadata or {}), "an empty table says nothing"


# --- retention --------------------------------------------------------------------------------------------------------


def commit_of(seq: int, run: str, at: datetime) -> Commit:
    return Commit(TABLE, 20260101, seq, run, f"s3://b/{run}/", "m", 1, 1, 1, "h", at.isoformat())


def test_a_run_stays_while_it_is_among_the_newest_or_readers_saw_it_lately() -> None:
    start = datetime(2026, 1, 1, tzinfo=UTC)
    sequence = [commit_of(n + 1, f"r{n + 1}", start + timedelta(days=10 * n)) for n in range(6)]  # r6 since day 50
    edge = start + timedelta(days=25)
    assert runs_to_keep(sequence, RetentionRule(1, 1), edge) == {"r3", "r4", "r5", "r6"}, "r3 was seen until day 30"
    assert runs_to_keep(sequence, RetentionRule(1, 2), start + timedelta(days=90)) == {"r5", "r6"}
    assert runs_to_keep(sequence, RetentionRule(1, 9), start + timedelta(days=90)) == {f"r{n + 1}" for n in range(6)}
    assert runs_to_keep([], RetentionRule(), start) == set()
    rolled = [*sequence, commit_of(7, "r1", start + timedelta(days=60))]
    assert "r1" in runs_to_keep(rolled, RetentionRule(1, 1), start + timedelta(days=90)), (
        "a rollback refers to it again"
    )


@pytest.mark.parametrize("rule", [(0, 3), (30, 0)])
def test_a_rule_that_would_collect_what_readers_see_is_refused(rule: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="accepted: 1 or more"):
        RetentionRule(*rule)


def test_every_part_of_a_run_is_known_by_its_key() -> None:
    day = day_number(DAY)
    for key in (
        f"{day_prefix(TABLE, 'r', day)}part.orc",
        f"{duplicates_prefix(TABLE, 'r')}logcalendarday={day}/part.orc",
        f"quarantine/{TABLE}/run=r/logcalendarday={day}/quarantine.json",
    ):
        found = parse_run_key(TABLE, key)
        assert found is not None
        assert (found.day, found.run_id) == (day, "r")
    packet = parse_run_key("session_activity_review", f"packets/session_activity/{day}/run=r/index.html")
    assert packet is not None
    assert packet.day == day
    assert parse_run_key(TABLE, manifest_key(TABLE, day, "r")) is None
    assert parse_run_key("other", f"{day_prefix(TABLE, 'r', day)}part.orc") is None


@pytest.mark.fault(
    49,
    "runs collected as of a year from now, then the day read",
    "only superseded and orphaned runs went; readers' rows are the same",
)
def test_old_runs_go_by_age_and_generations_and_what_is_referred_to_stays(
    rebuilt: BuiltLake, capsys: pytest.CaptureFixture[str]
) -> None:
    """Judged as of a year from now: all is old, so the generations decide."""
    client, later, rule = s3(rebuilt), datetime.now(UTC) + timedelta(days=365), RetentionRule(30, 1)
    shown = rebuilt.lake.resource.run_of_partition
    shown = rebuilt.lake.resource.run_of_partition
    orphan = f"{day_prefix(TABLE, 'orphan', day_number(DAY))}part-0.orc"
    client.put_object(Bucket=bucket(rebuilt), Key=orphan, Body=b"x")
    assert old_runs(Table(TABLE, client, bucket(rebuilt)), rule, datetime.now(UTC), shown) == [], "nothing is old today"
    old = [
        run for run in old_runs(Table(TABLE, client, bucket(rebuilt)), rule, later, shown) if run.day == day_number(DAY)
    ]
    assert {run.run_id for run in old if run.why == "never_committed"} >= {"orphan"}
    superseded = next(run for run in old if run.why == "superseded")
    assert superseded.run_id != newest(rebuilt, DAY).run_id
    before = {day: newest(rebuilt, day) for day in DAYS}
    done = list(collect(client, bucket(rebuilt), old, rule, later))
    assert sum(one.deleted_count for one in done) == sum(len(run.keys) for run in old)
    assert {day: newest(rebuilt, day) for day in DAYS} == before
    rows = ask(rebuilt.lake, f"SELECT count(*) FROM {TABLE} WHERE logcalendarday = {day_number(DAY)}").texts
    assert rows == [[str(before[DAY].rows)]]
    with pytest.raises(RollbackError, match="was collected as old"):
        roll_back(rebuilt.lake, "cloudtrail", DAY, superseded.run_id, quiet)
    assert collect_old_runs(rebuilt.lake, RetentionRule(), False, quiet) == 0
    assert "Would be collected" in capsys.readouterr().out
    with dagster_instance(rebuilt.lake) as instance:
        job = load_definitions().resolve_job_def("collect_old_runs").execute_in_process(instance=instance)
    (output,) = job.filter_events(lambda event: event.event_type_value == "STEP_OUTPUT")
    assert output.step_output_data.metadata["keys_not_deleted"].value == 0


@pytest.mark.fault(49, "a rollback between listing and deleting", "its run stays")
def test_a_run_that_a_rollback_took_up_meanwhile_is_not_collected(rebuilt: BuiltLake) -> None:
    current = newest(rebuilt, DAY)
    listed_before = OldRun(TABLE, day_number(DAY), current.run_id, "superseded", ("never-deleted",), 1)
    assert list(collect(s3(rebuilt), bucket(rebuilt), [listed_before], RetentionRule(), datetime.now(UTC))) == []


@pytest.mark.fault(48, "one of two keys refused by S3 while collecting", "kept and told by name, the other gone")
def test_what_s3_will_not_delete_is_kept_and_told_and_the_rest_goes_on(built: BuiltLake) -> None:
    client, locked = s3(built), f"refusing-{day_number(DAY)}"
    client.create_bucket(Bucket=locked)
    keys = tuple(f"{day_prefix(TABLE, 'r', day_number(DAY))}{n}.orc" for n in range(2))
    for key in keys:
        client.put_object(Bucket=locked, Key=key, Body=b"x")
    refusing = _RefusesFirst(client, keys[0])
    run = OldRun(TABLE, day_number(DAY), "r", "never_committed", keys, 2)
    (done,) = collect(refusing, locked, [run], RetentionRule(), datetime.now(UTC))
    assert done.kept == {keys[0]: "AccessDenied"}
    assert done.deleted_count == 1


class _RefusesFirst:
    """S3 where one key's deletion is refused in the answer's body, as S3 does; the emulator enforces no policy here."""

    def __init__(self, s3: Any, key: str) -> None:
        self._s3, self._key = s3, key

    def __getattr__(self, name: str) -> Any:
        return getattr(self._s3, name)

    def delete_objects(self, Bucket: str, Delete: dict[str, Any]) -> dict[str, Any]:
        others = [entry for entry in Delete["Objects"] if entry["Key"] != self._key]
        answer = self._s3.delete_objects(Bucket=Bucket, Delete={**Delete, "Objects": others})
        return {**answer, "Errors": [{"Key": self._key, "Code": "AccessDenied", "Message": ""}]}


# --- asking again -----------------------------------------------------------------------------------------------------


def test_what_was_quarantined_is_loaded_once_its_object_is_restored(rebuilt: BuiltLake) -> None:
    key = next(k for k, reason in rebuilt.truth.quarantined_objects.items() if reason == "corrupt_gzip")
    day = date.fromisoformat("-".join(key.split("/CloudTrail/")[1].split("/")[1:4]))
    raw, told = rebuilt.lake.settings.raw_bucket("cloudtrail"), []
    event = {"eventVersion": "1.08", "eventTime": f"{day}T12:00:00Z", "eventID": "restored-event", "eventName": "X"}
    before = newest(rebuilt, day).rows
    with put_back(rebuilt, raw, key):
        mended = gzip.compress(json.dumps({"Records": [event]}).encode())
        s3(rebuilt).put_object(Bucket=raw, Key=key, Body=mended)
        done = requeue(rebuilt.lake, rebuilt.source, day, day, told.append)
        assert done.after == done.before - 1
        assert any("loaded now" in line and key in line for line in told)
        assert newest(rebuilt, day).rows == before + 1
        (evidence,) = event_evidence(rebuilt.lake, "restored-event", None, day)
        assert evidence.agrees
    tags = {ACCEPT_LOSS_TAG: "true"}
    assert [r.error for r in build_range(rebuilt.lake, rebuilt.source, day, day, quiet, tags)] == [None]
    assert newest(rebuilt, day).rows == before


def test_messages_that_were_put_aside_are_sent_again(built: BuiltLake) -> None:
    """One that the consumer could not make sense of for a while, and one that never can be."""
    lake, key = built.lake, "AWSLogs/111122223333/CloudTrail/eu-west-1/2015/03/03/put-aside.json.gz"
    sqs, name = lake.client("sqs"), f"{lake.settings.name}-addapart-raw-cloudtrail-quarantine"
    url = sqs.get_queue_url(QueueName=name)["QueueUrl"]
    inner = json.dumps({"bucket": lake.settings.raw_bucket("cloudtrail"), "key": key, "time": None})
    sqs.send_message(QueueUrl=url, MessageBody=json.dumps({"reason": "denied:x", "messageId": "1", "body": inner}))
    sqs.send_message(QueueUrl=url, MessageBody="never a message")
    assert requeue_messages(lake, quiet) == 1
    values = ["AWSLogs", "111122223333", "eu-west-1", "20150303"]
    glue, names = lake.client("glue"), {"DatabaseName": lake.settings.database, "TableName": "from_cloudtrail_raw"}
    until(lambda: glue.batch_get_partition(**names, PartitionsToGet=[{"Values": values}])["Partitions"])
    glue.delete_partition(**names, PartitionValues=values)


@pytest.mark.parametrize(("queue", "is_wrapped"), [("dead.fifo", False), ("quarantine", True), ("undelivered", False)])
def test_a_commit_that_was_put_aside_is_placed_once_it_is_sent_again(
    built: BuiltLake, queue: str, is_wrapped: bool
) -> None:
    """Of readready, whose queues hold messages of every log and review."""
    sqs, name = built.lake.client("sqs"), f"{built.lake.settings.name}-addapart-readready-{queue}"
    url = sqs.get_queue_url(QueueName=name)["QueueUrl"]
    key = commit_key(TABLE, day_number(DAY), newest(built, DAY).seq)
    body = json.dumps({"bucket": bucket(built), "key": key, "time": None})
    if is_wrapped:
        body = json.dumps({"reason": "no_such_commit", "messageId": "1", "body": body})
    fifo = {"MessageGroupId": "g", "MessageDeduplicationId": f"{datetime.now(UTC)}"} if queue.endswith("fifo") else {}
    sqs.send_message(QueueUrl=url, MessageBody=body, **fifo)
    stored, values = stored_lake(built.lake, built.source), [f"{day_number(DAY)}"]
    there = partition_input(stored, TABLE, values)
    glue, told = stored.glue, list[str]()
    glue.delete_partition(DatabaseName=stored.database, TableName=TABLE, PartitionValues=values)
    assert requeue_messages(built.lake, told.append) == 1
    assert f"1 of 1 message of {name} sent again; the others stay there" in told
    asked = {"DatabaseName": stored.database, "TableName": TABLE, "PartitionsToGet": [{"Values": values}]}
    (placed,) = until(lambda: glue.batch_get_partition(**asked)["Partitions"])
    assert placed["StorageDescriptor"]["Location"] == there["StorageDescriptor"]["Location"]
    assert requeue_messages(built.lake, quiet) == 0, "it is in no queue any more"


@pytest.mark.parametrize(
    ("body", "keys"),
    [
        ('{"bucket": "b", "key": "k", "time": null}', ["k"]),
        ('{"reason": "x", "messageId": "1", "body": "{\\"bucket\\": \\"b\\", \\"key\\": \\"k\\"}"}', ["k"]),
        ('{"requestPayload": {"Records": [{"eventSource": "aws:s3", "eventName": "ObjectCreated:Put", "s3": '
         '{"bucket": {"name": "b"}, "object": {"key": "a+b"}}}]}}', ["a b"]),
        ("not JSON", []),
        ("[1]", []),
        ('{"odd": 1}', []),
    ],
)  # fmt: skip
def test_a_message_put_aside_says_which_objects_it_is_about(body: str, keys: list[str]) -> None:
    assert list(message_keys(body)) == keys


# --- evidence ---------------------------------------------------------------------------------------------------------


def an_event(built: BuiltLake, day: date = DAY) -> str:
    sql = f"SELECT eventid FROM {TABLE} WHERE logcalendarday = {day_number(day)} AND logaccountid = '123456789012' "
    return str(ask(built.lake, f"{sql} ORDER BY 1 LIMIT 1").texts[0][0])


def test_evidence_leads_from_a_row_to_the_bytes_it_was_made_from(
    rebuilt: BuiltLake, capsys: pytest.CaptureFixture[str]
) -> None:
    (found,) = event_evidence(rebuilt.lake, an_event(rebuilt), "cloudtrail", DAY)
    assert found.agrees
    assert found.record is not None
    assert json.loads(found.record)["eventID"] == found.row["eventid"]
    body = s3(rebuilt).get_object(Bucket=found.row["raw_bucket"], Key=found.row["raw_key"])["Body"].read()
    content = gzip.decompress(body) if body[:2] == b"\x1f\x8b" else body
    assert found.record in content, "byte for byte"
    assert found.commit == newest(rebuilt, DAY)
    assert {s.what for s in found.statements} >= {"raw object", "raw record", "record is this row", "commit", "catalog"}
    print_evidence([found], "table")
    said = capsys.readouterr().out
    assert said.endswith("10 of 11 agree. These could not be compared, each line says why: digest.\n")
    print_evidence([found], "json")
    document = json.loads(capsys.readouterr().out)[0]
    assert document["record"].encode("latin-1") == found.record


def differences(built: BuiltLake, event: str) -> set[str]:
    (found,) = event_evidence(built.lake, event, "cloudtrail", DAY)
    return {s.what for s in found.statements if s.agrees is False}


def test_evidence_says_what_no_longer_agrees(rebuilt: BuiltLake) -> None:
    event = an_event(rebuilt)
    (found,) = event_evidence(rebuilt.lake, event, None, DAY)
    raw, key = str(found.row["raw_bucket"]), str(found.row["raw_key"])
    with put_back(rebuilt, raw, key) as body:
        s3(rebuilt).put_object(Bucket=raw, Key=key, Body=body + b"\0")
        assert "raw object" in differences(rebuilt, event)
        s3(rebuilt).delete_object(Bucket=raw, Key=key)
        assert "raw object" in differences(rebuilt, event)
    assert found.commit is not None
    with put_back(rebuilt, bucket(rebuilt), found.commit.manifest):
        s3(rebuilt).delete_object(Bucket=bucket(rebuilt), Key=found.commit.manifest)
        assert differences(rebuilt, event) == {"manifest"}


def test_the_version_that_was_read_stands_in_for_an_overwritten_object(rebuilt: BuiltLake) -> None:
    """Raw buckets are versioned: the evidence survives what was done to the object."""
    event = an_event(rebuilt)
    (found,) = event_evidence(rebuilt.lake, event, None, DAY)
    assert found.row["raw_versionid"]
    raw, key = str(found.row["raw_bucket"]), str(found.row["raw_key"])
    with put_back(rebuilt, raw, key):
        s3(rebuilt).put_object(Bucket=raw, Key=key, Body=b"overwritten")
        (after,) = event_evidence(rebuilt.lake, event, None, DAY)
    said = {s.what: s.agrees for s in after.statements}
    assert said["raw object"] is False
    assert said["raw version"] is True
    assert after.record == found.record


def test_an_id_that_no_row_has_is_said_to_be_nowhere(built: BuiltLake) -> None:
    with pytest.raises(EventNotFoundError, match="No row of from_cloudtrail_readready on 2026-11-02"):
        event_evidence(built.lake, "it's not there", "cloudtrail", DAY)


def test_a_commit_sent_twice_places_once(rebuilt: BuiltLake) -> None:
    lake, commit = rebuilt.lake, newest(rebuilt, DAY)
    for _ in range(2):
        send_commit(
            lake.client("sqs"),
            lake.resource.queue_url("readready"),
            bucket(rebuilt),
            commit.table,
            commit.day,
            commit.seq,
        )
    until(lambda: location(rebuilt, DAY) == commit.location)
    assert head(Table(TABLE, s3(rebuilt), bucket(rebuilt)), day_number(DAY)) == commit

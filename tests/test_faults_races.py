"""Writers that really race, readers that read meanwhile, clocks that disagree: what readers see is always one build."""

import multiprocessing
import threading
import uuid
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest

from infra.cli.local_lake import LocalLake
from loglake_assets.lake.storage.table import Table
from loglake_assets.lake.versions.commits import append, commits, head, heads
from loglake_assets.orchestration.reconcile_job import send_unplaced_commits
from loglake_assets.sources.calendar_days import day_number
from tests.commit_race import commit_each, make_table, put_run
from tests.stored_lake import placed_commits
from tests.test_addapart import commit
from tests.wait import until

ROUNDS = 100
DAYS = [day_number(date(2012, 1, 1) + timedelta(days=n)) for n in range(ROUNDS)]
OLDER, NEWER = 1, 2


@pytest.fixture
def table(lake: LocalLake) -> Iterator[str]:
    """A readready table of the test's own, so that no other test's days are raced for."""
    name = f"from_race{uuid.uuid4().hex[:8]}_readready"
    make_table(lake.client("glue"), lake.settings.database, name)
    yield name
    lake.client("glue").delete_table(DatabaseName=lake.settings.database, Name=name)


def placed_commits_of(lake: LocalLake, table: str) -> dict[int, int]:
    return placed_commits(lake.client("glue"), lake.settings.database, table)


@pytest.mark.fault(
    18, "100 times two processes commit one day, one read newer input", "the newer wins 100 times, no gap, all placed"
)
def test_of_two_backfills_of_one_day_the_newer_input_wins_every_time(lake: LocalLake, table: str) -> None:
    s3, bucket = lake.client("s3"), lake.settings.readready_bucket
    for day in DAYS:
        for version in (OLDER, NEWER):
            put_run(s3, bucket, table, day, f"reads-{version}", version)
    context = multiprocessing.get_context("spawn")
    gate = context.Barrier(2)
    named = {"name": lake.settings.name, "account": lake.settings.account, "region": lake.settings.region}
    named["endpoint_url"] = lake.info.endpoint_url
    racers = [
        context.Process(target=commit_each, args=(named, table, DAYS, version, gate)) for version in (OLDER, NEWER)
    ]
    for racer in racers:
        racer.start()
    for racer in racers:
        racer.join(240)
    assert [racer.exitcode for racer in racers] == [0, 0]
    newest = heads(Table(table, s3, bucket))
    assert Counter(found.run_id for found in newest.values()) == {f"reads-{NEWER}": ROUNDS}
    won = Counter(tuple(c.run_id for c in commits(Table(table, s3, bucket), day)) for day in DAYS)
    assert set(won) <= {("reads-2",), ("reads-1", "reads-2")}, "one order of commits, without a gap, the newer one last"
    send_unplaced_commits(lake.resource, table)
    until(lambda: placed_commits_of(lake, table) == {day: found.seq for day, found in newest.items()}, 120)
    pages = lake.client("glue").get_paginator("get_partitions")
    found = pages.paginate(DatabaseName=lake.settings.database, TableName=table)
    locations = {int(p["Values"][0]): p["StorageDescriptor"]["Location"] for page in found for p in page["Partitions"]}
    assert locations == {day: found.location for day, found in newest.items()}


@pytest.mark.fault(
    19, "a day replaced 12 times while others read it by SQL", "every answer one whole build, the newest last"
)
def test_a_reader_sees_one_whole_build_while_a_day_is_replaced(lake: LocalLake, table: str) -> None:
    s3, bucket, day, rows = lake.client("s3"), lake.settings.readready_bucket, 20120601, 2_000
    publisher = lake.resource.publisher()
    publisher.publish(put_run(s3, bucket, table, day, "run-0", 0, rows=rows))
    answers: list[list[dict[str, Any]]] = []
    problems: list[Exception] = []
    done = threading.Event()
    sql = (
        f"SELECT written_by, count(*) AS n, count(DISTINCT number) AS numbers FROM {table} "
        f"WHERE logcalendarday = {day} GROUP BY 1"
    )

    def read() -> None:
        athena = lake.resource.athena
        while not done.is_set():
            try:
                answers.append(athena.ask(sql).rows)
            except Exception as problem:
                problems.append(problem)

    readers = [threading.Thread(target=read) for _ in range(2)]
    for reader in readers:
        reader.start()
    count = 0
    try:
        while count < 12 or (len({found[0]["written_by"] for found in answers if found}) < 4 and count < 200):
            count += 1
            publisher.publish(put_run(s3, bucket, table, day, f"run-{count}", count, base_seq=count, rows=rows))
    finally:  # a reader left running would ask for ever, and keep the whole suite from ending
        done.set()
        for reader in readers:
            reader.join(60)
    assert problems == []
    whole = [{"written_by": f"run-{n}", "n": rows, "numbers": rows // 2} for n in range(count + 1)]
    assert [found for found in answers if len(found) != 1 or found[0] not in whole] == []
    assert len({found[0]["written_by"] for found in answers}) >= 4, "the readers read while it was replaced"
    assert lake.resource.athena.ask(sql).rows == [whole[-1]]


@pytest.mark.fault(
    47, "a commit from a clock a century behind, after one a century ahead", "the later number is what readers see"
)
def test_the_order_of_commits_is_their_sequence_whatever_clocks_say(lake: LocalLake, table: str) -> None:
    s3, bucket, day = lake.client("s3"), lake.settings.readready_bucket, 20120701
    ahead = replace(commit(day, "ahead"), table=table, committed_at="2126-11-26T00:00:00+00:00")
    behind = replace(commit(day, "behind"), table=table, committed_at="1926-11-26T00:00:00+00:00")
    assert [append(s3, bucket, one, lambda current: True).seq for one in (ahead, behind)] == [1, 2]
    newest = head(Table(table, s3, bucket), day)
    assert newest is not None
    assert (newest.seq, newest.run_id) == (2, "behind")
    until(lambda: placed_commits_of(lake, table).get(day) == 2)


@pytest.mark.fault(
    47, "a run whose clock is behind read newer input", "it follows: S3's times decide, not the writer's"
)
def test_which_input_is_newer_is_told_by_s3_and_not_by_the_writer(lake: LocalLake, table: str) -> None:
    s3, bucket, day = lake.client("s3"), lake.settings.readready_bucket, 20120702
    publisher = lake.resource.publisher()
    older = put_run(s3, bucket, table, day, "older", OLDER)
    newer = put_run(s3, bucket, table, day, "newer", NEWER)
    append(s3, bucket, replace(commit(day, older.run_id), table=table, committed_at="2126-01-01"), lambda current: True)
    assert publisher.commit(newer).seq == 2

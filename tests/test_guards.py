"""The guards that keep a wrong build from readers: each of these fails when its guard is taken out."""

import io
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from infra.cli.lake import OpenedLake
from lambdas.addapart.consumer import CommitGoneError, Consumer
from loglake_assets.lake.addapart.placing import PartitionPlacer
from loglake_assets.lake.addapart.settings import AddAPartSettings
from loglake_assets.lake.checks.verdicts import Verdict
from loglake_assets.lake.storage.keys import commit_key
from loglake_assets.lake.storage.partitions import TableMissingError, partitions
from loglake_assets.lake.versions.commits import COMMIT_SEQ, Commit, append
from loglake_assets.lake.versions.manifests import Manifest, read_manifest
from loglake_assets.lake.versions.publish import VerificationError
from loglake_assets.lake.versions.served_day import partition_of_day
from loglake_assets.s3.bounded import results_in_order
from loglake_assets.s3.objects import CutObjectError, whole_object
from loglake_assets.sources.placement import day_number
from tests import breaking
from tests.conftest import BuiltLake
from tests.test_reconciliation import DAY, TABLE, newest, reconciled_day, s3

# --- before a commit --------------------------------------------------------------------------------------------------


def manifest_of(built: BuiltLake) -> Manifest:
    bucket = built.lake.settings.readready_bucket
    return read_manifest(s3(built), bucket, TABLE, day_number(DAY), newest(built, DAY).run_id)


@pytest.mark.parametrize("count", ["records_read", "excluded", "duplicates", "quarantined_records"])
def test_a_day_whose_records_are_not_all_accounted_for_is_not_committed(built: BuiltLake, count: str) -> None:
    manifest = manifest_of(built)
    publisher, before = built.lake.resource.publisher(), newest(built, DAY)
    off_by_one = replace(manifest, totals={**manifest.totals, count: manifest.totals[count] + 1})
    with pytest.raises(VerificationError, match=r"records were read and .* are accounted for"):
        publisher.publish(off_by_one)
    assert newest(built, DAY) == before


def test_a_file_with_other_rows_than_its_manifest_says_is_not_committed(built: BuiltLake) -> None:
    """Listing and sizes agree, and so do the sums: only counting the file again tells."""
    manifest = manifest_of(built)
    first = {**manifest.files[0], "rows": manifest.files[0]["rows"] + 1}
    totals = {**manifest.totals, "records_read": manifest.totals["records_read"] + 1}
    wrong = replace(manifest, files=(first, *manifest.files[1:]), totals=totals)
    with pytest.raises(VerificationError, match=r"\.orc has \d+ rows, the manifest says \d+"):
        built.lake.resource.publisher().verify(wrong)


def test_a_file_of_the_same_size_and_another_content_is_named(built: BuiltLake) -> None:
    day = breaking.Day(breaking.stored_lake(built.lake, built.source), day_number(DAY))
    bucket = built.lake.settings.readready_bucket
    with breaking.put_back(s3(built), bucket, day.orc_key) as body:
        other = bytearray(body)
        other[len(other) // 2] ^= 0xFF
        s3(built).put_object(Bucket=bucket, Key=day.orc_key, Body=bytes(other))
        (judged,) = reconciled_day(built, DAY).named(Verdict.SHORT)
        assert (judged.key, judged.bucket) == (day.orc_key, bucket)
    assert reconciled_day(built, DAY).named(Verdict.SHORT) == []


# --- the consumer -----------------------------------------------------------------------------------------------------

QUIET_BUCKET = "commits-without-notifications"
"""Where commits are made that the deployed consumer hears nothing of, so that these tests are alone with theirs."""


@pytest.fixture
def quiet_bucket(lake: OpenedLake) -> str:
    lake.client("s3").create_bucket(Bucket=QUIET_BUCKET)
    return QUIET_BUCKET


class Between:
    """A Glue client that lets something happen right after it has moved or made a partition."""

    def __init__(self, glue: Any, happens: Callable[[], None]) -> None:
        self._glue, self._happens = glue, happens

    def __getattr__(self, name: str) -> Any:
        real = getattr(self._glue, name)
        if name not in {"create_partition", "batch_update_partition"}:
            return real

        def called(**request: Any) -> Any:
            answer = real(**request)
            self._happens()
            return answer

        return called


def proposal(lake: OpenedLake, day: int, run: str) -> Commit:
    location = f"s3://{QUIET_BUCKET}/{run}/"
    return Commit(TABLE, day, 0, run, location, "m", 1, 1, 1, "h", "2019-01-01T00:00:00Z")


def consumer_of(lake: OpenedLake, glue: Any = None) -> Consumer:
    settings = AddAPartSettings("readready", "", lake.settings.database, QUIET_BUCKET, "", "")
    return Consumer(settings, glue or lake.client("glue"), lake.client("s3"), lake.client("sqs"))


def place(consumer: Consumer, day: int, seq: int) -> str:
    return consumer._place(f'{{"bucket": "{QUIET_BUCKET}", "key": "{commit_key(TABLE, day, seq)}"}}')


def shown(lake: OpenedLake, day: int) -> tuple[str, str]:
    partition = partition_of_day(lake.client("glue"), lake.settings.database, TABLE, day)
    assert partition
    return partition["Parameters"][COMMIT_SEQ], partition["StorageDescriptor"]["Location"]


def test_a_commit_that_is_made_while_another_is_placed_is_placed_in_the_same_go(
    lake: OpenedLake, quiet_bucket: str
) -> None:
    day, client, bucket = 20190901, lake.client("s3"), quiet_bucket
    first = append(client, bucket, proposal(lake, day, "first"), lambda current: True)
    made: list[Commit] = []

    def commit_once() -> None:
        if not made:
            made.append(append(client, bucket, proposal(lake, day, "second"), lambda current: True))

    place(consumer_of(lake, Between(lake.client("glue"), commit_once)), day, first.seq)
    assert shown(lake, day) == ("2", made[0].location)


def test_readers_are_not_sent_back_when_the_newest_record_is_gone(lake: OpenedLake, quiet_bucket: str) -> None:
    day, client, bucket = 20190902, lake.client("s3"), quiet_bucket
    older, newer = (
        append(client, bucket, proposal(lake, day, run), lambda current: True) for run in ("older", "newer")
    )
    place(consumer_of(lake), day, newer.seq)
    before = shown(lake, day)
    assert before == ("2", newer.location)
    client.delete_object(Bucket=bucket, Key=commit_key(TABLE, day, newer.seq))
    with pytest.raises(CommitGoneError, match="shows commit 2, and the newest record is 1"):
        place(consumer_of(lake), day, older.seq)
    assert shown(lake, day) == before


def test_a_raw_partition_that_is_there_already_is_no_error(lake: OpenedLake) -> None:
    """Two containers, or a message that is delivered again after its partition was made and before it was answered."""
    raw = lake.settings.raw_bucket("cloudtrail")
    settings = AddAPartSettings("raw-cloudtrail", "cloudtrail", lake.settings.database, raw, "", "")
    consumer = Consumer(settings, lake.client("glue"), lake.client("s3"), lake.client("sqs"))
    values = ("AWSLogs", "111122223333", "eu-west-1", "20190903")
    placed = PartitionPlacer("from_cloudtrail_raw", values, f"s3://{raw}/AWSLogs/x/")
    assert [consumer._place_raw(placed, f"2019-09-03T0{n}:00:00Z") for n in (1, 2)] == ["created", "existed"]
    partition = lake.client("glue").get_partition(
        DatabaseName=lake.settings.database, TableName="from_cloudtrail_raw", PartitionValues=list(values)
    )["Partition"]
    assert partition["Parameters"]["loglake.arrivals"] == "2"
    lake.client("glue").delete_partition(
        DatabaseName=lake.settings.database, TableName="from_cloudtrail_raw", PartitionValues=list(values)
    )


# --- reading ----------------------------------------------------------------------------------------------------------


class Short:
    """An S3 client whose bodies end sooner than their length says, so many times."""

    def __init__(self, times: int) -> None:
        self.times = times

    def get_object(self, **request: Any) -> dict[str, Any]:
        self.times -= 1
        return {"Body": io.BytesIO(b"half" if self.times >= 0 else b"half and half"), "ContentLength": 13}


def test_a_body_that_is_cut_short_is_read_again_and_never_taken() -> None:
    assert whole_object(Short(2), "b", "k", attempts=3, pause_seconds=0)["Body"] == b"half and half"
    with pytest.raises(CutObjectError, match=r"s3://b/k was cut or damaged 3 times"):
        whole_object(Short(3), "b", "k", attempts=3, pause_seconds=0)


@pytest.mark.fault(88, "objects of many sizes read ahead", "together never heavier than the bound; a heavier one alone")
def test_what_is_read_ahead_is_bounded_by_its_bytes() -> None:
    sizes = [5, 5, 5, 40, 1, 1, 1, 1, 12, 30, 2]
    begun: list[int] = []

    def work(size: int) -> int:
        begun.append(size)
        return size

    taken: list[int] = []
    for result in results_in_order(work, iter(sizes), 4, weight=lambda size: size, heaviest=12):
        waiting = sizes[len(taken) : len(begun)]
        assert len(waiting) == 1 or sum(waiting) <= 12
        assert len(waiting) <= 4
        taken.append(result)
    assert taken == sizes


@pytest.mark.fault(84, "a table that somebody dropped", "an error that names it and says what brings it back")
def test_a_table_that_was_dropped_is_named_with_what_brings_it_back(lake: OpenedLake) -> None:
    def pages() -> Iterator[Any]:
        return partitions(lake.client("glue"), lake.settings.database, "from_nothing_raw", "logcalendarday > 0")

    with pytest.raises(TableMissingError, match=r"no table \w+\.from_nothing_raw.*deploy the lake"):
        list(pages())

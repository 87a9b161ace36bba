"""The guards that keep a wrong build from readers: each of these fails when its guard is taken out."""

import io
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from infra.cli.local_lake import LocalLake
from lambdas.addapart.consumer import CommitGoneError, Consumer
from loglake_assets.lake.addapart.addapart_settings import AddAPartSettings
from loglake_assets.lake.addapart.partition_placer import PartitionPlacer
from loglake_assets.lake.checks.day_report import Verdict
from loglake_assets.lake.storage.catalog import Catalog
from loglake_assets.lake.storage.keys import commit_key
from loglake_assets.lake.storage.partitions import TableMissingError, partitions
from loglake_assets.lake.storage.table import Table
from loglake_assets.lake.versions.commits import (
    ACCEPTING_LOSS,
    BUILD,
    COMMIT_SEQ,
    ROLLBACK,
    Commit,
    SupersededError,
    append,
    edited_records,
    head,
)
from loglake_assets.lake.versions.manifests import Manifest, read_manifest
from loglake_assets.lake.versions.publish import LostInputError, PlacementError, VerificationError
from loglake_assets.lake.versions.served_day import Placing, partition_of_day
from loglake_assets.s3.objects import CutObjectError, whole_object
from loglake_assets.s3.orc import S3RangeFile, columns_of, row_count
from loglake_assets.s3.read_ahead import results_in_order
from loglake_assets.sources.calendar_days import day_number
from tests import damage
from tests.conftest import BuiltLake
from tests.test_reconciliation import DAY, TABLE, newest, reconciled_day, s3
from tests.written_day import NUMBER, WrittenDay

# --- before a commit --------------------------------------------------------------------------------------------------


def manifest_of(built: BuiltLake) -> Manifest:
    bucket = built.lake.settings.readready_bucket
    return read_manifest(Table(TABLE, s3(built), bucket), day_number(DAY), newest(built, DAY).run_id)


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
    day = damage.Day(damage.stored_lake(built.lake, built.source), day_number(DAY))
    bucket = built.lake.settings.readready_bucket
    with damage.put_back(s3(built), bucket, day.orc_key) as body:
        other = bytearray(body)
        other[len(other) // 2] ^= 0xFF
        s3(built).put_object(Bucket=bucket, Key=day.orc_key, Body=bytes(other))
        (judged,) = reconciled_day(built, DAY).select(Verdict.SHORT)
        assert (judged.key, judged.bucket) == (day.orc_key, bucket)
    assert reconciled_day(built, DAY).select(Verdict.SHORT) == []


# --- the consumer -----------------------------------------------------------------------------------------------------

QUIET_BUCKET = "commits-without-notifications"
"""Where commits are made that the deployed consumer hears nothing of, so that these tests are alone with theirs."""


@pytest.fixture
def quiet_bucket(lake: LocalLake) -> str:
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


def proposal(lake: LocalLake, day: int, run: str) -> Commit:
    location = f"s3://{QUIET_BUCKET}/{run}/"
    return Commit(TABLE, day, 0, run, location, "m", 1, 1, 1, "h", "2019-01-01T00:00:00Z")


def consumer_of(lake: LocalLake, glue: Any = None) -> Consumer:
    settings = AddAPartSettings("readready", "", lake.settings.database, QUIET_BUCKET, "", "")
    return Consumer(settings, glue or lake.client("glue"), lake.client("s3"), lake.client("sqs"))


def place(consumer: Consumer, day: int, seq: int) -> str:
    return consumer._place(f'{{"bucket": "{QUIET_BUCKET}", "key": "{commit_key(TABLE, day, seq)}"}}')


def shown_commit(lake: LocalLake, day: int) -> tuple[str, str]:
    partition = partition_of_day(Catalog(lake.client("glue"), lake.settings.database), TABLE, day)
    assert partition
    return partition["Parameters"][COMMIT_SEQ], partition["StorageDescriptor"]["Location"]


def test_a_commit_that_is_made_while_another_is_placed_is_placed_in_the_same_go(
    lake: LocalLake, quiet_bucket: str
) -> None:
    day, client, bucket = 20190901, lake.client("s3"), quiet_bucket
    first = append(client, bucket, proposal(lake, day, "first"), lambda current: True)
    made: list[Commit] = []

    def commit_once() -> None:
        if not made:
            made.append(append(client, bucket, proposal(lake, day, "second"), lambda current: True))

    place(consumer_of(lake, Between(lake.client("glue"), commit_once)), day, first.seq)
    assert shown_commit(lake, day) == ("2", made[0].location)


def test_readers_are_not_sent_back_when_the_newest_record_is_gone(lake: LocalLake, quiet_bucket: str) -> None:
    day, client, bucket = 20190902, lake.client("s3"), quiet_bucket
    older, newer = (
        append(client, bucket, proposal(lake, day, run), lambda current: True) for run in ("older", "newer")
    )
    place(consumer_of(lake), day, newer.seq)
    before = shown_commit(lake, day)
    assert before == ("2", newer.location)
    client.delete_object(Bucket=bucket, Key=commit_key(TABLE, day, newer.seq))
    with pytest.raises(CommitGoneError, match="shows commit 2, and the newest record is 1"):
        place(consumer_of(lake), day, older.seq)
    assert shown_commit(lake, day) == before


def test_a_raw_partition_that_is_there_already_is_no_error(lake: LocalLake) -> None:
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
    assert partition["Parameters"]["loglake.last_arrival"] == "2019-09-03T01:00:00Z"
    lake.client("glue").delete_partition(
        DatabaseName=lake.settings.database, TableName="from_cloudtrail_raw", PartitionValues=list(values)
    )


# --- the sequence of commits and the partition ------------------------------------------------------------------------


def commit_each_run(written: WrittenDay, *runs: str) -> list[Commit]:
    """A commit of each run, the newest one shown."""
    entry = (written.read("a", "1"),)
    return [written.commit(written.run(run, entry, [("1", "a")])) for run in runs]


def remove_record(written: WrittenDay, seq: int) -> None:
    written.s3.delete_object(Bucket=written.readready, Key=commit_key(TABLE, NUMBER, seq))


def test_readers_are_sent_to_the_newest_commit(written: WrittenDay) -> None:
    assert (written.served.placing, written.served.run_id) == (Placing.NOT_COMMITTED, None)
    older, newer = commit_each_run(written, "older", "newer")
    found = written.served
    assert (found.placing, found.run_id, found.location) == (Placing.PLACED, "newer", newer.location)
    assert (found.commit, found.commit_seq, found.partition_seq) == (newer, 2, 2)
    written.show(1, "older", older.location, written.digest(1))
    found = written.served
    assert found.placing is Placing.PARTITION_BEHIND, "the digest it shows is of the older record, which is as it was"
    assert (found.commit, found.run_id, found.partition_seq) == (newer, "newer", 1)
    written.hide()
    assert (written.served.placing, written.served.run_id) == (Placing.PARTITION_MISSING, "newer")


def test_a_partition_of_the_newest_commit_that_lies_elsewhere_is_named(written: WrittenDay) -> None:
    (commit,) = commit_each_run(written, "r")
    written.show(1, "r", "s3://elsewhere/")
    found = written.served
    assert (found.placing, found.commit, found.location) == (Placing.LOCATION_DIFFERS, commit, commit.location)


def test_the_run_of_a_commit_that_is_gone_is_known_by_the_partition(written: WrittenDay) -> None:
    _, newer = commit_each_run(written, "older", "newer")
    remove_record(written, 2)
    found = written.served
    assert (found.placing, found.run_id, found.location) == (Placing.COMMIT_MISSING, "newer", newer.location)
    assert (found.commit, found.commit_seq, found.partition_seq) == (None, 1, 2)
    remove_record(written, 1)
    assert (written.served.placing, written.served.commit_seq) == (Placing.COMMIT_MISSING, 0)


@pytest.mark.parametrize("is_acknowledged", [True, False])
def test_a_gap_in_the_sequence_is_named_until_a_person_knows_of_it(written: WrittenDay, is_acknowledged: bool) -> None:
    first, _, third = commit_each_run(written, "one", "two", "three")
    remove_record(written, 2)
    assert written.served.placing is Placing.COMMIT_MISSING
    made = append(written.s3, written.readready, third, lambda current: True, after=3, acknowledge=is_acknowledged)
    made = append(written.s3, written.readready, first, lambda current: True) if is_acknowledged else made
    written.show(made.seq, made.run_id, made.location, written.digest(made.seq))
    assert made.acknowledged == ((2,) if is_acknowledged else ()), "later commits keep it"
    assert written.served.placing is (Placing.PLACED if is_acknowledged else Placing.COMMIT_MISSING)


def test_a_record_that_was_edited_since_it_was_placed_is_named(written: WrittenDay) -> None:
    commit_each_run(written, "r")
    key = commit_key(TABLE, NUMBER, 1)
    body = written.s3.get_object(Bucket=written.readready, Key=key)["Body"].read()
    written.s3.put_object(Bucket=written.readready, Key=key, Body=body + b" ")
    assert written.served.placing is Placing.COMMIT_EDITED
    written.s3.put_object(Bucket=written.readready, Key=key, Body=b"{")
    found = written.served
    assert (found.placing, found.run_id, found.commit_seq) == (Placing.COMMIT_BROKEN, "r", 1)


def test_a_record_after_a_gap_says_nothing_of_the_one_before_the_gap(written: WrittenDay) -> None:
    """The digest that it names is of the record that is gone."""
    commit_each_run(written, "one", "two", "three")
    remove_record(written, 2)
    assert edited_records(Table(TABLE, written.s3, written.readready), NUMBER) == []


def test_a_number_that_readers_have_seen_is_not_given_twice(written: WrittenDay) -> None:
    (commit,) = commit_each_run(written, "r")
    assert append(written.s3, written.readready, commit, lambda current: True) == commit
    again = append(written.s3, written.readready, commit, lambda current: True, after=3)
    assert again.seq == 4, "the partition shows commit 3, of which no record is left"
    assert append(written.s3, written.readready, commit, lambda current: True, after=4) == again


def test_a_commit_is_placed_when_the_partition_lies_where_it_says_or_shows_a_newer_one(written: WrittenDay) -> None:
    (commit,) = commit_each_run(written, "r")
    written.publisher.await_placement(commit)
    written.show(commit.seq, "r", "s3://elsewhere/")
    with pytest.raises(PlacementError, match="the catalog does not show it"):
        written.publisher.await_placement(commit)
    written.show(commit.seq - 1, "r", commit.location)
    with pytest.raises(PlacementError, match="the catalog does not show it"):
        written.publisher.await_placement(commit)
    written.show(commit.seq + 1, "s", "s3://elsewhere/")
    written.publisher.await_placement(commit)


def test_a_consumer_moves_a_partition_that_shows_the_newest_commit_and_lies_elsewhere(
    lake: LocalLake, quiet_bucket: str
) -> None:
    day = 20190904
    commit = append(lake.client("s3"), quiet_bucket, proposal(lake, day, "r"), lambda current: True)
    assert place(consumer_of(lake), day, commit.seq) == "created"
    assert place(consumer_of(lake), day, commit.seq) == "kept"
    named = {"DatabaseName": lake.settings.database, "TableName": TABLE}
    partition = lake.client("glue").get_partition(**named, PartitionValues=[str(day)])["Partition"]
    moved = {name: partition[name] for name in ("Values", "StorageDescriptor", "Parameters")}
    moved["StorageDescriptor"]["Location"] = "s3://elsewhere/"
    entry = {"PartitionValueList": [str(day)], "PartitionInput": moved}
    assert not lake.client("glue").batch_update_partition(**named, Entries=[entry]).get("Errors")
    assert place(consumer_of(lake), day, commit.seq) == "moved"
    assert shown_commit(lake, day) == ("1", commit.location)


def test_a_run_follows_what_stood_when_it_listed_and_else_only_what_read_less(written: WrittenDay) -> None:
    entry, publisher = written.read("a", "1"), written.publisher
    first = written.run("first", (entry,), [("1", "a")])
    written.commit(first)
    same = written.run("same", (entry,), [("1", "a")])
    with pytest.raises(SupersededError, match="run first made commit 1"):
        publisher.commit(same)
    assert publisher.commit(replace(same, base_seq=1)).seq == 2
    with pytest.raises(SupersededError, match="run same made commit 2"):
        publisher.commit(replace(written.run("older", (entry,), [("1", "a")]), base_seq=1))
    assert publisher.commit(written.run("newer", (entry, written.read("b", "2")), [("1", "a"), ("2", "b")])).seq == 3
    written.commit(first, ROLLBACK)
    newest = written.run("newest", (entry, written.read("c", "3")), [("1", "a"), ("3", "c")], base_seq=3)
    with pytest.raises(SupersededError, match="run first made commit 4"):
        publisher.commit(newest)
    assert publisher.commit(replace(newest, base_seq=4)).seq == 5, "a build that began after the rollback ends it"


def test_a_run_follows_a_commit_whose_manifest_is_gone(written: WrittenDay) -> None:
    (commit,) = commit_each_run(written, "r")
    written.s3.delete_object(Bucket=written.readready, Key=commit.manifest)
    assert written.publisher.commit(written.run("s", (written.read("a", "1"),), [("1", "a")])).seq == 2


def test_a_loss_is_committed_only_where_it_is_accepted_and_says_so(written: WrittenDay) -> None:
    """Nobody places commits of this bucket, so each commit stands and its placement is waited for in vain."""
    entries = written.read("a", "1"), written.read("b", "2")
    written.commit(written.run("r", entries, [("1", "a"), ("2", "b")]))
    less = written.run("less", entries[:1], [("1", "a")], base_seq=1)
    with pytest.raises(LostInputError):
        written.publisher.publish(less)
    with pytest.raises(PlacementError):
        written.publisher.publish(less, accepts_loss=True)
    made = head(Table(TABLE, written.s3, written.readready), NUMBER)
    assert made
    assert (made.seq, made.reason, made.previous) == (2, ACCEPTING_LOSS, written.digest(1))
    assert made.etags.keys() == {less.files[0]["key"]}
    whole = written.run("whole", entries, [("1", "a"), ("2", "b")], base_seq=2)
    with pytest.raises(PlacementError):
        written.publisher.publish(whole, accepts_loss=True)
    made = head(Table(TABLE, written.s3, written.readready), NUMBER)
    assert made
    assert (made.seq, made.reason) == (3, BUILD), "nothing was lost, so nothing was accepted"


@pytest.mark.parametrize("is_rollback", [False, True], ids=["build", "rollback"])
def test_a_build_and_a_rollback_count_on_from_what_the_catalog_shows(written: WrittenDay, is_rollback: bool) -> None:
    (commit,) = commit_each_run(written, "r")
    written.show(5, "r", commit.location)
    again = written.run("again", (written.read("a", "1"),), [("1", "a")], base_seq=1)
    with pytest.raises(PlacementError):
        (written.publisher.roll_back if is_rollback else written.publisher.publish)(again)
    made = head(Table(TABLE, written.s3, written.readready), NUMBER)
    assert made
    said = (ROLLBACK, (2, 3, 4, 5)) if is_rollback else (BUILD, ())
    assert (made.seq, made.reason, made.acknowledged) == (6, *said)


@pytest.mark.parametrize("is_rollback", [False, True], ids=["build", "rollback"])
def test_a_commit_names_the_record_that_was_placed_and_not_what_was_made_of_it(
    written: WrittenDay, is_rollback: bool
) -> None:
    commit_each_run(written, "r")
    placed, key = written.digest(1), commit_key(TABLE, NUMBER, 1)
    body = written.s3.get_object(Bucket=written.readready, Key=key)["Body"].read()
    written.s3.put_object(Bucket=written.readready, Key=key, Body=body.replace(b'"rows": 1', b'"rows": 9'))
    again = written.run("again", (written.read("a", "1"),), [("1", "a")], base_seq=1)
    with pytest.raises(PlacementError):
        (written.publisher.roll_back if is_rollback else written.publisher.publish)(again)
    made = head(Table(TABLE, written.s3, written.readready), NUMBER)
    assert made
    assert (made.seq, made.previous) == (2, placed)
    assert edited_records(Table(TABLE, written.s3, written.readready), NUMBER) == [key]


@pytest.mark.parametrize("body", [None, b"", b"no ORC"], ids=["absent", "empty", "no ORC"])
def test_a_run_whose_file_is_not_as_its_manifest_says_is_not_verified(written: WrittenDay, body: bytes | None) -> None:
    manifest = written.run("r", (written.read("a", "1"),), [("1", "a")])
    assert written.publisher.verify(manifest).keys() == {manifest.files[0]["key"]}
    damage.put(written.s3, written.readready, manifest.files[0]["key"], body)
    with pytest.raises(VerificationError, match="files listed and named differ"):
        written.publisher.verify(manifest)
    if body is not None:
        with pytest.raises(VerificationError, match="cannot be read as ORC"):
            written.publisher.verify(written.rewrite(manifest, body))


def test_a_run_that_left_a_file_which_its_manifest_does_not_name_is_not_verified(written: WrittenDay) -> None:
    manifest = written.run("r", (written.read("a", "1"),), [("1", "a")])
    stray = manifest.files[0]["key"].replace("part-0", "stray")
    written.s3.put_object(Bucket=written.readready, Key=stray, Body=written.orc([("2", "a")]))
    with pytest.raises(VerificationError, match=r"files listed and named differ, first .*stray\.orc"):
        written.publisher.verify(manifest)


def test_a_file_is_read_by_ranges_as_if_it_lay_on_a_disk(written: WrittenDay) -> None:
    written.s3.put_object(Bucket=written.raw, Key="x", Body=b"0123456789")
    file = S3RangeFile(written.s3, written.raw, "x")
    assert (file.size(), file.read(3), file.tell(), file.read(2)) == (10, b"012", 3, b"34")
    assert (file.seek(-2, io.SEEK_END), file.read(5), file.tell(), file.read(1)) == (8, b"89", 10, b"")
    assert (file.seek(4), file.seek(1, io.SEEK_CUR), file.read(), file.read()) == (4, 5, b"56789", b"")
    assert (file.seek(9), file.read(1), file.seek(0), file.read(0)) == (9, b"9", 0, b"")


def test_a_range_that_is_passed_over_on_the_way_is_not_taken_for_the_range(written: WrittenDay) -> None:
    written.s3.put_object(Bucket=written.raw, Key="x", Body=b"0123456789")

    class WithoutRanges:
        head_object = written.s3.head_object

        def get_object(self, Range: str, **request: Any) -> Any:
            return written.s3.get_object(**request)

    file = S3RangeFile(WithoutRanges(), written.raw, "x")
    with pytest.raises(CutObjectError, match="10 bytes came where 3 were asked for: something on the way"):
        file.read(3)
    assert file.tell() == 0


def test_of_several_columns_the_first_that_is_known_is_read(written: WrittenDay) -> None:
    manifest = written.run("r", (), [("1", "a"), ("2", "b")])
    key = manifest.files[0]["key"]
    assert row_count(written.s3, written.readready, key) == 2
    names = ["raw_bucket", ("f_eventkey", "eventid"), ("eventid", "raw_bucket")]
    raw, found, first = columns_of(written.s3, written.readready, key, names)
    assert (raw, found, first) == ([written.raw] * 2, ["1", "2"], ["1", "2"])


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
def test_a_table_that_was_dropped_is_named_with_what_brings_it_back(lake: LocalLake) -> None:
    def pages() -> Iterator[Any]:
        return partitions(
            Catalog(lake.client("glue"), lake.settings.database), "from_nothing_raw", "logcalendarday > 0"
        )

    with pytest.raises(TableMissingError, match=r"no table \w+\.from_nothing_raw.*deploy the lake"):
        list(pages())

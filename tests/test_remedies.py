"""The remedy of each red check, pasted into a shell as a person does: it does what it says, and the check is green."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pyarrow as pa
import pytest

from infra.cli.build import build_range
from infra.cli.dagster_runs import dagster_instance, load_definitions
from infra.cli.local_lake import LocalLake
from infra.cli.mend import roll_back
from infra.cli.review import build_review_range
from loglake_assets.lake.checks.coverage import Measure
from loglake_assets.lake.checks.day_report import Choice, DayReport, Verdict
from loglake_assets.lake.storage.keys import commit_key, coverage_key
from loglake_assets.lake.versions.commits import COMMIT_SEQ, commit_numbers, head
from loglake_assets.lake.versions.manifests import read_manifest
from loglake_assets.lake.versions.served_day import Placing
from loglake_assets.orchestration.check_metadata import REMEDY
from loglake_assets.orchestration.coverage_words import coverage_remedy
from loglake_assets.orchestration.hourly_checks import hourly_results
from loglake_assets.orchestration.lake_housekeeping import failed_days, failed_days_result, review_placement_result
from loglake_assets.orchestration.older_days import check_older_days, put_state, read_state
from loglake_assets.orchestration.reconcile_job import day_reports, days_to_place
from loglake_assets.orchestration.source_config import source_config
from loglake_assets.reviews.session_activity import REVIEW
from loglake_assets.sources import LogSource
from loglake_assets.sources.calendar_days import day_number
from tests import damage
from tests.check_names import names_of
from tests.conftest import quiet
from tests.wait import until
from tests.written_day import at_noon, content

DAY = date(2015, 6, 7)
NUMBER = day_number(DAY)
TABLE = "from_cloudtrail_readready"
VALUES = ["AWSLogs", "111122223333", "eu-west-1", str(NUMBER)]
FOLDER = f"AWSLogs/111122223333/CloudTrail/eu-west-1/{DAY:%Y/%m/%d}"


@dataclass(frozen=True)
class Mended:
    """A built day of a lake of its own kind: broken by a test, and mended by what its check says."""

    lake: LocalLake
    source: LogSource

    @property
    def s3(self) -> Any:
        return self.lake.client("s3")

    @property
    def raw(self) -> str:
        return self.lake.settings.raw_bucket(self.source.name)

    @property
    def report(self) -> DayReport:
        (found,) = day_reports(self.source, self.lake.resource, [DAY])
        return found

    @property
    def run_id(self) -> str:
        found = head(self.lake.table(TABLE), NUMBER)
        assert found is not None
        return found.run_id

    def put(self, name: str, *ids: str) -> str:
        key = f"{FOLDER}/{name}.json"
        self.s3.put_object(Bucket=self.raw, Key=key, Body=at_noon(*ids, day=DAY))
        return key

    def red(self) -> dict[str, str]:
        """The remedies of the red hourly checks over the day, by check."""
        config = source_config(self.source.name, start_day=DAY)
        results = hourly_results(config, self.lake.resource, [DAY], date.max)
        return {str(r.check_name): str(r.metadata[REMEDY].value) for r in results if not r.passed}

    def ids(self) -> set[str]:
        sql = f"SELECT eventid FROM {TABLE} WHERE logcalendarday = {NUMBER}"
        return {row["eventid"] for row in self.lake.resource.athena.ask(sql).rows}

    def checked(self, check: str, key: dg.AssetKey | None = None) -> dg.AssetCheckEvaluation:
        """What was said last of the day by a check of readready, or of another asset."""
        key = key or source_config(self.source.name, start_day=DAY).readready_key
        with dagster_instance(self.lake) as instance:
            kept = instance.event_log_storage.get_asset_check_execution_history(dg.AssetCheckKey(key, check), limit=50)
        found = [one.evaluation for one in kept if isinstance(one.evaluation, dg.AssetCheckEvaluation)]
        return next(one for one in found if one.partition == DAY.isoformat())

    def remedy_of(self, check: str, key: dg.AssetKey | None = None) -> str:
        """The remedy of a check of the day that is red."""
        found = self.checked(check, key)
        assert not found.passed
        return str(found.metadata[REMEDY].value)

    def left_failed(self) -> dg.AssetCheckResult:
        """The check of days that were left failed, of this log."""
        key = source_config(self.source.name, start_day=DAY).readready_key
        days = load_definitions(DAY).resolve_assets_def(key).partitions_def
        assert days is not None
        with dagster_instance(self.lake) as instance:
            return failed_days_result({key: [day for day in failed_days(instance, key, days) if day == str(DAY)]})

    def build(self, day: date = DAY) -> str | None:
        """Build a day in this process; returns the error."""
        (result,) = build_range(self.lake, self.source, day, day, quiet)
        return result.error

    def paste(self, remedy: str) -> None:
        """The command in the remedy, as a person gives it to a shell."""
        (command,) = commands(remedy)
        done = subprocess.run(
            ["bash", "-c", command],
            env={**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"


def commands(remedy: str) -> set[str]:
    """The commands of a remedy: each ends with its clause or its quotation."""
    return {found.strip() for found in re.findall(r"loglake [^;,`]+", remedy)}


@pytest.fixture(scope="module")
def mended_day(lake: LocalLake, source: LogSource) -> Iterator[Mended]:
    made = Mended(lake, source)
    made.put("first", "a", "b")
    until(lambda: tuple(VALUES) in raw_partitions(lake))
    (result,) = build_range(lake, source, DAY, DAY, quiet)
    assert result.error is None
    yield made
    for entry in made.s3.list_objects_v2(Bucket=made.raw, Prefix=FOLDER.removesuffix(f"{DAY:%m/%d}")).get(
        "Contents", ()
    ):
        made.s3.delete_object(Bucket=made.raw, Key=entry["Key"])


def raw_partitions(lake: LocalLake, day: date = DAY) -> set[tuple[str, ...]]:
    from loglake_assets.lake.storage.partitions import registered_values
    from loglake_assets.sources import load_source

    return registered_values(lake.catalog, load_source("cloudtrail"), [day])


def test_nothing_is_red_at_first(mended_day: Mended) -> None:
    assert mended_day.red() == {}
    assert mended_day.report.findings == ()


def test_a_lost_raw_partition_is_reconciled(mended_day: Mended) -> None:
    mended_day.lake.client("glue").delete_partition(
        DatabaseName=mended_day.lake.settings.database, TableName="from_cloudtrail_raw", PartitionValues=VALUES
    )
    odd = {"Bucket": mended_day.raw, "Key": f"{FOLDER}-odd.json"}
    mended_day.s3.put_object(**odd, Body=at_noon("odd", day=DAY))
    red = mended_day.red()
    mended_day.s3.delete_object(**odd)  # who delivers it puts it elsewhere
    assert set(red) == {"catalog_lag", "unknown_keys"}
    assert commands(red["catalog_lag"]) == commands(red["unknown_keys"])
    mended_day.paste(red["catalog_lag"])
    assert mended_day.red() == {}


def reviews_placed(mended_day: Mended) -> dg.AssetCheckResult:
    return review_placement_result({REVIEW.table.name: days_to_place(mended_day.lake.resource, REVIEW.table.name)})


def test_lost_readready_partitions_are_reconciled(mended_day: Mended) -> None:
    (review,) = build_review_range(mended_day.lake, REVIEW, DAY, DAY, quiet)
    assert review.error is None
    assert reviews_placed(mended_day).passed
    for table in (TABLE, REVIEW.table.name):
        mended_day.lake.client("glue").delete_partition(
            DatabaseName=mended_day.lake.settings.database, TableName=table, PartitionValues=[str(NUMBER)]
        )
    red, of_review = mended_day.red(), reviews_placed(mended_day)
    assert (set(red), of_review.passed) == ({"placement"}, False)
    assert commands(str((of_review.metadata or {})[REMEDY].value)) == commands(red["placement"])
    mended_day.paste(red["placement"])
    assert mended_day.red() == {}
    assert reviews_placed(mended_day).passed


def without_commit(partition: dict[str, Any]) -> None:
    partition["Parameters"][COMMIT_SEQ] = "0"


@pytest.mark.parametrize(
    ("change", "placing"),
    [
        (damage.relocation("s3://elsewhere/"), Placing.LOCATION_DIFFERS),
        (without_commit, Placing.PARTITION_BEHIND),
    ],
)
def test_a_partition_that_was_changed_is_reconciled(
    mended_day: Mended, change: Callable[[dict[str, Any]], None], placing: Placing
) -> None:
    stored = damage.stored_lake(mended_day.lake, mended_day.source)
    changed = damage.partition_input(stored, TABLE, [str(NUMBER)])
    change(changed)
    damage.update(stored, TABLE, [str(NUMBER)], changed)
    red = mended_day.red()
    assert (mended_day.report.placing, set(red)) == (placing, {"placement"})
    mended_day.paste(red["placement"])
    assert mended_day.red() == {}


def older_days(mended_day: Mended) -> dg.AssetCheckResult:
    """What the check of older days says six weeks on, looking at every week whatever earlier looks left as its turn."""
    lake, config = mended_day.lake.resource, source_config(mended_day.source.name, start_day=DAY)
    put_state(lake, config, replace(read_state(lake, config), hour=None))
    result, _ = check_older_days(config, lake, datetime(2015, 7, 20, tzinfo=UTC))
    return result


def test_an_object_that_arrived_later_is_built(mended_day: Mended) -> None:
    mended_day.put("later", "c")
    red, older = mended_day.red(), older_days(mended_day)
    assert set(red) == {"unbuilt"}
    assert str(DAY) in names_of(older.metadata, "day")
    assert commands(red["unbuilt"]) <= commands(str((older.metadata or {})[REMEDY].value))
    mended_day.paste(red["unbuilt"])
    assert mended_day.red() == {}
    assert str(DAY) not in names_of(older_days(mended_day).metadata, "day"), "other tests have days of their own there"
    assert "c" in mended_day.ids()


def test_an_overwritten_object_is_built_again(mended_day: Mended) -> None:
    mended_day.put("first", "a", "b", "d")
    red = mended_day.red()
    assert set(red) == {"changed_since_built"}
    mended_day.paste(red["changed_since_built"])
    assert mended_day.red() == {}
    assert "d" in mended_day.ids()


def test_a_day_of_another_definition_is_built_again(mended_day: Mended) -> None:
    def change(document: dict[str, Any]) -> None:
        document["definition"] = "0" * 32

    day = damage.Day(damage.stored_lake(mended_day.lake, mended_day.source), NUMBER)
    with damage.changed_manifest(day, change):
        # The record was edited with it, which is red as well; its remedy needs a person, and the other one mends both.
        mended_day.paste(mended_day.red()["outdated"])
    assert mended_day.red() == {}


def by_recount(mended_day: Mended) -> str:
    (coverage,) = mended_day.lake.resource.recount(mended_day.source, 1).days([DAY])
    return coverage_remedy(coverage)


def by_listing(mended_day: Mended) -> str:
    (short,) = {judged.verdict for judged in mended_day.report.select(Verdict.SHORT)}
    return mended_day.report.remedy(short)


@pytest.mark.parametrize(
    ("spoil", "remedy"),
    [
        (lambda rows: rows.slice(1), by_recount),
        (lambda rows: damage.with_value(rows, "eventname", "Y"), by_listing),
        (lambda rows: pa.concat_tables([rows, damage.with_value(rows, "eventid", "odd")]), by_recount),
    ],
    ids=["a row is gone", "a value is another", "rows are there again, and one that is nowhere else"],
)
def test_a_changed_file_is_built_anew(
    mended_day: Mended, spoil: Callable[[Any], Any], remedy: Callable[[Mended], str]
) -> None:
    before = mended_day.ids()
    day = damage.Day(damage.stored_lake(mended_day.lake, mended_day.source), NUMBER)
    mended_day.s3.put_object(
        Bucket=day.stored.readready_bucket, Key=day.orc_key, Body=damage.orc_bytes(spoil(day.rows()))
    )
    mended_day.paste(remedy(mended_day))
    (coverage,) = mended_day.lake.resource.recount(mended_day.source, 1).days([DAY])
    assert (coverage.pct, coverage.findings, mended_day.ids()) == (100, (), before)


def test_a_day_that_was_rolled_back_is_built_again_once_that_is_wanted(mended_day: Mended) -> None:
    before = mended_day.run_id
    mended_day.put("second", "of the second")
    assert mended_day.build() is None
    roll_back(mended_day.lake, mended_day.source.name, DAY, before, quiet)
    until(lambda: mended_day.red() == {})
    assert (Choice.ROLLED_BACK in mended_day.report.findings, "of the second" in mended_day.ids()) == (True, False)
    mended_day.paste(mended_day.report.remedy(Choice.ROLLED_BACK))
    assert (mended_day.report.findings, "of the second" in mended_day.ids()) == ((), True)


def test_a_day_that_nobody_counted_is_built_again(mended_day: Mended) -> None:
    mended_day.s3.delete_object(Bucket=mended_day.lake.settings.readready_bucket, Key=coverage_key(TABLE, NUMBER))
    assert mended_day.report.findings == (Measure.UNCHECKED,)
    mended_day.paste(mended_day.report.remedy(Measure.UNCHECKED))
    assert mended_day.report.findings == ()


def test_what_could_not_be_read_is_loaded_again_once_it_is_restored(mended_day: Mended) -> None:
    key = f"{FOLDER}/cut.json"
    mended_day.s3.put_object(Bucket=mended_day.raw, Key=key, Body=b'{"Records":[{"eventID"')
    mended_day.paste(mended_day.red()["unbuilt"])
    (quarantined,) = mended_day.report.select(Verdict.QUARANTINED)
    assert quarantined.key == key
    mended_day.put("cut", "e")
    mended_day.paste(mended_day.report.remedy(quarantined.verdict))
    assert mended_day.red() == {}
    assert "e" in mended_day.ids()


def test_a_manifest_that_was_cut_is_made_anew(mended_day: Mended) -> None:
    day = damage.Day(damage.stored_lake(mended_day.lake, mended_day.source), NUMBER)
    bucket, key, before = day.stored.readready_bucket, day.manifest_key, mended_day.ids()
    with damage.other_content(mended_day.s3, bucket, key, b""):
        red = mended_day.red()
        assert "records" in red
        mended_day.paste(red["records"])
        assert mended_day.red() == {}
    assert mended_day.ids() == before


def test_a_commit_record_that_was_cut_is_followed_by_another(mended_day: Mended) -> None:
    table = mended_day.lake.table(TABLE)
    newest = commit_numbers(table, NUMBER)[-1]
    with damage.other_content(mended_day.s3, table.bucket, commit_key(TABLE, NUMBER, newest), b"{"):
        red = mended_day.red()
        assert "placement" in red
        mended_day.paste(red["placement"])
        assert "placement" not in mended_day.red()
        assert commit_numbers(table, NUMBER)[-1] == newest + 1


def test_one_build_brings_what_was_late_archived_unknown_or_left_failed(mended_day: Mended) -> None:
    later = DAY + timedelta(days=40)
    unknown = content(*((one, f"{DAY}T12:00:00Z") for one in ("a", "odd"))).replace(b"1.11", b"9.99")
    keys = {name: f"{FOLDER}/{name}.json" for name in ("archived", "unknown")}
    mended_day.s3.put_object(Bucket=mended_day.raw, Key=keys["unknown"], Body=unknown)
    mended_day.s3.put_object(
        Bucket=mended_day.raw, Key=keys["archived"], Body=at_noon("f", day=DAY), StorageClass="GLACIER"
    )
    assert mended_day.build() is None
    red = {check: mended_day.remedy_of(check) for check in ("drift", "grain", "coverage")}
    mended_day.paste(red.pop("grain"))
    late = FOLDER.replace(f"{DAY:%Y/%m/%d}", f"{later:%Y/%m/%d}") + "/late.json"
    mended_day.s3.put_object(Bucket=mended_day.raw, Key=late, Body=at_noon("g", day=DAY))
    until(lambda: (*VALUES[:3], str(day_number(later))) in raw_partitions(mended_day.lake, later))
    assert mended_day.build(later) is None
    red |= mended_day.red()
    first = f"{FOLDER}/first.json"
    with damage.other_content(mended_day.s3, mended_day.raw, first, None):
        assert "--accept-loss" in str(mended_day.build())
    failed = mended_day.left_failed()
    assert not failed.passed
    red["nothing_left_failed"] = str((failed.metadata or {})[REMEDY].value)
    mended_day.put("archived", "f")
    assert set(red) == {"drift", "coverage", "unbuilt", "nothing_left_failed"}
    assert [check for check, remedy in red.items() if not commands(red["unbuilt"]) <= commands(remedy)] == []
    mended_day.paste(red["drift"])
    assert mended_day.red() == {}
    assert mended_day.checked("coverage").passed
    assert not mended_day.checked("drift").passed, "it is as unknown as before: nobody made it known"
    assert mended_day.left_failed().passed
    assert mended_day.ids() >= {"f", "g", "odd"}


def test_a_session_without_keystrokes_is_built_again_and_shown(
    mended_day: Mended, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = {
        "eventVersion": "1.11",
        "eventID": "start",
        "eventTime": f"{DAY}T12:00:00Z",
        "eventSource": "ssm.amazonaws.com",
        "eventName": "StartSession",
        "userIdentity": {"type": "AssumedRole", "arn": "arn:aws:sts::111122223333:assumed-role/Administrator/ann"},
        "requestParameters": {"target": "i-0123456789abcdef0"},
        "responseElements": {"sessionId": "ann-0123456789abcdef0"},
    }
    mended_day.s3.put_object(
        Bucket=mended_day.raw, Key=f"{FOLDER}/session.json", Body=json.dumps({"Records": [record]}).encode()
    )
    assert mended_day.build() is None
    (review,) = build_review_range(mended_day.lake, REVIEW, DAY, DAY, quiet)
    assert review.error is None
    asked = sorted(commands(mended_day.remedy_of("keystroke_coverage", dg.AssetKey(["review", REVIEW.name]))))
    before = len(commit_numbers(mended_day.lake.table(REVIEW.table.name), NUMBER))
    monkeypatch.chdir(tmp_path)
    for command in asked:
        mended_day.paste(command)
    assert len(commit_numbers(mended_day.lake.table(REVIEW.table.name), NUMBER)) > before
    assert [*(tmp_path / "session").glob("*.html")]


def test_a_removed_commit_record_is_rolled_over(mended_day: Mended) -> None:
    table = mended_day.lake.table(TABLE)
    newest = commit_numbers(table, NUMBER)[-1]
    manifest = read_manifest(table, NUMBER, mended_day.run_id)
    key = commit_key(TABLE, NUMBER, newest)
    body = json.loads(mended_day.s3.get_object(Bucket=table.bucket, Key=key)["Body"].read())
    mended_day.s3.delete_object(Bucket=table.bucket, Key=key)
    red = mended_day.red()
    assert "placement" in red
    assert commands(red["placement"]) <= commands(str((older_days(mended_day).metadata or {})[REMEDY].value))
    mended_day.paste(red["placement"])
    assert "placement" not in mended_day.red()
    assert mended_day.run_id == body["run_id"] == manifest.run_id

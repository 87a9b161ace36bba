"""The remedy of each red check, pasted into a shell as a person does: it does what it says, and the check is green."""

import io
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow.orc as orc
import pytest

from infra.cli.build import build_range
from infra.cli.local_lake import LocalLake
from loglake_assets.lake.checks.day_report import DayReport, Verdict
from loglake_assets.lake.storage.keys import commit_key
from loglake_assets.lake.versions.commits import commit_numbers, head
from loglake_assets.lake.versions.manifests import read_manifest
from loglake_assets.orchestration.check_metadata import REMEDY
from loglake_assets.orchestration.coverage_words import remedy as coverage_remedy
from loglake_assets.orchestration.hourly_checks import hourly_results
from loglake_assets.orchestration.reconcile_job import day_reports
from loglake_assets.orchestration.source_config import source_config
from loglake_assets.sources import LogSource
from loglake_assets.sources.placement import day_number
from tests import breaking
from tests.conftest import quiet
from tests.waiting import until
from tests.written_day import at_noon

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

    def paste(self, remedy: str) -> None:
        """The command in the remedy, as a person gives it to a shell."""
        (command,) = set(re.findall(r"loglake [^;,`]+?(?=;|,|`| anew|$| builds)", remedy)) or {""}
        done = subprocess.run(
            ["bash", "-c", command.strip()],
            env={**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"


@pytest.fixture(scope="module")
def mended(lake: LocalLake, source: LogSource) -> Iterator[Mended]:
    made = Mended(lake, source)
    made.put("first", "a", "b")
    until(lambda: tuple(VALUES) in registered(lake))
    (result,) = build_range(lake, source, DAY, DAY, quiet)
    assert result.error is None
    yield made
    for entry in made.s3.list_objects_v2(Bucket=made.raw, Prefix=FOLDER).get("Contents", ()):
        made.s3.delete_object(Bucket=made.raw, Key=entry["Key"])


def registered(lake: LocalLake) -> set[tuple[str, ...]]:
    from loglake_assets.lake.storage.partitions import registered_values
    from loglake_assets.sources import load_source

    return registered_values(lake.catalog, load_source("cloudtrail"), [DAY])


def test_nothing_is_red_at_first(mended: Mended) -> None:
    assert mended.red() == {}
    assert mended.report.findings == ()


def test_a_lost_raw_partition_is_reconciled(mended: Mended) -> None:
    mended.lake.client("glue").delete_partition(
        DatabaseName=mended.lake.settings.database, TableName="from_cloudtrail_raw", PartitionValues=VALUES
    )
    red = mended.red()
    assert set(red) == {"catalog_lag"}
    mended.paste(red["catalog_lag"])
    assert mended.red() == {}


def test_a_lost_readready_partition_is_reconciled(mended: Mended) -> None:
    mended.lake.client("glue").delete_partition(
        DatabaseName=mended.lake.settings.database, TableName=TABLE, PartitionValues=[str(NUMBER)]
    )
    red = mended.red()
    assert set(red) == {"placement"}
    mended.paste(red["placement"])
    assert mended.red() == {}


def test_an_object_that_arrived_later_is_built(mended: Mended) -> None:
    mended.put("later", "c")
    red = mended.red()
    assert set(red) == {"unbuilt"}
    mended.paste(red["unbuilt"])
    assert mended.red() == {}
    assert "c" in mended.ids()


def test_an_overwritten_object_is_built_again(mended: Mended) -> None:
    mended.put("first", "a", "b", "d")
    red = mended.red()
    assert set(red) == {"changed_since_built"}
    mended.paste(red["changed_since_built"])
    assert mended.red() == {}
    assert "d" in mended.ids()


def test_a_day_of_another_definition_is_built_again(mended: Mended) -> None:
    def change(document: dict[str, Any]) -> None:
        document["definition"] = "0" * 32

    day = breaking.Day(breaking.stored_lake(mended.lake, mended.source), NUMBER)
    with breaking.manifest_saying(day, change):
        # The record was edited with it, which is red as well; its remedy needs a person, and the other one mends both.
        mended.paste(mended.red()["outdated"])
    assert mended.red() == {}


@pytest.mark.parametrize(
    "spoil", [lambda rows: rows.slice(1), lambda rows: breaking.with_value(rows, "eventname", "Y")]
)
def test_a_changed_file_is_built_anew(mended: Mended, spoil: Callable[[Any], Any]) -> None:
    before = mended.ids()
    day = breaking.Day(breaking.stored_lake(mended.lake, mended.source), NUMBER)
    rows = orc.ORCFile(io.BytesIO(breaking.body_of(mended.s3, day.stored.readready_bucket, day.orc_key) or b"")).read()
    mended.s3.put_object(Bucket=day.stored.readready_bucket, Key=day.orc_key, Body=breaking.orc_bytes(spoil(rows)))
    (coverage,) = mended.lake.resource.recount(mended.source, 1).days([DAY])
    mended.paste(coverage_remedy(coverage))
    (coverage,) = mended.lake.resource.recount(mended.source, 1).days([DAY])
    assert (coverage.pct, coverage.findings, mended.ids()) == (100, (), before)


def test_what_could_not_be_read_is_loaded_again_once_it_is_restored(mended: Mended) -> None:
    key = f"{FOLDER}/cut.json"
    mended.s3.put_object(Bucket=mended.raw, Key=key, Body=b'{"Records":[{"eventID"')
    mended.paste(mended.red()["unbuilt"])
    (quarantined,) = mended.report.select(Verdict.QUARANTINED)
    assert quarantined.key == key
    mended.put("cut", "e")
    mended.paste(mended.report.remedy(quarantined.verdict))
    assert mended.red() == {}
    assert "e" in mended.ids()


def test_a_removed_commit_record_is_rolled_over(mended: Mended) -> None:
    table = mended.lake.table(TABLE)
    newest = commit_numbers(table, NUMBER)[-1]
    manifest = read_manifest(table, NUMBER, mended.run_id)
    key = commit_key(TABLE, NUMBER, newest)
    body = json.loads(mended.s3.get_object(Bucket=table.bucket, Key=key)["Body"].read())
    mended.s3.delete_object(Bucket=table.bucket, Key=key)
    red = mended.red()
    assert "placement" in red
    mended.paste(red["placement"])
    assert "placement" not in mended.red()
    assert mended.run_id == body["run_id"] == manifest.run_id

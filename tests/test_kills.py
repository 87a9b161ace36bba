"""Processes really killed in mid-build: what readers see, what a second build gives, and no run started twice."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import boto3
import pytest

from infra.cli.home import REPOSITORY
from infra.cli.local_lake import ACCOUNT, NAME, REGION
from infra.emulator.processes import StackInfo, running_stack, start_stack, stop_stack
from loglake_assets.lake.storage.table import Table
from loglake_assets.lake.versions.commits import Commit, heads
from loglake_assets.sources import load_source
from loglake_assets.sources.sample_deliveries import generate
from tests.conftest import JudgeDays, JudgedDays
from tests.stored_lake import StoredLake
from tests.wait import until

pytestmark = pytest.mark.stack

DAYS = ("2026-11-01", "2026-11-02")
JOB = f"{NAME}-readready"


@dataclass
class KilledLake:
    """A lake whose processes are killed; commands run as a user would run them."""

    home: Path

    @property
    def info(self) -> StackInfo:
        found = running_stack(self.home)
        assert found is not None
        return found

    def client(self, service: str) -> Any:
        return boto3.client(  # type: ignore[call-overload]
            service,
            endpoint_url=self.info.endpoint_url,
            region_name=REGION,
            **self.info.credentials,
        )

    def command(self, *arguments: str) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [sys.executable, "-m", "infra.cli.main", *arguments],
            cwd=REPOSITORY,
            env={**os.environ, "LOGLAKE_HOME": str(self.home), "LOGLAKE_ENGINE": "spark"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
        )

    def build(self) -> "subprocess.Popen[str]":
        return self.command("build", "cloudtrail", f"{DAYS[0]}..{DAYS[1]}")

    def heads(self) -> dict[int, Commit]:
        return heads(Table("from_cloudtrail_readready", self.client("s3"), f"{NAME}-readready-{ACCOUNT}"))

    def hashes(self) -> dict[int, str]:
        return {day: commit.content_hash for day, commit in self.heads().items()}

    def runs(self) -> list[dict[str, Any]]:
        """Glue runs, newest first."""
        return list(self.client("glue").get_job_runs(JobName=JOB)["JobRuns"])

    def running(self, before: int) -> dict[str, Any]:
        """The run that was started after `before` runs, once it has opened its log: it is in mid-build."""

        def started() -> dict[str, Any] | None:
            found = self.runs()
            log = self.home / "runs" / found[0]["Id"] / "output.log" if len(found) > before else None
            return found[0] if log and log.exists() and b"objects" in log.read_bytes() else None

        run: dict[str, Any] = until(started)
        return run

    def run(self, run_id: str) -> dict[str, Any]:
        run: dict[str, Any] = self.client("glue").get_job_run(JobName=JOB, RunId=run_id)["JobRun"]
        return run


def wait_for(process: "subprocess.Popen[str]") -> str:
    output, _ = process.communicate(timeout=600)
    return output


@pytest.fixture(scope="module")
def lake_under_kill(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KilledLake]:
    """A lake with two days built without faults."""
    lake = KilledLake(tmp_path_factory.mktemp("killed"))
    files = tmp_path_factory.mktemp("files")
    for sample in generate("cloudtrail", days=2, events=1_500).objects():
        if not sample.key.endswith("/"):
            path = files / sample.key
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(sample.body)
    start_stack(lake.home, log=lambda text: None)
    loading = lake.command("load", "cloudtrail", str(files))
    assert "partitions registered" in wait_for(loading)
    assert loading.returncode == 0
    building = lake.build()
    output = wait_for(building)
    assert building.returncode == 0, output
    yield lake
    if info := running_stack(lake.home):
        stop_stack(info)


@pytest.fixture
def judged_days(lake_under_kill: KilledLake) -> JudgeDays:
    source = load_source("cloudtrail")
    names = f"{NAME}-raw-{source.name}-{ACCOUNT}", f"{NAME}-readready-{ACCOUNT}"
    days = tuple(date.fromisoformat(day) for day in DAYS)
    return lambda: JudgedDays(
        StoredLake(lake_under_kill.client("s3"), lake_under_kill.client("glue"), NAME, source, *names), days
    )


@pytest.mark.fault(13, "kill -9 of Spark in mid-build", "no commit, the old day whole, another build the same rows")
def test_a_killed_spark_process_fails_the_run_and_leaves_the_day_as_it_was(lake_under_kill: KilledLake) -> None:
    before, commits = lake_under_kill.hashes(), lake_under_kill.heads()
    building = lake_under_kill.build()
    run = lake_under_kill.running(len(lake_under_kill.runs()))
    pid = json.loads((lake_under_kill.home / "runs" / run["Id"] / "pid.json").read_text())["pid"]
    os.killpg(pid, signal.SIGKILL)
    output = wait_for(building)
    assert building.returncode == 1
    assert "ended FAILED" in output
    assert "No day of it was committed" in output
    assert lake_under_kill.heads() == commits
    again = lake_under_kill.build()
    wait_for(again)
    assert again.returncode == 0
    assert lake_under_kill.hashes() == before


@pytest.mark.fault(
    16, "kill -9 of Dagster while its Glue run goes on", "the next one adopts the run; one run, one commit"
)
@pytest.mark.fault(45, "kill -9 of Dagster in mid-build", "the run that goes on is adopted")
def test_a_killed_dagster_process_is_followed_by_one_that_adopts_its_run(lake_under_kill: KilledLake) -> None:
    before, count = lake_under_kill.hashes(), len(lake_under_kill.runs())
    building = lake_under_kill.build()
    run = lake_under_kill.running(count)
    building.kill()
    building.communicate()
    assert lake_under_kill.run(run["Id"])["JobRunState"] == "RUNNING", "the Glue run goes on by itself"
    again = lake_under_kill.build()
    output = wait_for(again)
    assert again.returncode == 0, output
    assert f"Adopting Glue run {run['Id']}" in output
    assert len(lake_under_kill.runs()) == count + 1, "no second run for the same days"
    assert lake_under_kill.hashes() == before


@pytest.mark.fault(43, "a build cancelled by SIGINT", "its Glue run is STOPPED, no commit")
def test_a_cancelled_build_stops_its_run(lake_under_kill: KilledLake) -> None:
    commits, count = lake_under_kill.heads(), len(lake_under_kill.runs())
    building = lake_under_kill.build()
    run = lake_under_kill.running(count)
    building.send_signal(signal.SIGINT)
    wait_for(building)
    assert building.returncode != 0
    assert until(lambda: lake_under_kill.run(run["Id"])["JobRunState"] == "STOPPED")
    assert lake_under_kill.heads() == commits


@pytest.mark.fault(13, "kill -9 of the whole stack in mid-build", "everything comes back, another build the same rows")
def test_a_killed_stack_comes_back_with_everything_and_builds_again(lake_under_kill: KilledLake) -> None:
    before, count = lake_under_kill.hashes(), len(lake_under_kill.runs())
    building = lake_under_kill.build()
    run = lake_under_kill.running(count)
    os.kill(lake_under_kill.info.pid, signal.SIGKILL)
    wait_for(building)
    assert building.returncode != 0
    start_stack(lake_under_kill.home, log=lambda text: None)
    assert lake_under_kill.run(run["Id"])["JobRunState"] == "FAILED"
    assert lake_under_kill.hashes() == before
    again = lake_under_kill.build()
    output = wait_for(again)
    assert again.returncode == 0, output
    assert lake_under_kill.hashes() == before

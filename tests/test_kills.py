"""Processes really killed in mid-build: what readers see, what a second build gives, and no run started twice.

By each engine. A run is stopped (SIGSTOP) once it has listed what it reads, so that it cannot end before it is killed.
"""

import json
import os
import signal
import subprocess
import sys
import threading
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
from loglake_assets.sources.model import ENGINE, ENGINES
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
    engine: str

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
            env={**os.environ, "LOGLAKE_HOME": str(self.home), ENGINE: self.engine},
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

    def logs(self) -> Iterator[Path]:
        return (self.home / "runs").glob("*/output.log")

    def stopped_run(self, build: "subprocess.Popen[str]") -> "StoppedRun":
        """The run of a build that has just begun, stopped once it has listed its objects."""
        logs = {*self.logs()}

        def log_of_run() -> Path | None:
            assert build.poll() is None, "the build ended before its run could be stopped"
            new = (log for log in {*self.logs()} - logs if b"objects" in log.read_bytes())
            return next(new, None)

        folder = until(log_of_run, pause_seconds=0.005).parent
        run = StoppedRun(folder.name, json.loads((folder / "pid.json").read_text())["pid"])
        run.signal(signal.SIGSTOP)
        assert self.state(run) == "RUNNING"
        return run

    def state(self, run: "StoppedRun") -> str:
        return str(self.client("glue").get_job_run(JobName=JOB, RunId=run.id)["JobRun"]["JobRunState"])


@dataclass(frozen=True)
class StoppedRun:
    """A Glue run in mid-build; `pid` leads its processes, those of a pool included."""

    id: str
    pid: int

    def signal(self, number: int) -> None:
        os.killpg(self.pid, number)


def wait_for(process: "subprocess.Popen[str]") -> str:
    output, _ = process.communicate(timeout=600)
    return output


@pytest.fixture(scope="module", params=ENGINES)
def lake_under_kill(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[KilledLake]:
    """A lake with two days built without faults."""
    lake = KilledLake(tmp_path_factory.mktemp("killed"), request.param)
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


@pytest.mark.fault(
    13, "kill -9 of a Glue run in mid-build", "no commit, the old day whole, another build the same rows"
)
def test_a_killed_run_fails_and_leaves_the_day_as_it_was(lake_under_kill: KilledLake) -> None:
    before, commits = lake_under_kill.hashes(), lake_under_kill.heads()
    building = lake_under_kill.build()
    lake_under_kill.stopped_run(building).signal(signal.SIGKILL)
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
    run = lake_under_kill.stopped_run(building)
    building.kill()
    building.communicate()
    with lake_under_kill.build() as again:
        late = threading.Timer(300, again.kill)
        late.start()
        assert again.stdout is not None
        assert any(f"Adopting Glue run {run.id}" in line for line in again.stdout)
        run.signal(signal.SIGCONT)
        output = again.stdout.read()
        late.cancel()
    assert again.returncode == 0, output
    assert len(lake_under_kill.runs()) == count + 1, "no second run for the same days"
    assert lake_under_kill.hashes() == before


@pytest.mark.fault(43, "a build cancelled by SIGINT", "its Glue run is STOPPED, no commit")
def test_a_cancelled_build_stops_its_run(lake_under_kill: KilledLake) -> None:
    commits = lake_under_kill.heads()
    building = lake_under_kill.build()
    run = lake_under_kill.stopped_run(building)
    building.send_signal(signal.SIGINT)
    assert until(lambda: lake_under_kill.state(run) != "RUNNING")
    run.signal(signal.SIGCONT)  # to meet the signal that asks it to end
    wait_for(building)
    assert building.returncode != 0
    assert until(lambda: lake_under_kill.state(run) == "STOPPED")
    assert lake_under_kill.heads() == commits


@pytest.mark.fault(13, "kill -9 of the whole stack in mid-build", "everything comes back, another build the same rows")
def test_a_killed_stack_comes_back_with_everything_and_builds_again(lake_under_kill: KilledLake) -> None:
    before = lake_under_kill.hashes()
    building = lake_under_kill.build()
    run = lake_under_kill.stopped_run(building)
    os.kill(lake_under_kill.info.pid, signal.SIGKILL)
    wait_for(building)
    assert building.returncode != 0
    start_stack(lake_under_kill.home, log=lambda text: None)
    assert lake_under_kill.state(run) == "FAILED"
    assert lake_under_kill.hashes() == before
    again = lake_under_kill.build()
    output = wait_for(again)
    assert again.returncode == 0, output
    assert lake_under_kill.hashes() == before

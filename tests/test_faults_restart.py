"""Dagster killed in mid-backfill under `loglake up`, and started again: what is built stays, what is not is built."""

import os
import signal
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest

from infra.cli.local_lake import ACCOUNT, NAME, REGION
from infra.emulator.processes import StackInfo, start_stack, stop_stack
from loglake_assets.lake.storage.table import Table
from loglake_assets.lake.versions.commits import Commit, heads
from loglake_assets.sources.calendar_days import day_number
from loglake_assets.sources.sample_deliveries import generate
from tests.running_lake import BACKFILL, STATUS, RunningLake, command
from tests.wait import until

pytestmark = pytest.mark.stack

FIRST = date(2026, 11, 1)
DAYS = [FIRST + timedelta(days=n) for n in range(9)]
WINDOW = 7
"""Days of a Glue run, as the source's defs.yaml has them: nine days are two runs."""


RUNS = "{ runsOrError { ... on Runs { results { status } } } }"


def run_one_at_a_time(glue: Any) -> None:
    """The job as deployed, but with room for one run."""
    job = glue.get_job(JobName=f"{NAME}-readready")["Job"]
    kept = {name: job[name] for name in ("Role", "Command", "DefaultArguments", "GlueVersion") if name in job}
    glue.update_job(JobName=job["Name"], JobUpdate={**kept, "ExecutionProperty": {"MaxConcurrentRuns": 1}})


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[tuple[Path, StackInfo]]:
    """A stack of its own with nine days of logs; `loglake up` uses it and leaves it."""
    home, files = tmp_path / "home", tmp_path / "files"
    for sample in generate("cloudtrail", FIRST, len(DAYS), 4_500).objects():
        if not sample.key.endswith("/"):
            path = files / sample.key
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(sample.body)
    info = start_stack(home, log=lambda text: None)
    try:
        done = command(home, "load", "cloudtrail", str(files))
        assert done.returncode == 0, done.stdout
        yield home, info
    finally:
        stop_stack(info)


@pytest.mark.slow
@pytest.mark.fault(
    45, "kill -9 of all of Dagster in a backfill's second window", "goes on: no built day again, all days built"
)
def test_a_backfill_goes_on_after_dagster_was_killed(stack: tuple[Path, StackInfo]) -> None:
    home, info = stack

    def client(service: str) -> Any:
        named = {"endpoint_url": info.endpoint_url, "region_name": REGION, **info.credentials}
        return boto3.client(service, **named)  # type: ignore[call-overload]

    def committed() -> dict[int, Commit]:
        return heads(Table("from_cloudtrail_readready", client("s3"), f"{NAME}-readready-{ACCOUNT}"))

    def runs() -> list[dict[str, Any]]:
        return list(client("glue").get_job_runs(JobName=f"{NAME}-readready")["JobRuns"])

    run_one_at_a_time(client("glue"))
    lake = RunningLake(home)
    until(lake.ui.answers, 180)
    wanted = [{"path": ["readready", "from_cloudtrail_readready"]}]
    given = {"assetSelection": wanted, "partitionNames": [day.isoformat() for day in DAYS]}
    backfill = lake.ui.ask(BACKFILL, params=given)["launchPartitionBackfill"]

    def is_between() -> bool:
        found = lake.ui.ask(RUNS)["runsOrError"]["results"]
        return any(run["status"] == "SUCCESS" for run in found) and runs()[0]["JobRunState"] == "RUNNING"

    until(is_between, 300)
    before = committed()
    assert len(before) in {WINDOW, len(DAYS) - WINDOW}, "one window is built, the other is not"
    os.killpg(int((home / "dagster.pid").read_text()), signal.SIGKILL)
    lake.process.wait(60)
    lake.log.close()
    assert not lake.ui.answers()

    again = RunningLake(home)
    until(again.ui.answers, 180)

    def ended() -> Any:
        found = again.ui.ask(STATUS, id=backfill["backfillId"])["partitionBackfillOrError"]
        return found if found["status"] not in {"REQUESTED", "IN_PROGRESS"} else None

    assert until(ended, 560)["status"] == "COMPLETED_SUCCESS"
    after = committed()
    assert again.stop() == 0
    assert set(after) == {day_number(day) for day in DAYS}
    assert {day: after[day] for day in before} == before, "a built day is not built again"
    assert {commit.seq for commit in after.values()} == {1}

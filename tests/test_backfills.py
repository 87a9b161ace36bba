"""A backfill over every log and review from the UI: one request, cancelled half-way, taken up again, and then whole."""

from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

import pytest

from infra.cli.load import await_partitions, put_objects, samples_to_put
from infra.cli.local_lake import LocalLake, local_lake
from loglake_assets.lake.versions.served_day import Placing
from loglake_assets.orchestration.backfill_job import BACKFILL_TAG
from loglake_assets.orchestration.lake_housekeeping import table_names
from loglake_assets.reviews import review_names
from loglake_assets.sources import load_source, source_names
from loglake_assets.sources.sample_deliveries import generate
from resources.glue_jobs import ACTIVE
from tests.conftest import FIRST, quiet
from tests.damage import stored_lake
from tests.invariants import verdict_of
from tests.running_lake import RunningLake
from tests.wait import until

pytestmark = pytest.mark.stack

DAYS = [FIRST + timedelta(days=n) for n in range(3)]
LAUNCH = """
mutation($config: RunConfigData) {
  launchRun(executionParams: { mode: "default", runConfigData: $config, selector: {
    repositoryLocationName: "loglake", repositoryName: "__repository__", jobName: "backfill_everything" } }) {
    __typename
    ... on LaunchRunSuccess { run { runId } }
    ... on PythonError { message }
  }
}"""
ASKED = "query($id: ID!) { runOrError(runId: $id) { ... on Run { status tags { key value } } } }"
CANCEL = """
mutation($id: String!) {
  cancelPartitionBackfill(backfillId: $id) { __typename ... on PythonError { message } }
}"""
AGAIN = """
mutation($params: ReexecutionParams!) {
  reexecutePartitionBackfill(reexecutionParams: $params) {
    __typename
    ... on LaunchBackfillSuccess { backfillId }
    ... on PythonError { message }
  }
}"""
PROGRESS = """
query($id: String!) {
  partitionBackfillOrError(backfillId: $id) {
    ... on PartitionBackfill {
      status
      assetBackfillData { assetBackfillStatuses { ... on AssetPartitionsStatusCounts {
        assetKey { path } numPartitionsTargeted numPartitionsMaterialized numPartitionsFailed
      } } }
    }
  }
}"""
RUNS = """
query($filter: RunsFilter!) { runsOrError(filter: $filter) { ... on Runs { results { id status } } } }"""
SAID = """
query($id: ID!) { logsForRun(runId: $id) { ... on EventConnection { events {
  ... on ExecutionStepFailureEvent { error { message causes { message } } }
} } } }"""
GOING = ["QUEUED", "NOT_STARTED", "STARTING", "STARTED", "CANCELING"]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalLake]:
    """A lake with some days of every log in it, and nothing built."""
    with local_lake(tmp_path_factory.mktemp("all"), quiet) as lake:
        for source in map(load_source, source_names()):
            samples = generate(source.name, FIRST, len(DAYS), 1_500)
            loaded = put_objects(lake, source, samples_to_put(samples.objects()), quiet)
            assert not await_partitions(lake, source, loaded.partitions, quiet, 60)
        yield lake


@pytest.fixture(scope="module")
def up(home: LocalLake) -> Iterator[RunningLake]:
    running = RunningLake(home.home)
    yield running
    if running.process.poll() is None:
        running.stop()


def ask_for(up: RunningLake, first: date, last: date) -> str:
    """The job of the UI launched with days; returns the id of its run."""
    days = {"first_day": first.isoformat(), "last_day": last.isoformat()}
    launched = up.ui.ask(LAUNCH, config={"ops": {"ask_for_days_of_everything": {"config": days}}})["launchRun"]
    assert launched["__typename"] == "LaunchRunSuccess", launched
    return str(launched["run"]["runId"])


def backfill_of(up: RunningLake, run: str) -> str:
    """The backfill that a run asked for, once it has."""

    def tag() -> str | None:
        tags = {tag["key"]: tag["value"] for tag in up.ui.ask(ASKED, id=run)["runOrError"]["tags"]}
        return tags.get(BACKFILL_TAG)

    return str(until(tag, 400, 0.5))


def progress(up: RunningLake, backfill: str) -> Any:
    return up.ui.ask(PROGRESS, id=backfill)["partitionBackfillOrError"]


def placing_of(lake: LocalLake, table: str, day: date) -> Placing:
    return lake.resource.served_day(table, day).placing


def test_a_backfill_of_everything_is_cancelled_taken_up_again_and_whole(home: LocalLake, up: RunningLake) -> None:
    until(up.ui.answers, 400)
    backfill = backfill_of(up, ask_for(up, DAYS[0], DAYS[-1]))
    targets = progress(up, backfill)["assetBackfillData"]["assetBackfillStatuses"]
    assert {target["assetKey"]["path"][-1]: target["numPartitionsTargeted"] for target in targets} == dict.fromkeys(
        (*(load_source(name).readready.name for name in source_names()), *review_names()), len(DAYS)
    )
    of_backfill = {"tags": [{"key": "dagster/backfill", "value": backfill}]}

    def runs(*statuses: str) -> list[Any]:
        found = up.ui.ask(RUNS, filter={**of_backfill, "statuses": list(statuses)})
        return list(found["runsOrError"]["results"])

    until(lambda: runs("STARTED"), 400, 0.5)
    assert up.ui.ask(CANCEL, id=backfill)["cancelPartitionBackfill"]["__typename"] == "CancelBackfillSuccess"
    until(lambda: progress(up, backfill)["status"] == "CANCELED", 400, 0.5)
    assert not runs(*GOING)
    glue = home.client("glue").get_job_runs(JobName=home.settings.readready_job)["JobRuns"]
    assert not [run for run in glue if run["JobRunState"] in ACTIVE]
    states = {(table, day): placing_of(home, table, day) for table in table_names() for day in DAYS}
    assert set(states.values()) <= {Placing.PLACED, Placing.NOT_COMMITTED}
    assert Placing.NOT_COMMITTED in states.values(), "it was cancelled half-way"

    again = up.ui.ask(AGAIN, params={"parentRunId": backfill, "strategy": "FROM_FAILURE"})["reexecutePartitionBackfill"]
    assert again["__typename"] == "LaunchBackfillSuccess", again
    ended = until(
        lambda: (found := progress(up, again["backfillId"]))["status"] not in {"REQUESTED", "IN_PROGRESS"} and found,
        600,
        2,
    )
    assert ended["status"] == "COMPLETED_SUCCESS", ended
    for table in table_names():
        for day in DAYS:
            assert placing_of(home, table, day) is Placing.PLACED, (table, day)
    for source in map(load_source, source_names()):
        assert verdict_of(stored_lake(home, source), closed_days=DAYS).violations == []


def test_days_that_are_not_closed_are_refused_by_name(up: RunningLake) -> None:
    until(up.ui.answers, 400)
    run = ask_for(up, DAYS[0], date(2099, 1, 1))
    until(lambda: up.ui.ask(ASKED, id=run)["runOrError"]["status"] == "FAILURE", 400, 0.5)
    said = up.ui.ask(SAID, id=run)["logsForRun"]["events"]
    assert any("are no closed days of" in str(event.get("error")) for event in said)

"""`loglake up` as a user has it: a backfill from the UI builds days, Ctrl-C stops everything, and it comes back."""

import json
import os
import re
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from infra.cli.dagster_output import warnings_of
from infra.cli.home import REPOSITORY, local_program
from infra.cli.local_lake import ACCOUNT, NAME, REGION
from infra.cli.main import main
from infra.emulator.processes import free_port, running_stack
from loglake_assets.orchestration import components
from loglake_assets.sources.sample_deliveries import generate
from tests.running_lake import BACKFILL, STATUS, RunningLake, command
from tests.wait import until

pytestmark = pytest.mark.stack

CHECKS = """
query($key: AssetKeyInput!) {
  assetNodeOrError(assetKey: $key) {
    ... on AssetNode { assetChecksOrError { ... on AssetChecks { checks { name partitionStatuses {
      ... on AssetCheckTimePartitionStatuses { ranges { status startKey endKey } }
    } } } } }
  }
}"""

PARTITIONS = """
query($key: AssetKeyInput!) { assetNodeOrError(assetKey: $key) { ... on AssetNode { partitionKeys } } }"""
COMPONENTS = """
{ componentTypesForLocationOrError(locationName: "loglake") {
  ... on ComponentTypes { componentTypes { name namespace schema } }
} }"""
ALONE = """
query($key: AssetKeyInput!) {
  assetNodeOrError(assetKey: $key) {
    ... on AssetNode { assetChecksOrError { ... on AssetChecks { checks { name canExecuteIndividually } } } }
  }
}"""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A lake's home with two days of sample logs in it, loaded by a command that started and stopped the stack."""
    home, files = tmp_path_factory.mktemp("up"), tmp_path_factory.mktemp("files")
    for sample in generate("cloudtrail", days=2, events=1_500).objects():
        if not sample.key.endswith("/"):
            path = files / sample.key
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(sample.body)
    done = command(home, "load", "cloudtrail", str(files))
    assert done.returncode == 0, done.stdout
    assert running_stack(home) is None, "a command that had to start the stack ends it again"
    return home


@pytest.fixture(scope="module")
def up(home: Path) -> Iterator[RunningLake]:
    lake = RunningLake(home)
    yield lake
    if lake.process.poll() is None:
        lake.stop()


def test_a_backfill_from_the_ui_builds_and_checks_its_days(up: RunningLake) -> None:
    until(up.ui.answers, 120)
    started = up.ui.ask(
        BACKFILL,
        params={
            "assetSelection": [{"path": ["readready", "from_cloudtrail_readready"]}],
            "partitionNames": ["2026-11-01", "2026-11-02"],
        },
    )["launchPartitionBackfill"]
    assert started["__typename"] == "LaunchBackfillSuccess", started

    def final_status() -> Any:
        found = up.ui.ask(STATUS, id=started["backfillId"])["partitionBackfillOrError"]
        return found if found["status"] not in {"REQUESTED", "IN_PROGRESS"} else None

    assert until(final_status, 180) == {"status": "COMPLETED_SUCCESS", "numPartitions": 2}
    node = up.ui.ask(CHECKS, key={"path": ["readready", "from_cloudtrail_readready"]})["assetNodeOrError"]
    checks = {c["name"]: c["partitionStatuses"]["ranges"] for c in node["assetChecksOrError"]["checks"]}
    assert {r["startKey"] for r in checks["coverage"]} | {r["endKey"] for r in checks["coverage"]} == {
        "2026-11-01",
        "2026-11-02",
    }


@pytest.mark.fault(74, "a backfill from the UI over two logs, of a lake whose logs begin on one day", "accepted")
def test_the_ui_shows_days_from_the_first_raw_day_on_and_takes_a_backfill_over_two_logs(up: RunningLake) -> None:
    until(up.ui.answers, 120)
    for name in ("cloudtrail", "bedrock"):
        node = up.ui.ask(PARTITIONS, key={"path": ["audit", f"{name}_reconciliation"]})["assetNodeOrError"]
        assert node["partitionKeys"][0] == "2026-11-01"
    started = up.ui.ask(
        BACKFILL,
        params={
            "assetSelection": [{"path": ["audit", f"{name}_reconciliation"]} for name in ("cloudtrail", "bedrock")],
            "partitionNames": ["2026-11-01", "2026-11-02"],
        },
    )["launchPartitionBackfill"]
    assert started["__typename"] == "LaunchBackfillSuccess", started


@pytest.mark.fault(75, "the checks of a log as the UI has them", "each can be run alone")
def test_the_ui_offers_to_run_each_check_of_a_log_alone(up: RunningLake) -> None:
    until(up.ui.answers, 120)
    node = up.ui.ask(ALONE, key={"path": ["checks", "cloudtrail"]})["assetNodeOrError"]
    found = {check["name"]: check["canExecuteIndividually"] for check in node["assetChecksOrError"]["checks"]}
    assert len(found) == 11
    assert set(found.values()) == {"CAN_EXECUTE"}


def test_the_components_page_lists_the_lakes_own(up: RunningLake) -> None:
    until(up.ui.answers, 120)
    found = up.ui.ask(COMPONENTS)["componentTypesForLocationOrError"]["componentTypes"]
    own = {one["name"].rpartition(".")[2]: one for one in found if one["namespace"] == "loglake_assets"}
    assert set(own) == set(components.__all__), "make setup: entry points are made when the package is installed"
    assert "days_per_run" in own["LogSourceComponent"]["schema"]["properties"]


@pytest.mark.fault(92, "a page's request and GraphQL by GET, sent to the UI of `loglake up`", "refused by its guard")
def test_the_ui_of_up_is_behind_its_guard(up: RunningLake) -> None:
    until(up.ui.answers, 120)
    url = f"http://127.0.0.1:{up.port}"
    for path, headers, status in (
        ("/graphql?query=%7Bversion%7D", {}, 405),
        ("/", {"Origin": "http://127.0.0.1:1"}, 403),
        ("/", {"Host": f"example.com:{up.port}"}, 403),
    ):
        with pytest.raises(urllib.error.HTTPError, match=str(status)) as refused:
            urllib.request.urlopen(urllib.request.Request(f"{url}{path}", headers=headers), timeout=30)
        refused.value.close()


def test_a_command_beside_a_running_lake_uses_it_and_leaves_it(up: RunningLake) -> None:
    done = command(up.home, "query", "select count(*) as n from from_cloudtrail_readready", "--format", "jsonl")
    assert done.returncode == 0, done.stdout
    (answer,) = (
        line for line in done.stdout.splitlines() if line.startswith("{")
    )  # what is said of days stands beside
    assert int(json.loads(answer)["n"]) > 1_000
    done = command(up.home, "query", "describe from_cloudtrail_readready")
    assert "useridentity_sourceidentity" in done.stdout
    assert up.process.poll() is None
    assert up.ui.answers()


def test_a_statement_comes_as_it_was_typed_from_an_argument_a_file_and_standard_input(
    up: RunningLake, tmp_path: Path
) -> None:
    """A `$` in a statement is JSON path or a regular expression, and never a shell's."""
    sql, file = "select '$.a' x, 'b$' y, '`date`' w", tmp_path / "question.sql"
    file.write_text(sql)
    for given, text in (([sql], ""), (["--file", str(file)], ""), (["-"], sql)):
        done = subprocess.run(
            [sys.executable, "-m", "infra.cli.main", "query", *given, "--format", "jsonl"],
            cwd=REPOSITORY,
            env={**os.environ, "LOGLAKE_HOME": str(up.home)},
            input=text,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout) == {"x": "$.a", "y": "b$", "w": "`date`"}
        assert done.stderr.startswith(f"lake loglake: {up.home}\n"), "every command says which lake it works on"


def test_an_aws_lake_is_worked_on_through_its_plain_endpoint_by_the_same_commands(
    up: RunningLake, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Another lake by its file and credentials, as on AWS: no home, and nothing of the emulator but its endpoint."""
    until(up.ui.answers, 120)
    info = running_stack(up.home)
    assert info is not None
    (tmp_path / "lakes").mkdir()
    (tmp_path / "lakes" / "second.toml").write_text(
        f'account = "{ACCOUNT}"\nregion = "{REGION}"\nname = "{NAME}"\nendpoint_url = "{info.endpoint_url}"\n'
        f'dagster = "http://127.0.0.1:{up.port}"\n'
    )
    monkeypatch.setenv("LOGLAKE_LAKES", str(tmp_path / "lakes"))
    monkeypatch.delenv("LOGLAKE_HOME", raising=False)
    for name, value in {"KEY_ID": info.access_key_id, "SECRET_ACCESS_KEY": info.secret_access_key}.items():
        monkeypatch.setenv(f"AWS_ACCESS_{name}" if name == "KEY_ID" else f"AWS_{name}", value)
    sql = "select min(eventid) as id, count(*) as n from from_cloudtrail_readready where logcalendarday = 20261101"
    assert main(["--lake", "second", "query", sql, "--format", "jsonl"]) == 0
    said = capsys.readouterr()
    assert said.err.startswith(f"lake {NAME}: AWS account {ACCOUNT}, {REGION}\n")
    row = json.loads(said.out)
    assert row["n"] > 0
    assert main(["--lake", "second", "status"]) == 0
    assert "loglake --lake second " in capsys.readouterr().out
    assert main(["--lake", "second", "reconcile"]) == 0
    assert main(["--lake", "second", "evidence", row["id"], "--day", "2026-11-01"]) in {0, 1}
    assert row["id"] in capsys.readouterr().out
    assert main(["--lake", "second", "collect"]) == 0
    assert main(["--lake", "second", "build", "cloudtrail", "2026-11-01"]) == 0
    address = re.search(
        rf"cloudtrail 2026-11-01 to 2026-11-01: http://127.0.0.1:{up.port}/runs/(\S+)", capsys.readouterr().out
    )
    assert address, "the run is submitted to the Dagster of the lake"
    until(lambda: up.ui.ask(_STATUS, id=address[1])["runOrError"]["status"] == "SUCCESS", 180)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAVISIBLYFAKE00000")
    assert main(["--lake", "second", "status"]) == 2
    assert "AWS does not say who you are" in capsys.readouterr().err


_STATUS = "query($id: ID!) { runOrError(runId: $id) { ... on Run { status } } }"


def test_files_that_are_no_delivery_are_refused_before_they_lie_in_the_bucket(up: RunningLake, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("x")
    done = command(up.home, "load", "cloudtrail", str(tmp_path))
    assert done.returncode == 2
    assert "1 file and no delivery of AWS CloudTrail among them" in done.stdout


def test_a_port_in_use_is_one_sentence_and_not_zero(up: RunningLake, tmp_path: Path) -> None:
    done = command(tmp_path, "up", "--port", str(up.port))
    assert done.returncode != 0
    assert done.stdout.strip().splitlines() == [
        f"up: Port {up.port} on 127.0.0.1 is in use. Stop what uses it, or choose another: loglake --home {tmp_path} "
        "up --port 3000"
    ]


@pytest.mark.fault(98, "a second loglake up of a lake that is up, at any port", "it says where the lake's own UI is")
def test_a_second_up_of_the_same_lake_names_the_first_ones_address(up: RunningLake) -> None:
    for port in (str(up.port), str(free_port())):
        done = command(up.home, "up", "--port", port)
        assert done.returncode == 2
        assert done.stdout.strip() == (
            f"up: The lake in {up.home} is up already, with its Dagster UI at http://127.0.0.1:{up.port}. Use that "
            f"one; `{local_program(up.home)} down` or Ctrl-C where it runs stops it."
        )
    assert up.ui.answers()


@pytest.mark.fault(
    98, "loglake up through a backfill with its checks", "it prints what a person needs, and no run's events"
)
def test_up_prints_no_events_of_runs(up: RunningLake) -> None:
    until(up.ui.answers, 120)
    said = Path(up.log.name).read_text()
    assert " - DEBUG - " not in said
    assert " - INFO - " not in said
    assert f"Dagster UI: http://127.0.0.1:{up.port}" in said
    assert f"Build days: http://127.0.0.1:{up.port}/assets lists every log, review and audit; choose an asset" in said


def test_warnings_and_their_tracebacks_are_shown_and_events_are_not() -> None:
    at = "2026-11-28 10:00:00 +0000"
    lines = [
        "a word of no log\n",
        f"{at} - dagster - DEBUG - job - id - RUN_START - Started.\n",
        "  behind it\n",
        f"{at} - dagster.daemon - WARNING - late\n",
        f"{at} - dagster - ERROR - job - id - STEP_FAILURE - failed.\n",
        "Traceback (most recent call last):\n",
        f"{at} - dagster.daemon.SensorDaemon - INFO - Checking\n",
    ]
    assert list(warnings_of(lines)) == [lines[n].rstrip() for n in (0, 3, 4, 5)]


def test_ctrl_c_stops_everything_and_a_second_up_finds_everything_again(up: RunningLake) -> None:
    until(up.ui.answers, 120)
    assert up.stop() == 0
    assert running_stack(up.home) is None
    assert not up.ui.answers()
    done = command(up.home, "status")
    assert done.returncode == 0, done.stdout
    states = {line.split()[0]: line.split()[-1] for line in done.stdout.splitlines() if line.startswith("2026-11-")}
    assert {states["2026-11-01"], states["2026-11-02"]} <= {"complete", "incomplete"}


def test_up_ends_with_its_stack(home: Path, up: RunningLake) -> None:
    """`loglake down` in another terminal: Dagster is not left behind on a dead endpoint."""
    lake = RunningLake(home)
    until(lake.ui.answers, 120)
    assert command(home, "down").returncode == 0
    assert lake.process.wait(timeout=60) == 1
    lake.log.close()
    assert not lake.ui.answers()

"""A lake that is not of this machine's homes: a plain endpoint that enforces IAM, worked on by the same commands."""

import json
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest
from botocore.exceptions import ClientError

from infra.aws.deploy import deploy
from infra.cli.home import REPOSITORY
from infra.emulator.processes import free_port
from loglake_assets.sources import load_source, source_names
from loglake_assets.sources.sample_deliveries import sample_keys
from tests.conftest import quiet
from tests.deployed_lake import ACCOUNT, PROGRAM, REGION, DeployedLake, deployed_lake
from tests.test_up import BACKFILL, STATUS, Ui
from tests.waiting import until

pytestmark = pytest.mark.stack

NAME = "second"
DAY = date(2026, 11, 1)
TABLE = "from_cloudtrail_readready"


@pytest.fixture(scope="module")
def second(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DeployedLake]:
    with deployed_lake(tmp_path_factory.mktemp("second"), NAME) as made:
        sources = [load_source(name) for name in source_names()]
        deploy(made.settings, made.client, sources, {"RequireTls": "false"}, quiet)
        made.describe(
            f'account = "{ACCOUNT}"\nregion = "{REGION}"\nendpoint_url = "{{endpoint}}"\n'
            "[parameters]\nRequireTls = false\n"
        )
        (made.folder / "keys.json").write_text(json.dumps(sample_keys("cloudtrail")))
        for source in ("cloudtrail", "cloudwatch"):
            made.put(source, DAY, 600)
        yield made


def test_its_days_are_built_looked_at_and_queried(second: DeployedLake) -> None:
    until(lambda: f"{DAY}" in second.command("status"), 60)
    second.command("reconcile")
    for name in ("cloudtrail", "cloudwatch", "session_activity"):
        assert "dagster" in second.command("build", name, f"{DAY}").lower(), "it says where the run is recorded"
    said = second.command("status")
    assert f"loglake --lake {NAME} " in said
    assert second.row(f"select count(*) as n from {TABLE} where logcalendarday = 20261101")["n"] > 300


def test_a_row_a_digest_and_a_session_are_shown(second: DeployedLake) -> None:
    sql = f"select min(eventid) as id from {TABLE} where logcalendarday = 20261101"
    event = second.row(sql)["id"]
    assert event in second.command("evidence", event, "--day", f"{DAY}", "--keys", str(second.folder / "keys.json"))
    said = second.command("digests", "cloudtrail", f"{DAY}", "--keys", str(second.folder / "keys.json"))
    assert "100.0000" in said, "every digest of the sample trail is proved with the keys that were given"
    out = second.folder / "pages"
    second.command("review", "--who", "*", "--days", f"{DAY}", "--out", str(out))
    assert list(out.glob("*.html"))


def test_what_was_put_aside_is_loaded_again_and_readers_are_sent_back(second: DeployedLake) -> None:
    first = _newest_run(second)
    second.command("requeue", "cloudtrail", f"{DAY}")
    second.command("build", "cloudtrail", f"{DAY}")
    assert _newest_run(second) != first
    second.command("rollback", "cloudtrail", f"{DAY}", first)
    assert _newest_run(second) == first
    assert "rolled_back" in second.command("status")
    second.command("collect")


def test_its_days_are_built_from_a_dagster_on_a_laptop(second: DeployedLake) -> None:
    before, port = _newest_run(second), free_port()
    ui = Ui(port)
    program = [sys.executable, "-c", PROGRAM, "--lake", NAME, "up", "--port", str(port)]
    log = second.folder / "up.log"
    with log.open("w") as output:
        process = subprocess.Popen(
            program, cwd=REPOSITORY, env=second.environment, stdout=output, stderr=subprocess.STDOUT
        )
    try:
        until(ui.answers, 120)
        key = {"path": ["readready", TABLE]}
        started = ui.ask(BACKFILL, params={"assetSelection": [key], "partitionNames": [f"{DAY}"]})
        backfill = started["launchPartitionBackfill"]["backfillId"]

        def status() -> str:
            found: str = ui.ask(STATUS, id=backfill)["partitionBackfillOrError"]["status"]
            return found if found not in {"REQUESTED", "IN_PROGRESS"} else ""

        assert until(status, 240) == "COMPLETED_SUCCESS"
    finally:
        process.send_signal(signal.SIGINT)
        try:
            code = process.wait(timeout=120)
        finally:
            process.kill()
    said = log.read_text()
    assert code == 0, said
    assert f"Lake {NAME}: AWS account {ACCOUNT}, {REGION}" in said
    assert not ui.answers(), "Ctrl-C leaves no Dagster running"
    assert _newest_run(second) != before


def test_a_reader_asks_tables_of_logs_and_nothing_more(second: DeployedLake) -> None:
    iam, person = second.client("iam"), "reader"
    iam.create_user(UserName=person)
    policy = f"arn:aws:iam::{ACCOUNT}:policy/{NAME}-reader"
    iam.attach_user_policy(UserName=person, PolicyArn=policy)
    key = iam.create_access_key(UserName=person)["AccessKey"]
    credentials = {"AWS_ACCESS_KEY_ID": key["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"]}
    sql = f"select count(*) as n from {TABLE} where logcalendarday = 20261101"
    assert second.row(sql, credentials)["n"] > 300
    s3 = second.client("s3", key["AccessKeyId"], key["SecretAccessKey"])
    readready, raw = second.settings.readready_bucket, second.settings.raw_bucket("cloudtrail")
    # By the objects, since the Athena of the emulator does not ask what its caller may read.
    for bucket, prefix in ((readready, "packets/"), (readready, "session_activity_review/"), (raw, "")):
        (found, *_) = second.client("s3").list_objects_v2(Bucket=bucket, Prefix=prefix)["Contents"]
        with pytest.raises(ClientError, match="AccessDenied"):
            s3.get_object(Bucket=bucket, Key=found["Key"])
    with pytest.raises(ClientError, match="AccessDenied"):
        s3.put_object(Bucket=second.settings.readready_bucket, Key="commits/any", Body=b"")


RUNBOOKS = sorted((REPOSITORY / "docs" / "runbooks").glob("*.md"))
MAY_FIND = ("doctor", "digests", "evidence")  # they end with 1 where they find something


def runbook_commands() -> list[str]:
    """Every command line of the runbooks, once; a deployment is only planned."""
    lines = [line.strip() for page in RUNBOOKS for line in page.read_text().splitlines()]
    found = dict.fromkeys(line for line in lines if line.startswith("loglake "))
    return [line for line in found if not line.endswith(" deploy")]


def test_every_runbook_has_commands_that_run(second: DeployedLake, tmp_path: Path) -> None:
    sql = f"select min(eventid) as id from {TABLE} where logcalendarday = 20261101"
    event = second.row(sql)["id"]
    commands = runbook_commands()
    assert len(commands) >= 15
    for line in commands:
        words = shlex.split(line.replace("<run>", _newest_run(second)).replace("<event id>", event))
        assert words[:3] == ["loglake", "--lake", "prod"], f"{line}: for the lake prod"
        if words[3] in ("review", "evidence-pack"):
            words += ["--out", str(tmp_path / words[3])]
        done = second.run(*words[3:], environment={"LOGLAKE_DIGEST_KEYS": str(second.folder / "keys.json")})
        allowed = (0, 1) if words[3] in MAY_FIND else (0,)
        assert done.returncode in allowed, f"{line}\n{done.stdout}\n{done.stderr}"


def test_every_page_that_is_named_is_there() -> None:
    index = (REPOSITORY / "docs" / "runbooks" / "README.md").read_text()
    assert {page.name for page in RUNBOOKS} - {"README.md"} == set(re.findall(r"\]\(([a-z-]+\.md)\)", index))


def _newest_run(second: DeployedLake) -> str:
    glue = second.client("glue")
    names = {"DatabaseName": second.settings.database, "TableName": TABLE}
    partition = glue.get_partition(**names, PartitionValues=["20261101"])["Partition"]
    return str(partition["Parameters"]["loglake.run"])

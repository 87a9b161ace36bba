"""A lake that is not of this machine's homes: a plain endpoint that enforces IAM, worked on by the same commands."""

import json
import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

import pytest
from botocore.exceptions import ClientError

from infra.aws.deploy import deploy
from infra.cli.demo import QUESTION
from infra.cli.home import REPOSITORY
from infra.emulator.processes import free_port
from loglake_assets.sources import load_source, source_names
from loglake_assets.sources.sample_deliveries import sample_keys
from tests.conftest import quiet
from tests.deployed_lake import ACCOUNT, PROGRAM, REGION, DeployedLake, deployed_lake, scripted_model
from tests.recorded_rights import (
    ATHENA,
    decisions,
    differences,
    person,
    policy_actions,
    put_places,
    reasons_of,
    role_actions,
)
from tests.running_lake import BACKFILL, STATUS, Ui
from tests.wait import until

pytestmark = pytest.mark.stack

NAME = "second"
DAY = date(2026, 11, 1)
TABLE = "from_cloudtrail_readready"


@pytest.fixture(scope="module")
def second(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DeployedLake]:
    with deployed_lake(tmp_path_factory.mktemp("second"), NAME) as made:
        sources = [load_source(name) for name in source_names()]
        parameters = {"RequireTls": "false", "looker:ModelId": "example.model"}
        deploy(made.settings, made.client, sources, parameters, quiet)
        made.describe(
            f'account = "{ACCOUNT}"\nregion = "{REGION}"\nendpoint_url = "{{endpoint}}"\n'
            '[parameters]\nRequireTls = false\n[parameters.looker]\nModelId = "example.model"\n'
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
    (proved,) = re.findall(r"^([\d,]+) of [\d,]+ files are proved", said, re.MULTILINE)
    assert int(proved) > 0, "with the keys that were given, and with no finding"
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
    credentials, curious = person(second, "reader", "reader"), person(second, "curious", "reader")
    sql = f"select count(*) as n from {TABLE} where logcalendarday = 20261101"
    assert second.row(sql, credentials)["n"] > 300
    for words in (("status",), ("ask-sql", "root_use", "--days", f"{DAY}")):
        done = second.run(*words, environment=credentials)
        assert done.returncode == 0, f"{words}\n{done.stdout}\n{done.stderr}"
    s3 = second.client("s3", *curious.values())
    readready, raw = second.settings.readready_bucket, second.settings.raw_bucket("cloudtrail")
    # By the objects, since the Athena of the emulator does not ask what its caller may read.
    for bucket, prefix in ((readready, "packets/"), (readready, "session_activity_review/"), (raw, "")):
        (found, *_) = second.client("s3").list_objects_v2(Bucket=bucket, Prefix=prefix)["Contents"]
        with pytest.raises(ClientError, match="AccessDenied"):
            s3.get_object(Bucket=bucket, Key=found["Key"])
    with pytest.raises(ClientError, match="AccessDenied"):
        s3.put_object(Bucket=second.settings.readready_bucket, Key="commits/any", Body=b"")


def test_a_reviewer_reads_packets_and_gives_verdicts(second: DeployedLake) -> None:
    out, credentials = second.folder / "reviewed", person(second, "reviewer", "reader", "reviewer")
    reviewers = second.folder / "reviewers.toml"
    reviewers.write_text('version = 1\n[[reviewer]]\nname = "dana"\narns = ["*"]\n')
    sql = "select min(session_key) as key from session_activity where logcalendarday = 20261101 and state <> 'awaiting'"
    session = second.row(sql, credentials)["key"]
    given = (session, "needs_follow_up", "--note", "a test", "--reviewer", "dana", "--reviewers", str(reviewers))
    for words in (
        ("review", "--who", "*", "--days", f"{DAY}", "--out", str(out)),
        ("verdicts", "--all", "--days", f"{DAY}"),
        ("verdict", *given),
    ):
        done = second.run(*words, environment=credentials)
        assert done.returncode == 0, f"{words}\n{done.stdout}\n{done.stderr}"
    assert list(out.glob("*.html"))


def test_looker_answers_with_its_role(second: DeployedLake) -> None:
    asked = json.dumps({"prompt_from_user": "Who did what?"}).encode()
    with scripted_model(second, DAY, DAY):
        answer = json.loads(
            second.client("lambda").invoke(FunctionName=f"{NAME}-looker", Payload=asked)["Payload"].read()
        )
    assert [run["row_count"] > 0 for run in answer["queries"]], answer
    assert answer["coverage"], answer


# --- restore.md: what was deleted, overwritten or archived comes back by the page's own commands ----------------------

RESTORE = REPOSITORY / "docs" / "runbooks" / "restore.md"


def page_commands() -> list[str]:
    """Every block of commands of the page, as its shell has to take it."""
    blocks = re.findall(r"(?:^    .*\n)+", RESTORE.read_text(), re.MULTILINE)
    return [re.sub(r"^    ", "", block, flags=re.MULTILINE) for block in blocks]


@dataclass(frozen=True)
class Shell:
    """A person's shell with the commands `aws` and `loglake`, where the lake `prod` is this one."""

    lake: DeployedLake
    folder: Path
    ran: set[str] = field(default_factory=set)
    """Blocks of the page that were run, with its own `<name>`s."""

    def run(self, words: str, is_built: bool = True, **names: str) -> str:
        """The one block of the page that has these words, with `<name>` filled in; returns what it printed.

        Without `is_built` its last command, to build the day, is left to a later block.
        """
        (block,) = (one for one in page_commands() if words in one)
        self.ran.add(block)
        if not is_built:
            block = block.replace("loglake --lake prod build cloudtrail 2026-11-01\n", "")
        for name, value in names.items():
            block = block.replace(f"<{name}>", value)
        assert "<" not in re.sub(r"<<|< /dev", "", block), f"{block}: what is this name?"
        environment = {
            **self.lake.environment,
            "PATH": f"{self.folder}:{os.environ['PATH']}",
            "PYTHONPATH": str(REPOSITORY),
            "AWS_ENDPOINT_URL": self.lake.info.endpoint_url,
            "AWS_DEFAULT_REGION": REGION,
        }
        program = ["bash", "-eu", "-o", "pipefail", "-c", block]
        done = subprocess.run(program, cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{block}\n{done.stdout}\n{done.stderr}"
        return done.stdout


@pytest.fixture(scope="module")
def shell(second: DeployedLake, tmp_path_factory: pytest.TempPathFactory) -> Shell:
    folder = tmp_path_factory.mktemp("programs")
    for name, module in (("aws", "tests.aws_command"), ("loglake", "infra.cli.main")):
        (folder / name).write_text(f'#!/bin/sh\nexec {sys.executable} -m {module} "$@"\n')
        (folder / name).chmod(0o755)
    described = (second.lakes / f"{NAME}.toml").read_text()
    (second.lakes / "prod.toml").write_text(f'name = "{NAME}"\n{described}')
    return Shell(second, folder)


COUNT = f"select count(*) as n from {TABLE} where logcalendarday = 20261101"


def keys_below(second: DeployedLake, bucket: str, prefix: str) -> list[str]:
    found = second.client("s3").list_objects_v2(Bucket=bucket, Prefix=prefix).get("Contents", [])
    return [one["Key"] for one in found]


def delete(second: DeployedLake, bucket: str, prefix: str) -> list[str]:
    """Delete objects as a person does, without naming versions; returns their keys."""
    keys = keys_below(second, bucket, prefix)
    assert keys
    for key in keys:
        second.client("s3").delete_object(Bucket=bucket, Key=key)
    assert keys_below(second, bucket, prefix) == []
    return keys


def raw_prefix(second: DeployedLake) -> str:
    """The prefix of an account and Region that has objects of the day."""
    keys = keys_below(second, second.settings.raw_bucket("cloudtrail"), "")
    return next(key.rpartition("/")[0] + "/" for key in keys if "/CloudTrail/" in key and "/2026/11/01/" in key)


def test_rows_that_were_deleted_are_brought_back_or_built_again(second: DeployedLake, shell: Shell) -> None:
    readready = second.settings.readready_bucket
    whole, run = second.row(COUNT)["n"], _newest_run(second)
    files = delete(second, readready, f"{TABLE}/run={run}/")
    assert second.row(COUNT)["n"] < whole, "the fault is there"
    shell.run(f"--prefix {TABLE}/run=", readready=readready, run=run)
    assert keys_below(second, readready, f"{TABLE}/run={run}/") == files
    assert second.row(COUNT)["n"] == whole
    delete(second, readready, f"{TABLE}/run={run}/")
    second.command("build", "cloudtrail", f"{DAY}")
    assert second.row(COUNT)["n"] == whole


def test_commits_that_were_deleted_are_brought_back(second: DeployedLake, shell: Shell) -> None:
    readready, prefix = second.settings.readready_bucket, f"commits/{TABLE}/"
    before = second.command("status")
    keys = delete(second, readready, prefix)
    assert second.command("status") != before, "the fault is there"
    shell.run(f"--prefix commits/{TABLE}/", readready=readready)
    assert keys_below(second, readready, prefix) == keys
    assert second.command("status") == before


def test_raw_objects_come_back_by_versions_a_replica_and_an_archive(second: DeployedLake, shell: Shell) -> None:
    s3, raw, prefix = second.client("s3"), second.settings.raw_bucket("cloudtrail"), raw_prefix(second)
    keys = keys_below(second, raw, prefix)
    bodies = {key: s3.get_object(Bucket=raw, Key=key)["Body"].read() for key in keys}
    whole = second.row(COUNT)["n"]

    def assert_whole() -> None:
        assert {
            key: s3.get_object(Bucket=raw, Key=key)["Body"].read() for key in keys_below(second, raw, prefix)
        } == bodies
        assert second.row(COUNT)["n"] == whole

    # Deleted.
    delete(second, raw, prefix)
    assert second.run("build", "cloudtrail", f"{DAY}").returncode != 0, "a build takes no event from readers"
    shell.run("--bucket <raw> --prefix <prefix> \\\n    --query 'DeleteMarkers", raw=raw, prefix=prefix)
    assert_whole()
    # Overwritten.
    version = s3.head_object(Bucket=raw, Key=keys[0])["VersionId"]
    s3.put_object(Bucket=raw, Key=keys[0], Body=b"another thing")
    said = shell.run('--copy-source "<raw>/<key>?versionId', raw=raw, key=keys[0], version=version)
    assert version in said
    assert_whole()
    # Deleted with all versions, and replicated before.
    replica = f"replica-{ACCOUNT}"
    s3.create_bucket(Bucket=replica, CreateBucketConfiguration={"LocationConstraint": REGION})
    for key in keys:
        s3.copy_object(Bucket=replica, Key=key, CopySource={"Bucket": raw, "Key": key})
    for page in s3.get_paginator("list_object_versions").paginate(Bucket=raw, Prefix=keys[0]):
        for one in page["Versions"] + page.get("DeleteMarkers", []):
            s3.delete_object(Bucket=raw, Key=one["Key"], VersionId=one["VersionId"])
    assert keys[0] not in keys_below(second, raw, prefix)
    shell.run("--bucket <replica>", False, raw=raw, replica=replica, prefix=prefix)
    assert_whole()
    # Archived.
    s3.copy_object(Bucket=raw, Key=keys[0], CopySource={"Bucket": raw, "Key": keys[0]}, StorageClass="GLACIER")
    with pytest.raises(ClientError, match="InvalidObjectState"):
        s3.get_object(Bucket=raw, Key=keys[0])
    shell.run("restore-object", raw=raw, prefix=prefix)
    until(lambda: 'ongoing-request="false"' in s3.head_object(Bucket=raw, Key=keys[0]).get("Restore", ""), 30)
    second.command("build", "cloudtrail", f"{DAY}")
    assert_whole()


def test_every_block_of_the_page_was_run(shell: Shell) -> None:
    """By the tests above, or a line at a time as commands of the runbooks."""
    alone = set(runbook_commands())
    left = [block for block in page_commands() if block not in shell.ran and not set(block.splitlines()) <= alone]
    assert left == []
    assert len(shell.ran) == 6


THROUGH_ATHENA = {
    **reasons_of("kms:Decrypt", "kms:GenerateDataKey", "athena:StopQueryExecution"),
    **reasons_of("glue:GetDatabase", "glue:GetTable", "glue:GetTables", "glue:GetPartition", "glue:BatchGetPartition"),
    **reasons_of("s3:AbortMultipartUpload", "s3:GetBucketLocation", "s3:ListBucketMultipartUploads"),
    **reasons_of("s3:ListMultipartUploadParts"),
    "athena:GetWorkGroup": "asked by Athena's console, and by doctor",
    "glue:GetPartitions": ATHENA,
    "s3:PutObject": f"{ATHENA}, to keep a result",
}
"""What people and Looker's role are allowed for, and no call of this file's tests asked for."""
LOOKER_ASKS = {
    **THROUGH_ATHENA,
    **reasons_of("logs:CreateLogStream", "logs:PutLogEvents"),
    "bedrock:InvokeModel": "asked of the stand-in, whose requests IAM does not see",
    "bedrock:ApplyGuardrail": "asked of the stand-in, where there is a guardrail",
}


def test_people_and_looker_ask_for_what_their_policies_allow_and_for_nothing_else(second: DeployedLake) -> None:
    """By what IAM decided in this file's tests, as in test_dagster_on_aws.py."""
    users = {"reader": "reader", "reviewer": "reviewer"}
    asked, denied = decisions(second, users)
    known = ("reader", "reviewer", "LookerRole")
    assert {one: denied[one] for one in known if one in denied} == {}
    allowed = role_actions(second) | {
        "reader": policy_actions(second, "reader"),
        "reviewer": policy_actions(second, "reader", "reviewer"),
    }
    assert set(known) <= asked.keys(), "run the whole file: the tests above ask"
    people = {one: asked[one] for one in known[:2]}
    assert differences(people, allowed, THROUGH_ATHENA) == []
    assert differences({"LookerRole": asked["LookerRole"]}, allowed, LOOKER_ASKS) == []
    for more in ("s3:DeleteObject", "sns:Publish"):
        with_more = {**allowed, "reader": allowed["reader"] | {more}}
        (found,) = differences({"reader": asked["reader"]}, with_more, THROUGH_ATHENA)
        assert found == f"reader may {more}, and nothing asks for it"
    assert put_places(second, "reader") == {"results/*"}
    assert put_places(second, "reader", "reviewer") == {"results/*", "verdicts/*"}


RUNBOOKS = sorted((REPOSITORY / "docs" / "runbooks").glob("*.md"))
OPERATORS = ("reader", "reviewer", "dagster", "operator")
"""The policies of who operates the lake, as docs/deploy.md has them."""
ADMINISTRATORS = ("deploy", "doctor")  # the latter with AWS's ReadOnlyAccess, which the endpoint does not have
MAY_FIND = ("doctor", "digests", "evidence")  # they end with 1 where they find something


def runbook_commands() -> list[str]:
    """Every command line of the runbooks, once; a deployment is only planned."""
    lines = [line.strip() for page in RUNBOOKS for line in page.read_text().splitlines()]
    found = dict.fromkeys(line for line in lines if line.startswith("loglake "))
    return [line for line in found if not line.endswith(" deploy")]


def test_every_runbook_has_commands_that_run_with_an_operators_policies(second: DeployedLake, tmp_path: Path) -> None:
    sql = f"select min(eventid) as id from {TABLE} where logcalendarday = 20261101"
    event = second.row(sql)["id"]
    commands, credentials = runbook_commands(), person(second, "operator", *OPERATORS)
    key = keys_below(second, second.settings.raw_bucket("cloudtrail"), raw_prefix(second))[0]
    sqs, aside = second.client("sqs"), f"{NAME}-addapart-raw-cloudtrail-quarantine"
    queue = sqs.get_queue_url(QueueName=aside)["QueueUrl"]
    sqs.send_message(QueueUrl=queue, MessageBody=json.dumps({"key": key}))
    assert len(commands) >= 15
    for line in commands:
        words = shlex.split(line.replace("RUN", _newest_run(second)).replace("EVENT_ID", event))
        assert words[:3] == ["loglake", "--lake", "prod"], f"{line}: for the lake prod"
        assert ("--out" in words) == (words[3] in ("review", "evidence-pack")), f"{line}: where its files go"
        if "--out" in words:
            words[-1] = str(tmp_path / words[-1])
        rights = {} if words[3] in ADMINISTRATORS else credentials
        done = second.run(*words[3:], environment={"LOGLAKE_DIGEST_KEYS": str(second.folder / "keys.json"), **rights})
        allowed = (0, 1) if words[3] in MAY_FIND else (0,)
        assert done.returncode in allowed, f"{line}\n{done.stdout}\n{done.stderr}"
        if words[3] == "requeue":
            assert f"1 of 1 message of {aside} sent again" in done.stdout + done.stderr
    with scripted_model(second, DAY, DAY):
        done = second.run("ask", QUESTION, environment=credentials)
        assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    asked, denied = decisions(second, {"operator": "operator"})
    assert denied.get("operator", set()) == set()
    assert policy_actions(second, "operator") - asked["operator"] == set(), "it may nothing that no command asks for"


def test_every_page_that_is_named_is_there() -> None:
    index = (REPOSITORY / "docs" / "runbooks" / "README.md").read_text()
    assert {page.name for page in RUNBOOKS} - {"README.md"} == set(re.findall(r"\]\(([a-z-]+\.md)\)", index))


def _newest_run(second: DeployedLake) -> str:
    glue = second.client("glue")
    names = {"DatabaseName": second.settings.database, "TableName": TABLE}
    partition = glue.get_partition(**names, PartitionValues=["20261101"])["Partition"]
    return str(partition["Parameters"]["loglake.run"])

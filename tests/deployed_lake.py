"""A lake on an endpoint that stands in for AWS and enforces IAM, described by a file and worked on by commands."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import boto3

from infra.cli.home import REPOSITORY
from infra.emulator.processes import StackInfo, start_stack, stop_stack
from infra.emulator.scripted_converse import demo_script, serve
from lambdas.looker.prompt import table_cards
from loglake_assets.sources.calendar_days import day_number
from loglake_assets.sources.sample_deliveries import GroundTruth, generate
from resources.settings import LakeSettings
from tests.conftest import quiet

ACCOUNT, REGION = "000000000000", "eu-west-1"
PROGRAM = """
import sys
from infra.cli.main import main
code = main()
loaded = sorted(name for name in sys.modules if name.startswith("infra.emulator"))
sys.exit(f"of the emulator: {loaded}" if loaded else code)
"""


@dataclass(frozen=True)
class DeployedLake:
    """An endpoint, and a folder in whose `lakes/` the lake of this name has its file."""

    info: StackInfo
    folder: Path
    name: str

    @property
    def settings(self) -> LakeSettings:
        return LakeSettings(self.name, ACCOUNT, REGION, self.info.endpoint_url)

    def client(self, service: str, key_id: str | None = None, secret: str | None = None) -> Any:
        """A client with the endpoint's own credentials, or with those given."""
        session: Any = boto3.Session(
            key_id or self.info.access_key_id, secret or self.info.secret_access_key, region_name=REGION
        )
        return session.client(service, endpoint_url=self.info.endpoint_url)

    @property
    def lakes(self) -> Path:
        return self.folder / "lakes"

    def describe(self, text: str) -> None:
        """Write the lake's file, with the endpoint's address for `{endpoint}`."""
        self.lakes.mkdir(exist_ok=True)
        (self.lakes / f"{self.name}.toml").write_text(text.replace("{endpoint}", self.info.endpoint_url))

    @property
    def environment(self) -> dict[str, str]:
        """As a person's shell has it who works on the lake."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "LOGLAKE_"))}
        return {
            **kept,
            "LOGLAKE_LAKES": str(self.lakes),
            "LOGLAKE_ENGINE": "local",
            "AWS_ACCESS_KEY_ID": self.info.access_key_id,
            "AWS_SECRET_ACCESS_KEY": self.info.secret_access_key,
        }

    def run(self, *arguments: str, environment: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        """Run a command on this lake. It fails where the command imports anything of the emulator."""
        return subprocess.run(
            [sys.executable, "-c", PROGRAM, "--lake", self.name, *arguments],
            cwd=REPOSITORY,
            env={**self.environment, **(environment or {})},
            capture_output=True,
            text=True,
            check=False,
            stdin=subprocess.DEVNULL,
        )

    def command(self, *arguments: str, code: int = 0) -> str:
        """What a command on this lake prints, its errors after it; it ends with `code`."""
        done = self.run(*arguments)
        assert done.returncode == code, f"{arguments}\n{done.stdout}\n{done.stderr}"
        return done.stdout + done.stderr

    def row(self, sql: str, environment: Mapping[str, str] | None = None) -> dict[str, Any]:
        """The one row that a query answers, asked by the command."""
        done = self.run("query", sql, "--format", "jsonl", environment=environment)
        assert done.returncode == 0, done.stderr
        assert done.stderr.startswith(f"lake {self.name}: AWS account {ACCOUNT}, {REGION}\n"), done.stderr
        found: dict[str, Any] = json.loads(done.stdout)
        return found

    def put(self, source: str, day: date, events: int, existing: str = "", days: int = 1) -> GroundTruth:
        """Deliver sample logs from a day on, to the log's raw bucket or to an existing one; the truth about them."""
        bucket, s3 = existing or self.settings.raw_bucket(source), self.client("s3")
        samples = generate(source, day, days, events)
        for sample in samples.objects():
            s3.put_object(Bucket=bucket, Key=sample.key, Body=sample.body, Metadata=dict(sample.metadata or {}))
        return samples.ground_truth()

    def stacks(self) -> list[str]:
        """Names of the stacks that are there."""
        found = self.client("cloudformation").describe_stacks()["Stacks"]
        gone = ("DELETE_COMPLETE", "REVIEW_IN_PROGRESS")
        return sorted(stack["StackName"] for stack in found if stack["StackStatus"] not in gone)

    def policy(self) -> list[str]:
        """Sids of the policy of the first log's raw bucket."""
        bucket = self.settings.raw_bucket("cloudtrail")
        document = json.loads(self.client("s3").get_bucket_policy(Bucket=bucket)["Policy"])
        return [statement["Sid"] for statement in document["Statement"]]


@contextmanager
def deployed_lake(folder: Path, name: str) -> Iterator[DeployedLake]:
    """An endpoint of its own with nothing in it, until the end."""
    info = start_stack(folder / "stack", auth=True, log=quiet)
    try:
        yield DeployedLake(info, folder, name)
    finally:
        stop_stack(info)


@contextmanager
def scripted_model(lake: DeployedLake, first: date, last: date) -> Iterator[None]:
    """Looker of the lake asks a stand-in for a model, which knows what to ask of these days."""
    functions, name = lake.client("lambda"), f"{lake.name}-looker"
    columns = {card.name: sorted(card.column_names) for card in table_cards()}
    with serve(demo_script(day_number(first), day_number(last), columns)) as stand_in:
        variables = functions.get_function_configuration(FunctionName=name)["Environment"]["Variables"]
        variables["AWS_ENDPOINT_URL_BEDROCK_RUNTIME"] = stand_in.endpoint_url
        functions.update_function_configuration(FunctionName=name, Environment={"Variables": variables})
        yield

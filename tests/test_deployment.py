"""A lake on AWS deployed, looked at, changed, taken down and deployed again by its command, IAM enforced."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest

from infra.cli.home import REPOSITORY
from infra.emulator.processes import StackInfo, start_stack, stop_stack
from loglake_assets.lake.versions.commits import commit_key
from loglake_assets.sources import source_names
from resources.settings import LakeSettings
from tests.conftest import quiet

pytestmark = pytest.mark.stack

ACCOUNT, REGION, NAME = "000000000000", "eu-west-1", "third"
LAYERS = [*(f"raw-{name}" for name in source_names()), "readready"]
STACKS = sorted([*(f"third-addapart-{layer}" for layer in LAYERS), "third-catalog", "third-jobs", "third-storage"])
TABLE = "from_cloudtrail_readready"
FILE = """
account = "000000000000"
region = "eu-west-1"
endpoint_url = "{endpoint}"

[tags]
team = "security"

[parameters]
RequireTls = false

[parameters.addapart-raw-cloudtrail]
DeliveryServices = ["cloudtrail.amazonaws.com"]
"""


@dataclass(frozen=True)
class AwsLakeToDeploy:
    """An endpoint that stands in for AWS and enforces IAM, and a folder with the lake's file."""

    info: StackInfo
    folder: Path

    @property
    def settings(self) -> LakeSettings:
        return LakeSettings(NAME, ACCOUNT, REGION, self.info.endpoint_url)

    def client(self, service: str) -> Any:
        session: Any = boto3.Session(self.info.access_key_id, self.info.secret_access_key, region_name=REGION)
        return session.client(service, endpoint_url=self.info.endpoint_url)

    def describe(self, text: str) -> None:
        """Write the lake's file."""
        self.folder.mkdir(exist_ok=True)
        (self.folder / f"{NAME}.toml").write_text(text.format(endpoint=self.info.endpoint_url))

    def command(self, *arguments: str, code: int = 0) -> str:
        """What a command on this lake prints, its errors after it."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "LOGLAKE_"))}
        credentials = {
            "AWS_ACCESS_KEY_ID": self.info.access_key_id,
            "AWS_SECRET_ACCESS_KEY": self.info.secret_access_key,
        }
        done = subprocess.run(
            [sys.executable, "-m", "infra.cli.main", "--lake", NAME, *arguments],
            cwd=REPOSITORY,
            env={**kept, **credentials, "LOGLAKE_LAKES": str(self.folder), "LOGLAKE_ENGINE": "local"},
            capture_output=True,
            text=True,
            check=False,
            stdin=subprocess.DEVNULL,
        )
        assert done.returncode == code, f"{arguments}\n{done.stdout}\n{done.stderr}"
        return done.stdout + done.stderr

    def stacks(self) -> list[str]:
        found = self.client("cloudformation").describe_stacks()["Stacks"]
        gone = ("DELETE_COMPLETE", "REVIEW_IN_PROGRESS")
        return sorted(stack["StackName"] for stack in found if stack["StackStatus"] not in gone)

    def policy(self) -> list[str]:
        """Sids of the raw bucket's policy."""
        bucket = self.settings.raw_bucket("cloudtrail")
        document = json.loads(self.client("s3").get_bucket_policy(Bucket=bucket)["Policy"])
        return [statement["Sid"] for statement in document["Statement"]]


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AwsLakeToDeploy]:
    folder = tmp_path_factory.mktemp("third")
    info = start_stack(folder / "stack", auth=True, log=quiet)
    try:
        yield AwsLakeToDeploy(info, folder / "lakes")
    finally:
        stop_stack(info)


DELIVERY = """DeliveryOrgId = "o-exampleorg1"
WriterRoles = ["arn:aws:iam::111122223333:role/firehose", "arn:aws:iam::444455556666:role/firehose"]
ReplicationRoles = ["arn:aws:iam::111122223333:role/replication"]
"""


def test_a_plan_changes_nothing(lake: AwsLakeToDeploy) -> None:
    lake.describe(FILE)
    told = lake.command("deploy", "--plan")
    assert all(f"{stack}: new, " in told for stack in STACKS), told
    assert "Nothing was changed" in told
    assert lake.stacks() == []


def test_without_a_person_it_asks_for_yes(lake: AwsLakeToDeploy) -> None:
    lake.describe(FILE)
    assert "--yes says yes where no person is there" in lake.command("deploy", code=2)
    assert lake.stacks() == []


def test_it_is_deployed_and_twice_is_once(lake: AwsLakeToDeploy) -> None:
    lake.describe(FILE)
    lake.command("deploy", "--yes")
    assert lake.stacks() == STACKS
    again = lake.command("deploy", "--yes")
    assert [line for line in again.splitlines() if not line.endswith(": unchanged")] == [
        f"lake {NAME}: AWS account {ACCOUNT}, {REGION}"
    ]
    tags = lake.client("cloudformation").describe_stacks(StackName="third-addapart-raw-cloudtrail")["Stacks"][0]["Tags"]
    assert {"Key": "team", "Value": "security"} in tags
    assert "cloudtrail" in lake.command("status")


def test_a_policy_that_widens_is_shown_before_it_does(lake: AwsLakeToDeploy) -> None:
    lake.describe(FILE + DELIVERY)
    told = lake.command("deploy", "--plan")
    assert "third-addapart-raw-cloudtrail: 1 changed\n  change   BucketPolicy (AWS::S3::BucketPolicy)" in told
    assert "WIDER    BucketPolicy allows" in told
    assert 's3:AbortMultipartUpload on Bucket.Arn/* to {"AWS": "arn:aws:iam::111122223333:role/firehose"}' in told
    lake.command("deploy", "--yes")
    delivery = ["LogDeliveryLooks", "LogDeliveryWrites"]
    assert lake.policy() == [*delivery, "RolesLook", "RolesWrite", "ReplicationLooks", "ReplicationWrites"]


def test_what_the_file_does_not_name_is_refused_and_not_set_back(lake: AwsLakeToDeploy) -> None:
    before = lake.policy()
    lake.describe(FILE)
    told = lake.command("deploy", "--yes", code=2)
    assert "addapart-raw-cloudtrail:DeliveryOrgId=o-exampleorg1" in told
    assert "addapart-raw-cloudtrail:WriterRoles=" in told
    assert "Nothing was deployed" in told
    assert lake.policy() == before
    lake.describe(FILE + DELIVERY.replace('"o-exampleorg1"', '""'))
    lake.command("deploy", "--yes")
    assert "aws:SourceAccount" in json.dumps(
        lake.client("s3").get_bucket_policy(Bucket=lake.settings.raw_bucket("cloudtrail"))
    )


def test_alarms_have_the_topic_of_the_lake(lake: AwsLakeToDeploy) -> None:
    alarms = lake.client("cloudwatch").describe_alarms(AlarmNamePrefix=NAME)["MetricAlarms"]
    names = {alarm["AlarmName"].removeprefix(f"{NAME}-addapart-raw-cloudtrail-") for alarm in alarms}
    assert {"dead", "undelivered", "quarantine", "age", "producer-errors", "consumer-errors"} <= names
    assert {tuple(alarm["AlarmActions"]) for alarm in alarms} == {(lake.settings.alarm_topic,)}
    (rule,) = lake.client("events").list_rules(NamePrefix=f"{NAME}-glue-failed")["Rules"]
    targets = lake.client("events").list_targets_by_rule(Rule=rule["Name"])["Targets"]
    assert [target["Arn"] for target in targets] == [lake.settings.alarm_topic]


def test_a_protected_lake_is_not_taken_down(lake: AwsLakeToDeploy) -> None:
    described = FILE.replace("[tags]", "termination_protection = true\n[tags]") + DELIVERY
    lake.describe(described.replace('"o-exampleorg1"', '""'))
    lake.command("deploy", "--yes")
    assert "are protected from deletion. Nothing was deleted" in lake.command("undeploy", "--yes", code=2)
    assert lake.stacks() == STACKS
    lake.describe(described.replace("protection = true", "protection = false").replace('"o-exampleorg1"', '""'))
    lake.command("deploy", "--yes")


def test_it_is_taken_down_with_its_data_kept_and_deployed_over_it_again(lake: AwsLakeToDeploy) -> None:
    s3, key = lake.client("s3"), commit_key(TABLE, 20261101, 1)
    s3.put_object(Bucket=lake.settings.readready_bucket, Key=key, Body=b"{}")
    told = lake.command("undeploy", "--yes")
    assert lake.stacks() == ["third-catalog", "third-storage"]
    assert "What stays" in told
    assert lake.settings.readready_bucket in told
    told = lake.command("deploy", "--yes")
    assert "  import   Bucket (AWS::S3::Bucket)" in told
    assert lake.stacks() == STACKS
    assert s3.get_object(Bucket=lake.settings.readready_bucket, Key=key)["Body"].read() == b"{}"
    bucket = lake.settings.raw_bucket("cloudtrail")
    (function,) = s3.get_bucket_notification_configuration(Bucket=bucket)["LambdaFunctionConfigurations"]
    assert function["LambdaFunctionArn"].endswith(":function:third-addapart-raw-cloudtrail-producer")


def test_its_data_goes_only_when_it_is_named_once_more(lake: AwsLakeToDeploy) -> None:
    assert f"--confirm {NAME}" in lake.command("undeploy", "--delete-data", "--yes", code=2)
    assert "Nothing was deleted" in lake.command("undeploy", "--delete-data", "--confirm", "other", code=2)
    assert lake.stacks() == STACKS
    lake.command("undeploy", "--delete-data", "--confirm", NAME)
    assert lake.stacks() == []
    assert lake.client("s3").list_buckets()["Buckets"] == []
    databases = [one["Name"] for one in lake.client("glue").get_databases()["DatabaseList"]]
    assert NAME not in databases
    assert "There is nothing of the lake third" in lake.command("undeploy", "--yes")
    lake.command("deploy", "--yes")
    assert lake.stacks() == STACKS


def test_the_lake_of_this_machine_is_not_deployed_by_it() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "infra.cli.main", "deploy"], cwd=REPOSITORY, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr.startswith("deploy: `loglake deploy` is for a lake on AWS")) == (2, True)

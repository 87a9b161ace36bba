"""A lake on AWS deployed, looked at, changed, taken down and deployed again by its command, IAM enforced."""

import base64
import dataclasses
import functools
import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest
from botocore.exceptions import ClientError, NoCredentialsError

from infra.aws.deploy import Artifacts, artifacts_of_tree, lake_stacks
from infra.aws.examination import LOOKS, examine
from infra.aws.findings import Deployment, Finding, look_at, merge
from infra.aws.stacks import DeployError, Stack
from infra.aws.table_reads import athena_remedy
from infra.aws.undeploy import lake_buckets, lake_parts, undeploy
from infra.cli.aws_lake import aws_lake
from infra.cli.doctor import examine_dagster
from infra.cli.home import REPOSITORY, own_environment
from loglake_assets.lake.checks.object_lock import NO_LOCK, LockResult
from loglake_assets.lake.versions.commits import commit_key
from loglake_assets.orchestration.object_lock_check import raw_lock_result
from loglake_assets.orchestration.source_config import source_config
from loglake_assets.sources import load_source, source_names
from resources.settings import LakeSettings
from tests.deployed_lake import ACCOUNT, REGION, DeployedLake, deployed_lake
from tests.recorded_rights import person, role_rights, take_policies
from tests.wait import until

pytestmark = pytest.mark.stack

NAME = "third"
LAYERS = [*(f"raw-{name}" for name in source_names()), "readready"]
STACKS = sorted([*(f"third-addapart-{layer}" for layer in LAYERS), "third-catalog", "third-jobs", "third-storage"])
TABLE = "from_cloudtrail_readready"
YESTERDAY = datetime.now(UTC).date() - timedelta(days=1)
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


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DeployedLake]:
    with deployed_lake(tmp_path_factory.mktemp("third"), NAME) as made:
        yield made


DELIVERY = """DeliveryOrgIds = ["o-exampleorg1", "o-exampleorg2"]
WriterRoles = ["arn:aws:iam::111122223333:role/firehose", "arn:aws:iam::444455556666:role/firehose"]
ReplicationRoles = ["arn:aws:iam::111122223333:role/replication"]
"""
ORGANIZATIONS = '["o-exampleorg1", "o-exampleorg2"]'


def test_a_plan_changes_nothing(lake: DeployedLake) -> None:
    lake.describe(FILE)
    told = lake.command("deploy", "--plan")
    assert all(f"{stack}: new, " in told for stack in STACKS), told
    assert "Nothing was changed" in told
    assert lake.stacks() == []


def test_without_a_person_it_asks_for_yes(lake: DeployedLake) -> None:
    lake.describe(FILE)
    assert "--yes says yes where no person is there" in lake.command("deploy", code=2)
    assert lake.stacks() == []


def test_it_is_deployed_and_twice_is_once(lake: DeployedLake) -> None:
    lake.describe(FILE)
    lake.command("deploy", "--yes")
    assert lake.stacks() == STACKS
    again = lake.command("deploy", "--yes")
    assert [line for line in again.splitlines() if not line.endswith(": unchanged")] == [
        "No stack would change.",
        f"lake {NAME}: AWS account {ACCOUNT}, {REGION}",
    ]
    glue = lake.client("glue")
    glue.delete_table(DatabaseName=NAME, Name=TABLE)
    assert "No stack would change." in lake.command("deploy", "--plan")
    with pytest.raises(ClientError, match="EntityNotFound"):
        glue.get_table(DatabaseName=NAME, Name=TABLE)
    assert f"The table {NAME}.{TABLE} was gone" in lake.command("deploy", "--yes")
    tags = lake.client("cloudformation").describe_stacks(StackName="third-addapart-raw-cloudtrail")["Stacks"][0]["Tags"]
    assert {"Key": "team", "Value": "security"} in tags
    assert "cloudtrail" in lake.command("status")


def test_a_policy_that_widens_is_shown_before_it_does(lake: DeployedLake) -> None:
    lake.describe(FILE + DELIVERY)
    told = lake.command("deploy", "--plan")
    assert "third-addapart-raw-cloudtrail: 1 changed\n  change   BucketPolicy (AWS::S3::BucketPolicy)" in told
    assert "WIDER    BucketPolicy allows" in told
    assert 's3:AbortMultipartUpload on Bucket.Arn/* to {"AWS": "arn:aws:iam::111122223333:role/firehose"}' in told
    lake.command("deploy", "--yes")
    delivery = ["LogDeliveryLooks", "LogDeliveryWrites"]
    assert lake.policy() == [*delivery, "RolesLook", "RolesWrite", "ReplicationLooks", "ReplicationWrites"]


def test_what_the_file_does_not_name_is_refused_and_not_set_back(lake: DeployedLake) -> None:
    before = lake.policy()
    lake.describe(FILE)
    told = lake.command("deploy", "--yes", code=2)
    assert "addapart-raw-cloudtrail:DeliveryOrgIds=o-exampleorg1,o-exampleorg2" in told
    assert "addapart-raw-cloudtrail:WriterRoles=" in told
    assert "Nothing was deployed" in told
    assert lake.policy() == before
    lake.describe(FILE + DELIVERY.replace(ORGANIZATIONS, "[]"))
    lake.command("deploy", "--yes")
    assert "aws:SourceAccount" in json.dumps(
        lake.client("s3").get_bucket_policy(Bucket=lake.settings.raw_bucket("cloudtrail"))
    )


def test_alarms_have_the_topic_of_the_lake(lake: DeployedLake) -> None:
    alarms = lake.client("cloudwatch").describe_alarms(AlarmNamePrefix=NAME)["MetricAlarms"]
    names = {alarm["AlarmName"].removeprefix(f"{NAME}-addapart-raw-cloudtrail-") for alarm in alarms}
    assert {"dead", "undelivered", "quarantine", "age", "producer-errors", "consumer-errors"} <= names
    assert {tuple(alarm["AlarmActions"]) for alarm in alarms} == {(lake.settings.alarm_topic,)}
    (rule,) = lake.client("events").list_rules(NamePrefix=f"{NAME}-glue-failed")["Rules"]
    targets = lake.client("events").list_targets_by_rule(Rule=rule["Name"])["Targets"]
    assert [target["Arn"] for target in targets] == [lake.settings.alarm_topic]


def test_a_protected_lake_is_not_taken_down(lake: DeployedLake) -> None:
    described = FILE.replace("[tags]", "termination_protection = true\n[tags]") + DELIVERY
    lake.describe(described.replace(ORGANIZATIONS, "[]"))
    lake.command("deploy", "--yes")
    assert "are protected from deletion. Nothing was deleted" in lake.command("undeploy", "--yes", code=2)
    assert lake.stacks() == STACKS
    lake.describe(described.replace("protection = true", "protection = false").replace(ORGANIZATIONS, "[]"))
    lake.command("deploy", "--yes")


def test_who_has_a_policy_of_the_lake_is_named_before_anything_is_deleted(lake: DeployedLake) -> None:
    iam, nobody = lake.client("iam"), json.dumps({"Version": "2012-10-17", "Statement": []})
    policy, other = (f"arn:aws:iam::{ACCOUNT}:policy/{NAME}-{name}" for name in ("reader", "dagster"))
    iam.create_role(RoleName="analyst", AssumeRolePolicyDocument=nobody)
    iam.create_user(UserName="operator")
    iam.attach_role_policy(RoleName="analyst", PolicyArn=policy)
    iam.attach_user_policy(UserName="operator", PolicyArn=other)
    told = lake.command("undeploy", "--yes", code=2)
    assert "Nothing was deleted" in told
    assert f"aws iam detach-role-policy --role-name analyst --policy-arn {policy}" in told
    assert f"aws iam detach-user-policy --user-name operator --policy-arn {other}" in told
    assert lake.stacks() == STACKS
    iam.detach_role_policy(RoleName="analyst", PolicyArn=policy)
    iam.detach_user_policy(UserName="operator", PolicyArn=other)


class Account:
    """An account of AWS with stacks that take three looks to go, and what was asked of it in order."""

    def __init__(self, names: list[str], attached: str = "") -> None:
        self.looks = dict.fromkeys(names, 0)
        self.attached = attached
        self.asked: list[str] = []
        self.page: Any = []

    def describe_stacks(self, StackName: str) -> Any:
        name = StackName.removeprefix("id-")
        self.looks[name] -= 1
        status = {0: "CREATE_COMPLETE", -1: "CREATE_COMPLETE"}.get(self.looks[name], "DELETE_IN_PROGRESS")
        if self.looks[name] <= -4:
            self.asked.append(f"gone {name}")
            status = "DELETE_COMPLETE"
        return {"Stacks": [{"StackName": name, "StackId": f"id-{name}", "StackStatus": status}]}

    def delete_stack(self, StackName: str) -> None:
        self.asked.append(f"delete {StackName}")

    def get_paginator(self, name: str) -> "Account":
        self.page = {
            "describe_stacks": {"Stacks": [{"StackName": n, "StackStatus": "CREATE_COMPLETE"} for n in self.looks]},
            "list_stack_resources": {"StackResourceSummaries": RESOURCES},
            "list_entities_for_policy": {
                "PolicyRoles": [{"RoleName": n} for n in ("third-dagster-TaskRole-1", self.attached) if n],
                "PolicyUsers": [],
                "PolicyGroups": [],
            },
            "describe_db_snapshots": {
                "DBSnapshots": [{"DBSnapshotIdentifier": "third-dagster-snapshot-1", "AllocatedStorage": 50}]
            },
        }[name]
        return self

    def paginate(self, **named: str) -> Any:
        return [self.page]

    def list_buckets(self) -> Any:
        return {"Buckets": []}


RESOURCES = [
    {"ResourceType": kind, "PhysicalResourceId": thing, "ResourceStatus": "CREATE_COMPLETE"}
    for kind, thing in (
        ("AWS::IAM::Role", "third-dagster-TaskRole-1"),
        ("AWS::IAM::ManagedPolicy", "arn:third-dagster"),
    )
]


def test_dagster_is_gone_before_the_policies_that_its_role_has() -> None:
    account, told = Account(["third-dagster", "third-jobs", "third-addapart-readready", "third-storage"]), list[str]()
    left = undeploy(LakeSettings(NAME, ACCOUNT, REGION), lambda service: account, False, told.append)
    others = ["third-jobs", "third-addapart-readready"]
    assert account.asked[:2] == ["delete third-dagster", "gone third-dagster"]
    assert account.asked[2:4] == [f"delete {name}" for name in others]
    (snapshot,) = left.snapshots
    assert (snapshot.name, round(snapshot.usd_a_month, 2)) == ("third-dagster-snapshot-1", 4.75)


def test_a_role_of_the_lakes_own_stacks_has_to_be_detached_by_nobody() -> None:
    account = Account(["third-dagster", "third-jobs"], attached="analyst")
    with pytest.raises(DeployError, match="--role-name analyst") as refused:
        undeploy(LakeSettings(NAME, ACCOUNT, REGION), lambda service: account, False, print)
    assert "TaskRole" not in str(refused.value)
    assert account.asked == []


def test_it_is_taken_down_with_its_data_kept_and_deployed_over_it_again(lake: DeployedLake) -> None:
    s3, key = lake.client("s3"), commit_key(TABLE, 20261101, 1)
    s3.put_object(Bucket=lake.settings.readready_bucket, Key=key, Body=b"{}")
    database = {"DBInstanceIdentifier": "third-dagster", "Engine": "postgres", "DBInstanceClass": "db.t4g.small"}
    rds = lake.client("rds")
    rds.create_db_instance(**database, AllocatedStorage=50, MasterUsername="dagster", MasterUserPassword="not-a-secret")
    rds.create_db_snapshot(DBSnapshotIdentifier="third-dagster-last", DBInstanceIdentifier="third-dagster")
    told = lake.command("undeploy", "--yes")
    assert "The snapshot third-dagster-last of Dagster's database stays" in told
    assert "at most 4.75 USD a month" in told
    rds.delete_db_snapshot(DBSnapshotIdentifier="third-dagster-last")
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


def test_its_data_goes_only_when_it_is_named_once_more(lake: DeployedLake) -> None:
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


def test_a_lake_whose_name_begins_with_anothers_is_left_alone() -> None:
    """`third-raw` and `third-jobs` are lakes of their own."""
    others = ["third-raw-raw-cloudtrail", "third-jobs-artifacts", "third-raw-other", "fourth-readready"]
    own = ["third-raw-cloudtrail", "third-readready", "third-artifacts", "third-athena-results"]
    buckets = [{"Name": f"{name}-{ACCOUNT}"} for name in (*others, *own)]
    stacks = ["third-jobs-storage", "third-jobs-jobs", "third-jobs", "third-storage", "third-addapart-raw-cloudtrail"]

    class Listed:
        def list_buckets(self) -> Any:
            return {"Buckets": buckets}

        def get_paginator(self, name: str) -> Any:
            return self

        def paginate(self) -> Any:
            return [{"Stacks": [{"StackName": name, "StackStatus": "CREATE_COMPLETE"} for name in stacks]}]

    settings = LakeSettings(NAME, ACCOUNT, REGION)
    assert lake_buckets(settings, lambda service: Listed()) == sorted(f"{name}-{ACCOUNT}" for name in own)
    assert lake_parts(settings, lambda service: Listed()) == [
        "third-jobs",
        "third-addapart-raw-cloudtrail",
        "third-storage",
    ]


def test_the_lake_of_this_machine_is_not_deployed_by_it() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "infra.cli.main", "deploy"], cwd=REPOSITORY, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr.startswith("deploy: `loglake deploy` is for a lake on AWS")) == (2, True)


# --- doctor -----------------------------------------------------------------------------------------------------------


def findings(lake: DeployedLake, code: int = 1) -> list[str]:
    """What doctor calls bad."""
    told = lake.command("doctor", code=code)
    return [line.removeprefix("BAD  ") for line in told.splitlines() if line.startswith("BAD")]


@pytest.fixture(scope="module")
def whole(lake: DeployedLake) -> DeployedLake:
    """The lake with a person who is told of alarms, and a log of yesterday in each bucket."""
    lake.describe(FILE)
    lake.command("undeploy", "--delete-data", "--confirm", NAME)
    lake.command("deploy", "--yes")
    sqs, sns = lake.client("sqs"), lake.client("sns")
    url = sqs.create_queue(QueueName="pager")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    sns.subscribe(TopicArn=lake.settings.alarm_topic, Protocol="sqs", Endpoint=arn)
    for name in source_names():
        lake.put(name, YESTERDAY, 600)
    until(lambda: not findings_of_logs(lake), 60)
    lake.command("build", "cloudtrail", f"{YESTERDAY}")
    trails, bucket = lake.client("cloudtrail"), lake.settings.raw_bucket("cloudtrail")
    trails.create_trail(Name=TRAIL_NAME, S3BucketName=bucket, IsMultiRegionTrail=True, EnableLogFileValidation=True)
    trails.start_logging(Name=TRAIL_NAME)
    return lake


TRAIL_NAME = "everything"


def findings_of_logs(lake: DeployedLake) -> list[str]:
    glue = lake.client("glue")
    tables = [load_source(name).raw.name for name in source_names()]
    return [table for table in tables if not glue.get_partitions(DatabaseName=NAME, TableName=table)["Partitions"]]


@functools.cache
def artifacts() -> Artifacts:
    return artifacts_of_tree()


def seen_by(
    lake: DeployedLake, key: tuple[str, str], *subjects: str, settings: LakeSettings | None = None, **more: str
) -> list[Finding]:
    """What the looks find, of these subjects or of all, with somebody's credentials; `more` are parameters besides."""
    sources, named = [load_source(name) for name in source_names()], settings or lake.settings
    own = {"addapart-raw-cloudtrail:DeliveryServices": "cloudtrail.amazonaws.com"}
    parameters = {"RequireTls": "false", **own, **more}
    stacks = lake_stacks(named, sources, parameters, artifacts())
    deployment = Deployment(named, functools.cache(lambda service: lake.client(service, *key)), stacks, sources)
    looks = [look_at(deployment, subject, f"the {subject}", LOOKS[subject](deployment)) for subject in subjects]
    return [one for look in looks for one in look if not one.is_well]


def root(lake: DeployedLake) -> tuple[str, str]:
    return lake.info.access_key_id, lake.info.secret_access_key


def test_doctor_says_that_all_is_well_where_it_is(whole: DeployedLake) -> None:
    told = whole.command("doctor")
    assert told.rstrip().splitlines()[-2:] == ["All is well.", f"lake {NAME}: AWS account {ACCOUNT}, {REGION}"]
    assert f"cloudtrail {YESTERDAY} to " in told
    assert f"{TRAIL_NAME} delivers to {whole.settings.raw_bucket('cloudtrail')}, last at 20" in told
    assert re.search(r"Athena read \d\d tables and views, and found a row in \d+ of them", told)


def test_what_may_not_be_seen_is_never_called_absent_and_its_remedy_is_enough(whole: DeployedLake) -> None:
    """Somebody who may do nothing is given what doctor names, time after time, until all is well."""
    iam, arn = whole.client("iam"), f"arn:aws:iam::{ACCOUNT}:user/looker"
    iam.create_user(UserName="looker")
    made = iam.create_access_key(UserName="looker")["AccessKey"]
    key, allowed, subjects = (made["AccessKeyId"], made["SecretAccessKey"]), set[str](), list(LOOKS)
    for _ in range(9):
        found = merge(seen_by(whole, key, *subjects))
        subjects = list(dict.fromkeys(one.subject for one in found))
        assert not [one.sentence for one in found if "not there" in one.sentence]
        assert [one for one in found if f"to {arn}, or look with --profile" not in one.remedy] == []
        asked = {re.findall(r"allow (\S+) to", one.remedy)[0] for one in found}
        if not asked:
            break
        assert not asked & allowed, "it is named once"
        allowed |= asked
        statement = {"Effect": "Allow", "Action": sorted(allowed), "Resource": "*"}
        document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        iam.put_user_policy(UserName="looker", PolicyName="looks", PolicyDocument=document)
    assert asked == set()
    assert {"s3:ListBucket", "s3:GetObject", "glue:GetTable", "athena:StartQueryExecution"} <= allowed
    looks = ("Get", "List", "Describe", "StartQueryExecution")
    assert not [action for action in allowed if not action.partition(":")[2].startswith(looks)]


def sentences(found: list[Finding]) -> str:
    return "\n".join(one.sentence for one in found)


def test_a_policy_of_the_same_sids_that_lets_others_in_is_found(whole: DeployedLake) -> None:
    s3, bucket = whole.client("s3"), whole.settings.raw_bucket("cloudtrail")
    policy = s3.get_bucket_policy(Bucket=bucket)["Policy"]
    assert seen_by(whole, root(whole), "buckets") == []
    for spelled in (policy.replace(f'["{ACCOUNT}"]', f'"{ACCOUNT}"'), json.dumps(json.loads(policy), indent=2)):
        s3.put_bucket_policy(Bucket=bucket, Policy=spelled)
        assert seen_by(whole, root(whole), "buckets") == [], "the same in other words"
    s3.put_bucket_policy(Bucket=bucket, Policy=policy.replace(ACCOUNT, "111122223333"))
    told = sentences(seen_by(whole, root(whole), "buckets"))
    assert f"the policy of {bucket} lacks LogDeliveryLooks, LogDeliveryWrites" in told
    assert f"the policy of {bucket} lets others in" in told
    assert "111122223333" in told
    document = json.loads(policy)
    document["Statement"].append({**document["Statement"][1], "Principal": "*", "Sid": "LogDeliveryWrites"})
    s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps(document))
    (found,) = seen_by(whole, root(whole), "buckets")
    assert found.sentence.startswith(f'the policy of {bucket} lets others in: s3:PutObject to "*"')
    s3.put_bucket_policy(Bucket=bucket, Policy=policy)
    other = whole.settings.raw_bucket("bedrock")
    s3.put_bucket_policy(Bucket=other, Policy=policy.replace(bucket, other))
    assert f"the policy of {other} lets others in" in sentences(seen_by(whole, root(whole), "buckets"))
    s3.delete_bucket_policy(Bucket=other)


def test_a_bucket_that_tells_the_producer_of_another_log_is_found(whole: DeployedLake) -> None:
    s3, bucket = whole.client("s3"), whole.settings.raw_bucket("cloudtrail")
    before = s3.get_bucket_notification_configuration(Bucket=bucket)["LambdaFunctionConfigurations"]
    other = [{**one, "LambdaFunctionArn": one["LambdaFunctionArn"].replace("cloudtrail", "bedrock")} for one in before]
    s3.put_bucket_notification_configuration(
        Bucket=bucket, NotificationConfiguration={"LambdaFunctionConfigurations": other}
    )
    (found,) = seen_by(whole, root(whole), "buckets")
    assert "third-addapart-raw-cloudtrail-producer: no partition is made" in found.sentence
    s3.put_bucket_notification_configuration(
        Bucket=bucket, NotificationConfiguration={"LambdaFunctionConfigurations": before}
    )


def test_a_bucket_whose_objects_are_not_locked_as_the_file_says_is_found(whole: DeployedLake) -> None:
    """The emulator's CloudFormation passes over locks, as somebody may have who made the bucket."""
    s3, bucket = whole.client("s3"), whole.settings.raw_bucket("cloudwatch")
    lock = {"addapart-raw-cloudwatch:ObjectLockMode": "GOVERNANCE", "addapart-raw-cloudwatch:ObjectLockDays": "30"}
    (found,) = seen_by(whole, root(whole), "buckets", **lock)
    assert found.sentence == f"{bucket}: new objects are not locked, and the file says GOVERNANCE for 30 days"
    for days, words in ((7, ["locked by GOVERNANCE for 7 days"]), (30, [])):
        rule = {"DefaultRetention": {"Mode": "GOVERNANCE", "Days": days}}
        lock_now = {"ObjectLockEnabled": "Enabled", "Rule": rule}
        s3.put_object_lock_configuration(Bucket=bucket, ObjectLockConfiguration=lock_now)
        told = [one.sentence for one in seen_by(whole, root(whole), "buckets", **lock)]
        assert len(told) == len(words)
        assert all(word in sentence for word, sentence in zip(words, told, strict=True))


def test_an_alarm_that_tells_nobody_is_found(whole: DeployedLake) -> None:
    alarms, name = whole.client("cloudwatch"), "third-addapart-readready-dead"
    assert seen_by(whole, root(whole), "alarms") == []
    (before,) = alarms.describe_alarms(AlarmNames=[name])["MetricAlarms"]
    kept = ("AlarmName", "AlarmDescription", "Namespace", "MetricName", "Dimensions", "Statistic", "Period")
    kept += ("EvaluationPeriods", "Threshold", "ComparisonOperator", "TreatMissingData", "AlarmActions")
    made = {part: before[part] for part in kept}
    alarms.put_metric_alarm(**{**made, "AlarmActions": []})
    assert [one.sentence for one in seen_by(whole, root(whole), "alarms")] == [f"the alarm {name} tells nobody"]
    alarms.put_metric_alarm(**made, ActionsEnabled=False)
    assert [one.sentence for one in seen_by(whole, root(whole), "alarms")] == [f"the alarm {name} tells nobody"]
    alarms.put_metric_alarm(**made)


def test_an_existing_bucket_that_is_gone_is_found(whole: DeployedLake) -> None:
    named = dataclasses.replace(whole.settings, raw_buckets=(("cloudtrail", "nobodys-bucket"),))
    lake = "addapart-raw-cloudtrail:DeliveryServices"
    told = sentences(seen_by(whole, root(whole), "buckets", settings=named, **{lake: ""}))
    assert told == "nobodys-bucket, which cloudtrail is delivered to, is not there"


def test_a_table_that_athena_cannot_read_is_named_with_its_reason(whole: DeployedLake) -> None:
    s3, glue, bucket = whole.client("s3"), whole.client("glue"), whole.settings.readready_bucket
    where = glue.get_partition(DatabaseName=NAME, TableName=TABLE, PartitionValues=[f"{YESTERDAY:%Y%m%d}"])
    prefix = where["Partition"]["StorageDescriptor"]["Location"].split("/", 3)[3]
    files = [one["Key"] for one in s3.list_objects_v2(Bucket=bucket, Prefix=prefix)["Contents"]]
    damage = [s3.put_object(Bucket=bucket, Key=one, Body=b"no ORC file")["VersionId"] for one in files]
    (found,) = seen_by(whole, root(whole), "reads")
    assert found.sentence.startswith(f"{TABLE} of {YESTERDAY}: Athena says HIVE_")
    assert "restore.md" in found.remedy
    for one, version in zip(files, damage, strict=True):
        s3.delete_object(Bucket=bucket, Key=one, VersionId=version)
    view = glue.get_table(DatabaseName=NAME, Name="session_activity")["Table"]
    kept = {part: view[part] for part in ("Name", "TableType", "Parameters", "ViewOriginalText", "StorageDescriptor")}
    glue.update_table(DatabaseName=NAME, TableInput={**kept, "ViewOriginalText": other_view(view["ViewOriginalText"])})
    (found,) = seen_by(whole, root(whole), "reads")
    assert found.sentence.startswith("session_activity of ")
    assert "Athena says " in found.sentence
    assert found.remedy.endswith(" deploy")
    glue.update_table(DatabaseName=NAME, TableInput=kept)
    assert seen_by(whole, root(whole), "reads") == []


def other_view(text: str) -> str:
    """The view over a table that is not there."""
    document = json.loads(base64.b64decode(text.split()[3]))
    document["originalSql"] = document["originalSql"].replace("session_activity_review", "gone")
    return f"/* Presto View: {base64.b64encode(json.dumps(document).encode()).decode()} */"


def test_trails_say_themselves_what_is_wrong_with_them(whole: DeployedLake) -> None:
    trails, s3, bucket = whole.client("cloudtrail"), whole.client("s3"), whole.settings.raw_bucket("cloudtrail")
    assert seen_by(whole, root(whole), "deliverers") == []
    trails.create_trail(Name="elsewhere", S3BucketName="any-other-bucket")
    trails.create_trail(Name="silent", S3BucketName=bucket)
    found = [one.sentence for one in seen_by(whole, root(whole), "deliverers")]
    assert [sentence.split(",")[0] for sentence in found] == [
        "the trail silent is switched off",
        "the trail silent writes no digests",
    ]
    trails.delete_trail(Name="silent")
    policy = s3.get_bucket_policy(Bucket=bucket)["Policy"]
    s3.put_bucket_policy(Bucket=bucket, Policy=policy.replace(ACCOUNT, "111122223333"))
    cannot = f"the trail {TRAIL_NAME} cannot deliver {{}} to {bucket}: CloudTrail says AccessDenied"
    found = [one.sentence for one in seen_by(whole, root(whole), "deliverers")]
    assert found == [cannot.format("log files"), cannot.format("digests")]
    s3.put_bucket_policy(Bucket=bucket, Policy=policy)
    trails.stop_logging(Name=TRAIL_NAME)
    (off,) = seen_by(whole, root(whole), "deliverers")
    assert re.fullmatch(rf"the trail {TRAIL_NAME} is switched off, since 20\d\d-\S+ \S+ UTC", off.sentence)
    assert off.remedy == f"aws cloudtrail start-logging --name {TRAIL_NAME}"
    trails.start_logging(Name=TRAIL_NAME)


def test_doctor_names_everything_that_is_broken(whole: DeployedLake) -> None:
    lake, settings = whole, whole.settings
    s3, sqs, glue, functions = (lake.client(name) for name in ("s3", "sqs", "glue", "lambda"))
    raw = settings.raw_bucket("cloudtrail")
    s3.put_bucket_notification_configuration(Bucket=raw, NotificationConfiguration={})
    s3.put_bucket_versioning(Bucket=raw, VersioningConfiguration={"Status": "Suspended"})
    s3.delete_bucket_policy(Bucket=raw)
    other = {"Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms"}}]}
    s3.put_bucket_encryption(Bucket=settings.results_bucket, ServerSideEncryptionConfiguration=other)
    quarantine = sqs.get_queue_url(QueueName="third-addapart-readready-quarantine")["QueueUrl"]
    sqs.send_message(QueueUrl=quarantine, MessageBody="{}")
    sqs.delete_queue(QueueUrl=sqs.get_queue_url(QueueName="third-addapart-readready-dead.fifo")["QueueUrl"])
    (mapping,) = functions.list_event_source_mappings(FunctionName="third-addapart-readready-consumer")[
        "EventSourceMappings"
    ]
    functions.update_event_source_mapping(UUID=mapping["UUID"], Enabled=False)
    functions.delete_function(FunctionName="third-addapart-raw-bedrock-producer")
    glue.delete_table(DatabaseName=NAME, Name="from_cloudwatch_readready")
    change_table(glue, TABLE, columns=[{"Name": "other", "Type": "string"}])
    change_table(glue, "from_bedrock_readready", serde="org.example.OtherSerDe", projected="true")
    glue.create_table(DatabaseName=NAME, TableInput=table_input(glue, "from_cloudtrail_raw", is_dropped=True))
    glue.delete_table(DatabaseName=NAME, Name="session_activity")
    job = glue.get_job(JobName=settings.readready_job)["Job"]
    s3.delete_object(Bucket=settings.artifacts_bucket, Key=job["DefaultArguments"]["--extra-py-files"].split("/", 3)[3])
    arguments = {**job["DefaultArguments"], "--database": "other"}
    kept = {name: job[name] for name in ("Role", "Command")}
    glue.update_job(
        JobName=settings.readready_job, JobUpdate={**kept, "DefaultArguments": arguments, "GlueVersion": "4.0"}
    )
    lake.client("athena").update_work_group(WorkGroup=NAME, State="DISABLED")
    alarms = lake.client("cloudwatch")
    alarms.delete_alarms(AlarmNames=["third-addapart-readready-dead"])
    alarms.set_alarm_state(AlarmName="third-addapart-readready-age", StateValue="ALARM", StateReason="a test")
    (subscription,) = lake.client("sns").list_subscriptions_by_topic(TopicArn=settings.alarm_topic)["Subscriptions"]
    lake.client("sns").unsubscribe(SubscriptionArn=subscription["SubscriptionArn"])
    lake.client("cloudformation").delete_stack(StackName="third-addapart-raw-cloudwatch")
    for partition in glue.get_partitions(DatabaseName=NAME, TableName="from_bedrock_raw")["Partitions"]:
        glue.delete_partition(DatabaseName=NAME, TableName="from_bedrock_raw", PartitionValues=partition["Values"])
    lake.describe(
        FILE.replace("[tags]", 'dagster = "http://127.0.0.1:9"\n[tags]').replace(
            "[parameters.addapart", "[parameters.jobs]\nTimeoutMinutes = 45\n\n[parameters.addapart"
        )
    )
    found = "\n".join(findings(lake))
    for sentence in (
        "third-addapart-raw-cloudwatch is not there",
        "third-jobs has other values than this tree and file: TimeoutMinutes",
        f"{raw} tells no producer of new objects",
        f"{raw}: versions are Suspended",
        f"the policy of {raw} lacks LogDeliveryLooks, LogDeliveryWrites",
        f"{settings.results_bucket} is encrypted by aws:kms, not AES256",
        "1 message is in third-addapart-readready-quarantine",
        "third-addapart-readready-dead.fifo is not there",
        "third-addapart-readready-consumer takes no messages",
        "third-addapart-raw-bedrock-producer is not there",
        "third.from_cloudwatch_readready is not there",
        f"third.{TABLE} has other columns than its declaration",
        "third.from_bedrock_readready is read by another SerDe",
        "third.from_bedrock_readready projects its partitions",
        "third.from_cloudtrail_raw has no partition index",
        "third.session_activity is not there",
        "third-readready runs on Glue 4.0, not 5.1",
        "third-readready has other arguments than declared: --database",
        "its code s3://third-artifacts-000000000000/bundles/glue-",
        "the Athena workgroup third is off",
        "no table was read: the Athena workgroup third is off",
        f"the trail {TRAIL_NAME} cannot deliver log files to {raw}: CloudTrail says AccessDenied",
        "the alarm third-addapart-readready-dead is not there",
        "third-addapart-readready-age rings: Messages wait for 15 minutes",
        "nobody has subscribed",
        "bedrock: no object has ever arrived",
        "http://127.0.0.1:9 does not answer",
    ):
        assert sentence in found, f"{sentence}\n{found}"


def table_input(glue: Any, name: str, is_dropped: bool = False) -> dict[str, Any]:
    """What makes the table again as it is; with `is_dropped` it is dropped, and its index with it."""
    table = glue.get_table(DatabaseName=NAME, Name=name)["Table"]
    if is_dropped:
        glue.delete_table(DatabaseName=NAME, Name=name)
    return {part: table[part] for part in ("Name", "TableType", "PartitionKeys", "Parameters", "StorageDescriptor")}


def change_table(glue: Any, name: str, columns: Any = None, serde: str = "", projected: str = "") -> None:
    described = table_input(glue, name)
    if columns:
        described["StorageDescriptor"]["Columns"] = columns
    if serde:
        described["StorageDescriptor"]["SerdeInfo"]["SerializationLibrary"] = serde
    if projected:
        described["Parameters"]["projection.enabled"] = projected
    glue.update_table(DatabaseName=NAME, TableInput=described)


@pytest.mark.parametrize(
    ("reason", "mends"),
    [
        ("Permission denied on S3 path: s3://b/from_any/run=1", "s3:ListBucket there to whoever.*policy third-reader"),
        ("HIVE_BAD_DATA: Error reading from s3://b/k: Access Denied", "s3:ListBucket there to whoever"),
        ("Insufficient permissions to execute the query. Lake Formation", "grant the table to whoever"),
        ("com.amazonaws.services.kms: AWSKMSException", "kms:Decrypt"),
        ("Bytes scanned limit was exceeded", "BytesScannedCutoff"),
        ("Unable to verify/create output bucket third-athena-results", "deploy$"),
        ("HIVE_CURSOR_ERROR: Malformed ORC file. Invalid postscript", "restore.md"),
        ("HIVE_PARTITION_SCHEMA_MISMATCH: There is a mismatch", "deploy$"),
        ("Query exhausted resources at this scale factor", "again in a minute"),
        ("SOMETHING_NEW: of Athena", "the workgroup third"),
    ],
)
def test_each_reason_of_athena_has_what_mends_it(reason: str, mends: str) -> None:
    def refuse(service: str) -> Any:
        raise NoCredentialsError

    assert re.search(mends, athena_remedy(Deployment(LakeSettings(NAME, ACCOUNT, REGION), refuse, [], []), reason))


def deployment_of(settings: LakeSettings, stacks: list[Stack] | None = None, **answers: Any) -> Deployment:
    """A lake whose account answers this, by operation."""

    class Client:
        def __getattr__(self, operation: str) -> Any:
            return lambda **asked: answers[operation]

    return Deployment(settings, lambda service: Client(), stacks or [], [])


def test_a_stack_in_a_failed_status_is_found() -> None:
    settings, stack = LakeSettings(NAME, ACCOUNT, REGION), Stack("third-jobs", "{}", {})
    for status, is_well in (
        ("UPDATE_COMPLETE", True),
        ("UPDATE_ROLLBACK_COMPLETE", False),
        ("DELETE_FAILED", False),
        ("UPDATE_ROLLBACK_FAILED", False),
    ):
        described = {"Stacks": [{"StackName": "third-jobs", "StackStatus": status}]}
        found = [one.sentence for one in LOOKS["stacks"](deployment_of(settings, [stack], describe_stacks=described))]
        assert found == ([] if is_well else [f"third-jobs is {status}"])


def test_a_subscription_that_nobody_confirmed_is_found() -> None:
    """The emulator confirms by itself."""
    settings, arn = LakeSettings(NAME, ACCOUNT, REGION), "arn:aws:sns:eu-west-1:000000000000:third-alarms:1"
    for arns, words in ((["PendingConfirmation"], "nobody has confirmed"), ([], "nobody has subscribed"), ([arn], "")):
        listed = {"Subscriptions": [{"SubscriptionArn": one} for one in arns]}
        found = list(LOOKS["subscribers"](deployment_of(settings, list_subscriptions_by_topic=listed)))
        assert [one.sentence.split(":")[0] for one in found] == ([words] if words else [])


@pytest.mark.parametrize("endpoint", [None, "http://127.0.0.1:9"])
def test_a_job_without_wheels_is_found_on_aws(endpoint: str | None) -> None:
    """On the emulator it needs none; where the file names them, the job has other arguments than declared."""
    settings, sources = LakeSettings(NAME, ACCOUNT, REGION, endpoint), [load_source(name) for name in source_names()]
    for wheels, words in ((b"", "has no wheels"), (b"zip", "has other arguments than declared: --additional-python")):
        stacks = [
            stack
            for stack in lake_stacks(settings, sources, {}, dataclasses.replace(artifacts(), wheels=wheels))
            if stack.name == "third-jobs"
        ]
        deployment = deployment_of(settings, stacks, head_object={})
        ((_, job),) = deployment.resources("AWS::Glue::Job")
        arguments = {k: v for k, v in job.properties["DefaultArguments"].items() if k != "--additional-python-modules"}
        command = {"ScriptLocation": "s3://third-artifacts/script.py"}
        answered = {"Job": {"GlueVersion": "5.1", "DefaultArguments": arguments, "Command": command}}
        found = sentences(list(LOOKS["job"](deployment_of(settings, stacks, get_job=answered, head_object={}))))
        assert (words in found) == (endpoint is None or wheels != b""), found


@pytest.mark.parametrize(
    ("repositories", "words"),
    [
        ([("RUNNING", "RUNNING")], "all schedules and sensors are on"),
        ([("STOPPED", "RUNNING")], "switched off: hourly"),
        ([("RUNNING", "STOPPED")], "switched off: alarms"),
        ([], "has loaded no code"),
        (None, "does not answer"),
    ],
)
def test_a_dagster_that_is_switched_off_is_found(repositories: list[tuple[str, str]] | None, words: str) -> None:
    nodes = [
        {
            "schedules": [
                {"name": "hourly", "scheduleState": {"status": schedule}},
                {"name": "collect_old_runs", "scheduleState": {"status": "STOPPED"}},
            ],
            "sensors": [{"name": "alarms", "sensorState": {"status": sensor}}],
        }
        for schedule, sensor in repositories or []
    ]
    body = json.dumps({"data": None if repositories is None else {"repositoriesOrError": {"nodes": nodes}}}).encode()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        (found,) = examine_dagster(f"http://127.0.0.1:{server.server_port}/")
    finally:
        server.shutdown()
        server.server_close()
    assert words in found.sentence
    assert found.is_well == ("are on" in words)


FORBIDDEN = (
    ("s3", "delete_object", {"Bucket": f"{NAME}-raw-cloudtrail-{ACCOUNT}", "Key": "AWSLogs/x"}),
    ("s3", "put_bucket_policy", {"Bucket": f"{NAME}-readready-{ACCOUNT}", "Policy": "{}"}),
    ("glue", "delete_table", {"DatabaseName": NAME, "Name": load_source("cloudtrail").raw.name}),
    ("iam", "create_user", {"UserName": "another"}),
)
PEOPLE = ("reader", "reviewer", "operator", "dagster", "retention")


def test_no_role_or_policy_of_the_lake_may_delete_logs_open_buckets_drop_tables_or_make_people(
    whole: DeployedLake,
) -> None:
    roles = [one["RoleName"] for one in whole.client("iam").list_roles()["Roles"] if one["RoleName"].startswith(NAME)]
    assert len(roles) >= 7, "an earlier test takes a log out"
    everybody = {role: role_rights(whole, role, f"as-{n}") for n, role in enumerate(roles)}
    everybody |= {policy: person(whole, f"who-has-{policy}", policy) for policy in PEOPLE}
    for who, rights in everybody.items():
        key = rights["AWS_ACCESS_KEY_ID"], rights["AWS_SECRET_ACCESS_KEY"]
        clients = {service: whole.client(service, *key) for service, _, _ in FORBIDDEN}
        for service, call, asked in FORBIDDEN:
            with pytest.raises(ClientError) as refused:
                getattr(clients[service], call)(**asked)
            assert "AccessDenied" in refused.value.response["Error"]["Code"], f"{who} may {service} {call}"


def test_doctor_compares_clocks() -> None:
    said = format_datetime(datetime.now(UTC) - timedelta(minutes=20))

    class Sts:
        def get_caller_identity(self) -> Any:
            return {"ResponseMetadata": {"HTTPHeaders": {"date": said}}}

    settings = LakeSettings(NAME, ACCOUNT, REGION)
    (found,) = LOOKS["clock"](Deployment(settings, lambda service: Sts(), [], []))
    assert found.sentence.startswith("this machine's clock is 1,2")


def test_what_may_not_be_seen_is_one_finding_and_hides_no_other() -> None:
    def refuse(service: str) -> Any:
        raise ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, "Any")

    found = list(examine(Deployment(LakeSettings(NAME, ACCOUNT, REGION), refuse, [], [])))
    assert {one.subject for one in found} == set(LOOKS)
    assert all("AWS denies Any to whoever" in one.sentence for one in found if not one.is_well)


# --- buckets that are there already -----------------------------------------------------------------------------------

TRAIL, MODELS = "org-trail-logs", "model-logs"
EXISTING = """
[buckets]
cloudtrail = "org-trail-logs"
bedrock = "model-logs"

[tags]"""


def test_logs_are_read_from_buckets_that_are_there_by_their_own_notifications(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """One tells an SNS topic that others listen to as well, one EventBridge; IAM is enforced."""
    with deployed_lake(tmp_path_factory.mktemp("existing"), NAME) as lake:
        s3, sns = lake.client("s3"), lake.client("sns")
        topic = sns.create_topic(Name="org-trail")["TopicArn"]
        for bucket in (TRAIL, MODELS):
            here = {"LocationConstraint": REGION}
            s3.create_bucket(Bucket=bucket, CreateBucketConfiguration=here, ObjectLockEnabledForBucket=bucket == TRAIL)
        events = ["s3:ObjectCreated:*"]
        s3.put_bucket_notification_configuration(
            Bucket=TRAIL,
            NotificationConfiguration={"TopicConfigurations": [{"TopicArn": topic, "Events": events}]},
        )
        s3.put_bucket_notification_configuration(
            Bucket=MODELS, NotificationConfiguration={"EventBridgeConfiguration": {}}
        )
        head = FILE.partition("[parameters.addapart-raw-cloudtrail]")[0].replace("[tags]", EXISTING)
        lake.describe(
            f'{head}[parameters.addapart-raw-cloudtrail]\nNotificationTopicArn = "{topic}"\n'
            "[parameters.addapart-raw-bedrock]\nNotificationByEventBridge = true\n"
        )
        lake.command("deploy", "--yes")
        assert not [name for name in (b["Name"] for b in s3.list_buckets()["Buckets"]) if "raw-cloudtrail" in name]
        for log, bucket in (("cloudtrail", TRAIL), ("bedrock", MODELS)):
            lake.put(log, YESTERDAY, 600, bucket)
        glue = lake.client("glue")
        for log, bucket in (("cloudtrail", TRAIL), ("bedrock", MODELS)):
            table = {"DatabaseName": NAME, "TableName": load_source(log).raw.name}
            found = until(lambda table=table: glue.get_partitions(**table)["Partitions"], 60)  # type: ignore[misc]
            assert found[0]["StorageDescriptor"]["Location"].startswith(f"s3://{bucket}/")
        told = lake.command("doctor", code=1)
        assert not re.search("^BAD +buckets", told, re.M), told
        s3.put_bucket_notification_configuration(Bucket=TRAIL, NotificationConfiguration={})
        events_client, rule = lake.client("events"), "third-addapart-raw-bedrock"
        events_client.disable_rule(Name=rule)
        (heard,) = sns.list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"]
        sns.unsubscribe(SubscriptionArn=heard["SubscriptionArn"])
        told = lake.command("doctor", code=1)
        assert f"{TRAIL} does not tell {topic} of new objects" in told
        assert f"third-addapart-raw-cloudtrail-producer does not listen to {topic}" in told
        assert f"the rule {rule} is off" in told
        events_client.enable_rule(Name=rule)
        lake.command("reconcile")
        lake.command("build", "cloudtrail", f"{YESTERDAY}")
        rows = lake.command("query", f"select count(*) as n from {TABLE} where logcalendarday = {YESTERDAY:%Y%m%d}")
        assert re.search(r"these are not whole: \S+ 9\d\.\d{4} % of its events", rows), "one sample object is damaged"
        locks = locks_seen_by(lake, person(lake, "orchestrator", "dagster"), "cloudtrail")
        assert (locks.bucket, locks.bucket_lock.enabled, locks.bucket_lock.versioning) == (TRAIL, True, "Enabled")
        assert locks.sampled
        assert {one.mode for one in locks.sampled} == {NO_LOCK}, "by default this bucket locks nothing"
        assert "cloudtrail" in reads(lake, person(lake, "reader", "reader"), "status")
        take_policies(lake, "orchestrator", "reader")
        lake.command("undeploy", "--delete-data", "--confirm", NAME)
        assert {b["Name"] for b in s3.list_buckets()["Buckets"]} == {TRAIL, MODELS}, "what is not its own stays"


def locks_seen_by(lake: DeployedLake, credentials: Mapping[str, str], log: str) -> LockResult:
    """What the check of a day's locks finds in the bucket of a log, asked with somebody's credentials."""
    with own_environment():
        os.environ.update({**lake.environment, **credentials})
        with aws_lake(lake.name) as found:
            return raw_lock_result(source_config(log, start_day=YESTERDAY), found.resource, datetime.now(UTC).date())


def reads(lake: DeployedLake, credentials: Mapping[str, str], *arguments: str) -> str:
    """What a command prints to somebody with these credentials; it ends well."""
    done = lake.run(*arguments, environment=credentials)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return done.stdout


def test_what_a_lock_holds_is_named_and_stays_when_all_else_goes(tmp_path_factory: pytest.TempPathFactory) -> None:
    with deployed_lake(tmp_path_factory.mktemp("locked"), NAME) as lake:
        lake.describe(FILE)
        lake.command("deploy", "--yes")
        bucket, s3 = lake.settings.raw_bucket("cloudtrail"), lake.client("s3")
        # What ObjectLockMode and ObjectLockDays give it on AWS; the emulator's CloudFormation passes over them.
        rule = {"DefaultRetention": {"Mode": "COMPLIANCE", "Days": 1}}
        lock = {"ObjectLockEnabled": "Enabled", "Rule": rule}
        s3.put_object_lock_configuration(Bucket=bucket, ObjectLockConfiguration=lock)
        lake.put("cloudtrail", YESTERDAY, 600)
        keys = {one["Key"] for one in s3.list_objects_v2(Bucket=bucket)["Contents"]}
        told = lake.command("undeploy", "--delete-data", "--confirm", NAME)
        assert re.search(rf"{bucket}: S3 let some versions not go, as it does while they are locked, such as \S", told)
        assert {one["Key"] for one in s3.list_objects_v2(Bucket=bucket)["Contents"]} == keys
        assert [b["Name"] for b in s3.list_buckets()["Buckets"]] == [bucket]

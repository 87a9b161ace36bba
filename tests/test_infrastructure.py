"""Bundles import with nothing installed, templates keep the lake's rules, and a real emulator takes them twice."""

import base64
import dataclasses
import io
import json
import os
import re
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from infra.aws.bundles import (
    JOB_PACKAGES,
    WHEELS,
    WheelsError,
    bundle_key,
    glue_bundle,
    lambda_bundle,
    looker_bundle,
    wheels_bundle,
)
from infra.aws.catalog_template import catalog_template, partition_indexes, template_text, view_input
from infra.aws.deploy import Artifacts, DeployError, deploy, lake_stacks, reviews_of
from infra.aws.stacks import Stack, StackOptions, Stacks
from infra.aws.template import Resource, read_template, resources
from infra.emulator.processes import StackInfo, start_stack, stop_stack
from lambdas.looker.prompt import table_cards
from loglake_assets.lake.storage.keys import commit_key
from loglake_assets.lake.versions.commits import Commit
from loglake_assets.reviews import tables_of, views_of
from loglake_assets.sources import LogSource, load_source, source_names
from loglake_assets.sources.companions import companion_tables
from loglake_assets.sources.model import Column
from resources.settings import LakeSettings
from tests.wait import until

ROOT = Path(__file__).resolve().parent.parent
TEMPLATES = sorted((ROOT / "infra" / "aws" / "cloudformation").glob("*.yaml"))
SOURCES = [load_source(name) for name in source_names()]
REVIEWS = reviews_of(SOURCES)
ACCOUNT = "000000000000"
LOCAL = {"RequireTls": "false"}

# AWS's own words in which a source's name occurs: its alarms, metrics and job arguments, not its log.
AWS_WORDS = re.compile(
    r"AWS::CloudWatch::Alarm|cloudwatch:(PutMetricData|namespace)|continuous-cloudwatch-log|PublishCloudWatchMetrics"
    r"|cloudwatch\.amazonaws\.com|visible in CloudWatch only"
    r"|bedrock:(InvokeModel|ApplyGuardrail|\*|\$\{AWS::Region\})|Bedrock Guardrail"
    r"|cloudtrail:ListPublicKeys|clients\(\"cloudwatch\"\)|AWS::CloudWatch",
)
# Allowed statements on every resource, and why. An addition needs a reason that a reviewer accepts.
EVERY_RESOURCE = {
    "cloudwatch:PutMetricData": "the action knows no resource; its namespace is fixed by a condition",
    "cloudtrail:ListPublicKeys": "the action knows no resource; it reads public keys only",
    "ecr:GetAuthorizationToken": "the action knows no resource; it is a login to registries, which have policies",
    "ecs:DescribeTaskDefinition": "the action knows no resource; definitions hold names of secrets, not secrets",
    "ec2:DescribeNetworkInterfaces": "the action knows no resource; it shows addresses",
    "ec2:DescribeRouteTables": "the action knows no resource; it shows addresses",
    "ec2:DescribeSecurityGroups": "the action knows no resource; it shows addresses",
    "ec2:DescribeSubnets": "the action knows no resource; it shows addresses",
    "ec2:DescribeVpcAttribute": "asked of networks that only the Glue connection names; it shows settings",
    "ec2:DescribeVpcEndpoints": "the action knows no resource; it shows addresses",
    "glue:GetSecurityConfiguration": "the action knows no resource; it shows names of keys",
}


# --- bundles ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("bundle", [lambda_bundle, looker_bundle, glue_bundle])
def test_a_bundle_built_twice_is_the_same_bytes(bundle: Callable[[], bytes]) -> None:
    assert bundle() == bundle()


def test_a_bundle_does_not_depend_on_the_dates_and_modes_of_the_files(tmp_path: Path) -> None:
    for folder in ("lambdas", "glue_scripts", "loglake_assets"):
        for file in (f for f in (ROOT / folder).rglob("*") if f.is_file() and "__pycache__" not in f.parts):
            copy = tmp_path / file.relative_to(ROOT)
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(file.read_bytes())
            copy.chmod(0o600)
    assert lambda_bundle(tmp_path) == lambda_bundle()


def test_a_bundle_key_carries_the_digest() -> None:
    assert re.fullmatch(r"bundles/lambda-[0-9a-f]{16}\.zip", bundle_key("lambda", b"a"))
    assert bundle_key("lambda", b"a") != bundle_key("lambda", b"b")


def test_bundles_hold_sources_and_their_views_but_nothing_of_dagster() -> None:
    for names in (_names(lambda_bundle()), _names(glue_bundle())):
        for source in SOURCES:
            folder = f"loglake_assets/sources/{source.name}"
            assert {f"{folder}/__init__.py", *(f"{folder}/{view}" for view in source.views)} <= names
        assert "loglake_assets/rules.toml" in names
        assert not [n for n in names if n.endswith((".pyc", "defs.yaml")) or "/samples" in n]
    assert "lambdas/addapart/producer.py" in _names(lambda_bundle())
    assert "glue_scripts/readready.py" in _names(glue_bundle())


def test_the_lambda_bundle_imports_with_nothing_installed(tmp_path: Path) -> None:
    bundle = tmp_path / "lambda.zip"
    bundle.write_bytes(lambda_bundle())
    modules = {_module(n) for n in _names(lambda_bundle()) if n.startswith("lambdas/")}
    program = f"""
import sys, importlib
sys.path.insert(0, {str(bundle)!r})
for name in {sorted(modules)!r}:
    importlib.import_module(name)
from loglake_assets.sources import load_source, source_names
from loglake_assets.sources.views import view_statements
from loglake_assets.sources.rules import load_rules
for name in source_names():
    source = load_source(name)
    load_rules(name)
    assert [view for view, _ in view_statements(source)][-2:] == ["duplicates_as_view", "readready_as_view"]
    assert all(text.strip() for _, text in view_statements(source))
print(*source_names())
"""
    ran = subprocess.run([sys.executable, "-I", "-S", "-c", program], capture_output=True, text=True, cwd=tmp_path)
    assert ran.returncode == 0, ran.stderr
    assert tuple(ran.stdout.split()) == source_names()


def test_lookers_bundle_imports_with_its_one_library_and_nothing_installed(tmp_path: Path) -> None:
    folder = tmp_path / "function"
    zipfile.ZipFile(io.BytesIO(looker_bundle())).extractall(folder)
    program = f"""
import sys
sys.path.insert(0, {str(folder)!r})
import lambdas.looker.handler, sqlglot
from lambdas.looker.prompt import table_cards
assert sqlglot.__file__.startswith({str(folder)!r})
print(*sorted(card.name for card in table_cards()))
"""
    ran = subprocess.run([sys.executable, "-I", "-S", "-c", program], capture_output=True, text=True, cwd=tmp_path)
    assert ran.returncode == 0, ran.stderr
    views = {view.name for view in views_of(REVIEWS)}
    expected = {source.readready.name for source in SOURCES} | views
    assert set(ran.stdout.split()) == expected


GLUE_BRINGS = ("numpy", "pandas", "pyarrow", "boto3", "botocore", "s3transfer", "jmespath", "dateutil", "urllib3")
GLUE_BRINGS += ("six", "pytz", "pyspark", "py4j")
IMPORT_OF_THE_JOB = """
import importlib, importlib.abc, pkgutil, sys

class Others(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        top = name.split(".")[0]
        if top in allowed or top in sys.stdlib_module_names or top.startswith("_"):
            return None
        raise ModuleNotFoundError(name + " is neither Glue's nor among the wheels")

allowed = set(sys.argv[1:])
sys.meta_path.insert(0, Others())
import glue_scripts, loglake_assets.sources
from loglake_assets.sources import load_source, source_names
for module in pkgutil.iter_modules(glue_scripts.__path__):
    importlib.import_module("glue_scripts." + module.name)
for name in source_names():
    importlib.import_module("loglake_assets.sources." + name + ".decode")
"""


def test_the_job_imports_what_glue_brings_and_the_wheels_and_nothing_else(tmp_path: Path) -> None:
    zipfile.ZipFile(io.BytesIO(glue_bundle())).extractall(tmp_path)
    modules = [name.replace("-", "_") for name in JOB_PACKAGES]
    allowed = [*GLUE_BRINGS, *modules, "glue_scripts", "loglake_assets", "sqlglotc", "adbc_driver_duckdb"]
    command = [sys.executable, "-c", IMPORT_OF_THE_JOB, *allowed]
    ran = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env={"PATH": os.environ["PATH"]})
    assert ran.returncode == 0, ran.stderr


def _wheel(folder: Path, name: str, version: str = "1.0") -> None:
    (folder / f"{name.replace('-', '_')}-{version}-py3-none-any.whl").write_bytes(name.encode())


def test_wheels_go_to_the_job_as_one_zip_with_their_versions(tmp_path: Path) -> None:
    for name in JOB_PACKAGES:
        _wheel(tmp_path, name)
    content = wheels_bundle(tmp_path)
    archive = zipfile.ZipFile(io.BytesIO(content))
    lines = archive.read("wheels/requirements.txt").decode().splitlines()
    assert lines == sorted(f"{name}==1.0" for name in JOB_PACKAGES)
    assert set(archive.namelist()) == {"wheels/requirements.txt", *(f"wheels/{f.name}" for f in tmp_path.iterdir())}
    assert bundle_key(WHEELS, content).endswith(".gluewheels.zip"), "Glue knows a zip of wheels by its name"
    stacks = lake_stacks(LakeSettings("w", ACCOUNT, "eu-west-1"), SOURCES, {}, Artifacts(b"", b"", b"", content))
    jobs = next(stack for stack in stacks if stack.name == "w-jobs")
    assert jobs.parameters["AdditionalPythonModules"] == f"s3://w-artifacts-{ACCOUNT}/{bundle_key(WHEELS, content)}"


def test_two_wheels_of_one_package_are_refused_and_so_is_one_that_is_absent(tmp_path: Path) -> None:
    for name in sorted(JOB_PACKAGES)[1:]:
        _wheel(tmp_path, name)
    with pytest.raises(WheelsError, match=f"no wheel of {min(JOB_PACKAGES)}"):
        wheels_bundle(tmp_path)
    _wheel(tmp_path, min(JOB_PACKAGES))
    _wheel(tmp_path, min(JOB_PACKAGES), "2.0")
    with pytest.raises(WheelsError, match=f"several wheels of {min(JOB_PACKAGES)}"):
        wheels_bundle(tmp_path)


def _names(bundle: bytes) -> set[str]:
    return set(zipfile.ZipFile(io.BytesIO(bundle)).namelist())


def _module(name: str) -> str:
    return name.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


# --- templates --------------------------------------------------------------------------------------------------------


def _resources(resource_type: str) -> dict[str, dict[str, Any]]:
    """`<template>.<logical id>` to the properties of every resource of a type."""
    return {
        f"{path.stem}.{name}": resource["Properties"]
        for path in TEMPLATES
        for name, resource in read_template(path.read_text())["Resources"].items()
        if resource["Type"] == resource_type
    }


def _policies() -> dict[str, dict[str, Any]]:
    """Every policy document that gives a role something; bucket policies are not among them."""
    documents = {name: p["PolicyDocument"] for name, p in _resources("AWS::IAM::ManagedPolicy").items()}
    for name, role in _resources("AWS::IAM::Role").items():
        documents |= {f"{name}.{p['PolicyName']}": p["PolicyDocument"] for p in role["Policies"]}
    return documents


def _statements(document: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for statement in document["Statement"]:
        yield statement["Fn::If"][1] if "Fn::If" in statement else statement


def _allowed() -> Iterator[tuple[str, str, Any]]:
    """(policy, action, resource) of everything that is allowed to a role."""
    for name, document in _policies().items():
        for statement in (s for s in _statements(document) if s["Effect"] == "Allow"):
            for action in _as_list(statement["Action"]):
                yield from ((name, action, resource) for resource in _as_list(statement["Resource"]))


def _as_list(value: Any) -> list[Any]:
    """The values of a list, of either side of a condition, or a value alone."""
    if isinstance(value, dict) and set(value) == {"Fn::If"}:
        return [one for side in value["Fn::If"][1:] for one in _as_list(side) if one != {"Ref": "AWS::NoValue"}]
    return [found for one in value for found in _as_list(one)] if isinstance(value, list) else [value]


def cfn_lint(*templates: Path) -> subprocess.CompletedProcess[str]:
    asked = [Path(sys.executable).with_name("cfn-lint"), *templates]
    return subprocess.run(asked, capture_output=True, text=True)


def test_cfn_lint_finds_nothing(tmp_path: Path) -> None:
    catalog = tmp_path / "catalog.json"
    catalog.write_text(template_text(SOURCES, REVIEWS))
    ran = cfn_lint(*TEMPLATES, catalog)
    assert (ran.returncode, ran.stdout.strip()) == (0, ""), ran.stdout + ran.stderr


@pytest.mark.parametrize(
    ("written", "mistaken", "rule"),
    [
        ("      VisibilityTimeout: 180", "      VisibilityTimeOut: 180", "E3002"),
        (
            "        deadLetterTargetArn: !GetAtt DeadQueue.Arn",
            "        deadLetterTargetArn: !GetAtt Dead.Arn",
            "E1010",
        ),
        ("      Runtime: python3.11\n", "      Runtime: python2.7\n", "E2533"),
    ],
)
def test_cfn_lint_finds_a_mistake(tmp_path: Path, written: str, mistaken: str, rule: str) -> None:
    text, template = (ROOT / "infra/aws/cloudformation/addapart.yaml").read_text(), tmp_path / "addapart.yaml"
    assert written in text
    template.write_text(text.replace(written, mistaken))
    ran = cfn_lint(template)
    assert ran.returncode != 0
    assert ran.stdout.startswith(rule), ran.stdout


def test_nothing_in_infra_names_a_log() -> None:
    for path in [*TEMPLATES, *(ROOT / "infra" / "aws").glob("*.py")]:
        text = AWS_WORDS.sub("", path.read_text()).casefold()
        assert not [name for name in {*source_names(), "cloudtrail", "cloudwatch", "bedrock"} if name in text], (
            path.name
        )


def test_no_template_names_a_review_or_a_view_of_one() -> None:
    names = {*(review.name for review in REVIEWS), *(view.name for view in views_of(REVIEWS))}
    for path in TEMPLATES:
        assert [name for name in names if name in path.read_text()] == [], path.name


def _stack(part: str, **parameters: str) -> dict[str, Resource]:
    """What a stack of the lake `w` would have with these parameters."""
    stacks = lake_stacks(LakeSettings("w", ACCOUNT, "eu-west-1"), SOURCES, parameters, Artifacts(b"", b"", b""))
    (stack,) = (one for one in stacks if one.name == f"w-{part}")
    return resources(stack.template, stack.parameters, ACCOUNT, "eu-west-1")


def _allowed_to(resource: Resource) -> set[tuple[str, str]]:
    """(action, resource) of all that a role's or a managed policy's documents allow."""
    documents = [one["PolicyDocument"] for one in resource.properties.get("Policies", [])]
    documents += [resource.properties["PolicyDocument"]] if "PolicyDocument" in resource.properties else []
    statements = [one for document in documents for one in document["Statement"] if one["Effect"] == "Allow"]
    return {(a, r) for one in statements for a in _as_list(one["Action"]) for r in _as_list(one["Resource"])}


KEY = f"arn:aws:kms:eu-west-1:{ACCOUNT}:key"


def test_who_reads_what_the_lake_keeps_reads_what_an_older_key_encrypted() -> None:
    """Read from the templates, since the emulator looks at no keys."""
    old = [f"{KEY}/old", f"{KEY}/older"]
    given = {"KmsKeyArn": f"{KEY}/new", "OldKmsKeyArns": ",".join(old), "looker:ModelId": "example.model"}
    readers = {
        "jobs": ("ReadreadyRole", "DagsterPolicy", "ReaderPolicy"),
        "looker": ("LookerRole",),
        "addapart-readready": ("ConsumerRole",),
        f"addapart-raw-{SOURCES[0].name}": ("ConsumerRole",),
    }
    for part, names in readers.items():
        found, before = _stack(part, **given), _stack(part, **{**given, "OldKmsKeyArns": ""})
        for name in names:
            opened = {resource for action, resource in _allowed_to(found[name]) if action == "kms:Decrypt"}
            assert opened == {f"{KEY}/new", *old}, f"{part}.{name}"
            assert ("kms:GenerateDataKey", old[0]) not in _allowed_to(found[name]), "nothing new is encrypted with it"
            assert _allowed_to(found[name]) - _allowed_to(before[name]) == {("kms:Decrypt", one) for one in old}
        using = {name for name, one in before.items() if ("kms:Decrypt", f"{KEY}/new") in _allowed_to(one)}
        assert using - set(names) <= {"ProducerRole"}, "it reads nothing"


def test_the_job_has_what_glue_needs_for_a_connection_and_a_security_configuration() -> None:
    """Read from the templates, since the emulator's Glue has neither. The actions are those of AWSGlueServiceRole."""
    plain = _allowed_to(_stack("jobs")["ReadreadyRole"])
    connected = _allowed_to(_stack("jobs", Connection="audit")["ReadreadyRole"]) - plain
    secured = {"SecurityConfiguration": "audit", "SecurityConfigurationKeyArns": f"{KEY}/one,{KEY}/two"}
    encrypting = _allowed_to(_stack("jobs", **secured)["ReadreadyRole"]) - plain
    looks = ("NetworkInterfaces", "RouteTables", "SecurityGroups", "Subnets", "VpcAttribute", "VpcEndpoints")
    changes = ("CreateNetworkInterface", "DeleteNetworkInterface", "CreateTags", "DeleteTags")
    ec2 = {*(f"ec2:Describe{one}" for one in looks), *(f"ec2:{one}" for one in changes)}
    assert {action for action, _ in connected} == {"glue:GetConnection", *ec2}
    assert ("glue:GetConnection", f"arn:aws:glue:eu-west-1:{ACCOUNT}:connection/audit") in connected
    assert {action for action, resource in connected if resource == "*"} == {f"ec2:Describe{one}" for one in looks}
    uses = {
        (f"kms:{use}", f"{KEY}/{key}") for use in ("Decrypt", "Encrypt", "GenerateDataKey") for key in ("one", "two")
    }
    logs = f"arn:aws:logs:eu-west-1:{ACCOUNT}:log-group:/aws-glue/*"
    assert encrypting == {("glue:GetSecurityConfiguration", "*"), ("logs:AssociateKmsKey", logs), *uses}


def test_a_topic_is_subscribed_to_in_its_own_region() -> None:
    part = f"addapart-raw-{SOURCES[0].name}"
    topic = f"arn:aws:sns:us-east-1:{ACCOUNT}:trail"
    found = _stack(part, **{f"{part}:NotificationTopicArn": topic})
    assert found["TopicSubscription"].properties["Region"] == "us-east-1"
    assert "TopicSubscription" not in _stack(part)


@pytest.mark.parametrize(
    ("pattern", "looks", "writes"),
    [
        ("WriterRolePattern", "RolesLookByPattern", "RolesWriteByPattern"),
        ("ReplicationRolePattern", "ReplicationLooksByPattern", "ReplicationWritesByPattern"),
    ],
)
def test_roles_of_a_name_write_where_their_organization_is_named(pattern: str, looks: str, writes: str) -> None:
    """With the actions of roles that are named by ARN; without an organization the pattern lets nobody in."""
    part = f"addapart-raw-{SOURCES[0].name}"
    organizations = ["o-exampleorg1", "o-exampleorg2"]
    given = {f"{part}:{pattern}": "deliver-*", f"{part}:DeliveryOrgIds": ",".join(organizations)}
    named = {f"{part}:{pattern.replace('Pattern', 's')}": f"arn:aws:iam::{ACCOUNT}:role/deliver-one"}
    policy = _stack(part, **given, **named)["BucketPolicy"].properties["PolicyDocument"]
    statements = {one["Sid"]: one for one in policy["Statement"]}
    for sid in (looks, writes):
        assert statements[sid]["Condition"] == {
            "StringEquals": {"aws:PrincipalOrgID": organizations},
            "ArnLike": {"aws:PrincipalArn": "arn:aws:iam::*:role/deliver-*"},
        }
        by_arn = statements[sid.removesuffix("ByPattern")]
        assert [statements[sid][part] for part in ("Action", "Resource")] == [by_arn[p] for p in ("Action", "Resource")]
    alone = _stack(part, **{f"{part}:{pattern}": "deliver-*"})["BucketPolicy"].properties["PolicyDocument"]
    assert {one["Sid"] for one in alone["Statement"]} == {"RefusePlainHttp", "RefuseOldTls"}
    accepted = read_template(ADDAPART)["Parameters"][pattern]["AllowedPattern"]
    assert re.search(accepted, "deliver-*")
    assert not re.search(accepted, "*"), "every role of an organization is nobody's name"


ADDAPART = (ROOT / "infra" / "aws" / "cloudformation" / "addapart.yaml").read_text()


def test_services_deliver_for_every_organization_that_is_named() -> None:
    part = f"addapart-raw-{SOURCES[0].name}"
    given = {
        f"{part}:DeliveryServices": "logs.example.amazonaws.com",
        f"{part}:DeliveryOrgIds": "o-exampleorg1,o-exampleorg2",
    }
    policy = _stack(part, **given)["BucketPolicy"].properties["PolicyDocument"]
    found = [one["Condition"] for one in policy["Statement"] if one["Effect"] == "Allow"]
    assert found == [{"StringEquals": {"aws:SourceOrgID": ["o-exampleorg1", "o-exampleorg2"]}}] * 2


def test_the_consumer_of_readready_changes_what_a_commit_places_and_no_raw_table() -> None:
    changed = [r for a, r in _allowed_to(_stack("addapart-readready")["ConsumerRole"]) if a == "glue:CreatePartition"]
    patterns = [arn.rpartition(":table/w/")[2] for arn in changed if ":table/" in arn]
    tables = _tables()
    beside = {one.name for source in SOURCES for one in companion_tables(source) if not one.is_partitioned}
    raw = {source.raw.name for source in SOURCES}
    placed = {name for name in tables if any(fnmatchcase(name, pattern) for pattern in patterns)}
    assert placed == set(tables) - raw - beside


def test_looker_may_ask_for_no_raw_table_and_in_no_workgroup_but_its_own() -> None:
    """Read from the template, since the emulator looks at no resources of Glue and Athena."""
    role = _stack("looker", **{"looker:ModelId": "example.model"})["LookerRole"]
    (policy,) = role.properties["Policies"]
    statements = {s["Sid"]: s for s in policy["PolicyDocument"]["Statement"]}
    tables = [*statements["ReadCatalog"]["Resource"], *statements["ReadViews"]["Resource"]]
    asked = {arn.rpartition(":table/w/")[2] for arn in tables if ":table/" in arn}
    allowed = {source.readready.name for source in SOURCES} | {review.table.name for review in REVIEWS}
    allowed |= {card.name for card in table_cards()}  # what its model is told of, views among them
    assert all(any(fnmatchcase(name, pattern) for pattern in asked) for name in allowed)
    assert not [s.raw.name for s in SOURCES if any(fnmatchcase(s.raw.name, pattern) for pattern in asked)]
    assert statements["Query"]["Resource"].endswith(":workgroup/w-looker")
    actions = {a for s in statements.values() for a in ([s["Action"]] if isinstance(s["Action"], str) else s["Action"])}
    changing = [a for a in actions if re.search(":(Create|Delete|Update|BatchCreate|BatchDelete|BatchUpdate)", a)]
    assert changing == ["logs:CreateLogStream"]


def test_every_glue_job_pins_its_version_and_leaves_retries_to_the_orchestrator() -> None:
    jobs = _resources("AWS::Glue::Job")
    assert jobs
    versions = read_template((ROOT / "infra/aws/cloudformation/jobs.yaml").read_text())["Parameters"]
    for job in jobs.values():
        assert job["GlueVersion"] == {"Ref": "GlueVersion"}
        assert job["MaxRetries"] == 0
        assert job["DefaultArguments"]["--job-bookmark-option"] == "job-bookmark-disable"
    assert re.fullmatch(r"\d+\.\d+", versions["GlueVersion"]["Default"])


@pytest.mark.fault(4, "the templates read", "every producer has an on-failure queue")
def test_a_notification_that_the_producer_fails_on_is_kept() -> None:
    kept = {p["FunctionName"]["Ref"]: p for p in _resources("AWS::Lambda::EventInvokeConfig").values()}
    invoked_by_s3 = {
        p["FunctionName"]["Fn::GetAtt"].split(".")[0] for p in _resources("AWS::Lambda::Permission").values()
    }
    assert invoked_by_s3 == set(kept) != set()
    assert all(p["DestinationConfig"]["OnFailure"]["Destination"] for p in kept.values())


def test_only_s3_of_this_account_and_bucket_one_topic_and_one_rule_may_invoke() -> None:
    for name, permission in _resources("AWS::Lambda::Permission").items():
        assert "SourceArn" in permission, name
        of_s3 = permission["Principal"] == "s3.amazonaws.com"  # whose ARNs hold no account
        assert ("SourceAccount" in permission) == of_s3, name


@pytest.mark.fault(7, "the templates read", "every queue has its dead-letter queue")
def test_every_fifo_queue_has_a_dead_letter_queue_that_is_fifo_too() -> None:
    queues = _resources("AWS::SQS::Queue")
    dead = {p["RedrivePolicy"]["deadLetterTargetArn"]["Fn::GetAtt"] for p in queues.values() if "RedrivePolicy" in p}
    for name, queue in queues.items():
        if queue.get("FifoQueue") and f"{name.split('.')[1]}.Arn" not in dead:
            assert "RedrivePolicy" in queue, name
    assert dead
    assert all(queues[f"addapart.{arn.removesuffix('.Arn')}"]["FifoQueue"] for arn in dead)


def test_every_queue_is_encrypted() -> None:
    for queue in _resources("AWS::SQS::Queue").values():
        assert queue["SqsManagedSseEnabled"] == {"Fn::If": ["HasKey", {"Ref": "AWS::NoValue"}, True]}
        assert queue["KmsMasterKeyId"] == {"Fn::If": ["HasKey", {"Ref": "KmsKeyArn"}, {"Ref": "AWS::NoValue"}]}


def test_every_bucket_is_private_encrypted_versioned_and_kept() -> None:
    for name, bucket in _resources("AWS::S3::Bucket").items():
        assert set(bucket["PublicAccessBlockConfiguration"].values()) == {True}, name
        assert len(bucket["PublicAccessBlockConfiguration"]) == 4, name
        assert {"BucketEncryption", "VersioningConfiguration", "OwnershipControls"} <= bucket.keys(), name
        rules = bucket["LifecycleConfiguration"]["Rules"]
        assert any("AbortIncompleteMultipartUpload" in rule for rule in rules), name


def test_object_lock_is_given_to_a_layers_bucket_as_its_parameters_say() -> None:
    """Read from the template, since the emulator's CloudFormation passes over these properties."""
    bucket = _resources("AWS::S3::Bucket")["addapart.Bucket"]
    assert bucket["ObjectLockEnabled"]["Fn::If"] == ["Locks", True, {"Ref": "AWS::NoValue"}]
    condition, lock, otherwise = bucket["ObjectLockConfiguration"]["Fn::If"]
    assert (condition, otherwise) == ("Locks", {"Ref": "AWS::NoValue"})
    retention = {"Mode": {"Ref": "ObjectLockMode"}, "Days": {"Ref": "ObjectLockDays"}}
    assert lock == {"ObjectLockEnabled": "Enabled", "Rule": {"DefaultRetention": retention}}


def test_the_orchestrator_may_read_every_lock_that_its_check_reads() -> None:
    """Without s3:GetObjectRetention S3 answers HeadObject as if nothing were locked."""
    allowed = {(a, r["Fn::Sub"]) for policy, a, r in _allowed() if policy == "jobs.DagsterPolicy" and "Fn::Sub" in r}
    buckets = ["${LakeName}-raw-*-${AWS::AccountId}", "${LakeName}-readready-${AWS::AccountId}"]
    arns = [f"arn:${{AWS::Partition}}:s3:::{bucket}" for bucket in buckets]
    for action in ("s3:GetBucketVersioning", "s3:GetBucketObjectLockConfiguration"):
        assert {(action, arn) for arn in arns} <= allowed
    for action in ("s3:GetObject", "s3:GetObjectRetention", "s3:GetObjectLegalHold"):
        objects = [resource for a, resource in allowed if a == action]
        assert all(any(fnmatchcase(f"{arn}/commits/x", f) for f in objects) for arn in arns), action


def test_every_bucket_refuses_plain_http() -> None:
    refusing = {
        policy["Bucket"]["Ref"]
        for policy in _resources("AWS::S3::BucketPolicy").values()
        if any(s["Effect"] == "Deny" and "Bool" in s["Condition"] for s in _statements(policy["PolicyDocument"]))
    }
    assert refusing == {name.split(".")[1] for name in _resources("AWS::S3::Bucket")}


def test_no_role_may_do_everything_or_pass_a_role() -> None:
    for policy, action, resource in _allowed():
        assert "*" not in action, f"{policy} allows {action}"
        is_of_ecs = policy.startswith("dagster.TaskRole") and action == "iam:PassRole" and resource != "*"
        assert action.split(":")[0] != "iam" or is_of_ecs, f"{policy} allows {action}"
        assert resource != "*" or action in EVERY_RESOURCE, f"{policy} allows {action} on every resource"


def test_addapart_is_the_only_writer_of_partitions_and_nobody_changes_tables_or_jobs() -> None:
    writers = {
        (policy, action) for policy, action, _ in _allowed() if re.match("glue:.*(Create|Update|Delete)", action)
    }
    actions = ("glue:BatchUpdatePartition", "glue:CreatePartition")
    assert writers == {("addapart.ConsumerRole.consumer", action) for action in actions}


def test_nothing_but_what_runs_wrote_may_be_deleted_and_by_retention_only() -> None:
    """No commit, no manifest, no ledger, no raw object; and by the job nothing at all."""
    deleted = [
        (policy, r["Fn::Sub"].rsplit("}", 1)[1], r["Fn::Sub"])
        for policy, action, r in _allowed()
        if action.startswith("s3:Delete")
    ]
    output = [(policy, path) for policy, path, resource in deleted if "-artifacts-" in resource]
    assert output == [("dagster.TaskRole.runs", "/dagster/storage/*")], "what runs of Dagster printed"
    deleted = [one for one in deleted if "-artifacts-" not in one[2]]
    assert all("-readready-" in resource for _, _, resource in deleted)
    by_retention = sorted(path for policy, path, _ in deleted if "Retention" in policy)
    assert [path for policy, path, _ in deleted if "Retention" not in policy] == []
    assert by_retention == [
        "/*_review/run=*",
        "/collected/*",
        "/duplicates/*",
        "/from_*_readready/run=*",
        "/packets/*",
        "/quarantine/*",
    ]


def test_the_producer_never_reads_an_object() -> None:
    services = {action.split(":")[0] for policy, action, _ in _allowed() if policy.startswith("addapart.ProducerRole")}
    assert services == {"sqs", "logs", "kms"}


def test_the_orchestrators_policy_fits_into_a_managed_policy() -> None:
    for name, policy in _resources("AWS::IAM::ManagedPolicy").items():
        assert len(json.dumps(policy["PolicyDocument"], separators=(",", ":"))) < 6144, name
    buckets = [f"arn:aws:s3:::logs-of-the-organization-{n}" for n in range(3)]
    given = {
        "KmsKeyArn": f"{KEY}/{'0' * 36}",
        "OldKmsKeyArns": ",".join(f"{KEY}/{n}{'0' * 35}" for n in range(2)),
        "ReadKeyArns": ",".join(f"{KEY}/{n}{'1' * 35}" for n in range(3)),
        "ExistingBucketArns": ",".join(buckets),
        "ExistingObjectArns": ",".join(f"{bucket}/*" for bucket in buckets),
    }
    for name, found in _stack("jobs", **given).items():
        if found.type == "AWS::IAM::ManagedPolicy":
            assert len(json.dumps(found.properties["PolicyDocument"], separators=(",", ":"))) < 6144, name


# --- the catalog ------------------------------------------------------------------------------------------------------


def test_the_catalog_has_the_tables_of_every_source_and_review() -> None:
    tables = _tables()
    of_sources = {name for source in SOURCES for name in (source.raw.name, source.readready.name)}
    beside = {table.name for source in SOURCES for table in companion_tables(source)}
    of_reviews = {table.name for table in tables_of(REVIEWS)}
    assert set(tables) == of_sources | beside | of_reviews
    for source in SOURCES:
        raw = tables[source.raw.name]["StorageDescriptor"]
        assert raw["SerdeInfo"]["SerializationLibrary"] == source.raw.serde
        assert [(c["Name"], c["Type"]) for c in raw["Columns"]] == [(c.name, c.type) for c in source.raw.columns]


def test_orc_tables_are_read_by_name_and_filtered_by_partition() -> None:
    tables = _tables()
    for name in [*(source.readready.name for source in SOURCES), *(review.table.name for review in REVIEWS)]:
        table = tables[name]
        assert table["StorageDescriptor"]["SerdeInfo"]["Parameters"] == {"orc.column.index.access": "FALSE"}
        assert table["Parameters"]["partition_filtering.enabled"] == "true"
        assert [k["Name"] for k in table["PartitionKeys"]] == ["logcalendarday"]


def test_partition_indexes_begin_with_the_day_and_cover_every_key() -> None:
    tables = _tables()
    for table, keys in partition_indexes(SOURCES, REVIEWS):
        assert keys[0] == "logcalendarday"
        assert sorted(keys) == sorted(k["Name"] for k in tables[table]["PartitionKeys"])


def _tables() -> dict[str, dict[str, Any]]:
    resources = catalog_template(SOURCES, REVIEWS)["Resources"].values()
    inputs = [r["Properties"]["TableInput"] for r in resources if r["Type"] == "AWS::Glue::Table"]
    return {table["Name"]: table for table in inputs}


def test_a_view_of_a_review_names_its_columns_with_their_types() -> None:
    for given in views_of(REVIEWS):
        view = view_input(given, "loglake")
        document = json.loads(base64.b64decode(view["ViewOriginalText"].split()[3]))
        declared = {c.name: c.type for c in (*given.table.all_columns, given.table.partition_key)}
        selected = [line.strip(" ,") for line in document["originalSql"].splitlines() if line.startswith("  ")]
        assert [c["name"] for c in document["columns"]] == selected
        assert [(c["Name"], c["Type"]) for c in view["StorageDescriptor"]["Columns"]] == [
            (name, declared[name]) for name in selected
        ]
        assert document["schema"] == "loglake"


# --- deployment, to a real emulator -----------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class Endpoint:
    """An emulator of AWS on 127.0.0.1."""

    info: StackInfo

    @property
    def url(self) -> str:
        return self.info.endpoint_url

    def client(self, service: str) -> Any:
        session: Any = boto3.Session(self.info.access_key_id, self.info.secret_access_key, region_name="eu-west-1")
        return session.client(service, endpoint_url=self.url)

    def settings(self, lake: str) -> LakeSettings:
        return LakeSettings(lake, ACCOUNT, "eu-west-1", self.url)

    def deploy(self, lake: str, sources: list[LogSource] = SOURCES, **parameters: str) -> list[str]:
        """Deploy a lake; what the deployment said."""
        said: list[str] = []
        deploy(self.settings(lake), self.client, sources, {**LOCAL, **parameters}, said.append)
        return said


DROPPED = (SOURCES[0].raw.name, SOURCES[0].readready.name)


@pytest.fixture(scope="module")
def endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Endpoint]:
    yield from _emulator(tmp_path_factory.mktemp("emulator"))


def _emulator(folder: Path, auth: bool = False) -> Iterator[Endpoint]:
    info = start_stack(folder, auth=auth)
    try:
        yield Endpoint(info)
    finally:
        stop_stack(info)


@pytest.fixture(scope="module")
def lake(endpoint: Endpoint) -> LakeSettings:
    endpoint.deploy("lake")
    return endpoint.settings("lake")


def test_a_second_deployment_changes_nothing(endpoint: Endpoint, lake: LakeSettings) -> None:
    before = _stack_times(endpoint)
    said = endpoint.deploy("lake")
    assert {line.partition(": ")[2] for line in said} == {"unchanged"}
    assert _stack_times(endpoint) == before


def _stack_times(endpoint: Endpoint) -> dict[str, Any]:
    stacks = endpoint.client("cloudformation").describe_stacks()["Stacks"]
    return {s["StackName"]: s.get("LastUpdatedTime", s["CreationTime"]) for s in stacks}


def test_a_deployment_with_another_parameter_changes_only_that_stack(endpoint: Endpoint) -> None:
    endpoint.deploy("changing")
    said = endpoint.deploy("changing", **{"jobs:TimeoutMinutes": "45"})
    assert [line for line in said if not line.endswith(": unchanged")] == ["changing-jobs: deployed"]
    job = endpoint.client("glue").get_job(JobName="changing-readready")["Job"]
    assert int(job["Timeout"]) == 45


def test_deployed_tables_have_the_declared_columns(endpoint: Endpoint, lake: LakeSettings) -> None:
    glue = endpoint.client("glue")
    for source in SOURCES:
        for declared, columns in ((source.raw, source.raw.columns), (source.readready, source.readready.all_columns)):
            table = glue.get_table(DatabaseName=lake.database, Name=declared.name)["Table"]
            found = [(c["Name"], c["Type"]) for c in table["StorageDescriptor"]["Columns"]]
            assert found == [(c.name, c.type) for c in columns]
        raw = glue.get_table(DatabaseName=lake.database, Name=source.raw.name)["Table"]
        assert raw["StorageDescriptor"]["Location"] == f"s3://{lake.raw_bucket(source.name)}/"
        readready = glue.get_table(DatabaseName=lake.database, Name=source.readready.name)["Table"]
        assert readready["StorageDescriptor"]["Location"] == f"s3://{lake.readready_bucket}/{source.readready.name}/"


def test_deployed_tables_have_one_partition_index(endpoint: Endpoint, lake: LakeSettings) -> None:
    glue = endpoint.client("glue")
    for table, keys in partition_indexes(SOURCES, REVIEWS):
        found = glue.get_partition_indexes(DatabaseName=lake.database, TableName=table)["PartitionIndexDescriptorList"]
        assert [tuple(k["Name"] for k in index["Keys"]) for index in found] == [keys]


@pytest.mark.fault(84, "tables dropped, then the whole database; deployed again", "made as declared, and said by name")
def test_a_deployment_makes_again_what_somebody_dropped(endpoint: Endpoint) -> None:
    endpoint.deploy("dropped")
    glue = endpoint.client("glue")
    declared = {name: glue.get_table(DatabaseName="dropped", Name=name)["Table"] for name in DROPPED}
    for name in DROPPED:
        glue.delete_table(DatabaseName="dropped", Name=name)
    said = endpoint.deploy("dropped")
    for name in DROPPED:
        assert any(line.startswith(f"The table dropped.{name} was gone: somebody dropped it.") for line in said), said
        found = glue.get_table(DatabaseName="dropped", Name=name)["Table"]
        parts = ("StorageDescriptor", "PartitionKeys", "Parameters", "TableType", "Description")
        assert {part: found.get(part) for part in parts} == {part: declared[name].get(part) for part in parts}
    assert not any("was gone" in line for line in endpoint.deploy("dropped"))
    glue.delete_database(Name="dropped")
    assert any("was gone" in line for line in endpoint.deploy("dropped"))
    assert set(DROPPED) <= {table["Name"] for table in glue.get_tables(DatabaseName="dropped")["TableList"]}


def test_deployed_buckets_tell_their_producer(endpoint: Endpoint, lake: LakeSettings) -> None:
    s3 = endpoint.client("s3")
    layers = {f"raw-{s.name}": lake.raw_bucket(s.name) for s in SOURCES} | {"readready": lake.readready_bucket}
    for layer, bucket in layers.items():
        (told,) = s3.get_bucket_notification_configuration(Bucket=bucket)["LambdaFunctionConfigurations"]
        assert told["LambdaFunctionArn"].endswith(f":function:lake-addapart-{layer}-producer")
        rules = told.get("Filter", {}).get("Key", {}).get("FilterRules", [])
        assert [r["Value"] for r in rules] == (["commits/"] if layer == "readready" else [])


def test_deployed_names_are_those_of_the_settings(endpoint: Endpoint, lake: LakeSettings) -> None:
    s3, sqs = endpoint.client("s3"), endpoint.client("sqs")
    for bucket in (lake.artifacts_bucket, lake.results_bucket, lake.readready_bucket):
        s3.head_bucket(Bucket=bucket)
    for layer in ("readready", *(f"raw-{s.name}" for s in SOURCES)):
        assert sqs.get_queue_url(QueueName=lake.addapart_queue(layer))["QueueUrl"]
    assert endpoint.client("athena").get_work_group(WorkGroup=lake.workgroup)["WorkGroup"]["Name"] == lake.workgroup


def test_the_deployed_job_runs_what_is_stored(endpoint: Endpoint, lake: LakeSettings) -> None:
    job = endpoint.client("glue").get_job(JobName=lake.readready_job)["Job"]
    assert job["GlueVersion"] == "5.1"
    for address in (job["Command"]["ScriptLocation"], job["DefaultArguments"]["--extra-py-files"]):
        bucket, _, key = address.removeprefix("s3://").partition("/")
        assert endpoint.client("s3").head_object(Bucket=bucket, Key=key)["ContentLength"] > 0


def test_a_template_too_large_for_a_request_goes_through_the_artifacts_bucket(endpoint: Endpoint) -> None:
    columns = tuple(Column(f"column_{n}", "string", "one of many") for n in range(800))
    wide = dataclasses.replace(SOURCES[0], readready=dataclasses.replace(SOURCES[0].readready, columns=columns))
    endpoint.deploy("wide", [wide])
    table = endpoint.client("glue").get_table(DatabaseName="wide", Name=wide.readready.name)["Table"]
    assert len(table["StorageDescriptor"]["Columns"]) == 800 + len(wide.readready.evidence)


def test_a_stack_that_fails_is_told_with_its_resource_and_deploys_once_the_cause_is_gone(endpoint: Endpoint) -> None:
    glue = endpoint.client("glue")
    glue.create_database(DatabaseInput={"Name": "failing"})
    with pytest.raises(DeployError, match=r"failing-catalog ended as .* LakeDatabase \(AWS::Glue::Database\) .*: ."):
        endpoint.deploy("failing")
    glue.delete_database(Name="failing")
    assert "failing-catalog: deployed" in endpoint.deploy("failing")


def test_what_is_refused_before_the_start_is_told_as_well(endpoint: Endpoint) -> None:
    """Stack events do not tell of a bucket's name that is taken."""
    s3 = endpoint.client("s3")
    s3.create_bucket(Bucket=f"taken-{ACCOUNT}", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    properties = {"BucketName": {"Fn::Sub": "taken-${AWS::AccountId}"}}
    template = json.dumps({"Resources": {"Bucket": {"Type": "AWS::S3::Bucket", "Properties": properties}}})
    api = Stacks(endpoint.client("cloudformation"), s3, endpoint.settings("taken"), StackOptions())
    plan = api.propose(Stack("taken-bucket", template, {}))
    assert plan is not None
    with pytest.raises(DeployError, match=r"taken-bucket ended as .* Bucket \(AWS::S3::Bucket\) is not valid: ."):
        api.execute([plan], lambda text: None)


def test_a_resource_that_fails_is_told_with_its_reason(endpoint: Endpoint) -> None:
    endpoint.client("glue").create_database(DatabaseInput={"Name": "taken"})
    with pytest.raises(
        DeployError, match=r"taken-catalog ended as .* LakeDatabase \(AWS::Glue::Database\) CREATE_FAILED: ."
    ):
        endpoint.deploy("taken")


def test_a_deployment_without_a_source_of_the_lake_is_refused(endpoint: Endpoint, lake: LakeSettings) -> None:
    with pytest.raises(DeployError, match=SOURCES[0].readready.name):
        endpoint.deploy("lake", SOURCES[1:])


def test_a_parameter_that_no_template_declares_is_refused(endpoint: Endpoint) -> None:
    with pytest.raises(DeployError, match="TimoutMinutes"):
        endpoint.deploy("refused", TimoutMinutes="45")


def test_credentials_of_another_account_are_refused(endpoint: Endpoint) -> None:
    settings = LakeSettings("refused", "111122223333", "eu-west-1", endpoint.url)
    with pytest.raises(DeployError, match="111122223333"):
        deploy(settings, endpoint.client, SOURCES, LOCAL, lambda _: None)


# --- the policies, enforced -------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def iam_endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Endpoint]:
    """An emulator that enforces IAM, with a lake."""
    for endpoint in _emulator(tmp_path_factory.mktemp("enforcing"), auth=True):
        endpoint.deploy("lake", **{"looker:ModelId": "example.model"})
        yield endpoint


def _roles(endpoint: Endpoint, part: str) -> list[str]:
    return [r["RoleName"] for r in endpoint.client("iam").list_roles()["Roles"] if part in r["RoleName"]]


def test_the_functions_may_do_what_they_must(iam_endpoint: Endpoint) -> None:
    lake, s3, table = iam_endpoint.settings("lake"), iam_endpoint.client("s3"), SOURCES[0].readready.name
    location = f"s3://{lake.readready_bucket}/{table}/run=r/logcalendarday=20261101/"
    commit = Commit(table, 20261101, 1, "r", location, "m", 1, 1, 1, "h", "2026-11-02T00:00:00Z")
    record = json.dumps(dataclasses.asdict(commit)).encode()
    s3.put_object(Bucket=lake.readready_bucket, Key=commit_key(table, 20261101, 1), Body=record)
    glue = iam_endpoint.client("glue")
    (placed,) = until(lambda: glue.get_partitions(DatabaseName="lake", TableName=table)["Partitions"], 60)
    assert placed["StorageDescriptor"]["Location"] == location


def test_the_job_may_write_rows_but_neither_commit_nor_delete_them(iam_endpoint: Endpoint) -> None:
    lake = iam_endpoint.settings("lake")
    s3 = _client_as(iam_endpoint, _roles(iam_endpoint, "ReadreadyRole")[0], "s3")
    rows = f"{SOURCES[0].readready.name}/run=r/logcalendarday=20261101/part.orc"
    s3.put_object(Bucket=lake.readready_bucket, Key=rows, Body=b"rows")
    with pytest.raises(ClientError, match="AccessDenied"):
        s3.delete_object(Bucket=lake.readready_bucket, Key=rows)
    with pytest.raises(ClientError, match="AccessDenied"):
        s3.put_object(Bucket=lake.readready_bucket, Key=commit_key("any", 20261101, 1), Body=b"{}")
    with pytest.raises(ClientError, match="AccessDenied"):
        s3.put_object(Bucket=lake.raw_bucket(SOURCES[0].name), Key="any", Body=b"")


def test_looker_may_read_readready_and_reviews_and_nothing_else(iam_endpoint: Endpoint) -> None:
    lake, role = iam_endpoint.settings("lake"), _roles(iam_endpoint, "LookerRole")[0]
    own, s3 = iam_endpoint.client("s3"), _client_as(iam_endpoint, role, "s3")
    table = SOURCES[0].readready.name
    readable = [f"{table}/run=r/part.orc", f"{REVIEWS[0].table.name}/run=r/part.orc", f"checks/{table}/1/coverage.json"]
    hidden = [f"commits/{table}/20261105/00000001.json", "packets/any/1.html", f"manifests/{table}/1/r.json.gz"]
    for key in (*readable, *hidden):
        own.put_object(Bucket=lake.readready_bucket, Key=key, Body=b"x")
    own.put_object(Bucket=lake.raw_bucket(SOURCES[0].name), Key="any", Body=b"x")
    for key in readable:
        assert s3.get_object(Bucket=lake.readready_bucket, Key=key)["Body"].read() == b"x"
    refused = [
        *(lambda key=key: s3.get_object(Bucket=lake.readready_bucket, Key=key) for key in hidden),
        lambda: s3.get_object(Bucket=lake.raw_bucket(SOURCES[0].name), Key="any"),
        lambda: s3.put_object(Bucket=lake.readready_bucket, Key=readable[0], Body=b"y"),
        lambda: s3.delete_object(Bucket=lake.readready_bucket, Key=readable[0]),
        lambda: s3.put_object(Bucket=lake.results_bucket, Key="results/any", Body=b"y"),
        lambda: s3.get_object(Bucket=lake.results_bucket, Key="dagster/any.csv"),
    ]
    glue, athena = _client_as(iam_endpoint, role, "glue"), _client_as(iam_endpoint, role, "athena")
    assert glue.get_table(DatabaseName="lake", Name=table)["Table"]["Name"] == table
    refused += [
        lambda: glue.delete_table(DatabaseName="lake", Name=table),
        lambda: glue.create_partition(DatabaseName="lake", TableName=table, PartitionInput={"Values": ["20261101"]}),
        lambda: athena.create_named_query(Name="any", Database="lake", QueryString="SELECT 1"),
    ]
    for attempt in refused:
        with pytest.raises(ClientError, match="AccessDenied"):
            attempt()
    athena.start_query_execution(QueryString="SELECT 1", WorkGroup="lake-looker")


def _client_as(endpoint: Endpoint, role: str, service: str) -> Any:
    """A client with a deployed role's policies. Only Glue may assume it, so its trust is widened first."""
    trust = {"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}, "Action": "sts:AssumeRole"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    endpoint.client("iam").update_assume_role_policy(RoleName=role, PolicyDocument=document)
    arn = f"arn:aws:iam::{ACCOUNT}:role/{role}"
    given = endpoint.client("sts").assume_role(RoleArn=arn, RoleSessionName="test")["Credentials"]
    session = boto3.Session(given["AccessKeyId"], given["SecretAccessKey"], given["SessionToken"], "eu-west-1")
    return session.client(service, endpoint_url=endpoint.url)


@pytest.mark.fault(
    95, "delivery parameters for all stacks, and for readready", "refused; its template opens nothing either"
)
@pytest.mark.parametrize("name", ["DeliveryServices", "DeliveryAccounts"])
@pytest.mark.parametrize("stack", ["", "addapart-readready:", "storage:"])
def test_who_may_deliver_is_said_of_one_log_only(name: str, stack: str) -> None:
    artifacts = Artifacts(b"", b"", b"")
    settings = LakeSettings("apart", "111122223333", "eu-west-1")
    with pytest.raises(DeployError, match=f"{stack}{name}"):
        lake_stacks(settings, SOURCES, {f"{stack}{name}": "logs.example.amazonaws.com"}, artifacts)


def test_who_may_deliver_one_log_may_deliver_no_other() -> None:
    settings = LakeSettings("apart", "111122223333", "eu-west-1")
    given = {"addapart-raw-cloudtrail:DeliveryServices": "cloudtrail.amazonaws.com"}
    stacks = lake_stacks(settings, SOURCES, given, Artifacts(b"", b"", b""))
    opened = [stack.name for stack in stacks if stack.parameters.get("DeliveryServices")]
    assert opened == ["apart-addapart-raw-cloudtrail"]
    readready = next(stack for stack in stacks if stack.name == "apart-addapart-readready")
    condition = readready.template.split("  ServicesDeliver:")[1].split("\n  OwnAccountOnly")[0]
    assert "!Not [!Equals [!Ref Layer, readready]]" in condition

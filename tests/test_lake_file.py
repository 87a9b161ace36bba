"""Files of lakes/: what they may say, and what is refused by name."""

import json
import os
import re
from fnmatch import fnmatchcase
from pathlib import Path

import boto3
import pytest

from infra.aws.deploy import Artifacts, lake_stacks
from infra.aws.stacks import Stack
from infra.aws.template import Resource, resources
from infra.cli.home import REPOSITORY, own_environment
from infra.cli.lake_file import LakeFileError, lake_file
from loglake_assets.sources import load_source, source_names
from resources.settings import PARTS, LakeSettings

ACCOUNT, REGION = "111122223333", "eu-west-1"

LEAST = 'account = "111122223333"\nregion = "eu-west-1"\n'


@pytest.fixture(autouse=True)
def lakes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LOGLAKE_LAKES", str(tmp_path))
    return tmp_path


def test_the_file_of_the_page_is_accepted_whole(lakes: Path) -> None:
    page = (REPOSITORY / "lakes" / "README.md").read_text()
    text = "\n".join(line[4:] for line in page.splitlines() if line.startswith("    "))
    (lakes / "prod.toml").write_text(text)
    found = lake_file("prod")
    assert (found.settings.name, found.settings.account, found.first_day) == ("loglake", "111122223333", "2026-01-01")
    assert found.wheels == (lakes.parent / "wheels").resolve()
    assert found.termination_protection
    assert found.tags == {"team": "security"}
    assert found.settings.raw_bucket("cloudtrail") == "org-trail-logs"
    assert found.settings.raw_bucket("bedrock") == "loglake-raw-bedrock-111122223333"
    assert found.parameters["addapart-raw-cloudtrail:DeliveryServices"] == "cloudtrail.amazonaws.com"
    assert found.parameters["storage:AlarmEmail"] == "on-call@example.com"
    assert found.parameters["KmsKeyArn"].startswith("arn:aws:kms:")


def test_lists_numbers_and_booleans_become_a_templates_text(lakes: Path) -> None:
    (lakes / "prod.toml").write_text(
        LEAST + '[parameters]\nA = ["x", "y"]\nB = 7\nC = true\n[parameters.jobs]\nD = 1\n'
    )
    assert lake_file("prod").parameters == {"A": "x,y", "B": "7", "C": "true", "jobs:D": "1"}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("owner = 'x'", "owner is not accepted"),
        ("wheels = 3", "wheels must be a text"),
        ("rollback_alarms = 'x'", "rollback_alarms must be a list of texts"),
        ("rollback_alarms = [1]", "rollback_alarms must be a list of texts"),
        ("termination_protection = 'yes'", "termination_protection must be true or false"),
        ("tags = 'x'", "tags must be a table of texts"),
        ("[tags]\nteam = 1", "tags must be a table of texts"),
        ("[buckets]\ncloudtrail = ''", "has no bucket there"),
        ("[buckets]\ncloudtrail = 'NO_BUCKET'", "has no bucket there"),
        ("parameters = 1", "parameters must be a table"),
        ("[parameters]\nA = [1]", "the parameter A must be"),
        ("[parameters.jobs]\nA = {B = 1}", "the parameter A must be"),
        ("name = 'a-raw'", "a lake 'a' is called a-raw as well.*without -raw"),
        ("name = 'a-b-addapart-c'", "a lake 'a-b' is called a-b-addapart as well"),
        ("x =", "is no TOML"),
    ],
)
def test_what_it_may_not_say_is_refused_by_name(lakes: Path, text: str, said: str) -> None:
    (lakes / "prod.toml").write_text(f"{LEAST}{text}\n")
    with pytest.raises(LakeFileError, match=said):
        lake_file("prod")


def test_a_lake_that_has_no_file_is_named_with_those_that_have(lakes: Path) -> None:
    (lakes / "prod.toml").write_text(LEAST)
    with pytest.raises(LakeFileError, match="Known: local, prod"):
        lake_file("other")


OPTIONAL = {"looker:ModelId": "any", "dagster:Image": "any", "jobs:BudgetUsd": "10", "DeliveryServices": ""}
NAMES = ("BucketName", "QueueName", "FunctionName", "TopicName", "ManagedPolicyName", "AlarmName", "LogGroupName")


def stacks(name: str) -> list[Stack]:
    sources = [load_source(one) for one in source_names()]
    given = {key: value for key, value in OPTIONAL.items() if value}
    return lake_stacks(LakeSettings(name, ACCOUNT, REGION), sources, given, Artifacts(b"", b"", b"", b"", b""))


def resources_of(name: str) -> list[Resource]:
    return [
        one for stack in stacks(name) for one in resources(stack.template, stack.parameters, ACCOUNT, REGION).values()
    ]


def physical_names(name: str) -> set[str]:
    """What everything of a lake is called: stacks, and resources that have names of their own; of a path its part."""
    found = {stack.name for stack in stacks(name)}
    for one in resources_of(name):
        found |= {one.properties[key] for key in (*NAMES, "Name", "ClusterName", "Family") if key in one.properties}
    found = {one for one in found if isinstance(one, str) and not re.fullmatch(r"(Consumer|Producer)(\.Arn)?", one)}
    parts = {one: [part for part in one.split("/") if re.match(rf"{name}(-|$)", part)] for one in found}
    assert [one for one, named in parts.items() if not named] == [], "all of it is called after the lake"
    return {part for named in parts.values() for part in named}


def test_whatever_is_called_after_a_lake_is_not_accepted_as_a_name_of_another() -> None:
    """So that names and patterns of two lakes that are accepted never meet."""
    words = {re.split(r"[-.]", one.removeprefix("one-"))[0] for one in physical_names("one") if one.startswith("one-")}
    assert words <= PARTS
    accepted = ("one-two", "onetwo", "on", "one-rawx", "one-x-y")
    others = {name for other in accepted for name in physical_names(other)}
    assert not physical_names("one") & others
    patterns = [re.split(r":(?=[^:]*$)", one)[1].split("/")[0] for one in arns("one")]
    assert "one-raw-*-111122223333" in patterns
    assert "one-addapart-*.fifo" in patterns
    assert [(one, name) for one in patterns for name in others if one != "*" and fnmatchcase(name, one)] == []
    refused = physical_names("one-raw") | physical_names("one-raw-x")
    assert any(fnmatchcase(name, "one-raw-*-111122223333") for name in refused), "this is what it is about"


def arns(name: str) -> set[str]:
    """The resources that any statement of a lake allows something on, where they name the lake."""
    text = json.dumps([one.properties for one in resources_of(name)])
    return {one for one in re.findall(r'"(arn:aws:[^"]+)"', text) if re.search(rf"[:/]{name}\b", one)}


def test_a_block_with_an_environment_of_its_own_has_its_own_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    """boto3 keeps those that it finds first, and a process may work on two lakes, one after the other."""

    def sign() -> str:
        return boto3.client("s3", region_name="us-east-1").generate_presigned_url("list_buckets")

    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "keyone")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "not-a-secret")
    with own_environment():
        os.environ["AWS_ACCESS_KEY_ID"] = "keytwo"
        assert "keytwo" in sign()
    assert "keyone" in sign()
    with own_environment():
        os.environ["AWS_ACCESS_KEY_ID"] = "keythree"
        assert "keythree" in sign()

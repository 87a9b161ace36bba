"""Files of lakes/: what they may say, and what is refused by name."""

from pathlib import Path

import pytest

from infra.cli.home import REPOSITORY
from infra.cli.lake_file import LakeFileError, lake_file

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

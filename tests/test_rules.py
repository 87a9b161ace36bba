"""What rules.toml can say, and what it is refused for."""

import importlib.resources
from datetime import date

import pytest

from loglake_assets.sources import load_source
from loglake_assets.sources.placement import Placement, place
from loglake_assets.sources.rules import RulesError, load_rules

CLOUDTRAIL = load_source("cloudtrail")
KEYS = tuple(c.name for c in CLOUDTRAIL.raw.partition_keys)
EXCLUDE = '[[exclude]]\nname = "a"\nsource = "cloudtrail"\neventname = ["Decrypt"]\n'
KEY = "AWSLogs/111122223333/CloudTrail/eu-west-1/2024/02/28/x.json.gz"

TEXT = """
version = 7
[[deny]]
name = "noisy account"
source = "cloudtrail"
accounts = ["111122223333"]
regions = ["eu-west-1"]
[[deny]]
name = "pattern"
source = "cloudtrail"
key_pattern = "/2023/"
[[deny]]
name = "of another log"
source = "other"
regions = ["eu-west-1"]
[[exclude]]
name = "decrypts"
source = "cloudtrail"
eventname = ["Decrypt", "GenerateDataKey"]
eventsource = ["kms.amazonaws.com"]
"""


def deny_rule(key: str) -> str | None:
    placement = place(CLOUDTRAIL, "logs", key)
    assert isinstance(placement, Placement)
    return load_rules("cloudtrail", TEXT).deny_rule(key, KEYS, placement)


def test_the_default_keeps_everything() -> None:
    rules = load_rules("cloudtrail")
    assert rules.version >= 1
    assert not rules.deny
    assert not rules.exclude


def test_a_deny_rule_needs_all_it_names() -> None:
    assert deny_rule(KEY) == "noisy account"
    assert deny_rule(KEY.replace("eu-west-1", "eu-west-2")) is None
    assert deny_rule(KEY.replace("eu-west-1", "eu-west-2").replace("2024", "2023")) == "pattern"


def test_an_exclusion_needs_all_its_fields() -> None:
    rules = load_rules("cloudtrail", TEXT)
    assert rules.version == 7
    assert rules.exclude_fields == {"eventname", "eventsource"}
    assert rules.exclusion({"eventname": "Decrypt", "eventsource": "kms.amazonaws.com"}) == "decrypts"
    assert rules.exclusion({"eventname": "Decrypt", "eventsource": "other.amazonaws.com"}) is None
    assert rules.exclusion({"eventname": None}) is None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("x = ", "not TOML"),
        ('[[exclude]]\nname = "all"\nsource = "cloudtrail"', "would exclude everything"),
        ('[[deny]]\nname = "all"\nsource = "cloudtrail"', "names no key_pattern"),
        ('[[deny]]\nsource = "cloudtrail"\naccounts = ["1"]', "has no name"),
        ('[[deny]]\nname = "a"\nsource = "cloudtrail"\naccount = ["1"]', "accepted"),
        ('[[exclude]]\nname = "a"\nsource = "cloudtrail"\neventname = "Decrypt"', "list of strings"),
        ('[[exclude]]\nname = "a"\nsource = "cloudtrail"\neventName = ["Decrypt"]', "accepted: .*eventname"),
        ('[[exclude]]\nname = "a"\nsource = "cloudtrail"\nerrorcode = ["x"]', "accepted"),
        ('[[exclude]]\nname = "a"\nsource = "cloudtrail"\nwhy = "noise"', "would exclude everything"),
        (EXCLUDE + "since = '2026-11-01'", r"since of 'a' is '2026-11-01': expected a day without quotes"),
        (EXCLUDE + "since = 2026-11-01T10:00:00Z", "expected a day without quotes"),
        (EXCLUDE + "decided_by = ['dana']", r"decided_by of rule 'a' is \['dana'\]: expected a text"),
        (EXCLUDE + "why = ' '", "why of rule 'a' is ' ': expected a text"),
    ],
)
def test_a_rule_that_cannot_be_meant_is_refused(text: str, said: str) -> None:
    with pytest.raises(RulesError, match=said):
        load_rules("cloudtrail", text)


def test_who_decided_a_rule_is_said_and_changes_no_row() -> None:
    plain = load_rules("cloudtrail", EXCLUDE)
    said = load_rules("cloudtrail", EXCLUDE + 'decided_by = "dana"\nsince = 2026-11-01\nwhy = "noise"')
    (rule,) = said.exclude
    assert (rule.decided_by, rule.since, rule.why) == ("dana", date(2026, 11, 1), "noise")
    assert (plain.exclude[0].decided_by, plain.exclude[0].since, plain.exclude[0].why) == ("", None, "")
    assert said.exclusion_digest == plain.exclusion_digest, "no built day is stale for a word about a rule"
    assert said.exclude_fields == {"eventname"}
    assert said.exclusion({"eventname": "Decrypt"}) == "a"


def test_the_example_of_the_file_is_a_rule_that_says_who_decided_it() -> None:
    text = (importlib.resources.files("loglake_assets") / "rules.toml").read_text(encoding="utf-8")
    _, _, example = text.partition("# [[exclude]]\n")
    lines = [line.removeprefix("# ") for line in example.partition("\n#\n")[0].splitlines()]
    (rule,) = load_rules("cloudtrail", "\n".join(["[[exclude]]", *lines])).exclude
    assert (bool(rule.decided_by), bool(rule.since), bool(rule.why)) == (True, True, True)
    assert dict(rule.accepted)["eventname"] == {"Decrypt"}

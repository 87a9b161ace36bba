"""What rules.toml can say, and what it is refused for."""

import pytest

from loglake_assets.sources import load_source
from loglake_assets.sources.placement import Placement, place
from loglake_assets.sources.rules import RulesError, load_rules

CLOUDTRAIL = load_source("cloudtrail")
KEYS = tuple(c.name for c in CLOUDTRAIL.raw.partition_keys)
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
    ],
)
def test_a_rule_that_cannot_be_meant_is_refused(text: str, said: str) -> None:
    with pytest.raises(RulesError, match=said):
        load_rules("cloudtrail", text)

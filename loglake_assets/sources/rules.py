"""Deny and exclusion rules, read from `rules.toml`. Standard library only: producer, Glue job and checks share them."""

import functools
import hashlib
import importlib.resources
import json
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime

from loglake_assets.sources import load_source
from loglake_assets.sources.placement import Placement


class RulesError(ValueError):
    """rules.toml says something that cannot be meant; the message names the rule and what is accepted."""


@dataclass(frozen=True)
class DenyRule:
    """Keys that get no raw partition while the rule stands. A key must match all that the rule names."""

    name: str
    source: str
    key_pattern: re.Pattern[str] | None
    accounts: frozenset[str]
    regions: frozenset[str]

    def denies(self, key: str, values: Mapping[str, str]) -> bool:
        """Whether `key`, placed at partition `values` by name, is denied."""
        if self.key_pattern and not self.key_pattern.search(key):
            return False
        if self.accounts and values.get("logaccountid") not in self.accounts:
            return False
        return not (self.regions and values.get("logregion") not in self.regions)


@dataclass(frozen=True)
class ExcludeRule:
    """Records that are read and not written. A record must match all fields that the rule names.

    `decided_by`, `since` and `why` are for people who read of the rule: they change no row.
    """

    name: str
    source: str
    accepted: tuple[tuple[str, frozenset[str]], ...]
    decided_by: str = ""
    since: date | None = None
    why: str = ""

    def excludes(self, fields: Mapping[str, str | None]) -> bool:
        return all(fields.get(name) in values for name, values in self.accepted)


@dataclass(frozen=True)
class Rules:
    """The rules of one source; `version` is recorded in every manifest."""

    version: int
    deny: tuple[DenyRule, ...] = ()
    exclude: tuple[ExcludeRule, ...] = ()

    @property
    def exclude_fields(self) -> frozenset[str]:
        """The record fields that any exclusion looks at."""
        return frozenset(name for rule in self.exclude for name, _ in rule.accepted)

    @property
    def exclusion_digest(self) -> str:
        """SHA-256, as 32 hex digits, of what the exclusions say, whatever their names and order: it decides rows.

        Who decided them, since when and why is not in it: a word about a rule makes no built day another.
        """
        said = sorted(sorted((name, sorted(values)) for name, values in rule.accepted) for rule in self.exclude)
        return hashlib.sha256(json.dumps(said).encode()).hexdigest()[:32]

    def deny_rule(self, key: str, keys: tuple[str, ...], placement: Placement) -> str | None:
        """Name of the first deny rule that holds for a placed key, or None."""
        values = dict(zip(keys, placement.values, strict=True))
        return next((rule.name for rule in self.deny if rule.denies(key, values)), None)

    def exclusion(self, fields: Mapping[str, str | None]) -> str | None:
        """Name of the first exclusion that holds for a record's fields, or None."""
        return next((rule.name for rule in self.exclude if rule.excludes(fields)), None)


def load_rules(source: str, text: str | None = None) -> Rules:
    """The rules of `source` from rules.toml, or from `text`. Raises RulesError; a retry cannot help."""
    return _packaged_rules(source) if text is None else _parse_rules(source, text)


@functools.cache
def _packaged_rules(source: str) -> Rules:
    """Read once: AddAPart asks for every key, and parsing took most of its time."""
    text = (importlib.resources.files("loglake_assets") / "rules.toml").read_text(encoding="utf-8")
    return _parse_rules(source, text)


def _parse_rules(source: str, text: str) -> Rules:
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise RulesError(f"rules.toml is not TOML: {error}.") from error
    deny = tuple(_deny(rule) for rule in document.get("deny", ()) if rule.get("source") == source)
    accepted = frozenset(load_source(source).excludable)
    exclude = tuple(_exclude(rule, accepted) for rule in document.get("exclude", ()) if rule.get("source") == source)
    return Rules(version=int(document.get("version", 0)), deny=deny, exclude=exclude)


def _deny(rule: Mapping[str, object]) -> DenyRule:
    _refuse_unknown_keys(rule, {"name", "source", "key_pattern", "accounts", "regions"})
    conditions = [key for key in ("key_pattern", "accounts", "regions") if rule.get(key)]
    if not conditions:
        raise RulesError(f"The deny rule {rule.get('name')!r} names no key_pattern, accounts or regions.")
    keys = {column.name for column in load_source(str(rule["source"])).raw.partition_keys}
    for condition, key in (("accounts", "logaccountid"), ("regions", "logregion")):
        if rule.get(condition) and key not in keys:
            raise RulesError(
                f"The deny rule {rule.get('name')!r} names {condition}, which the keys of {rule['source']} do not say; "
                "it would deny nothing. Use key_pattern."
            )
    pattern = rule.get("key_pattern")
    return DenyRule(
        name=_name(rule),
        source=str(rule["source"]),
        key_pattern=re.compile(str(pattern)) if pattern else None,
        accounts=_values(rule, "accounts"),
        regions=_values(rule, "regions"),
    )


_ABOUT = {"decided_by", "since", "why"}


def _exclude(rule: Mapping[str, object], accepted: frozenset[str]) -> ExcludeRule:
    _refuse_unknown_keys(rule, {"name", "source", *_ABOUT, *accepted})
    fields = sorted(set(rule) - {"name", "source", *_ABOUT})
    if not fields:
        raise RulesError(f"The exclude rule {rule.get('name')!r} names no field: it would exclude everything.")
    matched = tuple((field, _values(rule, field)) for field in fields)
    return ExcludeRule(
        _name(rule), str(rule["source"]), matched, _text(rule, "decided_by"), _since(rule), _text(rule, "why")
    )


def _text(rule: Mapping[str, object], field: str) -> str:
    """A text about a rule; empty where the rule does not say it."""
    text = rule.get(field, "")
    if not isinstance(text, str) or (field in rule and not text.strip()):
        raise RulesError(
            f"{field} of rule {rule.get('name')!r} is {text!r}: expected a text that says it. Leave it out where it is "
            "not known."
        )
    return text


def _since(rule: Mapping[str, object]) -> date | None:
    day = rule.get("since")
    if day is not None and (not isinstance(day, date) or isinstance(day, datetime)):
        raise RulesError(
            f"since of {rule.get('name')!r} is {day!r}: expected a day without quotes, such as since = 2026-11-01. "
            "Leave it out where it is not known."
        )
    return day


def _name(rule: Mapping[str, object]) -> str:
    name = rule.get("name")
    if not isinstance(name, str) or not name:
        raise RulesError(
            f"A rule for source {rule.get('source')!r} has no name; what it leaves out is counted by name."
        )
    return name


def _values(rule: Mapping[str, object], field: str) -> frozenset[str]:
    values = rule.get(field, [])
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise RulesError(f"{field} of rule {rule.get('name')!r} is {values!r}: expected a list of strings.")
    return frozenset(values)


def _refuse_unknown_keys(rule: Mapping[str, object], accepted: set[str]) -> None:
    if unknown := sorted(set(rule) - accepted):
        raise RulesError(f"Rule {rule.get('name')!r} says {unknown}; accepted: {sorted(accepted)}.")

"""A CloudFormation template as CloudFormation understands it: its conditions decided, its parameters put in.

For people and checks that ask what a deployment would have, before there is one. Resources that are not there yet stand
as `<LogicalId>`, and their attributes as `<LogicalId>.Arn`.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import yaml

_ABSENT = object()


_SAFE: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # in C, where it is installed: a tenth of the time


class _Loader(_SAFE):  # type: ignore[misc]  # the library has no types
    """YAML with CloudFormation's short forms: `!Ref x` is {"Ref": x}, `!Sub x` is {"Fn::Sub": x}."""


def _short_form(loader: yaml.SafeLoader, suffix: str, node: yaml.Node) -> dict[str, Any]:
    name = suffix if suffix in ("Ref", "Condition") else f"Fn::{suffix}"
    if isinstance(node, yaml.ScalarNode):
        return {name: loader.construct_scalar(node)}
    if isinstance(node, yaml.SequenceNode):
        return {name: loader.construct_sequence(node, deep=True)}
    assert isinstance(node, yaml.MappingNode)
    return {name: loader.construct_mapping(node, deep=True)}


_Loader.add_multi_constructor("!", _short_form)


def read_template(text: str) -> dict[str, Any]:
    """A template's document, from YAML or JSON, with short forms as long ones."""
    document: dict[str, Any] = json.loads(text) if text.lstrip().startswith("{") else yaml.load(text, _Loader)
    return document


@dataclass(frozen=True)
class Resource:
    """One resource that a stack would have; `properties` has no functions left but those of other resources."""

    type: str
    properties: dict[str, Any]


def resources(text: str, parameters: Mapping[str, str], account: str, region: str) -> dict[str, Resource]:
    """What a stack of the template has with these parameters, by logical id; defaults are the template's."""
    document = read_template(text)
    declared = {name: str(one.get("Default", "")) for name, one in document.get("Parameters", {}).items()}
    known = {**declared, **{name: value for name, value in parameters.items() if name in declared}}
    known |= {
        "AWS::AccountId": account,
        "AWS::Region": region,
        "AWS::Partition": "aws",
        "AWS::URLSuffix": "amazonaws.com",
    }
    resolver = _Resolver(known, document.get("Conditions", {}))
    return {
        name: Resource(one["Type"], resolver.value(one.get("Properties", {})))
        for name, one in document["Resources"].items()
        if "Condition" not in one or resolver.holds({"Condition": one["Condition"]})
    }


class _Resolver:
    def __init__(self, known: Mapping[str, str], conditions: Mapping[str, Any]) -> None:
        self._known, self._conditions = known, conditions

    def value(self, node: Any) -> Any:
        if isinstance(node, list):
            return [found for one in node if (found := self.value(one)) is not _ABSENT]
        if not isinstance(node, dict):
            return node
        if len(node) == 1 and (name := next(iter(node))) in _FUNCTIONS:
            return getattr(self, _FUNCTIONS[name])(node[name])
        found = {name: self.value(one) for name, one in node.items()}
        return {name: one for name, one in found.items() if one is not _ABSENT}

    def holds(self, node: Any) -> bool:
        """Whether a condition is true."""
        (name, given), *_ = node.items()
        if name == "Condition":
            return self.holds(self._conditions[given])
        if name == "Fn::Equals":
            left, right = (str(self.value(one)) for one in given)
            return left == right
        if name == "Fn::Not":
            return not self.holds(given[0])
        together = all if name == "Fn::And" else any
        return together(self.holds(one) for one in given)

    def _ref(self, name: str) -> Any:
        return _ABSENT if name == "AWS::NoValue" else self._known.get(name, name)

    def _attribute(self, given: Any) -> str:
        return given if isinstance(given, str) else ".".join(given)

    def _substitute(self, given: Any) -> str:
        text: str = given if isinstance(given, str) else given[0]
        return re.sub(r"\$\{([^!}]+)\}", lambda found: str(self._known.get(found[1], found[1])), text)

    def _choose(self, given: Any) -> Any:
        name, when_true, when_false = given
        return self.value(when_true if self.holds({"Condition": name}) else when_false)

    def _split(self, given: Any) -> list[str]:
        separator, text = given
        return str(self.value(text)).split(separator)

    def _select(self, given: Any) -> Any:
        index, values = given
        return self.value(values)[int(index)]

    def _join(self, given: Any) -> str:
        separator, parts = given
        return str(separator).join(str(part) for part in self.value(parts))


_FUNCTIONS = {
    "Ref": "_ref",
    "Fn::GetAtt": "_attribute",
    "Fn::Sub": "_substitute",
    "Fn::If": "_choose",
    "Fn::Split": "_split",
    "Fn::Join": "_join",
    "Fn::Select": "_select",
}


@dataclass(frozen=True, order=True)
class Grant:
    """One action on one resource that a policy allows or denies to somebody; `who` is empty in the policy of a role."""

    effect: str
    action: str
    resource: str
    who: str
    condition: str


def grants(found: Mapping[str, Resource]) -> dict[str, set[Grant]]:
    """What the policies of a stack's resources say, by logical id, an entry for each action and resource."""
    return {name: said for name, one in found.items() if (said := set(_grants(one)))}


def _grants(resource: Resource) -> list[Grant]:
    documents = [one["PolicyDocument"] for one in resource.properties.get("Policies", [])]
    documents += [
        resource.properties[k] for k in ("PolicyDocument", "AssumeRolePolicyDocument") if k in resource.properties
    ]
    if resource.type == "AWS::Lambda::Permission":
        return [_permission(resource.properties)]
    return [grant for document in documents for one in document["Statement"] for grant in _statement_grants(one)]


def _permission(properties: Mapping[str, Any]) -> Grant:
    bounds = {name: properties.get(name) for name in ("SourceAccount", "SourceArn")}
    who = json.dumps(properties["Principal"])
    return Grant(
        "Allow", properties["Action"], str(properties["FunctionName"]), who, json.dumps(bounds, sort_keys=True)
    )


def _statement_grants(statement: Mapping[str, Any]) -> list[Grant]:
    condition = json.dumps(statement.get("Condition", {}), sort_keys=True)
    return [
        Grant(statement["Effect"], action, str(resource), json.dumps(who, sort_keys=True), condition)
        for action in _as_list(statement["Action"])
        for resource in _as_list(statement.get("Resource", ""))
        for who in _principals(statement.get("Principal", ""))
    ]


def policy_grants(statements: Sequence[Mapping[str, Any]], names: Mapping[str, str]) -> set[Grant]:
    """What statements say, however AWS spells it: a list of one for its value, everybody as `*` or as `{"AWS": "*"}`.

    `names` are put in for what stands in resources, such as the ARN of a bucket for `Bucket.Arn`.
    """
    found = set()
    for one in (grant for statement in statements for grant in _statement_grants(statement)):
        resource = one.resource
        for name, value in names.items():
            resource = resource.replace(name, value)
        condition = {
            operator: {key.lower(): sorted(map(str, _as_list(values))) for key, values in keys.items()}
            for operator, keys in json.loads(one.condition).items()
        }
        who = '"*"' if one.who == '{"AWS": "*"}' else one.who
        found.add(replace(one, resource=resource, condition=json.dumps(condition, sort_keys=True), who=who))
    return found


def _principals(given: Any) -> list[Any]:
    if not isinstance(given, dict):
        return [given]
    return [{kind: who} for kind, named in given.items() for who in _as_list(named)]


def _as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def wider(before: Mapping[str, set[Grant]], after: Mapping[str, set[Grant]]) -> dict[str, list[Grant]]:
    """By logical id what is allowed after that was not before, and what was denied before and no more."""
    found: dict[str, list[Grant]] = {}
    for name in sorted(before.keys() | after.keys()):
        old, new = before.get(name, set()), after.get(name, set())
        more = {grant for grant in new - old if grant.effect == "Allow"}
        less = {grant for grant in old - new if grant.effect == "Deny"}
        if more | less:
            found[name] = sorted(more | less)
    return found

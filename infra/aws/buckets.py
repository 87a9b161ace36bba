"""The buckets of a deployed lake, its own and those that are delivered to already, looked at."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from botocore.exceptions import ClientError

from infra.aws.aws_errors import answer, is_denied, permission
from infra.aws.findings import Deployment, Finding, bad, look_at, needs_deployment
from infra.aws.template import Resource, policy_grants
from resources.settings import loglake

_SHOWN = 3
Declared = Mapping[str, Resource]
"""What one stack's template has, by logical id."""


def examine_buckets(lake: Deployment) -> Iterator[Finding]:
    """What is wrong with each bucket: its own settings, who may do what there, and whom it tells of new objects."""
    for declared in lake.template_resources.values():
        for logical_id, one in declared.items():
            if one.type == "AWS::S3::Bucket":
                name = one.properties["BucketName"]
                yield from look_at(lake, "buckets", name, _bucket(lake, name, declared, logical_id))
    for log, name in lake.settings.raw_buckets:
        yield from look_at(lake, "buckets", f"{name}, which {log} is delivered to", _delivery(lake, name, log))


def _bucket(lake: Deployment, name: str, declared: Declared, logical_id: str) -> Iterator[Finding]:
    if answer(lake.clients("s3").head_bucket, Bucket=name) is None:
        yield needs_deployment("buckets", f"{name} is not there")
        return
    for what, look in (
        ("versions", _versioning),
        ("lock", _lock),
        ("notifications", _notification),
        ("encryption", _encryption),
        ("policy", _policy),
    ):
        yield from look_at(lake, "buckets", f"the {what} of {name}", look(lake, name, declared, logical_id))


def _versioning(lake: Deployment, name: str, declared: Declared, logical_id: str) -> Iterator[Finding]:
    versioning = lake.clients("s3").get_bucket_versioning(Bucket=name).get("Status", "off")
    if versioning != declared[logical_id].properties["VersioningConfiguration"]["Status"]:
        yield bad(
            "buckets",
            f"{name}: versions are {versioning}, so what is overwritten is gone",
            f"turn on versioning of {name}",
        )


def _lock(lake: Deployment, name: str, declared: Declared, logical_id: str) -> Iterator[Finding]:
    wanted = _retention(declared[logical_id].properties.get("ObjectLockConfiguration", {}))
    if not wanted:
        return
    found = answer(lake.clients("s3").get_object_lock_configuration, Bucket=name) or {}
    now = _retention(found.get("ObjectLockConfiguration", {}))
    if now != wanted:
        how = f"locked by {now}" if now else "not locked"
        yield needs_deployment("buckets", f"{name}: new objects are {how}, and the file says {wanted}")


def _retention(lock: Mapping[str, Any]) -> str:
    rule = lock.get("Rule", {}).get("DefaultRetention", {})
    return f"{rule['Mode']} for {rule.get('Days', '?')} days" if rule.get("Mode") else ""


def _notification(lake: Deployment, name: str, declared: Declared, logical_id: str) -> Iterator[Finding]:
    if "NotificationConfiguration" not in declared[logical_id].properties:
        return
    producer = _producer(lake, declared)
    if producer not in _notified_functions(lake.clients("s3").get_bucket_notification_configuration(Bucket=name)):
        yield bad(
            "buckets",
            f"{name} tells no producer of new objects that is its own, {_name(producer)}: no partition is made",
            f"{loglake('reconcile')}, after {loglake('deploy')}",
        )


def _producer(lake: Deployment, declared: Declared) -> str:
    """The ARN of a layer's producer."""
    name = declared["Producer"].properties["FunctionName"]
    return f"arn:{lake.settings.partition}:lambda:{lake.settings.region}:{lake.settings.account}:function:{name}"


def _notified_functions(notifications: Mapping[str, Any]) -> set[str]:
    """ARNs of the functions that a bucket tells of new objects."""
    told = notifications.get("LambdaFunctionConfigurations", [])
    return {one["LambdaFunctionArn"] for one in told if _CREATED.intersection(one["Events"])}


_CREATED = frozenset({"s3:ObjectCreated:*", "s3:ObjectCreated:Put"})


def _name(arn: str) -> str:
    return arn.rpartition(":")[2]


def _encryption(lake: Deployment, name: str, declared: Declared, logical_id: str) -> Iterator[Finding]:
    (wanted,) = declared[logical_id].properties["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    rule = wanted["ServerSideEncryptionByDefault"]
    found = answer(lake.clients("s3").get_bucket_encryption, Bucket=name)
    rules = found["ServerSideEncryptionConfiguration"]["Rules"] if found else [{}]
    now = rules[0].get("ApplyServerSideEncryptionByDefault", {})
    if (now.get("SSEAlgorithm"), now.get("KMSMasterKeyID")) != (rule["SSEAlgorithm"], rule.get("KMSMasterKeyID")):
        yield needs_deployment(
            "buckets", f"{name} is encrypted by {now.get('SSEAlgorithm', 'nothing')}, not {rule['SSEAlgorithm']}"
        )


def _policy(lake: Deployment, name: str, declared: Declared, logical_id: str) -> Iterator[Finding]:
    """Who may do what, statement by statement: a Sid says nothing of whom its statement lets in."""
    policies = (one.properties for one in declared.values() if one.type == "AWS::S3::BucketPolicy")
    wanted = [
        statement
        for policy in policies
        if policy["Bucket"] == logical_id
        for statement in policy["PolicyDocument"]["Statement"]
    ]
    arn = f"arn:{lake.settings.partition}:s3:::{name}"
    meant = {str(one["Sid"]): policy_grants([one], {f"{logical_id}.Arn": arn}) for one in wanted}
    found = answer(lake.clients("s3").get_bucket_policy, Bucket=name)
    now = policy_grants(json.loads(found["Policy"])["Statement"], {}) if found else set()
    if absent := sorted(sid for sid, said in meant.items() if not said <= now):
        yield needs_deployment(
            "buckets",
            f"the policy of {name} lacks {', '.join(absent)}: who delivers is refused, or plain http is not",
        )
    more = sorted(one for one in now.difference(*meant.values()) if one.effect == "Allow")
    if more:
        yield bad(
            "buckets",
            f"the policy of {name} lets others in: "
            + "; ".join(f"{one.action} to {one.who}, condition {one.condition}" for one in more[:_SHOWN]),
            "name them in the lake's file and deploy, or take them out of the policy",
        )


# --- buckets that are not the lake's own ------------------------------------------------------------------------------


def _delivery(lake: Deployment, name: str, log: str) -> Iterator[Finding]:
    if answer(lake.clients("s3").list_objects_v2, Bucket=name, MaxKeys=1) is None:
        yield bad(
            "buckets", f"{name}, which {log} is delivered to, is not there", "correct [buckets] of the lake's file"
        )
        return
    declared = lake.template_resources[f"{lake.settings.name}-addapart-raw-{log}"]
    producer = _producer(lake, declared)
    topics = [one.properties["TopicArn"] for one in declared.values() if one.type == "AWS::SNS::Subscription"]
    rules = [one.properties["Name"] for one in declared.values() if one.type == "AWS::Events::Rule"]
    for topic in topics:
        yield from look_at(lake, "buckets", f"subscriptions to {topic}", _listens(lake, topic, producer))
    for rule in rules:
        yield from look_at(lake, "buckets", f"the rule {rule}", _rule(lake, rule, producer))
    yield from look_at(lake, "buckets", f"the notifications of {name}", _tells(lake, name, producer, topics, rules))


def _listens(lake: Deployment, topic: str, producer: str) -> Iterator[Finding]:
    """By this account's own subscriptions: those of a topic are listed to its owner alone."""
    pages = lake.clients("sns").get_paginator("list_subscriptions").paginate()
    subscriptions = (one for page in pages for one in page["Subscriptions"])
    if not any(one["TopicArn"] == topic and one["Endpoint"] == producer for one in subscriptions):
        yield needs_deployment("buckets", f"{_name(producer)} does not listen to {topic}: no partition is made")


def _rule(lake: Deployment, rule: str, producer: str) -> Iterator[Finding]:
    events = lake.clients("events")
    found = answer(events.describe_rule, Name=rule)
    if found is None:
        yield needs_deployment("buckets", f"the rule {rule} of EventBridge is not there: no partition is made")
    elif found["State"] == "DISABLED":
        yield bad("buckets", f"the rule {rule} is off: no partition is made", f"aws events enable-rule --name {rule}")
    elif producer not in {one["Arn"] for one in events.list_targets_by_rule(Rule=rule)["Targets"]}:
        yield needs_deployment("buckets", f"the rule {rule} tells no {_name(producer)}: no partition is made")


def _tells(
    lake: Deployment, name: str, producer: str, topics: Sequence[str], rules: Sequence[str]
) -> Iterator[Finding]:
    """Whether the bucket tells what the lake listens to; where its owner lets nobody see, the owner has to say."""
    try:
        found = lake.clients("s3").get_bucket_notification_configuration(Bucket=name)
    except ClientError as error:
        if not is_denied(error):
            raise
        yield Finding(True, "buckets", f"AWS denies {permission(error)} of {name}: ask its owner whom it tells")
        return
    told = {one["TopicArn"] for one in found.get("TopicConfigurations", [])}
    is_told = told.intersection(topics) or (rules and "EventBridgeConfiguration" in found)
    if not is_told and producer not in _notified_functions(found):
        way = (*topics, *(["EventBridge"] if rules else []), *([] if topics or rules else [_name(producer)]))
        yield bad(
            "buckets",
            f"{name} does not tell {' or '.join(way)} of new objects: no partition is made",
            f"let its owner add that to its notifications, then {loglake('reconcile')}",
        )

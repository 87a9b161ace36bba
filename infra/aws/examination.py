"""Looks at a deployed lake and says what is wrong with it, in the order in which it is best mended.

Every look is by itself: what one role may not see, or what is gone, is one finding and hides no other.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from infra.aws.catalog_template import catalog_template, partition_indexes, view_input
from infra.aws.deploy import Clients, reviews_of
from infra.aws.stacks import Stack, StackOptions, Stacks, stack_parameters
from infra.aws.template import Resource, resources
from loglake_assets.lake.storage.catalog import Catalog
from loglake_assets.lake.storage.partitions import delivered_days
from loglake_assets.reviews import review_views
from loglake_assets.sources import LogSource
from resources.settings import LakeSettings, loglake

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_MOST_CLOCK_SECONDS = 300  # S3 refuses signatures that are further off than 15 minutes
_WAITING = ("dead.fifo", "undelivered", "quarantine")
_DEPLOY = "deploy"


@dataclass(frozen=True)
class Finding:
    """What a look found: `is_well`, what it was of, a sentence, and a command or step that mends it, or nothing."""

    is_well: bool
    subject: str
    sentence: str
    remedy: str = ""


@dataclass(frozen=True)
class Deployment:
    """A lake as its file describes it: names, stacks with their parameters, and its logs."""

    settings: LakeSettings
    clients: Clients
    stacks: Sequence[Stack]
    sources: Sequence[LogSource]

    @cached_property
    def declared(self) -> dict[str, dict[str, Resource]]:
        """What the templates have with these parameters, by stack and logical id, read once for all looks."""
        where = self.settings.account, self.settings.region
        return {stack.name: resources(stack.template, stack.parameters, *where) for stack in self.stacks}

    def resources(self, kind: str) -> Iterator[tuple[str, Resource]]:
        """(stack name, resource) of everything declared of a type."""
        for name, found in self.declared.items():
            yield from ((name, one) for one in found.values() if one.type == kind)


Look = Callable[[Deployment], Iterator[Finding]]


def examine(lake: Deployment) -> Iterator[Finding]:
    """Every finding, those that others hang on first."""
    for subject, look in LOOKS.items():
        try:
            found = list(look(lake))
        except (ClientError, BotoCoreError) as error:
            code = error.response["Error"]["Code"] if isinstance(error, ClientError) else type(error).__name__
            found = [
                _bad(
                    subject,
                    f"could not be looked at: AWS answered {code}",
                    "look with a role that may see it, or deploy",
                )
            ]
        yield from [one for one in found if not one.is_well] or [Finding(True, subject, _summary(found))]


def _summary(found: Sequence[Finding]) -> str:
    said = [one.sentence for one in found if one.sentence]
    return "; ".join(said) if said else "as declared"


def _bad(subject: str, sentence: str, remedy: str = "") -> Finding:
    return Finding(False, subject, sentence, remedy)


def _deployed(subject: str, sentence: str) -> Finding:
    """A finding that deploying the lake again mends."""
    return _bad(subject, sentence, loglake(_DEPLOY))


# --- the looks --------------------------------------------------------------------------------------------------------


def _clock(lake: Deployment) -> Iterator[Finding]:
    answer = lake.clients("sts").get_caller_identity()
    if said := answer["ResponseMetadata"]["HTTPHeaders"].get("date"):
        apart = abs((parsedate_to_datetime(said) - datetime.now(UTC)).total_seconds())
        if apart > _MOST_CLOCK_SECONDS:
            yield _bad(
                "clock", f"this machine's clock is {apart:,.0f} s from AWS's: days would be closed wrongly", "set it"
            )


def _stacks(lake: Deployment) -> Iterator[Finding]:
    api = Stacks(lake.clients("cloudformation"), lake.clients("s3"), lake.settings, StackOptions())
    for stack in lake.stacks:
        found = api.describe(stack.name)
        if found is None:
            yield _deployed("stacks", f"{stack.name} is not there")
            continue
        if not str(found["StackStatus"]).endswith("_COMPLETE") or "ROLLBACK" in found["StackStatus"]:
            yield _deployed("stacks", f"{stack.name} is {found['StackStatus']}")
        now = stack_parameters(found)
        if other := sorted(name for name, value in stack.parameters.items() if now.get(name) != value):
            yield _deployed("stacks", f"{stack.name} has other values than this tree and file: {', '.join(other)}")


def _buckets(lake: Deployment) -> Iterator[Finding]:
    s3 = lake.clients("s3")
    for _, bucket in lake.resources("AWS::S3::Bucket"):
        name = bucket.properties["BucketName"]
        try:
            s3.head_bucket(Bucket=name)
        except ClientError as error:
            yield _deployed("buckets", f"{name} is not there or may not be seen ({error.response['Error']['Code']})")
            continue
        versioning = s3.get_bucket_versioning(Bucket=name).get("Status", "off")
        if versioning != bucket.properties["VersioningConfiguration"]["Status"]:
            yield _bad(
                "buckets",
                f"{name}: versions are {versioning}, so what is overwritten is gone",
                f"turn on versioning of {name}",
            )
        if bucket.properties.get("ObjectLockEnabled") and not _lock_mode(s3, name):
            yield _deployed("buckets", f"{name}: objects are not locked, and the file says they are")
        yield from _notification(s3, name, bucket)
    for log, name in lake.settings.raw_buckets:
        try:
            s3.list_objects_v2(Bucket=name, MaxKeys=1)
        except ClientError as error:
            code = error.response["Error"]["Code"]
            yield _bad(
                "buckets", f"{name}, which {log} is delivered to, may not be listed ({code})", "its owner's policy"
            )
    yield from _encryption(lake)
    yield from _policies(lake)


def _lock_mode(s3: "S3Client", name: str) -> str | None:
    try:
        rule = s3.get_object_lock_configuration(Bucket=name)["ObjectLockConfiguration"].get("Rule", {})
    except ClientError:
        return None
    return str(rule.get("DefaultRetention", {}).get("Mode") or "") or None


def _notification(s3: "S3Client", name: str, bucket: Resource) -> Iterator[Finding]:
    if "NotificationConfiguration" not in bucket.properties:
        return
    found = s3.get_bucket_notification_configuration(Bucket=name).get("LambdaFunctionConfigurations", [])
    if not any(str(one["LambdaFunctionArn"]).endswith("-producer") for one in found):
        yield _bad(
            "buckets",
            f"{name} tells no producer of new objects: no partition is made",
            f"{loglake('reconcile')}, after {loglake(_DEPLOY)}",
        )


def _encryption(lake: Deployment) -> Iterator[Finding]:
    s3 = lake.clients("s3")
    for _, bucket in lake.resources("AWS::S3::Bucket"):
        name = bucket.properties["BucketName"]
        (wanted,) = bucket.properties["BucketEncryption"]["ServerSideEncryptionConfiguration"]
        rule = wanted["ServerSideEncryptionByDefault"]
        try:
            (found,) = s3.get_bucket_encryption(Bucket=name)["ServerSideEncryptionConfiguration"]["Rules"]
            now = found["ApplyServerSideEncryptionByDefault"]
        except ClientError:
            now = {}
        if (now.get("SSEAlgorithm"), now.get("KMSMasterKeyID")) != (rule["SSEAlgorithm"], rule.get("KMSMasterKeyID")):
            yield _deployed(
                "buckets", f"{name} is encrypted by {now.get('SSEAlgorithm', 'nothing')}, not {rule['SSEAlgorithm']}"
            )


def _policies(lake: Deployment) -> Iterator[Finding]:
    s3 = lake.clients("s3")
    for stack, policy in lake.resources("AWS::S3::BucketPolicy"):
        name = lake.declared[stack][policy.properties["Bucket"]].properties["BucketName"]
        wanted = {one["Sid"] for one in policy.properties["PolicyDocument"]["Statement"]}
        try:
            found = {one.get("Sid") for one in json.loads(s3.get_bucket_policy(Bucket=name)["Policy"])["Statement"]}
        except ClientError:
            found = set()
        if absent := sorted(wanted - found):
            yield _deployed(
                "buckets",
                f"the policy of {name} lacks {', '.join(absent)}: who delivers is refused, or plain http is not",
            )


def _queues(lake: Deployment) -> Iterator[Finding]:
    sqs = lake.clients("sqs")
    for _, queue in lake.resources("AWS::SQS::Queue"):
        name = queue.properties["QueueName"]
        try:
            url = sqs.get_queue_url(QueueName=name)["QueueUrl"]
        except ClientError:
            yield _deployed("queues", f"{name} is not there")
            continue
        attribute = "ApproximateNumberOfMessages"
        waiting = int(sqs.get_queue_attributes(QueueUrl=url, AttributeNames=[attribute])["Attributes"][attribute])
        if waiting and name.endswith(_WAITING):
            yield _bad("queues", f"{waiting:,} messages are in {name}", "docs/runbooks/queues.md")


def _consumers(lake: Deployment) -> Iterator[Finding]:
    functions = lake.clients("lambda")
    for _, function in lake.resources("AWS::Lambda::Function"):
        name = function.properties["FunctionName"]
        try:
            functions.get_function(FunctionName=name)
        except ClientError:
            yield _deployed("functions", f"{name} is not there")
            continue
        if name.endswith("-consumer"):
            found = functions.list_event_source_mappings(FunctionName=name)["EventSourceMappings"]
            if not any(one["State"] in ("Enabled", "Enabling") for one in found):
                yield _bad(
                    "functions",
                    f"{name} takes no messages: its event source mapping is off",
                    "turn the mapping on, then watch its queue empty",
                )


def _tables(lake: Deployment) -> Iterator[Finding]:
    glue, database = lake.clients("glue"), lake.settings.database
    reviews = reviews_of(lake.sources)
    declared = catalog_template(lake.sources, reviews, dict(lake.settings.raw_buckets))["Resources"].values()
    for table in (one["Properties"]["TableInput"] for one in declared if one["Type"] == "AWS::Glue::Table"):
        try:
            found = glue.get_table(DatabaseName=database, Name=table["Name"])["Table"]
        except ClientError:
            yield _deployed("tables", f"{database}.{table['Name']} is not there")
            continue
        yield from _table_differences(table, found)
    for name, _ in partition_indexes(lake.sources, reviews):
        try:
            indexes = glue.get_partition_indexes(DatabaseName=database, TableName=name)["PartitionIndexDescriptorList"]
        except ClientError:
            continue  # the table is not there, which is said
        if not any(index["IndexStatus"] in ("ACTIVE", "CREATING") for index in indexes):
            yield _deployed("tables", f"{database}.{name} has no partition index: queries load all partitions")


def _table_differences(declared: Mapping[str, Any], found: Mapping[str, Any]) -> Iterator[Finding]:
    wanted, now = declared["StorageDescriptor"], found["StorageDescriptor"]
    name = f"{found['DatabaseName']}.{found['Name']}"
    if [_pair(c) for c in wanted["Columns"]] != [_pair(c) for c in now["Columns"]]:
        yield _deployed("tables", f"{name} has other columns than its declaration")
    if wanted["SerdeInfo"]["SerializationLibrary"] != now.get("SerdeInfo", {}).get("SerializationLibrary"):
        yield _deployed("tables", f"{name} is read by another SerDe than its declaration")
    if str(found.get("Parameters", {}).get("projection.enabled", "false")).lower() == "true":
        yield _bad(
            "tables",
            f"{name} projects its partitions: what AddAPart places is not read",
            f"take projection.enabled from {name}",
        )


def _pair(column: Mapping[str, str]) -> tuple[str, str]:
    return column["Name"], column["Type"]


def _views(lake: Deployment) -> Iterator[Finding]:
    glue, database = lake.clients("glue"), lake.settings.database
    for view in (view for review in reviews_of(lake.sources) for view in review_views(review)):
        try:
            found = glue.get_table(DatabaseName=database, Name=view.name)["Table"].get("ViewOriginalText")
        except ClientError:
            found = None
        if found != view_input(view, database)["ViewOriginalText"]:
            yield _deployed("views", f"{database}.{view.name} is {'another view' if found else 'not there'}")


def _job(lake: Deployment) -> Iterator[Finding]:
    for _, declared in lake.resources("AWS::Glue::Job"):
        name, wanted = declared.properties["Name"], declared.properties
        try:
            found = lake.clients("glue").get_job(JobName=name)["Job"]
        except ClientError:
            yield _deployed("job", f"the Glue job {name} is not there")
            continue
        if found.get("GlueVersion") != wanted["GlueVersion"]:
            yield _deployed("job", f"{name} runs on Glue {found.get('GlueVersion')}, not {wanted['GlueVersion']}")
        now = found.get("DefaultArguments", {})
        if other := sorted(key for key, value in wanted["DefaultArguments"].items() if now.get(key) != value):
            yield _deployed("job", f"{name} has other arguments than declared: {', '.join(other)}")
        if lake.settings.endpoint_url is None and "--additional-python-modules" not in now:
            yield _deployed("job", f"{name} has no wheels and ends at its first import")
        yield from _code(lake, [found["Command"]["ScriptLocation"], now.get("--extra-py-files", "")])


def _code(lake: Deployment, addresses: Sequence[str]) -> Iterator[Finding]:
    for address in addresses:
        bucket, _, key = address.removeprefix("s3://").partition("/")
        try:
            lake.clients("s3").head_object(Bucket=bucket, Key=key)
        except ClientError:
            yield _deployed("job", f"its code {address} is not there")


def _workgroups(lake: Deployment) -> Iterator[Finding]:
    athena = lake.clients("athena")
    for _, declared in lake.resources("AWS::Athena::WorkGroup"):
        name = declared.properties["Name"]
        try:
            found = athena.get_work_group(WorkGroup=name)["WorkGroup"]
        except ClientError:
            yield _deployed("workgroups", f"the Athena workgroup {name} is not there")
            continue
        if found.get("State") != "ENABLED":
            yield _bad("workgroups", f"the Athena workgroup {name} is off", f"turn on {name}")


def _alarms(lake: Deployment) -> Iterator[Finding]:
    pages = lake.clients("cloudwatch").get_paginator("describe_alarms").paginate(AlarmNamePrefix=lake.settings.name)
    found = {alarm["AlarmName"]: alarm for page in pages for alarm in page["MetricAlarms"]}
    for _, declared in lake.resources("AWS::CloudWatch::Alarm"):
        name = declared.properties["AlarmName"]
        if name not in found:
            yield _deployed("alarms", f"the alarm {name} is not there")
        elif not found[name].get("AlarmActions") or not found[name].get("ActionsEnabled", True):
            yield _deployed("alarms", f"the alarm {name} tells nobody")
        elif found[name]["StateValue"] == "ALARM":
            yield _bad("alarms", f"{name} rings: {declared.properties['AlarmDescription'].strip()}")


def _subscribers(lake: Deployment) -> Iterator[Finding]:
    topic = lake.settings.alarm_topic
    subscribers = lake.clients("sns").list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"]
    if not any(one["SubscriptionArn"].startswith("arn:") for one in subscribers):
        what = "nobody has confirmed" if subscribers else "nobody has subscribed"
        yield _bad(
            "subscribers",
            f"{what}: {topic} tells no person",
            "AlarmEmail in the lake's file, or a subscription of your own",
        )


def _logs(lake: Deployment) -> Iterator[Finding]:
    catalog = Catalog(lake.clients("glue"), lake.settings.database)
    yesterday = datetime.now(UTC).date() - timedelta(days=1)
    for source in lake.sources:
        days = delivered_days(catalog, source)
        if not days:
            yield _bad("logs", f"{source.name}: no object has ever arrived", f"docs/deploy.md: deliver {source.name}")
        elif max(days) < yesterday:
            yield _bad("logs", f"{source.name}: the newest day is {max(days)}", "docs/runbooks/silence.md")
        else:
            yield Finding(True, "logs", f"{source.name} {_range(days)}")


def _range(days: set[date]) -> str:
    return f"{min(days)} to {max(days)}, {len(days):,} days"


LOOKS: Mapping[str, Look] = {
    "clock": _clock,
    "stacks": _stacks,
    "buckets": _buckets,
    "queues": _queues,
    "functions": _consumers,
    "tables": _tables,
    "views": _views,
    "job": _job,
    "workgroups": _workgroups,
    "alarms": _alarms,
    "subscribers": _subscribers,
    "logs": _logs,
}
"""What is looked at, in the order in which it is best mended."""

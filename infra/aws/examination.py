"""Looks at a deployed lake and says what is wrong with it, in the order in which it is best mended.

Every look is by itself: what one role may not see, or what is gone, is one finding and hides no other.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any, Protocol

from infra.aws.aws_errors import answer
from infra.aws.buckets import examine_buckets
from infra.aws.catalog_template import partition_indexes, view_input
from infra.aws.deliverers import examine_deliverers
from infra.aws.deploy import reviews_of
from infra.aws.findings import Deployment, Finding, bad, look_at, merge, needs_deployment
from infra.aws.stacks import Stack, StackOptions, Stacks, stack_parameters
from infra.aws.table_reads import read_tables
from loglake_assets.lake.storage.catalog import Catalog
from loglake_assets.lake.storage.partitions import TableMissingError, delivered_days
from loglake_assets.reviews import View, views_of
from loglake_assets.s3.urls import bucket_and_key
from loglake_assets.sources import LogSource
from loglake_assets.sources.words import inflect, tally

_MOST_CLOCK_SECONDS = 300  # S3 refuses signatures that are further off than 15 minutes
_WAITING = ("dead.fifo", "undelivered", "quarantine")


class Look(Protocol):
    """Findings of one subject, in the order in which they are best mended; AWS's refusals may be raised."""

    def __call__(self, lake: Deployment, /) -> Iterator[Finding]: ...


def examine(lake: Deployment) -> Iterator[Finding]:
    """Every finding, those that others hang on first."""
    for subject, look in LOOKS.items():
        found = list(look_at(lake, subject, f"the {subject}", look(lake)))
        yield from merge([one for one in found if not one.is_well]) or [Finding(True, subject, _summary(found))]


def _summary(found: Sequence[Finding]) -> str:
    said = [one.sentence for one in found if one.sentence]
    return "; ".join(said) if said else "as declared"


# --- the looks --------------------------------------------------------------------------------------------------------


def _clock(lake: Deployment) -> Iterator[Finding]:
    found = lake.clients("sts").get_caller_identity()
    if said := found["ResponseMetadata"]["HTTPHeaders"].get("date"):
        apart = abs((parsedate_to_datetime(said) - datetime.now(UTC)).total_seconds())
        if apart > _MOST_CLOCK_SECONDS:
            yield bad(
                "clock", f"this machine's clock is {apart:,.0f} s from AWS's: days would be closed wrongly", "set it"
            )


def _stacks(lake: Deployment) -> Iterator[Finding]:
    for stack in lake.stacks:
        yield from look_at(lake, "stacks", stack.name, _stack(lake, stack))


def _stack(lake: Deployment, stack: Stack) -> Iterator[Finding]:
    api = Stacks(lake.clients("cloudformation"), lake.clients("s3"), lake.settings, StackOptions())
    found = api.describe(stack.name)
    if found is None:
        yield needs_deployment("stacks", f"{stack.name} is not there")
        return
    if not str(found["StackStatus"]).endswith("_COMPLETE") or "ROLLBACK" in found["StackStatus"]:
        yield needs_deployment("stacks", f"{stack.name} is {found['StackStatus']}")
    now = stack_parameters(found)
    if other := sorted(name for name, value in stack.parameters.items() if now.get(name) != value):
        yield needs_deployment("stacks", f"{stack.name} has other values than this tree and file: {', '.join(other)}")


def _queues(lake: Deployment) -> Iterator[Finding]:
    for _, queue in lake.resources("AWS::SQS::Queue"):
        name = queue.properties["QueueName"]
        yield from look_at(lake, "queues", name, _queue(lake, name))


def _queue(lake: Deployment, name: str) -> Iterator[Finding]:
    sqs, attribute = lake.clients("sqs"), "ApproximateNumberOfMessages"
    found = answer(sqs.get_queue_url, QueueName=name)
    if found is None:
        yield needs_deployment("queues", f"{name} is not there")
        return
    attributes = sqs.get_queue_attributes(QueueUrl=found["QueueUrl"], AttributeNames=[attribute])["Attributes"]
    if (waiting := int(attributes[attribute])) and name.endswith(_WAITING):
        yield bad(
            "queues",
            f"{tally(waiting, 'message')} {inflect(waiting, 'is', 'are')} in {name}",
            "docs/runbooks/queues.md",
        )


def _functions(lake: Deployment) -> Iterator[Finding]:
    for _, function in lake.resources("AWS::Lambda::Function"):
        name = function.properties["FunctionName"]
        yield from look_at(lake, "functions", name, _function(lake, name))


def _function(lake: Deployment, name: str) -> Iterator[Finding]:
    api = lake.clients("lambda")
    if answer(api.get_function, FunctionName=name) is None:
        yield needs_deployment("functions", f"{name} is not there")
    elif name.endswith("-consumer"):
        found = api.list_event_source_mappings(FunctionName=name)["EventSourceMappings"]
        if not found:
            yield needs_deployment("functions", f"{name} takes no messages: it has no event source mapping")
        elif not any(one["State"] in ("Enabled", "Enabling") for one in found):
            yield bad(
                "functions",
                f"{name} takes no messages: its event source mapping is off",
                f"`aws lambda update-event-source-mapping --enabled --uuid {found[0]['UUID']}`; then its queue empties",
            )


def _tables(lake: Deployment) -> Iterator[Finding]:
    for table in (one.properties["TableInput"] for _, one in lake.resources("AWS::Glue::Table")):
        thing = f"{lake.settings.database}.{table['Name']}"
        yield from look_at(lake, "tables", thing, _table(lake, table))
    for name, _ in partition_indexes(lake.sources, reviews_of(lake.sources)):
        thing = f"the partition index of {lake.settings.database}.{name}"
        yield from look_at(lake, "tables", thing, _index(lake, name))


def _table(lake: Deployment, declared: Mapping[str, Any]) -> Iterator[Finding]:
    named = {"DatabaseName": lake.settings.database, "Name": declared["Name"]}
    found = answer(lake.clients("glue").get_table, **named)
    if found is None:
        yield needs_deployment("tables", f"{lake.settings.database}.{declared['Name']} is not there")
    else:
        yield from _table_differences(declared, found["Table"])


def _index(lake: Deployment, table: str) -> Iterator[Finding]:
    named = {"DatabaseName": lake.settings.database, "TableName": table}
    found = answer(lake.clients("glue").get_partition_indexes, **named)
    if found is None:
        return  # the table is not there, which is said
    indexes = found["PartitionIndexDescriptorList"]
    if not any(index["IndexStatus"] in ("ACTIVE", "CREATING") for index in indexes):
        yield needs_deployment(
            "tables", f"{lake.settings.database}.{table} has no partition index: queries load all partitions"
        )


def _table_differences(declared: Mapping[str, Any], found: Mapping[str, Any]) -> Iterator[Finding]:
    wanted, now = declared["StorageDescriptor"], found["StorageDescriptor"]
    name = f"{found['DatabaseName']}.{found['Name']}"
    if [_pair(c) for c in wanted["Columns"]] != [_pair(c) for c in now["Columns"]]:
        yield needs_deployment("tables", f"{name} has other columns than its declaration")
    if wanted["SerdeInfo"]["SerializationLibrary"] != now.get("SerdeInfo", {}).get("SerializationLibrary"):
        yield needs_deployment("tables", f"{name} is read by another SerDe than its declaration")
    if str(found.get("Parameters", {}).get("projection.enabled", "false")).lower() == "true":
        yield bad(
            "tables",
            f"{name} projects its partitions: what AddAPart places is not read",
            f"take projection.enabled from {name}",
        )


def _pair(column: Mapping[str, str]) -> tuple[str, str]:
    return column["Name"], column["Type"]


def _views(lake: Deployment) -> Iterator[Finding]:
    for view in views_of(reviews_of(lake.sources)):
        yield from look_at(lake, "views", f"the view {lake.settings.database}.{view.name}", _view(lake, view))


def _view(lake: Deployment, view: View) -> Iterator[Finding]:
    database = lake.settings.database
    found = answer(lake.clients("glue").get_table, DatabaseName=database, Name=view.name)
    if found is None:
        yield needs_deployment("views", f"{database}.{view.name} is not there")
    elif found["Table"].get("ViewOriginalText") != view_input(view, database)["ViewOriginalText"]:
        yield needs_deployment("views", f"{database}.{view.name} is another view")


def _jobs(lake: Deployment) -> Iterator[Finding]:
    for _, declared in lake.resources("AWS::Glue::Job"):
        thing = f"the Glue job {declared.properties['Name']}"
        yield from look_at(lake, "job", thing, _job(lake, declared.properties))


def _job(lake: Deployment, declared: Mapping[str, Any]) -> Iterator[Finding]:
    name = declared["Name"]
    answered = answer(lake.clients("glue").get_job, JobName=name)
    if answered is None:
        yield needs_deployment("job", f"the Glue job {name} is not there")
        return
    found = answered["Job"]
    if found.get("GlueVersion") != declared["GlueVersion"]:
        yield needs_deployment("job", f"{name} runs on Glue {found.get('GlueVersion')}, not {declared['GlueVersion']}")
    now = found.get("DefaultArguments", {})
    if other := sorted(key for key, value in declared["DefaultArguments"].items() if now.get(key) != value):
        yield needs_deployment("job", f"{name} has other arguments than declared: {', '.join(other)}")
    if lake.settings.endpoint_url is None and "--additional-python-modules" not in now:
        yield needs_deployment("job", f"{name} has no wheels and ends at its first import")
    for address in filter(None, (found["Command"]["ScriptLocation"], *(now.get(name) for name in _CODE))):
        yield from look_at(lake, "job", f"its code {address}", _code(lake, address))


_CODE = ("--extra-py-files", "--additional-python-modules")


def _code(lake: Deployment, address: str) -> Iterator[Finding]:
    bucket, key = bucket_and_key(address)
    if answer(lake.clients("s3").head_object, Bucket=bucket, Key=key) is None:
        yield needs_deployment("job", f"its code {address} is not there")


def _workgroups(lake: Deployment) -> Iterator[Finding]:
    for _, declared in lake.resources("AWS::Athena::WorkGroup"):
        name = declared.properties["Name"]
        yield from look_at(lake, "workgroups", f"the Athena workgroup {name}", _workgroup(lake, name))


def _workgroup(lake: Deployment, name: str) -> Iterator[Finding]:
    found = answer(lake.clients("athena").get_work_group, WorkGroup=name)
    if found is None:
        yield needs_deployment("workgroups", f"the Athena workgroup {name} is not there")
    elif found["WorkGroup"].get("State") != "ENABLED":
        turn_on = f"`aws athena update-work-group --state ENABLED --work-group {name}`"
        yield bad("workgroups", f"the Athena workgroup {name} is off", turn_on)


def _alarms(lake: Deployment) -> Iterator[Finding]:
    pages = lake.clients("cloudwatch").get_paginator("describe_alarms").paginate(AlarmNamePrefix=lake.settings.name)
    found = {alarm["AlarmName"]: alarm for page in pages for alarm in page["MetricAlarms"]}
    for _, declared in lake.resources("AWS::CloudWatch::Alarm"):
        name = declared.properties["AlarmName"]
        if name not in found:
            yield needs_deployment("alarms", f"the alarm {name} is not there")
        elif not found[name].get("AlarmActions") or not found[name].get("ActionsEnabled", True):
            yield needs_deployment("alarms", f"the alarm {name} tells nobody")
        elif found[name]["StateValue"] == "ALARM":
            yield bad("alarms", f"{name} rings: {declared.properties['AlarmDescription'].strip()}")


def _subscribers(lake: Deployment) -> Iterator[Finding]:
    topic = lake.settings.alarm_topic
    subscribers = lake.clients("sns").list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"]
    if not any(one["SubscriptionArn"].startswith("arn:") for one in subscribers):
        what = "nobody has confirmed" if subscribers else "nobody has subscribed"
        yield bad(
            "subscribers",
            f"{what}: {topic} tells no person",
            "AlarmEmail in the lake's file, or a subscription of your own",
        )


def _logs(lake: Deployment) -> Iterator[Finding]:
    for source in lake.sources:
        yield from look_at(lake, "logs", source.name, _log(lake, source))


def _log(lake: Deployment, source: LogSource) -> Iterator[Finding]:
    try:
        days = delivered_days(Catalog(lake.clients("glue"), lake.settings.database), source)
    except TableMissingError:
        yield needs_deployment("logs", f"{source.name}: its raw table is not there")
        return
    if not days:
        yield bad("logs", f"{source.name}: no object has ever arrived", f"docs/deploy.md: deliver {source.name}")
    elif max(days) < datetime.now(UTC).date() - timedelta(days=1):
        yield bad("logs", f"{source.name}: the newest day is {max(days)}", "docs/runbooks/silence.md")
    else:
        yield Finding(True, "logs", f"{source.name} {_range(days)}")


def _range(days: set[date]) -> str:
    return f"{min(days)} to {max(days)}, {tally(len(days), 'day')}"


LOOKS: Mapping[str, Look] = {
    "clock": _clock,
    "stacks": _stacks,
    "buckets": examine_buckets,
    "queues": _queues,
    "functions": _functions,
    "tables": _tables,
    "views": _views,
    "job": _jobs,
    "workgroups": _workgroups,
    "alarms": _alarms,
    "subscribers": _subscribers,
    "deliverers": examine_deliverers,
    "logs": _logs,
    "reads": read_tables,
}
"""What is looked at, in the order in which it is best mended."""

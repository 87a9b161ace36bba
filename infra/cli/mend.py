"""What a person does to a lake from the command line: roll a day back, collect old runs, ask again for what failed."""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from infra.cli.build import build_range
from infra.cli.dagster_runs import DayResult
from infra.cli.lake import CommandLake
from infra.cli.quarantine import entry_name
from infra.cli.terminal import escape, print_table, size
from loglake_assets.lake.addapart.messages import send_key
from loglake_assets.lake.addapart.partition_placer import PartitionPlacer
from loglake_assets.lake.storage.table import Table
from loglake_assets.lake.versions.commits import Commit, head, heads
from loglake_assets.lake.versions.manifests import manifest_if_any, read_manifest
from loglake_assets.lake.versions.retention import RetentionRule, RollbackError, is_collected, run_to_roll_back_to
from loglake_assets.orchestration.lake_housekeeping import collected_runs, table_names
from loglake_assets.orchestration.source_config import windows
from loglake_assets.reviews import load_review, review_names
from loglake_assets.sources import LogSource, UnknownSourceError, load_source, source_names
from loglake_assets.sources.notifications import objects_created
from loglake_assets.sources.placement import Placement, day_from_number, day_number, place
from loglake_assets.sources.rules import load_rules
from loglake_assets.sources.words import counted

Say = Callable[[str], None]
_WAIT_SECONDS = 2  # without it SQS asks some of its servers only, and an empty answer says little
_MESSAGES_AT_A_TIME = 10  # ReceiveMessage gives no more


def committed_tables(name: str) -> list[str]:
    """The tables that a log's or a review's days are kept in, its own last. Raises UnknownSourceError."""
    if name in source_names():
        return [load_source(name).readready.name]
    if name in review_names():
        return [table.name for table in load_review(name).tables]
    known = f"logs {', '.join(source_names())}; reviews {', '.join(review_names())}"
    raise UnknownSourceError(f"There is no log or review {name!r}. Declared: {known}.")


# --- rolling back -----------------------------------------------------------------------------------------------------


def roll_back(lake: CommandLake, name: str, day: date, run_id: str, say: Say) -> Commit:
    """Send readers of a day back to an older run, by a new commit of each of its tables; returns its own table's.

    Raises RollbackError or VerificationError.
    """
    *details, own = [lake.table(table) for table in committed_tables(name)]
    run_to_roll_back_to(own, day_number(day), run_id)
    with_run = [table for table in details if manifest_if_any(table, day_number(day), run_id)]
    commits = [_roll_table_back(lake, table, day, run_id) for table in (*with_run, own)]
    for table in details:
        if table not in with_run:
            say(f"{table.name} {day} stays as it is: run {run_id} did not write it.")
    rows = commits[-1].rows
    say(f"{name} {day}: readers see run {run_id} again ({counted(rows, 'row')}), by commit {commits[-1].seq}.")
    say("It stands until the day is built again, by a person or because objects of that day arrive.")
    return commits[-1]


def _roll_table_back(lake: CommandLake, table: Table, day: date, run_id: str) -> Commit:
    manifest = run_to_roll_back_to(table, day_number(day), run_id)
    before = head(table, day_number(day))
    publisher = lake.resource.publisher()
    commit = publisher.roll_back(manifest)
    if is_collected(table, day_number(day), run_id):  # retention took it up meanwhile
        if before:
            publisher.roll_back(read_manifest(table, day_number(day), before.run_id))
        raise RollbackError(
            f"Retention took up run {run_id} of {table.name} {day} meanwhile; readers see what they saw."
        )
    return commit


# --- retention --------------------------------------------------------------------------------------------------------


def collect_old_runs(lake: CommandLake, rule: RetentionRule, apply: bool, say: Say) -> int:
    """Delete, or only name, what the rule lets go; returns how many keys S3 refused to delete."""
    now, refused = datetime.now(UTC), 0
    rows: list[list[Any]] = []
    for table in table_names():
        for done in collected_runs(lake.resource, table, rule, now, apply):
            refused += len(done.kept)
            run = done.run
            rows.append(
                [table, day_from_number(run.day), run.run_id, run.why, len(run.keys), size(run.bytes), len(done.kept)]
            )
            if apply and len(rows) % 20 == 0:
                say(f"  {counted(len(rows), 'run')} collected")
    title = "Collected" if apply else "Would be collected (--apply deletes them)"
    print_table(title, ("table", "day", "run", "why", "files", "size", "not deleted"), rows)
    say(
        f"{counted(len(rows), 'run')}; kept are the newest {counted(rule.generations, 'commit')} of a day and "
        f"{counted(rule.days, 'day')} of history."
    )
    return refused


# --- asking again -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Requeued:
    """What became of the quarantine of some days: entries before, and those that are still not loaded."""

    before: int
    after: int
    results: tuple[DayResult, ...]


def requeue(lake: CommandLake, source: LogSource, first: date, last: date, say: Say) -> Requeued:
    """Build the days of a range again that have something in quarantine, and tell what is loaded now."""
    before = dict(quarantined_days(lake, source, first, last))
    count = sum(map(len, before.values()))
    say(
        f"{source.title}: {counted(count, 'quarantined entry', 'quarantined entries')} on {counted(len(before), 'day')}"
    )
    results: list[DayResult] = []
    for window in windows(sorted(before), 31):
        results += build_range(lake, source, window[0], window[-1], say)
    after = dict(quarantined_days(lake, source, first, last))
    for day, entries in before.items():
        still = set(after.get(day, ()))
        for entry in entries:
            say(escape(f"  {day}: {'still quarantined' if entry in still else 'loaded now'}: {entry}"))
    return Requeued(sum(map(len, before.values())), sum(map(len, after.values())), tuple(results))


def quarantined_days(lake: CommandLake, source: LogSource, first: date, last: date) -> Iterator[tuple[date, list[str]]]:
    """(day, what its commit did not load) of the days that have something in quarantine."""
    table = lake.table(source.readready.name)
    for number, commit in sorted(heads(table).items()):
        if not day_number(first) <= number <= day_number(last):
            continue
        manifest = manifest_if_any(table, number, commit.run_id)
        if manifest and manifest.quarantine:
            yield day_from_number(number), [f"{entry_name(q)} ({q['reason']})" for q in manifest.quarantine]


def requeue_messages(lake: CommandLake, source: LogSource, say: Say) -> int:
    """Give AddAPart again what it put aside: quarantined and dead messages, undelivered notifications; how many."""
    layer, sent = f"raw-{source.name}", 0
    for aside in (f"{layer}-quarantine", f"{layer}-undelivered", f"{layer}-dead.fifo"):
        found = again = 0
        for url, message in _messages(lake, f"{lake.settings.name}-addapart-{aside}"):
            found += 1
            keys = message_keys(message["Body"])
            if keys and all(_send_again(lake, source, layer, key) for key in keys):
                lake.client("sqs").delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
                again += 1
        sent += again
        if found:
            say(
                f"{source.title}: {again:,} of {counted(found, 'message')} of {aside} sent again; the others stay there"
            )
    return sent


def _messages(lake: CommandLake, queue: str) -> Iterator[tuple[str, Any]]:
    """(queue's URL, message) of each message of a queue, once."""
    sqs = lake.client("sqs")
    seen: set[str] = set()
    url = sqs.get_queue_url(QueueName=queue)["QueueUrl"]
    while True:
        answer = sqs.receive_message(
            QueueUrl=url, MaxNumberOfMessages=_MESSAGES_AT_A_TIME, WaitTimeSeconds=_WAIT_SECONDS
        )
        taken = answer.get("Messages", ())
        fresh = [message for message in taken if message["MessageId"] not in seen]
        if not fresh:
            return
        seen.update(message["MessageId"] for message in fresh)
        yield from ((url, message) for message in fresh)


def _send_again(lake: CommandLake, source: LogSource, layer: str, key: str) -> bool:
    """Whether the key means a partition, which AddAPart is then told of once more."""
    bucket = lake.settings.raw_bucket(source.name)
    placement = place(source, bucket, key)
    names = tuple(column.name for column in source.raw.partition_keys)
    if not isinstance(placement, Placement) or load_rules(source.name).deny_rule(key, names, placement):
        return False
    placer = PartitionPlacer(source.raw.name, placement.values, placement.location)
    send_key(lake.client("sqs"), lake.resource.queue_url(layer), placer, bucket, key)
    return True


def message_keys(body: str) -> Sequence[str]:
    """The object keys that a message put aside speaks of; none where it speaks of none."""
    keys: list[str] = []
    try:
        document = json.loads(body)
        if "body" in document:  # put aside by the consumer, with its reason
            return message_keys(document["body"])
        if "key" in document:
            return [str(document["key"])]
        event = document.get("requestPayload", document)  # Lambda's on-failure destination wraps the event
        for created in objects_created(event):
            keys.append(created.key)
    except (ValueError, KeyError, TypeError, AttributeError):  # whatever else it is, it names no further object
        pass
    return keys

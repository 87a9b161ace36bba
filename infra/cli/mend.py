"""What a person does to a lake from the command line: roll a day back, collect old runs, ask again for what failed."""

import json
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from infra.cli.build import build_range
from infra.cli.command_lake import CommandLake
from infra.cli.dagster_runs import DayResult
from infra.cli.quarantine import entry_name
from infra.cli.terminal_output import escape, print_table, size
from loglake_assets.lake.addapart.addapart_settings import AddAPartSettings
from loglake_assets.lake.addapart.messages import send_key
from loglake_assets.lake.addapart.partition_placer import PartitionPlacer, placer
from loglake_assets.lake.storage.table import Table
from loglake_assets.lake.versions.commits import Commit, head, heads
from loglake_assets.lake.versions.manifests import manifest_if_any, read_manifest
from loglake_assets.lake.versions.retention import RetentionRule, RollbackError, is_collected, run_to_roll_back_to
from loglake_assets.orchestration.lake_housekeeping import collect_runs, table_names
from loglake_assets.orchestration.source_config import windows
from loglake_assets.reviews import load_review, review_names
from loglake_assets.sources import LogSource, UnknownSourceError, load_source, source_names
from loglake_assets.sources.calendar_days import day_from_number, day_number
from loglake_assets.sources.notifications import created_objects
from loglake_assets.sources.words import tally
from resources.settings import loglake

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
    say(f"{name} {day}: readers see run {run_id} again ({tally(rows, 'row')}), by commit {commits[-1].seq}.")
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
            f"Retention began to delete run {run_id} of {table.name} {day} meanwhile; readers see what they saw. Name "
            f"another run: `{loglake('status')}` shows the days."
        )
    return commit


# --- retention --------------------------------------------------------------------------------------------------------


def collect_old_runs(lake: CommandLake, rule: RetentionRule, apply: bool, say: Say) -> int:
    """Delete, or only name, what the rule lets go; returns how many keys S3 refused to delete."""
    now, refused = datetime.now(UTC), 0
    rows: list[list[Any]] = []
    for table in table_names():
        for done in collect_runs(lake.resource, table, rule, now, apply):
            refused += len(done.kept)
            run = done.run
            rows.append(
                [table, day_from_number(run.day), run.run_id, run.why, len(run.keys), size(run.bytes), len(done.kept)]
            )
            if apply and len(rows) % 20 == 0:
                say(f"  {tally(len(rows), 'run')} collected")
    title = "Collected" if apply else "Would be collected (--apply deletes them)"
    print_table(title, ("table", "day", "run", "why", "files", "size", "not deleted"), rows)
    say(
        f"{tally(len(rows), 'run')}; kept are the newest {tally(rule.generations, 'commit')} of a day and "
        f"{tally(rule.days, 'day')} of history."
    )
    return refused


# --- asking again -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class RequeueResult:
    """What became of the quarantine of some days: entries before, and those that are still not loaded."""

    before: int
    after: int
    results: tuple[DayResult, ...]


def requeue(lake: CommandLake, source: LogSource, first: date, last: date, say: Say) -> RequeueResult:
    """Build the days of a range again that have something in quarantine, and tell what is loaded now."""
    before = dict(quarantined_days(lake, source, first, last))
    count = sum(map(len, before.values()))
    say(f"{source.title}: {tally(count, 'quarantined entry', 'quarantined entries')} on {tally(len(before), 'day')}")
    results: list[DayResult] = []
    for window in windows(sorted(before), 31):
        results += build_range(lake, source, window[0], window[-1], say)
    after = dict(quarantined_days(lake, source, first, last))
    for day, entries in before.items():
        still = set(after.get(day, ()))
        for entry in entries:
            say(escape(f"  {day}: {'still quarantined' if entry in still else 'loaded now'}: {entry}"))
    return RequeueResult(sum(map(len, before.values())), sum(map(len, after.values())), tuple(results))


def quarantined_days(lake: CommandLake, source: LogSource, first: date, last: date) -> Iterator[tuple[date, list[str]]]:
    """(day, what its commit did not load) of the days that have something in quarantine."""
    table = lake.table(source.readready.name)
    for number, commit in sorted(heads(table).items()):
        if not day_number(first) <= number <= day_number(last):
            continue
        manifest = manifest_if_any(table, number, commit.run_id)
        if manifest and manifest.quarantine:
            yield day_from_number(number), [f"{entry_name(q)} ({q['reason']})" for q in manifest.quarantine]


def requeue_messages(lake: CommandLake, say: Say) -> int:
    """Give AddAPart again what it put aside in any layer of the lake; how many messages.

    That are quarantined and dead messages and undelivered notifications, of each log's raw layer and of readready,
    whose commits are of logs and reviews alike.
    """
    layers = [*((f"raw-{name}", name, lake.settings.raw_bucket(name)) for name in source_names())]
    layers += [("readready", "", lake.settings.readready_bucket)]
    sqs, database = lake.client("sqs"), lake.settings.database
    asides = []
    for layer, source, bucket in layers:
        named = AddAPartSettings(layer, source, database, bucket, lake.resource.queue_url(layer), "")
        asides += [(named, f"{lake.settings.name}-addapart-{layer}-{kind}") for kind in _ASIDE]
    with ThreadPoolExecutor(len(asides)) as pool:  # an empty queue answers after _WAIT_SECONDS
        done = list(pool.map(lambda aside: _requeue_queue(sqs, *aside), asides))
    for (_, queue), (found, again) in zip(asides, done, strict=True):
        if found:
            say(f"{again:,} of {tally(found, 'message')} of {queue} sent again; the others stay there")
    return sum(again for _, again in done)


_ASIDE = ("quarantine", "undelivered", "dead.fifo")


def _requeue_queue(sqs: Any, layer: AddAPartSettings, queue: str) -> tuple[int, int]:
    """(messages of a queue, those that AddAPart was given again)."""
    url, found, again = sqs.get_queue_url(QueueName=queue)["QueueUrl"], 0, 0
    for message in _messages(sqs, url):
        found += 1
        keys = message_keys(message["Body"])
        if keys and all(_send_again(sqs, layer, key) for key in keys):
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
            again += 1
    return found, again


def _messages(sqs: Any, url: str) -> Iterator[Any]:
    """Each message of a queue, once."""
    seen: set[str] = set()
    while True:
        answer = sqs.receive_message(
            QueueUrl=url, MaxNumberOfMessages=_MESSAGES_AT_A_TIME, WaitTimeSeconds=_WAIT_SECONDS
        )
        fresh = [message for message in answer.get("Messages", ()) if message["MessageId"] not in seen]
        if not fresh:
            return
        seen.update(message["MessageId"] for message in fresh)
        yield from fresh


def _send_again(sqs: Any, layer: AddAPartSettings, key: str) -> bool:
    """Whether the key means a partition, which AddAPart is then told of once more."""
    placed = placer(layer, layer.bucket, key)
    if not isinstance(placed, PartitionPlacer):
        return False
    send_key(sqs, layer.queue_url, placed, layer.bucket, key)
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
        for created in created_objects(event):
            keys.append(created.key)
    except (ValueError, KeyError, TypeError, AttributeError):  # whatever else it is, it names no further object
        pass
    return keys

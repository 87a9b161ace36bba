"""Tells the lake's alarm topic of runs that failed and of checks that turned red, each once.

A check that stays red is told once, and again only after it was green. What is told are names of assets, checks, days
and runs, and the sentences of checks, which hold counts and keys and nothing from within a log.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import dagster as dg

from loglake_assets.lake.lake import Lake
from loglake_assets.sources.words import tally

MOST_EVENTS = 1_000
_SUBJECT_LENGTH = 100  # SNS takes no longer one
_LINES = 50
_CHAT_LINES = 10  # Amazon Q's own limit is not documented where it could be read; a channel shows some 2,000 characters


@dataclass(frozen=True)
class AlarmCursor:
    """Up to which events of each kind somebody was told, and which checks (asset, check and day) are red."""

    failures: int = 0
    evaluations: int = 0
    red: tuple[str, ...] = ()

    @staticmethod
    def from_text(text: str | None) -> "AlarmCursor | None":
        if not text:
            return None
        said = json.loads(text)
        return AlarmCursor(said["failures"], said["evaluations"], tuple(said["red"]))

    def text(self) -> str:
        return json.dumps({"failures": self.failures, "evaluations": self.evaluations, "red": self.red})


def alarm_sensor() -> dg.SensorDefinition:
    """The sensor. It is off until somebody switches it on: a lake of one machine has nobody to tell."""

    @dg.sensor(
        name="alarms",
        description="Tells the lake's SNS topic of failed runs and of checks that turn red. Off until switched on.",
        minimum_interval_seconds=300,
        default_status=dg.DefaultSensorStatus.STOPPED,
        target=None,
    )
    def sensor(context: dg.SensorEvaluationContext, lake: dg.ResourceParam[Lake]) -> dg.SensorResult:
        return tell(context, lake)

    return sensor


def tell(context: dg.SensorEvaluationContext, lake: Lake) -> dg.SensorResult:
    """One tick: what came since the last one. The first tick tells nothing, since what is past is known by now."""
    cursor = AlarmCursor.from_text(context.cursor)
    if cursor is None:
        begin = AlarmCursor(_newest(context.instance, _KINDS[0]), _newest(context.instance, _KINDS[1]))
        return dg.SensorResult(cursor=begin.text(), skip_reason=dg.SkipReason("What comes from now on is told."))
    failures = _records(context.instance, _KINDS[0], cursor.failures)
    evaluations = _records(context.instance, _KINDS[1], cursor.evaluations)
    sentences, red = _red_checks(evaluations, dict.fromkeys(cursor.red, True))
    lines = [*(_failure(record) for record in failures), *sentences]
    if lines:
        _publish(lake, lines)
    after = AlarmCursor(_last(failures, cursor.failures), _last(evaluations, cursor.evaluations), tuple(sorted(red)))
    return dg.SensorResult(cursor=after.text(), skip_reason=dg.SkipReason(f"{len(lines)} told."))


_KINDS = (dg.DagsterEventType.RUN_FAILURE, dg.DagsterEventType.ASSET_CHECK_EVALUATION)


def _newest(instance: dg.DagsterInstance, kind: dg.DagsterEventType) -> int:
    found = instance.event_log_storage.get_event_records(dg.EventRecordsFilter(kind), limit=1, ascending=False)
    return found[0].storage_id if found else 0


def _records(instance: dg.DagsterInstance, kind: dg.DagsterEventType, after: int) -> Sequence[dg.EventLogRecord]:
    records = dg.EventRecordsFilter(kind, after_cursor=after)
    return instance.event_log_storage.get_event_records(records, limit=MOST_EVENTS, ascending=True)


def _last(records: Sequence[dg.EventLogRecord], before: int) -> int:
    return records[-1].storage_id if records else before


def _failure(record: dg.EventLogRecord) -> str:
    entry = record.event_log_entry
    return f"Run {entry.run_id} of {entry.job_name} failed. Its page in Dagster says why."


def _red_checks(records: Sequence[dg.EventLogRecord], red: Mapping[str, bool]) -> tuple[list[str], set[str]]:
    """Sentences of checks that turned red, in order, and all that are red now."""
    now, sentences = set(red), []
    for record in records:
        event = record.event_log_entry.dagster_event
        assert event is not None, "the event log gives events of the kind that was asked for"
        found = event.asset_check_evaluation_data
        name = f"{found.asset_key.to_user_string()} {found.check_name}" + (
            f" {found.partition}" if found.partition else ""
        )
        if found.passed or found.severity != dg.AssetCheckSeverity.ERROR:
            now.discard(name)
        elif name not in now:
            now.add(name)
            sentences.append(f"Check {name} is red: {found.description or 'its metadata says why'}")
    return sentences, now


def _publish(lake: Lake, lines: Sequence[str]) -> None:
    """Plain text for whoever has e-mail or a queue, and for https what Amazon Q in chat applications shows.

    That subscribes a channel of Slack by https, and drops whatever is not of its own form.
    """
    subject = f"Log lake {lake.settings.name}: {tally(len(lines), 'thing')} to look at"
    content = {"title": subject, "description": _first(lines, _CHAT_LINES)}
    message = {
        "default": _first(lines, _LINES),
        "https": json.dumps({"version": "1.0", "source": "custom", "content": content}),
    }
    lake.client("sns").publish(
        TopicArn=lake.settings.alarm_topic,
        Subject=subject[:_SUBJECT_LENGTH],
        MessageStructure="json",
        Message=json.dumps(message),
    )


def _first(lines: Sequence[str], count: int) -> str:
    more = [f"and {len(lines) - count} more"] if len(lines) > count else []
    return "\n\n".join([*lines[:count], *more])

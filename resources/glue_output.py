"""What a Glue run printed, for the stdout of the Dagster run that waited for it: its own words, and where it fell.

A driver's output holds more: Spark's and Python's texts may quote a log, and whoever writes a log chooses what they
say. So a line is shown where it begins with the run's own id, which nobody knows beforehand, and of a traceback the
places and the kinds of errors, without their texts.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

MOST_LINES = 200
_LONGEST_LINE = 1_000  # characters
_EVENTS_READ = 2_000
_EMPTY_PAGES = 5  # CloudWatch may give pages without events before those with some
_PLACE = re.compile(r'  File "[\w./<>-]{1,200}", line \d{1,6}, in [\w<>]{1,100}')
_ERROR = re.compile(r"((?:[A-Za-z_]\w*\.){0,8}[A-Za-z_]\w{0,80}(?:Error|Exception|Interrupt|Exit))(?::|$)")


def output_lines(logs: Any, group: str, job_run_id: str, run_id: str) -> Iterator[str]:
    """Lines about a run's output, the last MOST_LINES of it, as far as it has arrived. Never raises for AWS's sake."""
    try:
        messages = _newest_messages(logs, group, job_run_id)
    except (ClientError, BotoCoreError) as error:
        code = error.response["Error"]["Code"] if isinstance(error, ClientError) else type(error).__name__
        yield (
            f"What Glue run {job_run_id} printed could not be read from {group} ({code}). The run is "
            "not affected. Allow logs:GetLogEvents there to Dagster's role, or look there in CloudWatch."
        )
        return
    lines = [line for message in messages for line in message.split("\n") if line.strip()]
    shown = [text for line in lines if (text := _visible_text(line, run_id))]
    yield f"What the job printed, by {group}, stream {job_run_id}:"
    yield from (f"glue | {text}" for text in shown[-MOST_LINES:])
    if left_out := len(lines) - len(shown[-MOST_LINES:]):
        yield f"glue | {left_out:,} other lines are left out here: they are older, or not the job's own words."


def _newest_messages(logs: Any, group: str, stream: str) -> Sequence[str]:
    asked = {"logGroupName": group, "logStreamName": stream, "limit": _EVENTS_READ}
    for _ in range(_EMPTY_PAGES):
        answer = logs.get_log_events(**asked)
        if answer["events"] or answer["nextBackwardToken"] == asked.get("nextToken"):
            break
        asked["nextToken"] = answer["nextBackwardToken"]
    return [str(event["message"]) for event in answer["events"]]


def _visible_text(line: str, run_id: str) -> str:
    """A line as it may be shown; empty where it may not."""
    if line.startswith(f"{run_id}: "):
        return _escape(line.removeprefix(f"{run_id}: "))[:_LONGEST_LINE]
    if _PLACE.fullmatch(line):
        return line
    return found[1] if (found := _ERROR.match(line)) else ""


def _escape(text: str) -> str:
    """Without control characters: a key of an object is somebody else's text."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)

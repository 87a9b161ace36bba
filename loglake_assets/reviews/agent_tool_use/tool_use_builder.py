"""Days of tool calls: the rows, and the checks that name what was not traced."""

import hashlib
import importlib.resources
import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from itertools import chain
from typing import Any

from loglake_assets.lake.lake import Lake
from loglake_assets.reviews.agent_tool_use import EVENTS, REVIEW
from loglake_assets.reviews.agent_tool_use.agent_pages import agent_files
from loglake_assets.reviews.agent_tool_use.bodies import Body, body_references, look_up, with_bodies
from loglake_assets.reviews.agent_tool_use.calls import ToolCall, event_rows, row_of, tool_calls
from loglake_assets.reviews.builder import DayCheck, Progress, ReviewDay
from loglake_assets.reviews.inputs import Input, read_inputs
from loglake_assets.sources import load_source
from loglake_assets.sources.calendar_days import day_number, days_between
from loglake_assets.sources.words import floor_pct, tally
from resources.athena import sql_literal
from resources.settings import loglake

CALLS_A_QUERY = 400
_SHORT_SHOWN = 3
TRACED, BODIES = "trail_coverage", "bodies_present"
CHECKS: Mapping[str, str] = {
    TRACED: "Of the tool calls, which percentage has the API event of its request; the others by name.",
    BODIES: "Every large body that an invocation refers to is there; by name the absent ones, and those "
    "in a bucket that is not followed.",
}


def build(
    lake: Lake,
    days: Sequence[date],
    options: Mapping[str, Any],
    address: Callable[[date], str],
    progress: Progress,
) -> Iterator[ReviewDay]:
    """The tool calls of each day. `options`: `error_below_pct`, `fetch_bodies`, `followed_buckets`."""
    first, last = min(days) - timedelta(days=REVIEW.look_back_days), max(days) + timedelta(days=REVIEW.look_ahead_days)
    window = days_between(first, last)
    inputs = [i for name in REVIEW.sources for i in read_inputs(lake, load_source(name), window).values()]
    bounds = {"first_day": day_number(first), "last_day": day_number(last)}
    invocations, trail = (_ask(lake, name, bounds, progress) for name in ("invocations", "trail"))
    fetch = bool(options.get("fetch_bodies", False))
    followed = tuple(options.get("followed_buckets", ()))
    bodies = look_up(lake.s3, lake.settings.raw_bucket(REVIEW.leading_source), invocations, fetch, followed)
    rows = [with_bodies(row, bodies) for row in invocations]
    back, ahead = timedelta(days=REVIEW.look_back_days), timedelta(days=REVIEW.look_ahead_days)
    for day in days:
        of_day = [row for row in invocations if row["request_time"].date() == day]
        read = [i for i in inputs if day - back <= i.day <= day + ahead]
        told = json.dumps([entry.document() for entry in read])
        near = [row for row in rows if day - back <= row["request_time"].date() <= day + ahead]
        calls = _with_events(lake, tool_calls(near, trail, day), bounds, progress)
        yield ReviewDay(
            day=day,
            rows=[row_of(call, told) for call in calls],
            inputs=read,
            files=agent_files(calls, read, day, lake.settings.name, datetime.now(UTC)),
            checks=[
                _trace_check(calls, read, day, float(options.get("error_below_pct", 90))),
                _bodies_check(of_day, bodies, day),
            ],
            counts=_counts(calls),
            details={EVENTS.name: chain.from_iterable(map(event_rows, sorted(calls, key=lambda one: one.key)))},
            pages={"pages": f"{address(day)}index.html"},
        )


def _with_events(
    lake: Lake, calls: Sequence[ToolCall], bounds: Mapping[str, int], progress: Progress
) -> list[ToolCall]:
    """The calls with what their identities called while they ran; asked in batches that a statement can hold."""
    ran = [call for call in calls if call.result_row and call.row["useridentity_arn"]]
    found: dict[str, list[dict[str, Any]]] = {}
    for start in range(0, len(ran), CALLS_A_QUERY):
        values = ",\n      ".join(map(_values, ran[start : start + CALLS_A_QUERY]))
        for row in _ask(lake, "meanwhile", {**bounds, "calls": values}, progress):
            found.setdefault(row["tool_key"], []).append(row)
    return [
        replace(call, events=sorted(found.get(_digest(call), ()), key=lambda e: (e["eventtime"], str(e["eventid"]))))
        for call in calls
    ]


def _values(call: ToolCall) -> str:
    """One row of VALUES: the call, its identity and times, and the requests that asked and that brought the result."""
    assert call.result_row, "only calls with a result have an end"
    texts = (_digest(call), call.row["useridentity_arn"])
    requests = (call.row["requestid"] or "", call.result_row["requestid"] or "")
    moments = (call.request_time, call.result_row["request_time"])
    times = (f"TIMESTAMP '{t:%Y-%m-%d %H:%M:%S}.{t.microsecond // 1000:03d}'" for t in moments)
    return f"({', '.join([*map(sql_literal, texts), *times, *map(sql_literal, requests)])})"


def _digest(call: ToolCall) -> str:
    """What stands for a call in a statement: its key holds an id that somebody chose, of any length."""
    return hashlib.sha256(call.key.encode(errors="replace")).hexdigest()


_ROWS_OF = {
    "invocations": ("model invocation with tools", "model invocations with tools"),
    "trail": ("CloudTrail event of these invocations", "CloudTrail events of these invocations"),
    "meanwhile": ("API call made while a tool ran", "API calls made while a tool ran"),
}
"""What the rows of each query are, for people."""


def _ask(lake: Lake, name: str, bounds: Mapping[str, Any], progress: Progress) -> list[dict[str, Any]]:
    folder = importlib.resources.files("loglake_assets.reviews.agent_tool_use") / "queries"
    answer = lake.athena.ask((folder / f"{name}.sql").read_text(encoding="utf-8").format(**bounds))
    found = tally(len(answer.texts), *_ROWS_OF[name])
    progress(f"{REVIEW.title}: {found} read, {tally(answer.bytes_scanned, 'byte')} scanned")
    return answer.rows


def _counts(calls: Sequence[ToolCall]) -> dict[str, int]:
    results = Counter(call.result["status"] for call in calls if call.result)
    return {
        "agents": len({call.row["useridentity_arn"] for call in calls}),
        "conversations": len({call.row["f_conversation"] for call in calls}),
        "tools": len({call.tool.get("name") for call in calls if isinstance(call.tool.get("name"), str)}),
        "succeeded": results["success"],
        "failed": results["error"],
        "without_result": sum(call.result is None for call in calls),
        "not_seen_asked": sum(call.asked_in == "history" for call in calls),
    }


def _trace_check(calls: Sequence[ToolCall], read: Sequence[Input], day: date, error_below: float) -> DayCheck:
    """Whether CloudTrail has the event of each call's request; with what was read of the logs, to say what to do."""
    untraced = [call.key for call in calls if call.trail is None]
    pct = floor_pct(len(calls) - len(untraced), len(calls))
    return DayCheck(
        TRACED,
        passed=not untraced,
        is_error=pct is not None and pct < error_below,
        metadata={
            "trail_coverage_pct": pct if pct is not None else "n/a: no tool call that day",
            "tool_calls_without_trail_event": len(untraced),
        },
        summary=(
            f"{len(untraced):,} of {len(calls):,} tool calls have no event of their request in CloudTrail"
            if untraced
            else "each tool call has the event of its request in CloudTrail"
        ),
        remedy=_trace_remedy(read, day) if untraced else "",
        names=untraced,
    )


def _trace_remedy(read: Sequence[Input], day: date) -> str:
    """What brings the events: days of the logs that are not whole come first, as nothing else is known before."""
    build = loglake(f"build {REVIEW.name} {day}")
    short = list(dict.fromkeys(f"{one.table} {one.day}" for one in read if one.lacks()))
    if short:
        return (
            f"not all of the logs it joins is there ({', '.join(short[:_SHORT_SHOWN])}"
            f"{f' and {len(short) - _SHORT_SHOWN} more' if len(short) > _SHORT_SHOWN else ''}): `{loglake('status')}` "
            f"says what builds them, then `{build}`"
        )
    return (
        "the logs it joins are whole, so look whether a trail of the named calls' account and Region delivers the "
        f"management events of Bedrock to this lake; once they are there, `{build}`"
    )


def _bodies_check(rows: Sequence[Mapping[str, Any]], bodies: Mapping[str, Body], day: date) -> DayCheck:
    """Whether each large body that the day's invocations refer to is there."""
    paths = {path for row in rows for _, path in body_references(row)}
    absent = sorted(path for path in paths if bodies[path].is_followed and not bodies[path].found)
    unknown = sorted(path for path in paths if not bodies[path].is_followed)
    return DayCheck(
        BODIES,
        passed=not absent and not unknown,
        is_error=False,
        metadata={
            "bodies_referenced": len(paths),
            "bodies_absent": len(absent),
            "bodies_not_followed": len(unknown),
        },
        summary=(
            f"of {len(paths):,} large bodies that invocations refer to, {len(absent):,} are not there and "
            f"{len(unknown):,} lie in a bucket that is not followed"
            if absent or unknown
            else f"each of {len(paths):,} large bodies that invocations refer to is there"
        ),
        remedy="; ".join(_body_remedies(bool(absent), bool(unknown), day)),
        names=[*absent, *(f"in a bucket that is not followed: {path}" for path in unknown)],
    )


def _body_remedies(is_absent: bool, is_unknown: bool, day: date) -> Iterator[str]:
    if is_absent:
        yield "restore the named objects, from an earlier version where the bucket keeps them"
    if is_unknown:
        yield (
            "where a bucket is yours, list it in followed_buckets of the review's defs.yaml, and let Dagster's role "
            "read it"
        )
    if is_absent or is_unknown:
        yield f"then `{loglake(f'build {REVIEW.name} {day}')}`"

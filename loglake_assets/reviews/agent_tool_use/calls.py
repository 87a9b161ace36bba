"""Tool calls of a day, from the invocations that ask for them, tell of them and bring their results. Pure."""

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any

Row = Mapping[str, Any]


@dataclass(frozen=True)
class ToolCall:
    """One call. `row` is the invocation whose answer asked for it, or else the first whose messages tell of it."""

    key: str
    tool: Mapping[str, Any]
    asked_in: str
    row: Row
    is_reused: bool = False
    result: Mapping[str, Any] | None = None
    result_row: Row | None = None
    is_brought_by_another: bool = False
    trail: Row | None = None
    events: Sequence[Row] = ()
    """What its identity called while it ran: the first of them, each with `event_count`."""

    @property
    def request_time(self) -> datetime:
        moment: datetime = self.row["request_time"]
        return moment

    @property
    def event_count(self) -> int:
        return int(self.events[0]["event_count"]) if self.events else 0

    @property
    def flags(self) -> list[str]:
        """What a reviewer should know: whether it was seen to be asked for, and what else was not seen."""
        found = {
            "not_seen_asked": self.asked_in == "history",
            "id_reused": self.is_reused,
            "no_result_seen": self.result is None,
            "result_of_another_identity": self.is_brought_by_another,
            "no_trail_event": self.trail is None,
            "other_identity_in_trail": self.trail is not None
            and self.trail["useridentity_arn"] != self.row["useridentity_arn"],
            "events_cut": self.event_count > len(self.events),
        }
        return [name for name, holds in found.items() if holds]


def tool_calls(invocations: Sequence[Row], trail: Sequence[Row], day: date | None = None) -> list[ToolCall]:
    """The calls asked for on a day (or all), each once, however often its conversation repeats it."""
    ordered = sorted(invocations, key=lambda row: (row["request_time"], row["requestid"] or "", row["raw_key"]))
    by_request = {row["requestid"]: row for row in sorted(trail, key=lambda r: r["eventtime"], reverse=True)}
    results = _results(ordered)
    found: list[ToolCall] = []
    for identity, calls in _ask(ordered).items():
        for call, until in zip(calls, [*(c.request_time for c in calls[1:]), None], strict=True):
            brought = _with_result(call, results.get(identity, ()), until)
            found.append(replace(brought, trail=by_request.get(call.row["requestid"])))
    return sorted(
        (c for c in found if day is None or c.request_time.date() == day), key=lambda c: (c.request_time, c.key)
    )


def _ask(ordered: Sequence[Row]) -> dict[str, list[ToolCall]]:
    """By account and id: the calls that answers asked for, in order; where there is none, what messages first tell of.

    An id is the model's or its client's to choose, so one may come again: then it is another call.
    """
    found: dict[str, list[ToolCall]] = {}
    for row in ordered:
        for position, tool in enumerate(_list(row["tool_calls"])):
            identity = _identity(row, tool) or _place(row, "output", position)
            calls = found.setdefault(identity, [])
            key = f"{identity}#{row['requestid'] or row['f_eventkey']}" if calls else identity
            calls.append(ToolCall(key, tool, "output", row, is_reused=bool(calls)))
    for row in ordered:
        for position, tool in enumerate(_list(row["tool_history"])):
            identity = _identity(row, tool) or _place(row, "history", position)
            if identity not in found:
                found[identity] = [ToolCall(identity, tool, "history", row)]
    return found


def _results(ordered: Sequence[Row]) -> dict[str, list[tuple[Mapping[str, Any], Row]]]:
    """By account and id: every result that messages bring, with the invocation that brings it."""
    found: dict[str, list[tuple[Mapping[str, Any], Row]]] = defaultdict(list)
    for row in ordered:
        for result in _list(row["tool_results"]):
            if identity := _identity(row, result):
                found[identity].append((result, row))
    return found


def _identity(row: Row, tool: Mapping[str, Any]) -> str | None:
    """Account and id of a call or of a result."""
    name = tool.get("id")
    return f"{row['logaccountid']}:{name}" if isinstance(name, str) and name else None


def _place(row: Row, told_in: str, position: int) -> str:
    return f"{row['logaccountid']}:{row['requestid'] or row['f_eventkey']}:{told_in}-{position}"


def _with_result(call: ToolCall, results: Sequence[tuple[Mapping[str, Any], Row]], until: datetime | None) -> ToolCall:
    """The call with its result: the first that its own identity brought after it, before its id was used again."""
    later = [
        (result, row)
        for result, row in results
        if row["request_time"] >= call.request_time and (until is None or row["request_time"] <= until)
    ]
    own = [pair for pair in later if pair[1]["useridentity_arn"] == call.row["useridentity_arn"]]
    if not later:
        return call
    result, row = (own or later)[0]
    return replace(call, result=result, result_row=row, is_brought_by_another=not own)


def _list(text: str | None) -> Iterator[Mapping[str, Any]]:
    try:
        found = json.loads(text or "[]")
    except (ValueError, RecursionError):
        return
    yield from (entry for entry in found if isinstance(entry, dict)) if isinstance(found, list) else ()


def row_of(call: ToolCall, inputs: str) -> dict[str, Any]:
    """The call's row, but for the run that writes it."""
    row, trail, result = call.row, call.trail or {}, call.result or {}
    text = json.dumps(call.tool.get("input"), ensure_ascii=False, separators=(",", ":"))
    came_back = call.result_row["request_time"] if call.result_row else None
    ran = None if came_back is None else int((came_back - call.request_time).total_seconds() * 1000)
    size = result.get("bytes")
    return {
        "tool_key": call.key,
        "tool_use_id": _text(call.tool.get("id")),
        "tool_name": _text(call.tool.get("name")),
        "tool_input": text,
        "tool_input_bytes": len(text.encode(errors="replace")),
        "asked_in": call.asked_in,
        "asked": call.request_time,
        "result_status": _text(result.get("status")),
        "result_bytes": size if isinstance(size, int) else None,
        "result_time": came_back,
        "result_requestid": call.result_row["requestid"] if call.result_row else None,
        "ran_milliseconds": ran,
        "trail_eventid": trail.get("eventid"),
        "trail_eventname": trail.get("eventname"),
        "trail_useridentity_arn": trail.get("useridentity_arn"),
        "trail_sourceidentity": trail.get("useridentity_sourceidentity"),
        "sourceipaddress": trail.get("sourceipaddress"),
        "useragent": trail.get("useragent"),
        "events_while_running": json.dumps([_event(e) for e in call.events]),
        "event_count_while_running": call.event_count,
        "flags": ",".join(call.flags) or None,
        "inputs": inputs,
        **{name: row[name] for name in _OF_INVOCATION},
    }


_OF_EVENT = ("eventid", "eventtime", "eventsource", "eventname", "errorcode")
_OF_INVOCATION = (
    *("requestid", "operation", "modelid", "f_modelname", "logaccountid", "logregion", "useridentity_arn"),
    *("f_conversation", "raw_bucket", "raw_key", "raw_versionid", "raw_ordinal", "raw_objectsha256"),
)


def event_rows(call: ToolCall) -> Iterator[dict[str, Any]]:
    """What was called while it ran as rows, but for the run that writes them."""
    shared = {
        "tool_key": call.key,
        "tool_name": _text(call.tool.get("name")),
        "asked": call.request_time,
        "useridentity_arn": call.row["useridentity_arn"],
    }
    for number, event in enumerate(call.events, 1):
        yield {**shared, "event_number": number, **{name: event[name] for name in _OF_EVENT}}


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _event(row: Row) -> dict[str, Any]:
    time = row["eventtime"].isoformat().replace("+00:00", "Z")
    return {"time": time, **{name: row[name] for name in ("eventid", "eventsource", "eventname", "errorcode")}}

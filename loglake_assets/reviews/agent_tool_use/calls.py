"""Tool calls of a day, from the invocations that ask for them, tell of them and bring their results. Pure."""

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

Row = Mapping[str, Any]
EVENTS_SHOWN = 100


@dataclass(frozen=True)
class ToolCall:
    """One call. `row` is the invocation whose answer asked for it, or else the first whose messages tell of it."""

    key: str
    tool: Mapping[str, Any]
    asked_in: str
    row: Row
    result: Mapping[str, Any] | None = None
    result_row: Row | None = None
    trail: Row | None = None
    meanwhile: Sequence[Row] = field(default_factory=list)

    @property
    def asked(self) -> datetime:
        moment: datetime = self.row["request_time"]
        return moment

    @property
    def flags(self) -> list[str]:
        """What a reviewer should know: who says that the tool was asked for, and what was not seen."""
        found = [] if self.asked_in == "output" else ["told_by_caller_only"]
        if self.result is None:
            found.append("no_result_seen")
        if self.trail is None:
            found.append("no_trail_event")
        elif self.trail["useridentity_arn"] != self.row["useridentity_arn"]:
            found.append("other_identity_in_trail")
        return found


def tool_calls(
    invocations: Sequence[Row], trail: Sequence[Row], meanwhile: Sequence[Row], day: date | None = None
) -> list[ToolCall]:
    """The calls asked for on a day (or all), each once, however often its conversation repeats it."""
    ordered = sorted(invocations, key=lambda row: (row["request_time"], row["requestid"] or "", row["raw_key"]))
    first = _first_seen(ordered)
    results = _results(ordered)
    by_request = {row["requestid"]: row for row in sorted(trail, key=lambda r: r["eventtime"], reverse=True)}
    around: dict[str, list[Row]] = defaultdict(list)
    for row in meanwhile:
        around[row["f_conversation"]].append(row)
    found = []
    for key, (tool, asked_in, row) in first.items():
        if day is None or row["request_time"].date() == day:
            result, result_row = results.get(key, (None, None))
            call = ToolCall(key, tool, asked_in, row, result, result_row, by_request.get(row["requestid"]))
            found.append(_with_events(call, around.get(row["f_conversation"], ())))
    return sorted(found, key=lambda c: (c.asked, c.key))


def _first_seen(ordered: Sequence[Row]) -> dict[str, tuple[Mapping[str, Any], str, Row]]:
    """By key: the call in the answer that asked for it; where no such answer was read, as messages first tell of it."""
    found: dict[str, tuple[Mapping[str, Any], str, Row]] = {}
    for column, asked_in in (("tool_calls", "output"), ("tool_history", "history")):
        for row in ordered:
            for position, tool in enumerate(_listed(row[column])):
                found.setdefault(_key(row, tool, f"{asked_in}-{position}"), (tool, asked_in, row))
    return found


def _results(ordered: Sequence[Row]) -> dict[str, tuple[Mapping[str, Any], Row]]:
    """By key: the result as it was first brought to the model."""
    found: dict[str, tuple[Mapping[str, Any], Row]] = {}
    for row in ordered:
        for result in _listed(row["tool_results"]):
            if isinstance(result.get("id"), str):
                found.setdefault(_key(row, result, ""), (result, row))
    return found


def _key(row: Row, tool: Mapping[str, Any], place: str) -> str:
    """An id is the model's; it is told apart by account, since messages may claim any."""
    identity = tool.get("id")
    if isinstance(identity, str) and identity:
        return f"{row['logaccountid']}:{identity}"
    return f"{row['logaccountid']}:{row['requestid'] or row['raw_sha256']}:{place}"


def _with_events(call: ToolCall, events: Sequence[Row]) -> ToolCall:
    """The call with what its identity called between the answer that asked and the call that brought the result."""
    if call.result_row is None:
        return call
    own = {call.row["requestid"], call.result_row["requestid"]}
    until = call.result_row["request_time"]
    within = [e for e in events if call.asked <= e["eventtime"] <= until and e["requestid"] not in own]
    return ToolCall(call.key, call.tool, call.asked_in, call.row, call.result, call.result_row, call.trail, within)


def _listed(text: str | None) -> Iterator[Mapping[str, Any]]:
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
    ran = None if came_back is None else int((came_back - call.asked).total_seconds() * 1000)
    size = result.get("bytes")
    return {
        "tool_key": call.key,
        "tool_use_id": _text(call.tool.get("id")),
        "tool_name": _text(call.tool.get("name")),
        "tool_input": text,
        "tool_input_bytes": len(text.encode(errors="replace")),
        "asked_in": call.asked_in,
        "asked": call.asked,
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
        "events_while_running": json.dumps([_event(e) for e in call.meanwhile[:EVENTS_SHOWN]]),
        "event_count_while_running": len(call.meanwhile),
        "flags": ",".join(call.flags) or None,
        "inputs": inputs,
        **{name: row[name] for name in _OF_INVOCATION},
    }


_OF_INVOCATION = (
    *("requestid", "operation", "modelid", "f_modelname", "logaccountid", "logregion", "useridentity_arn"),
    *("f_conversation", "raw_bucket", "raw_key", "raw_versionid", "raw_ordinal", "raw_sha256"),
)


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _event(row: Row) -> dict[str, Any]:
    time = row["eventtime"].isoformat().replace("+00:00", "Z")
    return {"time": time, **{name: row[name] for name in ("eventid", "eventsource", "eventname", "errorcode")}}

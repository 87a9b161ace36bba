"""A page for each agent of a day: what it asked tools for, conversation by conversation, and what happened meanwhile.

The page is made from its JSON twin alone. Every text in it may have been chosen by whoever talked to the agent, so it
has no script, loads nothing, and what looks like a secret is masked.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime
from functools import cache
from typing import Any

from jinja2 import Environment

from loglake_assets.reviews.agent_tool_use.calls import ToolCall, row_of
from loglake_assets.reviews.builder import ReviewFile
from loglake_assets.reviews.inputs import Input
from loglake_assets.reviews.page_text import duration_text, iso, page_environment, twin_json
from loglake_assets.reviews.secret_masks import masked_text

CALLS_SHOWN = 2_000
"""Calls on a page: more make none that anybody opens. The table has them all."""
INPUT_SHOWN = 4_000
"""Characters of a tool's input on the page."""
FLAGS: Mapping[str, str] = {
    "other_identity_in_trail": "CloudTrail names another identity for the request than the invocation log does.",
    "result_of_another_identity": "The tool's result was brought to the model by another identity.",
    "no_trail_event": "CloudTrail has no event of the request that asked.",
    "denied": "While the tool ran, AWS denied a call of the same identity.",
    "failed": "The tool answered with an error.",
    "no_result_seen": "No result of the tool was seen.",
    "not_seen_asked": "Only later messages say that the model asked for the tool; the answer that did was not seen.",
    "id_reused": "The same id of a call was used before.",
    "events_cut": "More than 100 calls were made while the tool ran; the first 100 are kept.",
}
"""What to look at first, in this order."""
FLAG_LABELS: Mapping[str, str] = {
    "other_identity_in_trail": "another identity in CloudTrail",
    "result_of_another_identity": "result brought by another identity",
    "no_trail_event": "no event in CloudTrail",
    "denied": "a call was denied",
    "failed": "the tool failed",
    "no_result_seen": "no result seen",
    "not_seen_asked": "request of the model not seen",
    "id_reused": "id used again",
    "events_cut": "more than 100 calls meanwhile",
}
"""Each flag in the words of the pages; its name is what the table has."""
_OF_CALL = (
    *("tool_key", "tool_name", "tool_input_bytes", "asked_in", "requestid", "modelid", "result_status", "result_bytes"),
    *("ran_milliseconds", "trail_eventid", "trail_sourceidentity", "sourceipaddress", "useragent"),
    *("event_count_while_running", "raw_bucket", "raw_key", "raw_versionid", "raw_ordinal", "raw_objectsha256"),
)


def agent_files(
    calls: Sequence[ToolCall], inputs: Sequence[Input], day: date, lake_name: str, now: datetime
) -> Iterator[ReviewFile]:
    """A page and its JSON twin for each agent of a day, and an index with what to look at first at its top."""
    of_agent: dict[str, list[ToolCall]] = {}
    for call in calls:
        of_agent.setdefault(str(call.row["useridentity_arn"] or ""), []).append(call)
    entries: list[dict[str, Any]] = []
    incomplete = dict.fromkeys(sentence for entry in inputs for sentence in entry.lacks())
    for agent, own in of_agent.items():
        document = agent_document(agent, own, inputs, day, lake_name, now)
        name = hashlib.sha256(agent.encode(errors="replace")).hexdigest()[:16]
        yield ReviewFile(f"{name}.html", agent_page(document).encode(), "text/html; charset=utf-8")
        yield ReviewFile(f"{name}.json", twin_json(document).encode(), "application/json")
        entries.append(
            {part: document[part] for part in ("agent", "flags", "calls", "tools")} | {"href": f"{name}.html"}
        )
    entries.sort(key=lambda entry: (-sum(entry["flags"].values()), entry["agent"]))
    index = _pages().get_template("agent_index.html.j2")
    page = index.render(
        entries=entries, incomplete=[*incomplete], day=day.isoformat(), lake=lake_name, labels=FLAG_LABELS
    )
    yield ReviewFile("index.html", page.encode(), "text/html; charset=utf-8")


def agent_document(
    agent: str, calls: Sequence[ToolCall], inputs: Sequence[Input], day: date, lake_name: str, now: datetime
) -> dict[str, Any]:
    """Everything on one agent's day, as JSON; of more than `CALLS_SHOWN` calls the first."""
    entries = [_entry(call) for call in calls[:CALLS_SHOWN]]
    conversations: dict[str, list[dict[str, Any]]] = {}
    for call, entry in zip(calls, entries, strict=False):
        conversations.setdefault(str(call.row["f_conversation"] or "not known"), []).append(entry)
    rows = [call.row for call in calls]
    return {
        "format": 1,
        "kind": "agent_page",
        "made_at": iso(now),
        "lake": lake_name,
        "day": day.isoformat(),
        "agent": agent,
        "account": rows[0]["logaccountid"],
        "people": sorted({c.trail["useridentity_sourceidentity"] for c in calls if c.trail} - {None}),
        "models": sorted({str(row["f_modelname"]) for row in rows if row["f_modelname"]}),
        "tools": dict(Counter(str(call.tool.get("name")) for call in calls).most_common()),
        "flags": dict(Counter(flag for call in calls for flag in flags_of(call))),
        "calls": len(calls),
        "calls_not_shown": len(calls) - len(entries),
        "masked": sum(entry["masked"] for entry in entries),
        "incomplete": [sentence for entry in inputs for sentence in entry.lacks()],
        "conversations": [{"conversation": name, "calls": found} for name, found in conversations.items()],
        "coverage": [entry.document() for entry in inputs],
    }


def flags_of(call: ToolCall) -> list[str]:
    """The row's flags, and what failed or was denied, in the order of `FLAGS`."""
    found = {
        *call.flags,
        *(["failed"] if call.result and call.result.get("status") == "error" else []),
        *(["denied"] if any(is_denial(event["errorcode"]) for event in call.events) else []),
    }
    return [flag for flag in FLAGS if flag in found]


def is_denial(error_code: str | None) -> bool:
    """Whether an error code of AWS says that a call was not allowed."""
    return "AccessDenied" in (error_code or "") or "Unauthorized" in (error_code or "")


def _entry(call: ToolCall) -> dict[str, Any]:
    row = row_of(call, "")
    text, secrets = masked_text(row["tool_input"])
    return {
        **{name: row[name] for name in _OF_CALL},
        "asked": iso(row["asked"]),
        "result_time": iso(row["result_time"]),
        "input": text[:INPUT_SHOWN],
        "input_characters_not_shown": max(0, len(text) - INPUT_SHOWN),
        "masked": len(secrets),
        "flags": flags_of(call),
        "events": json.loads(row["events_while_running"]),
    }


def agent_page(document: Mapping[str, Any]) -> str:
    """The page of one agent's day, from its JSON twin."""
    page = _pages().get_template("agent.html.j2")
    return page.render(document=document, flags=FLAGS, labels=FLAG_LABELS, is_denial=is_denial, longest=INPUT_SHOWN)


@cache
def _pages() -> Environment:
    pages = page_environment(__package__)
    pages.filters["duration"] = duration_text
    return pages

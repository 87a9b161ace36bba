"""A session as the row of its table and as the document of its packet: the same facts, twice."""

import functools
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from loglake_assets.reviews.page_text import iso
from loglake_assets.reviews.secret_masks import Secret, masked_line, masked_text
from loglake_assets.reviews.session_activity.facts import Evidence, Keystrokes, Session, json_object
from loglake_assets.sources import load_source

LONGEST_TRANSCRIPT = 4_000_000  # characters of the column; in UTF-8 half of what Athena takes at most
LINES_SHOWN = 20_000  # of a packet: more make no page that anybody opens
MASKED_FIELDS = ("command", "reason", "errormessage", "useragent")
"""What a person may have typed that is no line of the transcript."""
_OF_SESSION = ("session_key", "useridentity_arn", "useridentity_sourceidentity", "logaccountid")
_OF_EVENT = ("eventid", "raw_bucket", "raw_key", "raw_versionid", "raw_ordinal", "raw_objectsha256")
_CALL = ("eventid", "eventsource", "eventname", "errorcode", "awsregion", "sourceipaddress")


def row_of(session: Session, packet: str) -> dict[str, Any]:
    """The session's row, but for the run that writes it."""
    transcript = "\n".join(session.lines)
    start = session.start
    return {
        **_identity(session),
        "started": session.start_time,
        "ended": session.end_time,
        "keystrokes_due": session.keystrokes_due,
        "start_eventid": session.of_row("eventid"),
        "claimed_arn": session.claimed_arn,
        "transcript": _cut(transcript) if session.keystrokes else None,
        "transcript_lines": len(session.lines),
        "transcript_bytes": len(transcript.encode(errors="replace")),
        "keystroke_events": len(session.keystrokes),
        "keystroke_objects": len({(k.row["raw_bucket"], k.row["raw_key"]) for k in session.keystrokes}),
        "first_keystrokes": session.keystrokes[0].time if session.keystrokes else None,
        "last_keystrokes": session.last_keystrokes,
        "gaps": json.dumps(_gaps(session)),
        "flags": ",".join([*dict.fromkeys(flag for flag, _ in session.flags), *_cut_flag(transcript)]) or None,
        "api_call_count": session.call_count,
        "api_calls": json.dumps([_call(call, session) for call in session.calls]),
        "inputs": json.dumps([entry.document() for entry in session.inputs]),
        "raw_bucket": start["raw_bucket"] if start else None,
        "raw_key": start["raw_key"] if start else None,
        "raw_versionid": start["raw_versionid"] if start else None,
        "raw_ordinal": start["raw_ordinal"] if start else None,
        "raw_objectsha256": start["raw_objectsha256"] if start else None,
        "packet": packet,
    }


def line_rows(session: Session) -> Iterator[dict[str, Any]]:
    """The lines of the session's transcript as rows, each with the log event it begins in; `f_run` is not there yet."""
    flags: dict[int, list[str]] = {}
    for flag, number in session.flags:
        flags.setdefault(number, []).append(flag)
    identity = _identity(session)
    shared = {name: identity[name] for name in _OF_SESSION}
    for event, block in zip(session.keystrokes, session.blocks, strict=True):
        of_event = {name: event.row[name] for name in _OF_EVENT}
        for number in range(block.first_line + block.continues, block.first_line + len(block.lines)):
            yield {
                **shared,
                **of_event,
                "line": number,
                "text": session.lines[number - 1],
                "eventtime": event.time,
                "flags": ",".join(dict.fromkeys(flags.get(number, ()))) or None,
            }


def _cut(transcript: str) -> str:
    """What Athena can hand out: a value beyond 32 MB would break every query that reads it."""
    if len(transcript) <= LONGEST_TRANSCRIPT:
        return transcript
    half = LONGEST_TRANSCRIPT // 2
    left_out = len(transcript) - 2 * half
    return f"{transcript[:half]}\n[... {left_out:,} characters are left out here ...]\n{transcript[-half:]}"


def _cut_flag(transcript: str) -> list[str]:
    return ["transcript_cut"] if len(transcript) > LONGEST_TRANSCRIPT else []


def document_of(session: Session, lake_name: str, made_at: datetime, is_masked: bool = True) -> dict[str, Any]:
    """The packet's document: everything on one session, as JSON, with a mask for what looks like a secret."""
    objects, identity, by_line = _Objects(session), _identity(session), dict[int, list[Secret]]()
    in_fields = []
    for secret in session.secrets if is_masked else ():
        by_line.setdefault(secret.line, []).append(secret)
    for name in MASKED_FIELDS if is_masked else ():
        masked, secrets = masked_text(identity[name] or "")
        identity[name] = masked or identity[name]
        in_fields += [(name, secret) for secret in secrets]
    return {
        "format": 1,
        "kind": "session_review_packet",
        "made_at": iso(made_at),
        "lake": lake_name,
        "session": {
            **identity,
            "key": session.key,
            "day": session.day.isoformat(),
            "started": iso(session.start_time),
            "ended": iso(session.end_time),
            "keystroke_events": len(session.keystrokes),
            "transcript_lines": len(session.lines),
            "transcript_bytes": len("\n".join(session.lines).encode(errors="replace")),
            "api_calls": session.call_count,
        },
        "gaps": _gaps(session),
        "flags": [{"flag": flag, "line": line} for flag, line in session.flags],
        "masked": _mask(is_masked, session, in_fields),
        "incomplete": [sentence for entry in session.inputs for sentence in entry.lacks()],
        "timeline": _timeline(session, objects, by_line),
        "api_calls_not_shown": session.call_count - len(session.calls),
        "objects": objects.documents(),
        "coverage": [entry.document() for entry in session.inputs],
        "verdict": {"reviewer": None, "verdict": None, "note": None},
    }


def _mask(is_masked: bool, session: Session, in_fields: Sequence[tuple[str, Secret]]) -> dict[str, Any]:
    """What was masked, by kind and place: line and character count from 1, in the text as it is stored."""
    places: list[dict[str, Any]] = [{"field": name, "character": s.start + 1, "kind": s.kind} for name, s in in_fields]
    if is_masked:
        places += [{"line": s.line, "character": s.start + 1, "kind": s.kind} for s in session.secrets]
    return {"is_masked": is_masked, "counts": dict(Counter(place["kind"] for place in places)), "places": places}


def load_plain(document: dict[str, Any], row: Mapping[str, Any], events: Mapping[str, Keystrokes]) -> dict[str, Any]:
    """A packet's document without masks, from its session's row and its log events by id. Raises KeyError for an event
    that is not there."""
    timeline = [
        {**entry, "lines": list(events[entry["eventid"]].lines)} if entry["kind"] == "keystrokes" else entry
        for entry in document["timeline"]
    ]
    session = document["session"] | {name: row[name] for name in MASKED_FIELDS}
    masked = {"is_masked": False, "counts": {}, "places": []}
    return {**document, "session": session, "timeline": timeline, "masked": masked}


def _identity(session: Session) -> dict[str, Any]:
    """What row and packet call by the same names. Of an orphan, the keystrokes' own record is all there is."""
    from_start = (
        "useridentity_type",
        "useridentity_sourceidentity",
        "useridentity_onbehalfof_userid",
        "useridentity_onbehalfof_identitystorearn",
        "sourceipaddress",
        "useragent",
        "errorcode",
        "errormessage",
    )
    request = session.request
    response = json_object(session.of_row("responseelements"))
    return {
        "session_key": session.key,
        "f_sessionid": session.key if session.session_id else None,
        "sessionid": session.session_id,
        "state": session.state,
        "state_reason": session.state_reason or None,
        "ended_how": session.end_reason,
        **{name: session.of_row(name) for name in from_start},
        "useridentity_arn": session.of_row("useridentity_arn"),
        "logaccountid": session.of_row("logaccountid") or session.of_keystrokes("logaccountid"),
        "awsregion": session.of_row("awsregion") or session.of_keystrokes("session_awsregion"),
        "target": _target(request, response) or session.of_keystrokes("session_target"),
        "container": _text(response.get("containerName")) or _text(request.get("container")),
        "command": _command(request),
        "documentname": _text(request.get("documentName")),
        "reason": _text(request.get("reason")),
        "runasuser": session.of_keystrokes("session_runasuser"),
    }


def _target(request: Mapping[str, Any], response: Mapping[str, Any]) -> str | None:
    """The instance of a StartSession; the task of an ExecuteCommand, whose answer has its ARN."""
    return _text(request.get("target")) or _text(response.get("taskArn")) or _text(request.get("task"))


def _command(request: Mapping[str, Any]) -> str | None:
    """What was to be run: text in an ExecuteCommand, a list of texts among the parameters of a StartSession."""
    if command := _text(request.get("command")):
        return command
    parameters = request.get("parameters")
    parts = parameters.get("command") if isinstance(parameters, dict) else None
    return " ".join(filter(None, map(_text, parts))) or None if isinstance(parts, list) else None


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _gaps(session: Session) -> list[dict[str, Any]]:
    return [{"after": iso(a), "before": iso(b), "seconds": int((b - a).total_seconds())} for a, b in session.gaps]


def _call(call: Mapping[str, Any], session: Session) -> dict[str, Any]:
    about = session.session_id is not None and call["about_session"] == session.key
    after = session.end_time is not None and call["eventtime"] > session.end_time
    facts = {name: call[name] for name in _CALL}
    return {"time": iso(call["eventtime"]), **facts, "about_session": about, "after_session": after}


def _timeline(session: Session, objects: "_Objects", secrets: Mapping[int, Sequence[Secret]]) -> list[dict[str, Any]]:
    """Calls and keystrokes by time; at the same moment the call comes first."""
    entries: list[tuple[datetime, int, dict[str, Any]]] = []
    for call in session.calls:
        where = objects.number(_trail_table(), call)
        entries.append((call["eventtime"], 0, {"kind": "api", **_call(call, session), "object": where}))
    total, offset = len(session.lines), 0
    for event, block in zip(session.keystrokes, session.blocks, strict=True):
        offset = offset if block.continues else 0  # of its first line, in the whole line
        lines = [
            masked_line(line, secrets.get(number, ()), offset if number == block.first_line else 0)
            for number, line in enumerate(block.lines, block.first_line)
        ]
        offset = (
            offset + len(block.lines[0]) if len(block.lines) == 1 else len(block.lines[-1]) if block.lines else offset
        )
        if LINES_SHOWN // 2 < block.first_line <= total - LINES_SHOWN // 2:
            continue  # the middle of a very long transcript; the page says how many lines it shows
        entry = {
            "kind": "keystrokes",
            "time": iso(event.time),
            "eventid": event.row["eventid"],
            "first_line": block.first_line,
            "lines": lines,
            "continues": block.continues,
            "object": objects.number(_cloudwatch_table(), event.row),
        }
        entries.append((event.time, 1, entry))
    return [entry for _, _, entry in sorted(entries, key=lambda e: e[:2])]


class _Objects:
    """The raw objects that a packet's facts come from, numbered as they are first named."""

    def __init__(self, session: Session) -> None:
        self._numbers: dict[tuple[Any, ...], int] = {}
        self._records: list[dict[int, Evidence]] = []
        if session.start:
            self.number(_trail_table(), session.start)

    def number(self, table: str, row: Mapping[str, Any]) -> int:
        """The number of the object that a row comes from; the row is noted as one of its records."""
        evidence = Evidence.of(row)
        place = (table, evidence.bucket, evidence.key, evidence.version_id, evidence.etag, evidence.sha256)
        if place not in self._numbers:
            self._numbers[place] = len(self._records)
            self._records.append({})
        self._records[self._numbers[place]][evidence.ordinal] = evidence
        return self._numbers[place]

    def documents(self) -> list[dict[str, Any]]:
        return [
            {
                "table": table,
                "bucket": bucket,
                "key": key,
                "version_id": version_id,
                "etag": etag,
                "sha256": sha256,
                "records": len(self._records[number]),
                "ordinals": sorted(self._records[number]),
                "runs": sorted({e.run for e in self._records[number].values()}),
            }
            for (table, bucket, key, version_id, etag, sha256), number in self._numbers.items()
        ]


@functools.cache
def _trail_table() -> str:
    return load_source("cloudtrail").readready.name


@functools.cache
def _cloudwatch_table() -> str:
    return load_source("cloudwatch").readready.name


def counts_by_state(sessions: Iterable[Session], states: Sequence[str]) -> dict[str, int]:
    """How many sessions are in each state, in the order of `states`."""
    counts = dict.fromkeys(states, 0)
    for session in sessions:
        counts[session.state] += 1
    return counts

"""Sessions of a day, and in which state the record of each one is. Pure: what was read goes in, sessions come out.

The states, in the order in which they are decided:

- `denied`: StartSession was refused, so there was no session.
- `orphan`: keystrokes of a session that no StartSession is known of.
- `recorded_partly`: keystrokes, and a reason to think that some are missing.
- `recorded`: keystrokes, and no such reason.
- `not_loggable`: no keystrokes, of a kind of session that Session Manager never logs (by its document).
- `awaiting`: no keystrokes yet, and they may still come: the delivery's time is not up, or a day is not built.
- `lost`: no keystrokes, and nothing that explains it.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from fnmatch import fnmatchcase
from itertools import pairwise
from typing import Any

from loglake_assets.reviews.inputs import BUILT, NO_SOURCE
from loglake_assets.reviews.session_activity.facts import Facts, Keystrokes, Session
from loglake_assets.reviews.session_activity.transcripts import blocks, is_piece, transcript

STATES = ("recorded", "recorded_partly", "not_loggable", "denied", "awaiting", "lost", "orphan")
_STAMP = re.compile(r"-(\d{4})-(\d{2})-(\d{2})-(\d{2})-(\d{2})-(\d{2})-[^/-]+(?:-[^/-]+)*$")
_SHOWN = 3


@dataclass(frozen=True)
class SessionRules:
    """What is taken for granted about sessions and their delivery."""

    idle: timedelta = timedelta(minutes=60)
    """The longest that Session Manager lets a session idle: a session without a key for so long has ended."""
    delivery_delay: timedelta = timedelta(hours=2)
    """How long keystrokes may take from the terminal into a raw object."""
    buffering: timedelta = timedelta(minutes=15)
    """The longest that Firehose gathers an object: how far the name of an object may be from its events."""
    pause: timedelta = timedelta(minutes=15)
    """A longer pause between keystrokes is named as a gap."""
    not_loggable: tuple[str, ...] = ("AWS-StartPortForwardingSession*", "AWS-StartSSHSession")
    """Documents, * for anything, whose sessions Session Manager never logs."""


def sessions_of(facts: Facts, day: date, now: datetime, rules: SessionRules) -> list[Session]:
    """The sessions that started on a day, and the orphans first typed in on it, in order of their start."""
    starts = _distinct_starts(facts.starts)
    found = [_session(facts, start, day, now, rules) for start in starts if start["eventtime"].date() == day]
    known = {start["f_sessionid"] for start in starts}
    found += [_orphan(facts, f_sessionid, day, rules) for f_sessionid in _orphans(facts, known, day)]
    return sorted(found, key=lambda s: (s.started, s.key))


def _distinct_starts(starts: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """One row a session: the first, where a session id stands in several events."""
    by_key: dict[str, Mapping[str, Any]] = {}
    for start in sorted(starts, key=lambda row: (row["eventtime"], str(row["eventid"]))):
        by_key.setdefault(_key(start), start)
    return list(by_key.values())


def _key(start: Mapping[str, Any]) -> str:
    if start["f_sessionid"]:
        return str(start["f_sessionid"])
    identity = start["eventid"] or start["raw_sha256"]
    return f"denied:{identity}" if start["errorcode"] else f"unnamed:{identity}"


def _orphans(facts: Facts, known: set[str], day: date) -> Iterator[str]:
    for f_sessionid, events in facts.keystrokes.items():
        if f_sessionid not in known and min(e.time for e in events).date() == day:
            yield f_sessionid


def _session(facts: Facts, start: Mapping[str, Any], day: date, now: datetime, rules: SessionRules) -> Session:
    f_sessionid, request = start["f_sessionid"], _object(start["requestparameters"])
    events = sorted(facts.keystrokes.get(f_sessionid, ()), key=lambda e: e.order)
    terminated = facts.ends.get(f_sessionid)
    state, reason, due = _state(facts, start, request, events, terminated, now, rules)
    session_id = _object(start["responseelements"]).get("sessionId")
    found = Session(
        key=_key(start),
        session_id=session_id or (events[0].row["sessionid"] if events else None),
        day=day,
        state=state,
        state_reason=reason,
        keystrokes_due=due,
        start=start,
        request=request,
        terminated=terminated,
        keystrokes=events,
        calls=facts.calls.get(f_sessionid, ()),
        gaps=_gaps([start["eventtime"], *(e.time for e in events)] if events else [], rules),
    )
    return _complete(facts, found)


def _orphan(facts: Facts, f_sessionid: str, day: date, rules: SessionRules) -> Session:
    events = sorted(facts.keystrokes[f_sessionid], key=lambda e: e.order)
    unread = [i.day.isoformat() for i in facts.trail.values() if i.day <= day and i.status != BUILT]
    reason = "No StartSession of this session is in the lake"
    reason += f", of which {_named(unread)} is not built." if unread else "."
    found = Session(
        key=f_sessionid,
        session_id=events[0].row["sessionid"],
        day=day,
        state="orphan",
        state_reason=f"{reason} Who it was is what the keystrokes' own record claims.",
        keystrokes_due=None,
        start=None,
        request={},
        terminated=facts.ends.get(f_sessionid),
        keystrokes=events,
        calls=facts.calls.get(f_sessionid, ()),
        gaps=_gaps([e.time for e in events], rules),
    )
    return _complete(facts, found)


def _complete(facts: Facts, session: Session) -> Session:
    """The session with its transcript, and with what the lake held of the days it touches."""
    found = blocks(event.lines for event in session.keystrokes)
    last = max(filter(None, (session.ended, session.started))).date()
    inputs = [i for by_day in (facts.trail, facts.typed) for i in by_day.values() if session.day <= i.day <= last]
    return replace(session, blocks=found, lines=transcript(found), inputs=inputs)


# --- the state of the record ------------------------------------------------------------------------------------------


def _state(
    facts: Facts,
    start: Mapping[str, Any],
    request: Mapping[str, Any],
    events: Sequence[Keystrokes],
    terminated: datetime | None,
    now: datetime,
    rules: SessionRules,
) -> tuple[str, str, datetime | None]:
    """(state, why, when keystrokes that are awaited are late)."""
    if start["errorcode"]:
        return "denied", "StartSession was refused; no session came about.", None
    if events:
        reasons = list(_reasons_for_partly(facts, start, events, terminated, rules))
        return ("recorded_partly", "; ".join(reasons) + ".", None) if reasons else ("recorded", "", None)
    document = str(request.get("documentName") or "")
    if any(fnmatchcase(document, pattern) for pattern in rules.not_loggable):
        return "not_loggable", f"Session Manager never logs sessions of {document}.", None
    return _without_keystrokes(facts, start, terminated, now, rules)


def _reasons_for_partly(
    facts: Facts,
    start: Mapping[str, Any],
    events: Sequence[Keystrokes],
    terminated: datetime | None,
    rules: SessionRules,
) -> Iterator[str]:
    last = max(filter(None, (terminated, events[-1].time)))
    stream = events[0].row["sessionid"]
    if missing := sum(1 for i in facts.typed.values() for key in i.missing_events if f":{stream}:" in key):
        yield f"{missing} of its log events are in raw objects and not in the table"
    if unreadable := _unreadable_meanwhile(facts, start["eventtime"], last, rules):
        yield f"raw objects that arrived meanwhile cannot be read: {_named(unreadable)}"
    if broken := sum("session_unreadable" in (e.row["f_flags"] or "") for e in events):
        yield f"{broken} of its log events are not in Session Manager's form"
    if is_piece(events[-1].lines):
        yield "its last line is a piece, and what follows it is not there"
    if unbuilt := _unbuilt(facts, start["eventtime"].date(), last.date()):
        yield f"days in which it went on are not built: {_named(unbuilt)}"
    elif not terminated and (after := _unbuilt(facts, last.date(), (last + rules.idle).date())):
        yield f"it is not seen to end, and may have gone on in {_named(after)}, which is not built or not read"


def _unreadable_meanwhile(facts: Facts, first: datetime, last: datetime, rules: SessionRules) -> list[str]:
    """Raw objects of keystrokes that cannot be read and may hold the session's: they arrived while it went on."""
    return sorted(
        name
        for entry in facts.typed.values()
        for name in entry.unreadable
        if any(first <= arrival + rules.buffering and arrival <= last + rules.buffering for arrival in _arrivals(name))
    )


def _arrivals(name: str) -> list[datetime]:
    """When an object began to be gathered, as its name says; nothing where it does not say."""
    match = _STAMP.search(name)
    try:
        return [datetime(*map(int, match.groups()), tzinfo=UTC)] if match else []  # type: ignore[arg-type,misc]  # six ints
    except ValueError:
        return []


def _unbuilt(facts: Facts, first: date, last: date) -> list[str]:
    """Days from first to last of which the lake holds no keystroke table though there may be logs."""
    days = (first + timedelta(days=n) for n in range((last - first).days + 1))
    return [day.isoformat() for day in days if day not in facts.typed or facts.typed[day].status != BUILT]


def _without_keystrokes(
    facts: Facts, start: Mapping[str, Any], terminated: datetime | None, now: datetime, rules: SessionRules
) -> tuple[str, str, datetime | None]:
    horizon = start["eventtime"] + rules.idle
    if terminated:
        horizon = max(start["eventtime"], min(horizon, terminated))
    due = horizon + rules.delivery_delay
    if now < due:
        return "awaiting", f"Keystrokes may still be on their way until {due:%Y-%m-%d %H:%M} UTC.", due
    days = [
        start["eventtime"].date() + timedelta(days=n)
        for n in range((horizon.date() - start["eventtime"].date()).days + 1)
    ]
    unbuilt = [day for day in days if day not in facts.typed or facts.typed[day].status not in {BUILT, NO_SOURCE}]
    if unbuilt:
        return (
            "awaiting",
            f"Its keystrokes may be in days that are not built: {_named([d.isoformat() for d in unbuilt])}.",
            None,
        )
    seen = "; ".join(facts.typed[day].sentence() for day in days)
    reason = f"It should have been logged, and no log event of it is in the lake ({seen})."
    if unreadable := _unreadable_meanwhile(facts, start["eventtime"], horizon, rules):
        reason += f" Raw objects that arrived meanwhile cannot be read: {_named(unreadable)}."
    return "lost", reason, None


def _named(names: Sequence[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more


def _gaps(times: Sequence[datetime], rules: SessionRules) -> list[tuple[datetime, datetime]]:
    """Pauses longer than the rule's, from one moment of the session to the next."""
    return [(a, b) for a, b in pairwise(times) if b - a > rules.pause]


def _object(text: str | None) -> dict[str, Any]:
    try:
        found = json.loads(text or "{}")
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}

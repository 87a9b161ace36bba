"""Sessions of a day, and in which state the record of each one is. Pure: what was read goes in, sessions come out.

The states, in the order in which they are decided:

- `denied`: StartSession (or ExecuteCommand of ECS Exec) was refused, so there was no session.
- `orphan`: keystrokes of a session that no StartSession or ExecuteCommand is known of.
- `recorded_partly`: keystrokes, and a reason to think that some are missing.
- `recorded`: keystrokes, and no such reason.
- `not_loggable`: no keystrokes, of a kind of session that Session Manager never logs (by its document).
- `awaiting`: no keystrokes yet, and they may still come: the delivery's time is not up, or a day is not built.
- `lost`: no keystrokes, and nothing that explains it.
"""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from fnmatch import fnmatchcase
from itertools import pairwise
from typing import Any

from loglake_assets.reviews.inputs import BUILT, NO_SOURCE
from loglake_assets.reviews.session_activity import REVIEW
from loglake_assets.reviews.session_activity.facts import Facts, Keystrokes, Session, json_object
from loglake_assets.reviews.session_activity.transcripts import blocks, transcript
from loglake_assets.sources.calendar_days import days_between

STATES = ("recorded", "recorded_partly", "not_loggable", "denied", "awaiting", "lost", "orphan")
_STAMP = re.compile(r"-(\d{4})-(\d{2})-(\d{2})-(\d{2})-(\d{2})-(\d{2})-[^/-]+(?:-[^/-]+)*$")
_SHOWN = 3
_DOCUMENT_ARN = re.compile(r"arn:aws[a-z0-9-]*:ssm:[a-z0-9-]*::document/(.+)")
EXECUTE_COMMAND = "ExecuteCommand"
"""The event of ECS Exec, which starts a session in a container."""
AROUND = timedelta(minutes=15)
"""How far before and after a session the calls of its principal are shown; queries/calls.sql says the same."""
UPLOAD = timedelta(minutes=5)
"""How long after its end a session's last keystrokes may be sent."""


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
    central_accounts: frozenset[str] = frozenset()
    """Accounts into which CloudWatch Logs copies the log groups of others, and which are trusted to say of whom."""


def sessions_of(facts: Facts, day: date, now: datetime, rules: SessionRules) -> list[Session]:
    """The sessions that started on a day, and the orphans first typed in on it, in order of their start.

    `facts` may span more days; a day reads its look-back and look-ahead of them and no more.
    """
    facts = facts.around(day, REVIEW.look_back_days, REVIEW.look_ahead_days).attribute_to_origin(rules.central_accounts)
    starts = _distinct_starts(facts.starts)
    own = {key: _own_events(facts, start) for key, start in starts.items()}
    found = [
        _session(facts, key, start, own[key], now, rules)
        for key, start in starts.items()
        if start["eventtime"].date() == day
    ]
    found += [_orphan(facts, key, events, rules) for key, events in _orphans(facts, own, day)]
    return sorted(found, key=lambda s: (s.start_time, s.key))


def _distinct_starts(starts: Sequence[Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    """By key: one row a session, the first where copies of its event differ; equal ids of two accounts are two.

    Of a session in a container ExecuteCommand says more than a StartSession that ECS makes for it.
    """
    found: dict[str, Mapping[str, Any]] = {}
    origins: dict[tuple[Any, ...], str] = {}
    for start in sorted(starts, key=_start_order):
        origin = (_key(start), _session_id(start), start["logaccountid"])
        if origin not in origins:
            key = _key(start) if _key(start) not in found else f"{_key(start)}@{start['logaccountid']}"
            key = key if key not in found else f"{key}#{start['eventid']}"
            origins[origin], found[key] = key, start
    return found


def _start_order(start: Mapping[str, Any]) -> tuple[Any, ...]:
    return start["eventname"] != EXECUTE_COMMAND, start["eventtime"], str(start["eventid"])


def _key(start: Mapping[str, Any]) -> str:
    if start["f_sessionid"]:
        return str(start["f_sessionid"])
    identity = start["eventid"] or start["f_eventkey"]
    return f"denied:{identity}" if start["errorcode"] else f"unnamed:{identity}"


def _session_id(start: Mapping[str, Any]) -> str | None:
    response = json_object(start["responseelements"])
    if start["eventname"] == EXECUTE_COMMAND:
        session = response.get("session")
        response = session if isinstance(session, dict) else {}
    found = response.get("sessionId")
    return found if isinstance(found, str) else None


def _own_events(facts: Facts, start: Mapping[str, Any]) -> list[Keystrokes]:
    """The session's keystrokes, in order: those of its own log stream in its own account.

    The id alone proves nothing: whoever can write to some log stream can give it a name that ends in it.
    """
    own = (_session_id(start), start["logaccountid"])
    events = facts.keystrokes.get(start["f_sessionid"], ()) if start["f_sessionid"] else ()
    return sorted((e for e in events if e.origin == own), key=lambda e: e.order)


def _orphans(
    facts: Facts, own: Mapping[str, Sequence[Keystrokes]], day: date
) -> Iterator[tuple[str, list[Keystrokes]]]:
    """(key, events) of each log stream with keystrokes that is no known session's and was first typed in on the day."""
    claimed = {event.origin for events in own.values() for event in events}
    for f_sessionid, events in facts.keystrokes.items():
        by_origin: dict[tuple[str, str], list[Keystrokes]] = {}
        for event in sorted(events, key=lambda e: e.order):
            if event.origin not in claimed:
                by_origin.setdefault(event.origin, []).append(event)
        for number, (origin, of_stream) in enumerate(sorted(by_origin.items())):
            if of_stream[0].time.date() == day:
                is_only = number == 0 and f_sessionid not in own
                yield (f_sessionid if is_only else f"{origin[0]}@{origin[1]}"), of_stream


def _session(
    facts: Facts,
    key: str,
    start: Mapping[str, Any],
    events: Sequence[Keystrokes],
    now: datetime,
    rules: SessionRules,
) -> Session:
    request, terminated = json_object(start["requestparameters"]), facts.ends.get(start["f_sessionid"])
    state, reason, due = _state(facts, start, request, events, terminated, now, rules)
    if strangers := len(facts.keystrokes.get(start["f_sessionid"], ())) - len(events):
        reason = f"{reason} {strangers} log events of other streams or accounts claim its id; they are orphans.".strip()
    found = Session(
        key=key,
        session_id=_session_id(start),
        day=start["eventtime"].date(),
        state=state,
        state_reason=reason,
        keystrokes_due=due,
        start=start,
        request=request,
        terminated=terminated,
        keystrokes=events,
        calls=facts.calls.get(start["f_sessionid"], ()),
        gaps=_gaps([start["eventtime"], *(e.time for e in events), *filter(None, [terminated])], rules)
        if events
        else [],
    )
    return _complete(facts, found)


def _orphan(facts: Facts, key: str, events: Sequence[Keystrokes], rules: SessionRules) -> Session:
    day = events[0].time.date()
    unread = [i.day.isoformat() for i in facts.trail.values() if i.day <= day and i.status != BUILT]
    reason = "No StartSession or ExecuteCommand of this session is in the lake"
    reason += f", of which {_name(unread)} is not built." if unread else "."
    if claimed := next((e.row["session_useridentity_arn"] for e in events if e.row["session_useridentity_arn"]), None):
        reason += f" Its own record says that it was {claimed}, which nothing confirms."
    found = Session(
        key=key,
        session_id=events[0].row["sessionid"],
        day=day,
        state="orphan",
        state_reason=reason,
        keystrokes_due=None,
        start=None,
        request={},
        terminated=facts.ends.get(events[0].row["f_sessionid"]),
        keystrokes=events,
        gaps=_gaps([e.time for e in events], rules),
    )
    return _complete(facts, found)


def _complete(facts: Facts, session: Session) -> Session:
    """The session with its transcript, and with what the lake held of all days that it may lie in."""
    found = blocks((event.lines, event.is_piece) for event in session.keystrokes)
    last = max(filter(None, (session.terminated, session.last_keystrokes, session.start_time + timedelta(hours=1))))
    first_day, last_day = (session.start_time - AROUND).date(), (last + AROUND).date()
    inputs = [i for by_day in (facts.trail, facts.typed) for i in by_day.values() if first_day <= i.day <= last_day]
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
        return "denied", f"{start['eventname']} failed with {start['errorcode']}; no session came about.", None
    if events:
        reasons = list(_reasons_for_partly(facts, start, events, terminated, rules))
        return ("recorded_partly", "; ".join(reasons) + ".", None) if reasons else ("recorded", "", None)
    document = str(request.get("documentName") or "")
    if any(fnmatchcase(_document_name(document), pattern) for pattern in rules.not_loggable):
        return "not_loggable", f"Session Manager never logs sessions of {document}.", None
    return _without_keystrokes(facts, start, terminated, now, rules)


def _document_name(text: str) -> str:
    """What a document of AWS is called, be it named by its ARN.

    One of an account is its whole ARN: its name alone could be that of anybody's document.
    """
    found = _DOCUMENT_ARN.fullmatch(text)
    return found[1] if found else text


def _reasons_for_partly(
    facts: Facts,
    start: Mapping[str, Any],
    events: Sequence[Keystrokes],
    terminated: datetime | None,
    rules: SessionRules,
) -> Iterator[str]:
    last = max(filter(None, (terminated, events[-1].time)))
    if missing := _name_missing_events(facts, _session_id(start)):
        yield f"{missing} of its log events are in raw objects and not in the table"
    if unreadable := _unreadable_meanwhile(facts, start["eventtime"], last, rules):
        yield f"raw objects that arrived meanwhile cannot be read: {_name(unreadable)}"
    if broken := sum("session_unreadable" in (e.row["f_flags"] or "") for e in events):
        yield f"{broken} of its log events are not in Session Manager's form"
    if not any(e.lines for e in events):
        yield "its log events hold no line"
    if events[-1].is_piece:
        yield "its last line is a piece, and what follows it is not there"
    if terminated and terminated - events[-1].time > rules.idle:
        yield f"nothing is recorded of the {_hours(terminated - events[-1].time)} before it was ended"
    if unbuilt := _unbuilt_days(facts, start["eventtime"].date(), last.date(), {BUILT}):
        yield f"days in which it went on are not built: {_name(unbuilt)}"
    elif after := _unbuilt_days(
        facts, last.date(), (last + (UPLOAD if terminated else rules.idle)).date(), {BUILT, NO_SOURCE}
    ):
        end = "the last of it may lie" if terminated else "it is not seen to end, and may have gone on"
        yield f"{end} in {_name(after)}, which is not built or not read"


def _name_missing_events(facts: Facts, session_id: str | None) -> int:
    """How many events of a log stream coverage found in raw objects and not in the table."""
    return sum(f":{session_id}:" in key for entry in facts.typed.values() for key in entry.missing_events)


def _hours(span: timedelta) -> str:
    minutes = int(span.total_seconds() // 60)
    return f"{minutes // 60} h {minutes % 60} min"


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


def _unbuilt_days(facts: Facts, first: date, last: date, explained: Collection[str]) -> list[str]:
    """Days from first to last that are not in one of the explained states, or beyond those that are read."""
    days = days_between(first, last)
    return [day.isoformat() for day in days if day not in facts.typed or facts.typed[day].status not in explained]


def _without_keystrokes(
    facts: Facts, start: Mapping[str, Any], terminated: datetime | None, now: datetime, rules: SessionRules
) -> tuple[str, str, datetime | None]:
    """A session uploads as it goes on, or at its end: until then, and the delivery's delay more, nothing is late."""
    horizon = max(start["eventtime"], terminated) if terminated else start["eventtime"] + rules.idle
    due = horizon + rules.delivery_delay
    if now < due:
        return "awaiting", f"Keystrokes may still be on their way until {due:%Y-%m-%d %H:%M} UTC.", due
    first, last = start["eventtime"].date(), (horizon + UPLOAD).date()
    if unbuilt := _unbuilt_days(facts, first, last, {BUILT, NO_SOURCE}):
        return "awaiting", f"Its keystrokes may be in days that are not built: {_name(unbuilt)}.", None
    days = [entry for day, entry in sorted(facts.typed.items()) if first <= day <= last]
    reason = (
        f"It should have been logged, and no log event of it is in the lake ({'; '.join(d.sentence() for d in days)})."
    )
    if missing := _name_missing_events(facts, _session_id(start)):
        reason = f"{missing} of its log events are in raw objects, and none of them in the table: build the day again."
    if unreadable := _unreadable_meanwhile(facts, start["eventtime"], horizon, rules):
        reason += f" Raw objects that arrived meanwhile cannot be read: {_name(unreadable)}."
    return "lost", reason, None


def _name(names: Sequence[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more


def _gaps(moments: Iterable[datetime | None], rules: SessionRules) -> list[tuple[datetime, datetime]]:
    """Pauses longer than the rule's, from one moment of the session to the next."""
    return [(a, b) for a, b in pairwise(moment for moment in moments if moment) if b - a > rules.pause]

"""What a lake of the built days can know of a session: the rule that its own definition must agree with."""

from collections.abc import Iterable
from dataclasses import dataclass

from loglake_assets.sources.cloudwatch.samples.sessions import NEVER_LOGGED

SLACK_SECONDS = 900  # between an event and the object that holds it: Firehose buffers for 15 minutes at most
WAITED_SECONDS = 3600  # a session that says nothing for so long will say nothing more
UPLOAD_SECONDS = 300  # the last of it is sent so long after its end at most


@dataclass(frozen=True, slots=True)
class Sighting:
    """What readable objects hold of one session. Times are epoch seconds."""

    start: int | None
    """Of its StartSession; None where no readable object holds that."""
    ended: int | None
    """Of its TerminateSession."""
    document: str
    is_denied: bool
    last_event: float | None
    """Of its last readable event on the built days; None where there is none."""
    has_missing_events: bool
    """Whether an event of it lies in unreadable objects only."""
    goes_on: bool
    """Whether an event of it comes after the built days."""


def state_of(session: Sighting, unreadable_times: Iterable[int], end: int) -> str:
    """The session's state when the days up to `end` are built and nothing after them.

    - denied: the attempt was refused. orphan: events, and no readable StartSession.
    - not_loggable: port forwarding or SSH, by the document asked for, and no events.
    - recorded_partly: events, and (a) one lies in unreadable objects only, or (b) an unreadable object of any stream
      came while it ran (15 minutes more on both sides), so it may hold some, or (c) it goes on after the built days, or
      (d) it was ended by a call more than an hour after its last event, which no session survives in silence.
    - recorded: events, and none of this.
    - awaiting: no events, and it started, or ended if that is earlier, so late that they may still come.
    - lost: no events, though there should be.
    """
    if session.is_denied:
        return "denied"
    if session.start is None:
        return "orphan"
    if session.last_event is not None:
        silent = session.ended is not None and session.ended - session.last_event > WAITED_SECONDS
        beside = _is_beside_any(session, unreadable_times)
        in_part = session.has_missing_events or beside or silent or _may_go_on(session, end)
        return "recorded_partly" if in_part else "recorded"
    if session.document in NEVER_LOGGED:
        return "not_loggable"
    waited_until = (session.ended or session.start + WAITED_SECONDS) + UPLOAD_SECONDS
    return "awaiting" if waited_until > end else "lost"


def _is_beside_any(session: Sighting, unreadable_times: Iterable[int]) -> bool:
    assert session.start is not None
    assert session.last_event is not None
    first, last = session.start - SLACK_SECONDS, max(session.ended or 0, session.last_event) + SLACK_SECONDS
    return any(first <= time <= last for time in unreadable_times)


def _may_go_on(session: Sighting, end: int) -> bool:
    assert session.last_event is not None
    last = max(session.ended or 0, session.last_event)
    return session.goes_on or last > end - (WAITED_SECONDS if session.ended is None else UPLOAD_SECONDS)

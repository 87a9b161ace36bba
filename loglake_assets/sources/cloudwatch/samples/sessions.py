"""The sessions: what each one is, and when the events of its stream happen. Numbers only."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from random import Random

from loglake_assets.sources.cloudtrail.samples.identifiers import hex_digits, session_of
from loglake_assets.sources.cloudtrail.samples.session_starts import StartedSession
from loglake_assets.sources.cloudtrail.samples.trail import ACCOUNTS, REGIONS
from loglake_assets.sources.cloudwatch.samples.streams import SESSION_GROUP, LogStream
from loglake_assets.sources.cloudwatch.samples.terminal import long_session

DAY_SECONDS = 86_400
ORPHANS_PER_DAY = 2
_ORPHANS_FROM = 10_000_000  # numbers that no CloudTrail event has, so that session ids differ
NEVER_LOGGED = {"AWS-StartPortForwardingSession": "port_forwarding", "AWS-StartSSHSession": "ssh"}
_KIND_BY_DOCUMENT = NEVER_LOGGED | {"AWS-StartInteractiveCommand": "plain"}  # of which nothing is streamed
_FEWEST_EVENTS = 2
_EVENTS = {  # kind: fewest and most events of one session
    "keystrokes": (3, 36),
    "hostile": (3, 6),
    "secrets": (3, 6),
    "plain": (1, 3),
    "across_midnight": (6, 12),
    "two_midnights": (14, 14),
    "orphan": (3, 6),
}


@dataclass(slots=True)
class Session:
    """One session: how it started, what it is, and the times of its events, epoch milliseconds, in order."""

    number: int
    started: StartedSession
    kind: str
    times: list[int] = field(default_factory=list)

    @property
    def stream(self) -> LogStream:
        return LogStream(self.started.account, SESSION_GROUP, self.started.session_id)


def planned_sessions(started: list[StartedSession], start: int, days: int, seed: int, room: int) -> list[Session]:
    """Every StartSession as a session, and the orphans. Where they had more than `room` events, they have fewer."""
    by_day: dict[int, list[StartedSession]] = defaultdict(list)
    for event in started:
        by_day[(event.time - start) // DAY_SECONDS].append(event)
    kinds = [pair for day in range(days) for pair in _kinds_of_day(by_day[day], with_two_midnights=day == 0 < days - 2)]
    kinds += [(_orphan(start, number, seed), "orphan") for number in range(ORPHANS_PER_DAY * days)]
    sessions = [Session(number, event, kind) for number, (event, kind) in enumerate(kinds)]
    counts = _event_counts(sessions, seed, room)
    for session in sessions:
        session.times = _times(session, counts[session.number], Random(f"{seed}:times:{session.number}"))
    return sessions


def _kinds_of_day(events: list[StartedSession], with_two_midnights: bool) -> Iterable[tuple[StartedSession, str]]:
    """The day's last sessions that nobody ended go on after midnight, or say nothing yet; the others take turns."""
    late = _late_kinds(events, with_two_midnights)
    turn = 0
    for event in events:
        if not event.session_id:
            yield event, "denied"
        elif event.document in _KIND_BY_DOCUMENT:
            yield event, _KIND_BY_DOCUMENT[event.document]
        elif event.session_id in late:
            yield event, late[event.session_id]
        else:
            yield event, _kind_in_turn(turn)
            turn += 1


def _late_kinds(events: list[StartedSession], with_two_midnights: bool) -> dict[str, str]:
    usual = [e for e in events if e.session_id and e.document not in _KIND_BY_DOCUMENT]
    never_ended = [e.session_id for e in reversed(usual) if e.ended is None and e.is_readable]
    kinds = ["silent", *["across_midnight"] * max(1, len(usual) // 100)]
    kinds += ["two_midnights"] if with_two_midnights else []
    return dict(zip(never_ended, kinds, strict=False))


def _kind_in_turn(turn: int) -> str:
    if turn == 1:
        return "long"
    if turn % 24 == 2:
        return "hostile"
    return {3: "secrets", 4: "plain", 5: "silent"}.get(turn % 12, "keystrokes")


def _orphan(start: int, number: int, seed: int) -> StartedSession:
    """A session that runs in daylight and of whose start nothing tells."""
    rng = Random(f"{seed}:orphan:{number}")
    person, session_id = session_of(seed, _ORPHANS_FROM + number)
    account = rng.choice(ACCOUNTS)[1]
    time = start + number // ORPHANS_PER_DAY * DAY_SECONDS + rng.randrange(8 * 3600, 20 * 3600)
    arn, target = f"arn:aws:iam::{account}:user/{person}", f"i-0{hex_digits(rng, 16)}"
    return StartedSession(time, account, rng.choice(REGIONS), arn, session_id, target, "", False, None)


def long_session_dice(seed: int, session: Session) -> str:
    """What `long_session` throws for this session."""
    return f"{seed}:long:{session.number}"


def _event_counts(sessions: list[Session], seed: int, room: int) -> list[int]:
    rng = Random(f"{seed}:counts")
    counts = [rng.randint(*_EVENTS.get(session.kind, (0, 0))) for session in sessions]
    for session in sessions:
        if session.kind == "long":
            counts[session.number] = len(long_session(long_session_dice(seed, session)))
    total = sum(counts)
    if total > room:
        for session in sessions:
            if session.kind == "keystrokes":
                counts[session.number] = max(_FEWEST_EVENTS, counts[session.number] * room // total)
    return counts


def _times(session: Session, count: int, rng: Random) -> list[int]:
    first, last = _span(session.started, rng)
    if session.kind == "plain":
        return [last] * count  # the transcript is uploaded at the end
    if session.kind == "long":
        moments = [rng.randint(first, last) for _ in range(3)]
        return sorted(rng.choices(moments, k=count))  # events of the same millisecond: their ids order them
    if session.kind in ("across_midnight", "two_midnights"):
        return _times_over_midnight(session, count, rng, first)
    return sorted(rng.randint(first, last) for _ in range(count))


def _span(started: StartedSession, rng: Random) -> tuple[int, int]:
    """First and last possible millisecond. What is uploaded after the session's end stays on the day of the end."""
    first = started.time * 1000 + rng.randint(200, 900)
    if started.ended is None:
        return first, first + rng.randint(60_000, 2_400_000)
    day_end = (started.ended // DAY_SECONDS + 1) * DAY_SECONDS
    return first, max(first, min(started.ended * 1000 + rng.randint(500, 20_000), day_end * 1000 - 1))


def _times_over_midnight(session: Session, count: int, rng: Random, first: int) -> list[int]:
    """At once, again just before midnight, and on: for an hour, or to the next midnight and half an hour more."""
    midnight = (session.started.time // DAY_SECONDS + 1) * DAY_SECONDS * 1000
    times = [first, rng.randint(max(first, midnight - 600_000), midnight - 1), midnight + rng.randint(0, 600_000)]
    on = 3_600_000 if session.kind == "across_midnight" else DAY_SECONDS * 1000 + 1_800_000
    times += [rng.randint(midnight, midnight + on) for _ in range(count - 4)]
    return sorted([*times, midnight + on - rng.randint(0, 1_500_000)])

"""The plan: which log event happens when, and in which object it lies. Numbers only; no message is written here."""

from collections import Counter, defaultdict
from dataclasses import dataclass
from datetime import UTC, date, datetime
from random import Random

from loglake_assets.sources.cloudtrail.samples.identifiers import uuid_text
from loglake_assets.sources.cloudtrail.samples.session_starts import StartedSession
from loglake_assets.sources.cloudtrail.samples.trail import ACCOUNTS
from loglake_assets.sources.cloudwatch.samples.deliveries import UNREADABLE, VARIANTS, Delivery
from loglake_assets.sources.cloudwatch.samples.sessions import DAY_SECONDS, Session, planned_sessions
from loglake_assets.sources.cloudwatch.samples.states import SLACK_SECONDS
from loglake_assets.sources.cloudwatch.samples.streams import (
    APP_FIREHOSE,
    STREAMS_PER_ACCOUNT,
    LogStream,
    general_streams,
)

MIN_EVENTS = 500
_WINDOW_SECONDS = 300  # Firehose buffers as long
_WINDOWS = DAY_SECONDS // _WINDOW_SECONDS
_SESSION_SHARE = 0.5
_DUPLICATE_SHARE = 0.01
_CONTROL_SHARE = 0.1
_VARIANT_SHARE = 0.005
_VERY_LATE_EVENTS = 25
_ACCOUNT_WEIGHTS = (5, 4, 3, 2)


@dataclass(frozen=True)
class Faults:
    """How often each fault occurs. `very_late` adds an object beyond the look-ahead, to `late_objects()` only."""

    corrupt: int = 1
    truncated: int = 0
    processing_failed: int = 1
    message_extraction: int = 1
    epoch_event_time: int = 1
    very_late: int = 0


@dataclass(slots=True)
class PlannedEvent:
    """One log event: its stream, epoch milliseconds, and the session and place in it where it belongs to one."""

    stream: LogStream
    time: int
    session: Session | None = None
    part: int = 0
    ordinal: int = 0
    """Among the events of the same stream and time: it ends the id, so ids of different streams can be equal."""


class Plan:
    """Numbers only: the sessions, each event, and the deliveries. Made in one pass from one dice."""

    def __init__(
        self, first_day: date, days: int, events: int, seed: int, faults: Faults, started: list[StartedSession]
    ) -> None:
        self.rng = Random(f"{seed}:cloudwatch-plan")
        self.start = int(datetime(first_day.year, first_day.month, first_day.day, tzinfo=UTC).timestamp())
        self.days, self.usable, self.faults = days, events, faults
        self.end = self.start + days * DAY_SECONDS
        self.events: list[PlannedEvent] = []
        self.deliveries: list[Delivery] = []
        self.late_deliveries: list[Delivery] = []
        self.sessions = planned_sessions(started, self.start, days, seed, int(events * _SESSION_SHARE))
        self._general = general_streams(seed)
        self._add_session_events()
        self._add_general_events(events - len(self.events))
        self._deliver()
        self._originals = list(self.deliveries)
        self._repeat(round(events * _DUPLICATE_SHARE))
        self._make_unreadable()
        self._make_variants()
        self._add_odd_objects()
        self._add_control_messages()
        self._add_unusable()
        self._add_very_late()
        self._finish(seed)

    def _add_session_events(self) -> None:
        for session in self.sessions:
            for part, time in enumerate(session.times):
                self.events.append(PlannedEvent(session.stream, time, session, part))

    def _add_general_events(self, count: int) -> None:
        """Bursts of 20 to 60 events of one account in one window; each day ends with one, at its last millisecond."""
        if count < 30 * self.days:
            raise ValueError(f"{self.usable} events in {self.days} days leave no room beside sessions: ask for more")
        for day in range(self.days):
            self._add_last_burst(day)
        left = count - 10 * self.days
        while left > 0:
            size = min(left, self.rng.randint(20, 60))
            window = self.rng.randrange(self.days * _WINDOWS)
            self._add_burst(size, self.start + window * _WINDOW_SECONDS)
            left -= size

    def _add_last_burst(self, day: int) -> None:
        """Ten streams say something in the same millisecond, so their ids are equal: the stream is part of the key."""
        for stream in self._general[:10]:
            self.events.append(PlannedEvent(stream, (self.start + (day + 1) * DAY_SECONDS) * 1000 - 1))

    def _add_burst(self, size: int, second: int) -> None:
        first = STREAMS_PER_ACCOUNT * self.rng.choices(range(len(ACCOUNTS)), _ACCOUNT_WEIGHTS)[0]
        streams = self.rng.sample(self._general[first : first + STREAMS_PER_ACCOUNT], self.rng.randint(1, 4))
        for _ in range(size):
            time = second * 1000 + self.rng.randrange(_WINDOW_SECONDS * 1000)
            self.events.append(PlannedEvent(self.rng.choice(streams), time))

    def _deliver(self) -> None:
        """What a Firehose stream gathered in five minutes is one object, delivered some seconds after."""
        gathered: dict[tuple[int, int], list[int]] = defaultdict(list)
        ordinals: Counter[tuple[LogStream, int]] = Counter()
        for index, event in enumerate(self.events):
            event.ordinal = ordinals[event.stream, event.time]
            ordinals[event.stream, event.time] += 1
            gathered[event.time // (_WINDOW_SECONDS * 1000), event.stream.firehose].append(index)
        for (window, firehose), events in sorted(gathered.items()):
            time = (window + 1) * _WINDOW_SECONDS + self.rng.randint(1, 40)
            self.deliveries.append(Delivery(firehose, time, events))

    def _repeat(self, wanted: int) -> None:
        """Firehose delivers at least once: some events come again, in an object some minutes later."""
        while wanted > 0:
            original = self.rng.choice(self._originals)
            count = min(wanted, len(original.events), self.rng.randint(3, 20))
            copied = self.rng.sample(original.events, count)
            self.deliveries.append(Delivery(original.firehose, original.time + self.rng.randint(60, 600), copied))
            wanted -= count

    def _make_unreadable(self) -> None:
        """Objects become unreadable at quiet times, so that most sessions have nothing unreadable beside them.

        A session of which such an object holds something has more in a later one, and nothing in another unreadable
        one: so what is missing lies within the time that the session is known to have run.
        """
        candidates = sorted(
            self._candidates(), key=lambda d: (len(d.events) < 3, self._sessions_around(d.time), d.time, d.firehose)
        )
        touched: set[int] = set()
        for kind in sorted(UNREADABLE, key="message_extraction".__ne__):  # the choosiest first
            for _ in range(getattr(self.faults, kind)):
                fitting = [d for d in candidates if d.kind == "log" and not touched & self._sessions_in(d)]
                fitting = [d for d in fitting if kind != "message_extraction" or self._is_streamed_only(d)]
                with_sessions = [d for d in fitting if self._sessions_in(d)]
                chosen = (with_sessions or fitting)[:1]
                if not chosen:
                    raise ValueError(f"No object is fit to be {kind}: ask for more events or fewer faults")
                chosen[0].kind = kind
                touched |= self._sessions_in(chosen[0])

    def _candidates(self) -> list[Delivery]:
        last_delivery: dict[int, int] = {}
        for delivery in self._originals:
            last_delivery.update(dict.fromkeys(self._sessions_in(delivery), delivery.time))
        within = [d for d in self._originals if d.time < self.end - 3600]
        return [d for d in within if all(last_delivery[number] > d.time for number in self._sessions_in(d))]

    def _sessions_in(self, delivery: Delivery) -> set[int]:
        sessions = (self.events[index].session for index in delivery.events)
        return {session.number for session in sessions if session}

    def _is_streamed_only(self, delivery: Delivery) -> bool:
        """Whether every message in it is JSON text of a session."""
        sessions = [self.events[index].session for index in delivery.events]
        return all(session and session.kind != "plain" for session in sessions)

    def _sessions_around(self, time: int) -> int:
        """How many sessions an unreadable object of that time leaves in doubt."""
        return sum(
            session.started.time <= time + SLACK_SECONDS
            and time <= max(session.started.ended or 0, session.times[-1] // 1000) + SLACK_SECONDS
            for session in self.sessions
            if session.times
        )

    def _make_variants(self) -> None:
        plain = [d for d in self.deliveries if d.kind == "log" and len(d.events) > 3]
        each = 1 + int(len(plain) * _VARIANT_SHARE)
        chosen = self.rng.sample(plain, each * len(VARIANTS))
        for number, delivery in enumerate(chosen):
            delivery.kind = VARIANTS[number % len(VARIANTS)]

    def _add_odd_objects(self) -> None:
        for hour, kind in ((1, "control"), (9, "zero_byte"), (10, "folder_marker"), (11, "unknown_key")):
            self.deliveries.append(Delivery(APP_FIREHOSE, self.start + hour * 3600, [], kind))

    def _add_control_messages(self) -> None:
        """Firehose is asked for its health at any time; a subscription begins with it."""
        for delivery in self.deliveries:
            is_asked = delivery.kind == "log" and self.rng.random() < _CONTROL_SHARE
            if is_asked or delivery.kind == "control":
                delivery.control_times = [delivery.time * 1000 - self.rng.randint(1_000, 59_999)]

    def _add_unusable(self) -> None:
        """Events that can be no row, delivered on the days themselves: building those days accounts for them."""
        logs = [d for d in self.deliveries if d.kind == "log" and d.time < self.end]
        for delivery in self.rng.choices(logs, k=self.faults.epoch_event_time):
            stream = self.events[delivery.events[0]].stream
            delivery.events = [*delivery.events, len(self.events)]
            self.events.append(PlannedEvent(self._like(stream), 0))

    def _like(self, stream: LogStream) -> LogStream:
        """A log stream beside Session Manager's of the same account."""
        return next(general for general in self._general if general.owner == stream.owner)

    def _add_very_late(self) -> None:
        for _ in range(self.faults.very_late):
            events = list(range(len(self.events), len(self.events) + _VERY_LATE_EVENTS))
            for index in events:
                time = self.start * 1000 + self.rng.randrange(DAY_SECONDS * 1000)
                self.events.append(PlannedEvent(self._general[0], time, ordinal=index))
            noon_of_the_fourth_day = self.start + 3 * DAY_SECONDS + 12 * 3600
            self.late_deliveries.append(Delivery(APP_FIREHOSE, noon_of_the_fourth_day, events))

    def _finish(self, seed: int) -> None:
        """Names, the order of events in an object, and the order of delivery."""
        for number, delivery in enumerate([*self.deliveries, *self.late_deliveries]):
            delivery.unique = uuid_text(Random(f"{seed}:object:{number}"))
            delivery.events = sorted(delivery.events, key=lambda index: (self.events[index].time, index))
        self.deliveries.sort(key=lambda d: (d.time, d.key))

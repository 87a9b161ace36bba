"""The plan: which event happens when, and in which object it lies. Numbers only; no record is written here."""

from collections import Counter, defaultdict
from dataclasses import dataclass
from datetime import UTC, date, datetime
from random import Random

from loglake_assets.sources.cloudtrail.samples.deliveries import Delivery
from loglake_assets.sources.cloudtrail.samples.kinds import COMMON, ODD, UNUSABLE
from loglake_assets.sources.cloudtrail.samples.sessions import document_of
from loglake_assets.sources.cloudtrail.samples.trail import DIGEST_GROUP, GROUP_WEIGHTS, GROUPS, REGIONS

DAY_SECONDS = 86_400
_WINDOW_SECONDS = 300
_LAST_WINDOW = 286  # 23:50 to 23:55, delivered at 23:55; what happens later is delivered on the next day
_LATE_SHARE = 0.007  # measured on a real trail: 0.67 % of events under the next day's prefix
_DUPLICATE_SHARE = 0.02
_VERY_LATE_EVENTS = 25
_LONGEST_SESSION_SECONDS = 90 * 60
MIN_EVENTS = 500


@dataclass(frozen=True)
class Faults:
    """How often each fault occurs. `very_late` adds an object beyond the look-ahead, to `late_objects()` only."""

    corrupt: int = 1
    truncated: int = 0
    without_event_time: int = 1
    epoch_event_time: int = 1
    very_late: int = 0


class Plan:
    """Numbers only: kind, group and time of each event, and the deliveries. Made in one pass from one dice."""

    def __init__(self, first_day: date, days: int, events: int, seed: int, faults: Faults) -> None:
        self.rng = Random(f"{seed}:plan")
        self.start = int(datetime(first_day.year, first_day.month, first_day.day, tzinfo=UTC).timestamp())
        self.days, self.usable, self.faults = days, events, faults
        self.kinds = self._draw_kinds(events)
        self.groups = self.rng.choices(range(len(GROUPS)), GROUP_WEIGHTS, k=events)
        self.times = [0] * events
        self.sessions: dict[int, int] = {}
        self.documents: dict[int, str] = {}
        self.deliveries: list[Delivery] = []
        self.late_deliveries: list[Delivery] = []
        self._deliver()
        self._repeat(round(events * _DUPLICATE_SHARE))
        self._refer()
        self._make_odd_objects()
        self._add_unusable()
        self._add_very_late()
        self._finish(seed)

    def _draw_kinds(self, events: int) -> list[str]:
        self.shared = 2 * max(2, events // 500)
        odd = [kind for kind, (count, _) in ODD.items() for _ in range(count)]
        self.ordinary_from = self.shared + len(odd)
        weights = [weight for weight, _ in COMMON.values()]
        drawn = self.rng.choices(list(COMMON), weights, k=events - self.ordinary_from)
        return ["shared"] * self.shared + odd + drawn

    def _deliver(self) -> None:
        body: dict[tuple[int, int], list[int]] = defaultdict(list)
        closing: dict[tuple[int, int], list[int]] = defaultdict(list)
        late: dict[tuple[int, int], list[int]] = defaultdict(list)
        for index, kind in enumerate(self.kinds):
            day = (index // 2) % self.days
            if kind == "shared":
                self._place_shared_event(index, day, closing)
            elif kind == "last_second" or self.rng.random() < _LATE_SHARE:
                late[day + 1, self.groups[index]].append(index)
                last = kind == "last_second" or self.rng.random() < 0.1
                self.times[index] = self._at(day, 86_399 if last else self.rng.randrange(86_100, DAY_SECONDS))
            else:
                body[day, self.groups[index]].append(index)
        for day in range(self.days + 1):
            for group in range(len(GROUPS)):
                place = (day, group)
                self._deliver_day(day, group, body[place], closing[place], late[place])

    def _at(self, day: int, second: int) -> int:
        return self.start + day * DAY_SECONDS + second

    def _place_shared_event(self, index: int, day: int, closing: dict[tuple[int, int], list[int]]) -> None:
        """Both records of one action: same time and Region, two accounts."""
        pair = index // 2
        self.groups[index] = (index % 2 + pair % 3) * len(REGIONS) + pair % len(REGIONS)
        self.times[index] = self._at(day, _LAST_WINDOW * _WINDOW_SECONDS + pair % _WINDOW_SECONDS)
        closing[day, self.groups[index]].append(index)

    def _deliver_day(self, day: int, group: int, body: list[int], closing: list[int], late: list[int]) -> None:
        """Opening file (00:05, with what was late on the day before), files of busy windows, closing file (23:55)."""
        opening = body[: min(30, len(body) // 8)]
        chunks = self._chunks(body[len(opening) :])
        self._add(group, self._at(day, 300), late + self._spread(opening, self._at(day, 0), 240))
        if chunks:
            closing = closing + self._spread(chunks.pop(), self._at(day, _LAST_WINDOW * 300))
        self._add(group, self._at(day, (_LAST_WINDOW + 1) * 300), closing)
        for window, chunk in zip(self.rng.sample(range(1, _LAST_WINDOW), len(chunks)), chunks, strict=True):
            delivered = self._at(day, (window + self.rng.choice((1, 1, 1, 2))) * _WINDOW_SECONDS)
            self._add(group, delivered, self._spread(chunk, self._at(day, window * _WINDOW_SECONDS)))

    def _chunks(self, events: list[int]) -> list[list[int]]:
        """Files of 60 to 100 events, more where a day would need more than its 285 windows."""
        scale = 1 + len(events) // 20_000
        chunks, at = [], 0
        while at < len(events):
            size = self.rng.randint(60, 100) * scale
            chunks.append(events[at : at + size])
            at += size
        return chunks

    def _spread(self, events: list[int], start: int, seconds: int = _WINDOW_SECONDS) -> list[int]:
        for index in events:
            self.times[index] = start + self.rng.randrange(seconds)
        return events

    def _add(self, group: int, time: int, events: list[int]) -> None:
        if events:
            self.deliveries.append(Delivery(group, time, events))

    def _repeat(self, wanted: int) -> None:
        """Copies in other objects: some in the next day's opening file, the others in what a second trail delivers."""
        originals = list(self.deliveries)
        wanted -= self._repeat_across_midnight(max(1, wanted // 20))
        while wanted > 0:
            original = self.rng.choice(originals)
            copied = self.rng.sample(original.events, min(wanted, self.rng.randint(10, 30), len(original.events)))
            day_end = original.time - original.time % DAY_SECONDS + DAY_SECONDS - _WINDOW_SECONDS
            self._add(original.group, min(original.time + self.rng.choice((0, 300, 600)), day_end), copied)
            wanted -= len(copied)

    def _repeat_across_midnight(self, wanted: int) -> int:
        """Events of 23:50 to 23:55, delivered at 23:55 and once more ten minutes later, under the next day's prefix."""
        openings = {(d.group, d.time): d for d in self.deliveries if d.time % DAY_SECONDS == 300}
        closing_second = (_LAST_WINDOW + 1) * _WINDOW_SECONDS
        closings = [d for d in self.deliveries if d.time % DAY_SECONDS == closing_second]
        pairs = [(d, openings[d.group, d.time + 600]) for d in closings if (d.group, d.time + 600) in openings]
        copies = [(index, opening) for closing, opening in pairs for index in closing.events]
        chosen = self.rng.sample(copies, min(wanted, len(copies)))
        for index, opening in chosen:
            opening.events = [*opening.events, index]
        return len(chosen)

    def _refer(self) -> None:
        """A TerminateSession ends the open session started last in its account and Region, or one of before these days.

        So no session is ended twice, and about a quarter of them by no call: the terminal was closed, or timed out.
        """
        started: dict[int, list[int]] = defaultdict(list)
        ordinals: Counter[int] = Counter()
        for index in sorted(range(self.usable), key=lambda i: (self.times[i], i)):
            opened, day = started[self.groups[index]], self.times[index] // DAY_SECONDS
            if self.kinds[index] == "start_session":
                opened.append(index)
                self.documents[index] = document_of(ordinals[day])
                ordinals[day] += 1
            elif self.kinds[index] == "terminate_session":
                recent = opened and self.times[index] - self.times[opened[-1]] <= _LONGEST_SESSION_SECONDS
                self.sessions[index] = opened.pop() if recent else index

    def _make_odd_objects(self) -> None:
        kinds = ["corrupt"] * self.faults.corrupt + ["truncated"] * self.faults.truncated
        kinds += ["gzip_without_suffix", "plain_json"]
        eligible = self._plain_deliveries()
        if len(eligible) < len(kinds):
            raise ValueError(
                f"{len(kinds)} files are to be odd and only {len(eligible)} are plain: ask for more events"
            )
        for kind, delivery in zip(kinds, self.rng.sample(eligible, len(kinds)), strict=True):
            delivery.kind = kind
        last = len(GROUPS) - 1
        for hour, kind in enumerate(("empty_records", "zero_byte", "insight", "folder_marker", "other_log"), start=9):
            self.deliveries.append(Delivery(last, self._at(0, hour * 3600), [], kind=kind))
        for hour in range(1, 24 * self.days + 1):
            self.deliveries.append(Delivery(DIGEST_GROUP, self._at(0, hour * 3600), [], kind="digest"))

    def _plain_deliveries(self) -> list[Delivery]:
        """The larger half of the files under the days themselves, as far as no one-off oddity lies in them."""
        end = self._at(self.days, 0)
        plain = [d for d in self.deliveries if d.time < end and min(d.events) >= self.ordinary_from]
        return sorted(plain, key=lambda d: -len(d.events))[: len(plain) // 2]

    def _add_event(self, kind: str, group: int, time: int) -> int:
        self.kinds.append(kind)
        self.groups.append(group)
        self.times.append(time)
        return len(self.kinds) - 1

    def _add_unusable(self) -> None:
        """Records that can be no row, delivered on the days themselves: building those days accounts for them."""
        logs = [d for d in self.deliveries if d.kind == "log" and d.time < self._at(self.days, 0)]
        counts = (self.faults.without_event_time, self.faults.epoch_event_time)
        for kind, count in zip(UNUSABLE, counts, strict=True):
            for delivery in self.rng.choices(logs, k=count):
                time = 0 if kind == "epoch_event_time" else delivery.time
                delivery.events = [*delivery.events, self._add_event(kind, delivery.group, time)]

    def _add_very_late(self) -> None:
        for _ in range(self.faults.very_late):
            times = [self._at(0, self.rng.randrange(DAY_SECONDS)) for _ in range(_VERY_LATE_EVENTS)]
            events = [self._add_event("call", DIGEST_GROUP, time) for time in times]
            self.late_deliveries.append(Delivery(DIGEST_GROUP, self._at(3, 12 * 3600), events))

    def _finish(self, seed: int) -> None:
        """Names and the order of delivery; a digest comes before the files of its very second, which the next lists."""
        for number, delivery in enumerate([*self.deliveries, *self.late_deliveries]):
            letters = Random(f"{seed}:unique:{number}")
            alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
            delivery.unique = "".join(letters.choices(alphabet, k=16))
            letters.shuffle(delivery.events)
        self.deliveries.sort(key=lambda d: (d.time, d.kind != "digest", d.key))

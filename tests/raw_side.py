"""A whole raw bucket as events by their day, small enough for millions: what the checker of invariants compares with.

An event takes 17 bytes: 64 bits of a digest of its key (two million keys collide with a chance of one in ten million),
the object's number, the record's position, and whether a rule leaves it out. Reading bodies belongs to raw_events.
"""

import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from loglake_assets.s3.read_ahead import results_in_order
from loglake_assets.sources import LogSource
from loglake_assets.sources.calendar_days import day_from_number, day_number
from loglake_assets.sources.placement import Placement, place
from loglake_assets.sources.rules import Rules
from tests.raw_events import RawEvent, UnreadableError, raw_events

Progress = Callable[[str], None]
EVENT = np.dtype([("key", "u8"), ("object", "u4"), ("ordinal", "u4"), ("excluded", "?")])
_IN_FLIGHT = 16


def key_digest(key: str) -> int:
    return int.from_bytes(hashlib.blake2b(key.encode(errors="replace"), digest_size=8).digest(), "little")


@dataclass(frozen=True)
class RawObject:
    """One object as it is now. `unreadable` says why none of its records can be had.

    `odd` are ordinals of records that can be no row: no event, no time, or a time that cannot be. `events` holds EVENT
    rows by day (yyyymmdd).
    """

    number: int
    key: str
    etag: str
    prefix_day: int
    unreadable: str | None = None
    odd: frozenset[int] = frozenset()
    events: Mapping[int, Any] = field(default_factory=dict)


@dataclass
class RawSide:
    """All objects that were read, by key and by number, and all events by day. Denied objects are not among them."""

    objects: dict[str, RawObject] = field(default_factory=dict)
    numbered: list[str] = field(default_factory=list)
    _events: dict[int, list[Any]] = field(default_factory=lambda: defaultdict(list))

    def add(self, found: RawObject) -> None:
        for day, events in found.events.items():
            self._events[day].append(events)
        self.objects[found.key] = replace(found, events={})

    def of_day(self, day: int) -> Any:
        """EVENT rows of a day, in order of object and record."""
        return np.concatenate(self._events[day]) if day in self._events else np.empty(0, EVENT)


def placements(source: LogSource, bucket: str, keys: Iterable[str]) -> dict[str, Placement]:
    """The placement of every key that has one."""
    placed = {key: place(source, bucket, key) for key in keys}
    return {key: placement for key, placement in placed.items() if isinstance(placement, Placement)}


def raw_side(
    s3: Any, source: LogSource, bucket: str, placed: Mapping[str, Placement], rules: Rules, progress: Progress
) -> RawSide:
    """Read every placed object once, 16 at a time."""
    side = RawSide(numbered=sorted(placed))
    reader = _Reader(s3, source, bucket, placed, rules, side.numbered)
    for done, found in enumerate(results_in_order(reader.read, range(len(side.numbered)), _IN_FLIGHT), 1):
        if found is not None:
            side.add(found)
        if done % 500 == 0:
            progress(f"invariants: {done:,} of {len(placed):,} raw objects read")
    return side


@dataclass(frozen=True)
class _Reader:
    s3: Any
    source: LogSource
    bucket: str
    placed: Mapping[str, Placement]
    rules: Rules
    keys: Sequence[str]

    def read(self, number: int) -> RawObject | None:
        """One object, or None when it is gone since it was listed."""
        key = self.keys[number]
        prefix_day = day_number(self.placed[key].day)
        try:
            answer = self.s3.get_object(Bucket=self.bucket, Key=key)
        except self.s3.exceptions.NoSuchKey:
            return None
        etag, body = answer["ETag"].strip('"'), answer["Body"].read()
        try:
            records = raw_events(self.source.name, body, self.source.several_gzip_members)
        except UnreadableError as error:
            return RawObject(number, key, etag, prefix_day, str(error))
        odd, days = self._by_day(number, prefix_day, records)
        return RawObject(number, key, etag, prefix_day, None, odd, days)

    def _by_day(
        self, number: int, prefix_day: int, records: Sequence[RawEvent]
    ) -> tuple[frozenset[int], dict[int, Any]]:
        odd, days = [], defaultdict(list)
        earliest, latest = self._bounds(prefix_day)
        for ordinal, event in enumerate(records):
            if event.key is None or event.moment is None or not earliest <= event.moment < latest:
                odd.append(ordinal)
                continue
            is_excluded = event.is_excluded or self.rules.exclusion(event.fields) is not None
            row = (key_digest(event.key), number, ordinal, is_excluded)
            days[day_number(event.moment.date())].append(row)
        return frozenset(odd), {day: np.array(rows, EVENT) for day, rows in days.items()}

    def _bounds(self, prefix_day: int) -> tuple[datetime, datetime]:
        """An event is neither older than its log nor younger than a day after the end of its delivery day."""
        earliest, delivered = self.source.earliest_event, day_from_number(prefix_day)
        return (
            datetime(earliest.year, earliest.month, earliest.day, tzinfo=UTC),
            datetime(delivered.year, delivered.month, delivered.day, tzinfo=UTC) + timedelta(days=2),
        )

"""What percentage of a day is missing, by name: raw events against readready rows, both counted again from storage.

The raw side lists the bucket (not the catalog), inflates with zlib and scans with the source's recount module; the
readready side reads one column of the ORC files that the newest commit names. Neither looks at the writer's numbers.
"""

import importlib
import json
import string
import zlib
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any

from loglake_assets.lake.ahead import results_in_order
from loglake_assets.lake.commits import Commit, head
from loglake_assets.lake.late import late_objects
from loglake_assets.lake.layout import bucket_and_prefix, coverage_key
from loglake_assets.lake.listed import keys
from loglake_assets.lake.listing import RawObject, raw_objects
from loglake_assets.lake.orc_files import column_values
from loglake_assets.lake.whole import whole_object
from loglake_assets.sources import LogSource
from loglake_assets.sources.placement import day_number
from loglake_assets.sources.recounting import CountedEvent, NotCountableError
from loglake_assets.sources.rules import Rules

NAMES_SHOWN = 20
_LARGEST_CONTENT, _BOMB_FLOOR, _BOMB_RATIO = 1 << 30, 64 << 20, 400  # bytes, bytes, times: as the job refuses them
_GZIP_MAGIC = b"\x1f\x8b"
_PIECE = 16 << 10  # bytes of gzip inflated at a time
Progress = Callable[[str], None]


@dataclass(frozen=True)
class Coverage:
    """One day's completeness. `pct` is None where there is nothing to be complete about, which is not 100 %.

    An unreadable object, or a record that can be no row, counts as one missing event: what it holds cannot be counted,
    so the true number may be greater.
    """

    source: str
    day: int
    expected: int
    found: int
    missing: int
    surplus: int
    repeated: int
    excluded: int
    denied: Mapping[str, int]
    unreadable: Mapping[str, str]
    unplaceable_records: int
    missing_by_object: Mapping[str, int]
    missing_events: tuple[str, ...]
    surplus_events: tuple[str, ...]
    commit_seq: int
    object_count: int
    bytes_read: int
    checked_at: str

    @property
    def denominator(self) -> int:
        return self.expected + len(self.unreadable) + self.unplaceable_records

    @property
    def pct(self) -> float | None:
        """Percentage of the day's events that readready holds, rounded down so that 100 means all."""
        if self.denominator == 0:
            return None
        return int(10_000 * 100 * (self.expected - self.missing) / self.denominator) / 10_000

    def document(self) -> dict[str, Any]:
        """As JSON, with every name."""
        return {**asdict(self), "coverage_pct": self.pct}


@dataclass
class _Expected:
    """What the raw side says about one day while its prefixes are being read."""

    events: dict[str, str] = field(default_factory=dict)
    excluded: set[str] = field(default_factory=set)
    unreadable: dict[str, str] = field(default_factory=dict)
    denied: Counter[str] = field(default_factory=Counter)
    unplaceable: int = 0
    objects: int = 0
    size: int = 0


@dataclass(frozen=True)
class Recount:
    """Recounts days of one source. Clients are passed in; `in_flight` objects are read at a time."""

    s3: Any
    source: LogSource
    rules: Rules
    raw_bucket: str
    readready_bucket: str
    registered: Callable[[Collection[date]], Collection[tuple[str, ...]]]
    """Values of the raw partitions of delivery days; asked only while a deny rule stands."""
    look_ahead: int = 1
    in_flight: int = 16

    def days(self, days: Collection[date], progress: Progress = lambda text: None) -> Iterator[Coverage]:
        """The coverage of each day, in order; every object is read once for all the days it may concern."""
        expected = self._expected(sorted(days), progress)
        for day in sorted(days):
            yield self._compared(day, expected[day_number(day)])

    def _expected(self, days: list[date], progress: Progress) -> dict[int, _Expected]:
        found: dict[int, _Expected] = {day_number(day): _Expected() for day in days}
        for done, (name, size, prefix_day, content) in enumerate(self._contents(self._names(days, found)), 1):
            self._count(found, name, size, prefix_day, content)
            if done % 500 == 0:
                progress(f"recounted {done:,} objects")
        return found

    def _names(self, days: list[date], found: dict[int, _Expected]) -> dict[tuple[str, str], int]:
        """Delivery day by (bucket, key) of every object that can hold events of the days; denied ones are counted."""
        delivered = {day + timedelta(days=n) for day in days for n in range(self.look_ahead + 1)}
        registered = set(self.registered(delivered)) if self.rules.deny else set()
        names: dict[tuple[str, str], int] = {}
        for raw in raw_objects(self.s3, self.source, self.raw_bucket, delivered):
            rule = None if raw.placement.values in registered else self._denied_by(raw)
            if rule is None:
                names[raw.name] = day_number(raw.placement.day)
            elif day := found.get(day_number(raw.placement.day)):
                day.denied[rule] += 1
        for day_of_events in days:
            table = self.source.readready.name
            for late in late_objects(self.s3, self.readready_bucket, table, day_number(day_of_events)):
                names.setdefault((late.bucket, late.key), late.prefix_day)
        return names

    def _denied_by(self, raw: RawObject) -> str | None:
        keys = tuple(c.name for c in self.source.raw.partition_keys)
        return self.rules.denied_by(raw.key, keys, raw.placement)

    def _contents(
        self, names: Mapping[tuple[str, str], int]
    ) -> Iterator[tuple[str, int, int, "list[CountedEvent] | str"]]:
        """(s3:// name, bytes, delivery day, events or the reason why they cannot be counted) of each object."""
        contents = results_in_order(self._events, names, self.in_flight)
        for (bucket, key), (size, content) in zip(names, contents, strict=True):
            yield f"s3://{bucket}/{key}", size, names[bucket, key], content

    def _events(self, name: tuple[str, str]) -> tuple[int, "list[CountedEvent] | str"]:
        bucket, key = name
        try:
            body = whole_object(self.s3, bucket, key)["Body"]
        except self.s3.exceptions.NoSuchKey:
            return 0, "gone"
        try:
            text = _text(body, self.source.several_gzip_members)
            if not text.strip(string.whitespace):
                return len(body), []
            return len(body), list(importlib.import_module(self.source.recount).events(text))
        except NotCountableError as error:
            return len(body), error.reason
        except (ValueError, LookupError, TypeError, RecursionError) as error:  # hostile content must not end the check
            return len(body), f"uncountable_{type(error).__name__}"

    def _count(
        self, found: dict[int, _Expected], name: str, size: int, prefix_day: int, content: "list[CountedEvent] | str"
    ) -> None:
        if own := found.get(prefix_day):
            own.objects += 1
            own.size += size
            if isinstance(content, str):
                own.unreadable[name] = content
        if isinstance(content, str):
            return
        for event in content:
            moment = _moment(event.time)
            if event.key is None or moment is None or not self._plausible(moment, prefix_day):
                if own:
                    own.unplaceable += 1
            elif of_day := found.get(day_number(moment.date())):
                self._expect(of_day, event, name)

    def _expect(self, day: _Expected, event: CountedEvent, name: str) -> None:
        assert event.key is not None, "checked by the caller"
        if event.is_excluded or (self.rules.exclude and self.rules.excluded_by(event.fields)):
            day.excluded.add(event.key)
        else:
            day.events.setdefault(event.key, name)

    def _plausible(self, moment: datetime, prefix_day: int) -> bool:
        """The same bounds as the declaration's: not before the log existed, not a day after its own delivery."""
        return (
            day_number(self.source.earliest_event) <= day_number(moment.date())
            and _hours_after(moment, prefix_day) < 48
        )

    def _compared(self, day: date, expected: _Expected) -> Coverage:
        commit = head(self.s3, self.readready_bucket, self.source.readready.name, day_number(day))
        rows = Counter(self._stored_keys(commit))
        missing = [key for key in expected.events if key not in rows]
        surplus = [key for key in rows if key not in expected.events]
        return Coverage(
            source=self.source.name,
            day=day_number(day),
            expected=len(expected.events),
            found=len(rows),
            missing=len(missing),
            surplus=len(surplus),
            repeated=sum(rows.values()) - len(rows),
            excluded=len(expected.excluded),
            denied=dict(expected.denied),
            unreadable=expected.unreadable,
            unplaceable_records=expected.unplaceable,
            missing_by_object=dict(Counter(expected.events[key] for key in missing)),
            missing_events=tuple(sorted(missing)),
            surplus_events=tuple(sorted(surplus)),
            commit_seq=commit.seq if commit else 0,
            object_count=expected.objects,
            bytes_read=expected.size,
            checked_at=datetime.now(UTC).isoformat(timespec="seconds"),
        )

    def _stored_keys(self, commit: Commit | None) -> Iterable[str]:
        if commit is None:
            return
        bucket, prefix = bucket_and_prefix(commit.location)
        for key in (key for key in keys(self.s3, bucket, prefix) if key.endswith(".orc")):
            yield from column_values(self.s3, bucket, key, self.source.readready.grain)


def put_coverage(s3: Any, bucket: str, table: str, coverage: Coverage) -> str:
    """Keep the day's result with every name in it; returns its key. The newest result replaces the one before."""
    key = coverage_key(table, coverage.day)
    s3.put_object(Bucket=bucket, Key=key, Body=json.dumps(coverage.document(), sort_keys=True).encode())
    return key


def _text(body: bytes, several_members: bool) -> str:
    content, cap = body, min(_LARGEST_CONTENT, max(_BOMB_FLOOR, len(body) * _BOMB_RATIO))
    for _ in range(3):
        if content[:2] != _GZIP_MAGIC:
            break
        content = _gunzipped(content, several_members, cap)
    if content[:2] == _GZIP_MAGIC:
        raise NotCountableError("too_many_gzip_layers")
    return content.decode(errors="replace")


def _gunzipped(body: bytes, several_members: bool, cap: int) -> bytes:
    """Every member's content. Fed in pieces, since what follows a member in its piece comes back as a copy."""
    parts: list[bytes] = []
    room, at, stream = cap, 0, zlib.decompressobj(31)
    while at < len(body):
        if stream.eof:
            if not several_members or body[at : at + 2] != _GZIP_MAGIC:
                if body[at:].strip(b"\0"):
                    raise NotCountableError("trailing_bytes")
                break
            stream = zlib.decompressobj(31)
        piece = body[at : at + _PIECE]
        try:
            parts.append(stream.decompress(piece, room + 1))
        except zlib.error as error:
            raise NotCountableError("corrupt_gzip") from error
        at += len(piece) - len(stream.unused_data)
        room -= len(parts[-1])
        if room < 0:
            raise NotCountableError("inflates_too_large")
    if not stream.eof:
        raise NotCountableError("truncated_gzip")
    return b"".join(parts)


def _moment(text: str | None) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text or "")
        return moment.astimezone(UTC) if moment.tzinfo else None
    except (ValueError, OverflowError):
        return None


def _hours_after(moment: datetime, prefix_day: int) -> float:
    midnight = datetime(prefix_day // 10000, prefix_day // 100 % 100, prefix_day % 100, tzinfo=UTC)
    return (moment - midnight).total_seconds() / 3600

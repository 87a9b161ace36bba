"""Events counted again: raw objects against readready rows, both from storage, neither by the writer's numbers.

The raw side lists the bucket (not the catalog), inflates with zlib and scans with the source's recount module; the
readready side reads the ORC files that the newest commit names. The manifest is asked one thing: which content of each
object was read, since an object that has changed since then says nothing of the rows made from it.
"""

import string
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any

import pyarrow as pa

from loglake_assets.lake.checks.coverage import Coverage
from loglake_assets.lake.checks.event_keys import EventKeys, event_keys
from loglake_assets.lake.checks.inflate import text_of
from loglake_assets.lake.storage.keys import duplicates_prefix
from loglake_assets.lake.storage.raw_bucket import RawBucket
from loglake_assets.lake.storage.raw_objects import find_deny_rule, raw_objects
from loglake_assets.lake.storage.reach import Reach
from loglake_assets.lake.storage.table import Table
from loglake_assets.lake.versions.integrity import altered_files, bucket_of, differences
from loglake_assets.lake.versions.late_ledger import late_objects
from loglake_assets.lake.versions.manifests import Manifest, ManifestObject, manifest_if_any
from loglake_assets.lake.versions.served_day import ServedDay
from loglake_assets.s3.objects import CutObjectError, etag_if_any, refusal, whole_object
from loglake_assets.s3.orc import columns_of
from loglake_assets.s3.pages import keys
from loglake_assets.s3.read_ahead import results_in_order
from loglake_assets.s3.urls import bucket_and_prefix
from loglake_assets.sources import LogSource
from loglake_assets.sources.calendar_days import day_number
from loglake_assets.sources.counted_event import CountedEvent, NotCountableError
from loglake_assets.sources.identity import occurrence
from loglake_assets.sources.modules import load_recount
from loglake_assets.sources.reasons import NOT_JSON, form_of
from loglake_assets.sources.rules import Rules

Progress = Callable[[str], None]
ContentHash = Callable[[LogSource, str, Sequence[str]], str]
"""From a source, a bucket and keys of ORC files to the hash of their rows, as manifests spell it."""
_GONE = "gone"
_HEAVIEST = 8 << 20  # bytes as stored of objects that are read and counted at a time; a larger one is counted alone
_RAW_NAME = ("raw_bucket", "raw_key")


@dataclass(frozen=True)
class _Content:
    """One raw object as it is now: its events, or the reason why they cannot be counted."""

    name: tuple[str, str]
    prefix_day: int
    etag: str
    size: int
    events: list[CountedEvent] | str
    is_withheld: bool = False

    @property
    def url(self) -> str:
        return f"s3://{self.name[0]}/{self.name[1]}"


@dataclass
class _Expected:
    """What the raw side says about one day while its prefixes are being read.

    `manifest` is of the run that readers see, `read` what that build read for the day by name; `unchanged` which of it
    was met again as it was.
    """

    served: ServedDay
    manifest: Manifest | None
    read: Mapping[tuple[str, str], ManifestObject]
    unreadable: dict[str, str] = field(default_factory=dict)
    denied: Counter[str] = field(default_factory=Counter)
    changed: set[tuple[str, str]] = field(default_factory=set)
    unchanged: set[tuple[str, str]] = field(default_factory=set)
    withheld: dict[tuple[str, str], str] = field(default_factory=dict)
    """What the build read and S3 no longer gives, and why: its rows cannot be judged."""
    unplaceable: Counter[str] = field(default_factory=Counter)
    objects: int = 0
    size: int = 0

    def is_changed(self, content: _Content) -> bool:
        """Whether the day's build read another content of the object."""
        read = self.read.get(content.name)
        return read is not None and read.etag != content.etag

    def find_set_aside(self) -> dict[tuple[str, str], str]:
        """What the build read and is not as it was: `changed`, `gone`, or why S3 withholds it, by name."""
        lost = self.read.keys() - self.unchanged
        changed = dict.fromkeys(self.changed, "changed")
        return {name: (self.withheld | changed).get(name, _GONE) for name in sorted(lost)}

    def events_of(self, names: Collection[tuple[str, str]]) -> int:
        """How many events of the day the build took from these objects; one of each that it could not read."""
        objects = [self.read[name] for name in names]
        return sum(1 if one.reason else one.days.get(self.served.day, 0) for one in objects)

    def count_own_objects(self) -> int:
        """How many objects of the day's own prefixes the build read."""
        return sum(one.prefix_day == self.served.day for one in self.read.values())


@dataclass(frozen=True)
class Recount:
    """Recounts days of one source. Clients are passed in; `in_flight` objects are read at a time."""

    raw: RawBucket
    table: Table
    rules: Rules
    registered: Callable[[Collection[date]], Collection[tuple[str, ...]]]
    """Values of the raw partitions of delivery days; asked only while a deny rule stands."""
    served: Callable[[date], ServedDay]
    """Which run of a day readers are sent to."""
    content_hash: ContentHash
    look_ahead: int = 1
    in_flight: int = 16

    @property
    def source(self) -> LogSource:
        return self.raw.source

    @property
    def reach(self) -> Reach:
        """Which delivery prefixes can hold events of a day."""
        return Reach(self.look_ahead, self.source.look_behind_days)

    def days(self, days: Collection[date], progress: Progress = lambda text: None) -> Iterator[Coverage]:
        """The coverage of each day, in order; every object is read once for all the days it may concern."""
        with event_keys() as events:
            expected = self._expectations(sorted(days), events, progress)
            for day in sorted(days):
                yield self._compare(day, expected[day_number(day)], events)

    def _expectations(self, days: list[date], events: EventKeys, progress: Progress) -> dict[int, _Expected]:
        found = {day_number(day): self._empty_expectation(day) for day in days}
        for done, content in enumerate(self._contents(self._names(days, found)), 1):
            self._count(found, content, events)
            if done % 500 == 0:
                progress(f"recounted {done:,} objects")
        return found

    def _empty_expectation(self, day: date) -> _Expected:
        served, number = self.served(day), day_number(day)
        manifest = self._manifest(served)
        objects = manifest.objects if manifest else ()
        concerning = (o for o in objects if o.prefix_day == number or o.days.get(number))
        return _Expected(served, manifest, {o.name: o for o in concerning if o.etag})

    def _manifest(self, served: ServedDay) -> Manifest | None:
        if served.run_id is None:
            return None
        return manifest_if_any(self.table, served.day, served.run_id)

    def _names(self, days: list[date], found: dict[int, _Expected]) -> dict[tuple[str, str], tuple[int, int]]:
        """(delivery day, size) by (bucket, key) of every object that can hold events of the days; denied ones are
        counted."""
        delivered, reach, wanted = self.reach.prefix_days(days), self.reach, set(days)
        registered = set(self.registered(delivered)) if self.rules.deny else set()
        names: dict[tuple[str, str], tuple[int, int]] = {}
        for raw in raw_objects(self.raw, delivered):
            if wanted.isdisjoint(reach.days_of(raw.placement.day, raw.last_modified)):
                continue
            rule = None if raw.placement.values in registered else find_deny_rule(self.rules, self.source, raw)
            if rule is None:
                names[raw.name] = day_number(raw.placement.day), raw.size
            elif day := found.get(day_number(raw.placement.day)):
                day.denied[rule] += 1
        for day_of_events in days:
            for late in late_objects(self.table, day_number(day_of_events)):
                names.setdefault((late.bucket, late.key), (late.prefix_day, 0))
        return names

    def _contents(self, names: Mapping[tuple[str, str], tuple[int, int]]) -> Iterator[_Content]:
        yield from results_in_order(
            lambda name: self._content(name, names[name][0]),
            names,
            self.in_flight,
            weight=lambda name: names[name][1],
            heaviest=_HEAVIEST,
        )

    def _content(self, name: tuple[str, str], prefix_day: int) -> _Content:
        try:
            answer = whole_object(self.table.s3, *name)
        except self.table.s3.exceptions.NoSuchKey:
            return _Content(name, prefix_day, _GONE, 0, _GONE)
        except self.table.s3.exceptions.ClientError as error:
            if not (reason := refusal(error)):
                raise
            etag = etag_if_any(self.table.s3, *name)  # S3 lists it and does not give it; or it is gone meanwhile
            if etag is None:
                return _Content(name, prefix_day, _GONE, 0, _GONE)
            return _Content(name, prefix_day, etag, 0, reason, is_withheld=True)
        body = answer["Body"]
        return _Content(name, prefix_day, answer["ETag"].strip('"'), len(body), self._events(body))

    def _events(self, body: bytes) -> list[CountedEvent] | str:
        text = ""
        try:
            text = text_of(body, self.source.several_gzip_members)
            return list(load_recount(self.source).events(text)) if text.strip(string.whitespace) else []
        except NotCountableError as error:
            return form_of(text) if error.reason == NOT_JSON else error.reason
        except (ValueError, LookupError, TypeError, RecursionError) as error:  # hostile content must not end the check
            return f"uncountable_{type(error).__name__}"

    def _count(self, found: dict[int, _Expected], content: _Content, events: EventKeys) -> None:
        for day in (day for day in found.values() if content.name in day.read and content.etag != _GONE):
            if content.is_withheld and day.read[content.name].reason is None and isinstance(content.events, str):
                day.withheld[content.name] = content.events
            else:
                (day.changed if day.is_changed(content) else day.unchanged).add(content.name)
        own = found.get(content.prefix_day)
        if own:
            own.objects += 1
            own.size += content.size
        if isinstance(content.events, str):
            if own and not own.is_changed(content) and content.name not in own.withheld:
                own.unreadable[content.url] = content.events
            return
        seen: Counter[str] = Counter()
        for event in content.events:
            self._count_event(found, own, content, event, seen, events)

    def _count_event(
        self,
        found: dict[int, _Expected],
        own: _Expected | None,
        content: _Content,
        event: CountedEvent,
        seen: Counter[str],
        events: EventKeys,
    ) -> None:
        moment = _moment(event.time)
        if event.key is None or moment is None or not self._plausible(moment, content.prefix_day):
            if own and not own.is_changed(content):
                own.unplaceable[content.url] += 1
            return
        of_day, key = found.get(day_number(moment.date())), occurrence(event.key, seen)
        if of_day and not of_day.is_changed(content):
            if event.is_excluded or (self.rules.exclude and self.rules.exclusion(event.fields)):
                events.exclude(of_day.served.day, key)
            else:
                events.expect(of_day.served.day, key, content.url)

    def _plausible(self, moment: datetime, prefix_day: int) -> bool:
        """The same bounds as the declaration's: not before the log existed, not a day after its own delivery."""
        return (
            day_number(self.source.earliest_event) <= day_number(moment.date())
            and _hours_after(moment, prefix_day) < 48
        )

    def _compare(self, day: date, expected: _Expected, events: EventKeys) -> Coverage:
        set_aside, altered = expected.find_set_aside(), self._find_altered_files(expected)
        compared = events.compare(day_number(day), self._rows_in_table(expected.served, set_aside, altered))
        altered_rows = compared.rows if altered else 0  # of what readers query; the copies are beside it
        differing = self._differences(expected, altered)
        return Coverage(
            source=self.source.name,
            day=day_number(day),
            expected=compared.expected,
            found=compared.found,
            missing=len(compared.missing),
            surplus=len(compared.surplus),
            repeated=compared.rows - compared.found,
            excluded=compared.excluded,
            denied=dict(expected.denied),
            unreadable=expected.unreadable,
            unplaceable_records=expected.unplaceable.total(),
            unplaceable_by_object=dict(expected.unplaceable),
            missing_by_object=compared.missing_by_object,
            missing_events=compared.missing,
            surplus_events=compared.surplus,
            commit_seq=expected.served.commit_seq,
            object_count=expected.objects,
            bytes_read=expected.size,
            checked_at=datetime.now(UTC).isoformat(timespec="seconds"),
            set_aside={f"s3://{bucket}/{key}": why for (bucket, key), why in set_aside.items()},
            set_aside_events=expected.events_of(set_aside),
            objects_read=expected.count_own_objects(),
            altered=altered,
            altered_rows=altered_rows,
            differing=differing,
        )

    def _find_altered_files(self, expected: _Expected) -> dict[str, str]:
        """What of the day's files is not as it was committed, by its URL: place, size, ETag, and the rows' hash."""
        served, manifest = expected.served, expected.manifest
        if served.run_id is None:
            return {}
        if manifest is None:
            return {served.location: "the manifest of its run is gone or cannot be read"}
        if served.location != manifest.location:
            return {served.location: f"run {manifest.run_id} wrote to {manifest.location}"}
        if served.commit and (differing := differences(served.commit, manifest)):
            return {served.location: f"commit and manifest differ in {', '.join(differing)}"}
        found = altered_files(self.table.s3, served.commit, manifest)
        named = {f"s3://{bucket_of(manifest)}/{key}": why for key, why in found.items()}
        return named or self._find_altered_rows(served, manifest)

    def _find_altered_rows(self, served: ServedDay, manifest: Manifest) -> dict[str, str]:
        """The rows' hash against the commit's; of a day that was built with other columns it says nothing."""
        columns = [column.name for column in self.source.readready.all_columns]
        if manifest.columns and list(manifest.columns) != columns:
            return {}
        bucket, _ = bucket_and_prefix(served.location)
        try:
            found = self.content_hash(self.source, bucket, [entry["key"] for entry in manifest.files])
        except CutObjectError:
            raise
        except (OSError, pa.ArrowException, KeyError, ValueError) as error:
            return {served.location: f"its rows cannot be read ({type(error).__name__})"}
        return {} if found == manifest.content_hash else {served.location: "its rows are others than were committed"}

    def _differences(self, expected: _Expected, altered: dict[str, str]) -> dict[str, str]:
        """Copies of an event that are not copies: one id with two contents is an error of the log, or a forgery.

        A table of copies that cannot be read, or has not as many rows as the run wrote, is added to `altered`.
        """
        served, manifest = expected.served, expected.manifest
        if served.run_id is None:
            return {}
        prefix = f"{duplicates_prefix(served.table, served.run_id)}logcalendarday={served.day}/"
        columns = ("eventkey", "dropped_bucket", "dropped_key", "same_content")
        differing: dict[str, str] = {}
        count = 0
        for file in (key for key in keys(self.table.s3, self.table.bucket, prefix) if key.endswith(".orc")):
            for event, bucket, key, is_same in self._rows(self.table.bucket, file, columns, altered):
                count += 1
                if not is_same:
                    differing[event] = f"s3://{bucket}/{key}"
        written = manifest.totals["duplicates"] if manifest else count
        if count != written:
            said = f"{count:,} copies are there of {written:,} that its run left out"
            altered.setdefault(f"s3://{self.table.bucket}/{prefix}", said)
        return differing

    def _rows_in_table(
        self, served: ServedDay, set_aside: Collection[tuple[str, str]], altered: dict[str, str]
    ) -> Iterator[tuple[str, bool]]:
        """(event key, whether its raw object is there to be judged by) of each row.

        A file that cannot be read is added to `altered`, and the rows of the others are given.
        """
        if not served.location:
            return
        bucket, prefix = bucket_and_prefix(served.location)
        columns = (self.source.readready.grain, *(_RAW_NAME if set_aside else ()))
        for file in (key for key in keys(self.table.s3, bucket, prefix) if key.endswith(".orc")):
            for key, *name in self._rows(bucket, file, columns, altered):
                yield key or "", tuple(name) not in set_aside

    def _rows(
        self, bucket: str, key: str, columns: Sequence[str | tuple[str, ...]], altered: dict[str, str]
    ) -> Iterable[tuple[Any, ...]]:
        """These columns of an ORC file; a file that cannot be read is added to `altered` and has no rows."""
        try:
            return zip(*columns_of(self.table.s3, bucket, key, columns), strict=True)
        except CutObjectError:
            raise
        except (OSError, pa.ArrowException, KeyError) as error:
            altered.setdefault(f"s3://{bucket}/{key}", f"cannot be read as ORC ({type(error).__name__})")
            return ()


def _moment(text: str | None) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text or "")
        return moment.astimezone(UTC) if moment.tzinfo else None
    except (ValueError, OverflowError):
        return None


def _hours_after(moment: datetime, prefix_day: int) -> float:
    midnight = datetime(prefix_day // 10000, prefix_day // 100 % 100, prefix_day % 100, tzinfo=UTC)
    return (moment - midnight).total_seconds() / 3600

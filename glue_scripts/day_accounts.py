"""The account of each day: every record that was read is written, excluded, a duplicate or quarantined, by object."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from glue_scripts.arguments import JobArguments
from glue_scripts.object_reader import ObjectRead
from glue_scripts.orc_files import WrittenDay
from glue_scripts.whole_objects import ObjectRef
from glue_scripts.window import WindowObjects
from loglake_assets.sources.calendar_days import day_from_number, day_number
from loglake_assets.sources.words import tally


@dataclass(frozen=True)
class ObjectAccount:
    """One object as a day's build saw it. Counts are records; `days` counts the object's events by their day."""

    ref: ObjectRef
    etag: str
    version_id: str | None
    last_modified: float
    content_bytes: int
    records: int
    reason: str | None
    days: Mapping[int, int]
    excluded: int
    duplicates: int


@dataclass(frozen=True)
class QuarantineEntry:
    """An object (`ordinal` None) or one record of it that is not loaded, and why."""

    ref: ObjectRef
    ordinal: int | None
    reason: str


@dataclass(frozen=True)
class DayAccount:
    """All that one day's build read and wrote. `has_source` is False when no delivery prefix and no event was found."""

    day: int
    objects: tuple[ObjectAccount, ...]
    quarantine: tuple[QuarantineEntry, ...]
    excluded_by: Mapping[str, int]
    written: WrittenDay | None
    has_source: bool

    def totals(self) -> dict[str, Any]:
        """The numbers of the day, as manifests and checks name them."""
        of_day = sum(o.days.get(self.day, 0) for o in self.objects)
        quarantined_records = sum(q.ordinal is not None for q in self.quarantine)
        return {
            "day": self.day,
            "object_count": len(self.objects),
            "records_read": of_day + quarantined_records,
            "written": self.written.rows if self.written else 0,
            "excluded": sum(o.excluded for o in self.objects),
            "duplicates": sum(o.duplicates for o in self.objects),
            "quarantined_records": quarantined_records,
            "quarantined_objects": sum(q.ordinal is None for q in self.quarantine),
            "delivered_later": sum(o.days.get(self.day, 0) for o in self.objects if o.ref.prefix_day != self.day),
            "content_bytes": sum(o.content_bytes for o in self.objects if o.ref.prefix_day == self.day),
            "orc_bytes": sum(f.size for f in self.written.files) if self.written else 0,
            "file_count": len(self.written.files) if self.written else 0,
        }

    def sentence(self) -> str:
        """One line for people."""
        t = self.totals()
        return (
            f"{day_from_number(self.day)}: {t['records_read']:,} read = {t['written']:,} written + {t['excluded']:,} "
            f"excluded + {t['duplicates']:,} duplicate + {t['quarantined_records']:,} quarantined; "
            f"{tally(t['quarantined_objects'], 'object')} quarantined"
        )


@dataclass
class _Counts:
    """Records of one object, by day."""

    days: Counter[int] = field(default_factory=Counter)
    excluded: Counter[int] = field(default_factory=Counter)
    duplicates: Counter[int] = field(default_factory=Counter)


def day_accounts(
    arguments: JobArguments,
    objects: WindowObjects,
    read: Iterable[ObjectRead],
    duplicates: Iterable[tuple[int, int, int]],
    written: Mapping[int, WrittenDay],
) -> list[DayAccount]:
    """The account of every day of the window, from what was read and from what was read back.

    `duplicates` are (object number, day, copies dropped).
    """
    found = sorted(read, key=lambda one: one.ref.number)
    counts, rules = _counts(found, duplicates)
    quarantine = [QuarantineEntry(one.ref, ordinal, reason) for one in found for ordinal, reason in one.quarantined]
    quarantine += [QuarantineEntry(one.ref, None, one.reason) for one in found if one.reason]
    objects_of_day = _objects_of_days(arguments, objects, found, counts)
    accounts = []
    for day in (day_number(d) for d in arguments.days):
        seen = [_object_account(one, counts[one.ref.number], day) for one in objects_of_day[day]]
        has_source = day in objects.partition_days or any(o.days.get(day) for o in seen)
        own = tuple(q for q in quarantine if q.ref.prefix_day == day)
        accounts.append(DayAccount(day, tuple(seen), own, rules.get(day, {}), written.get(day), has_source))
    return accounts


def _objects_of_days(
    arguments: JobArguments, objects: WindowObjects, found: Iterable[ObjectRead], counts: Mapping[int, _Counts]
) -> Mapping[int, list[ObjectRead]]:
    """What each day's build must read: by its prefix, by the late ledger, or because it holds events of the day."""
    reach, late = arguments.reach, defaultdict[tuple[str, str], list[int]](list)
    for day, bucket, key in objects.late:
        late[bucket, key].append(day)
    objects_of_day: dict[int, list[ObjectRead]] = defaultdict(list)
    for one in found:
        near = map(day_number, reach.days_of(day_from_number(one.ref.prefix_day), one.last_modified_ms / 1000))
        for day in {*near, *counts[one.ref.number].days, *late.get((one.ref.bucket, one.ref.key), ())}:
            objects_of_day[day].append(one)
    return objects_of_day


def _object_account(read: ObjectRead, counts: _Counts, day: int) -> ObjectAccount:
    return ObjectAccount(
        ref=read.ref,
        etag=read.etag,
        version_id=read.version_id,
        last_modified=read.last_modified_ms / 1000,
        content_bytes=read.content_bytes,
        records=read.record_count,
        reason=read.reason,
        days=dict(counts.days),
        excluded=counts.excluded[day],
        duplicates=counts.duplicates[day],
    )


def _counts(
    found: Iterable[ObjectRead], duplicates: Iterable[tuple[int, int, int]]
) -> tuple[dict[int, _Counts], dict[int, dict[str, int]]]:
    """Counts by object, and exclusions by day and rule."""
    counts: dict[int, _Counts] = defaultdict(_Counts)
    rules: dict[int, dict[str, int]] = defaultdict(dict)
    for one in found:
        of_object = counts[one.ref.number]
        for day, rule, records in one.counts:
            of_object.days[day] += records
            if rule:
                of_object.excluded[day] += records
                rules[day][rule] = rules[day].get(rule, 0) + records
    for number, day, copies in duplicates:
        counts[number].duplicates[day] += copies
    return counts, rules

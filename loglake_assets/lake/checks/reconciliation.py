"""Makes day reports: objects in S3, partitions in the catalog, and what the day's build read are compared.

Every object of a delivery day gets one verdict, and every verdict has its remedy. This is the cheap mode of checking:
it lists and reads manifests, and opens no object; recount.py is the full mode, which counts events again.
"""

import json
from collections.abc import Collection, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from loglake_assets.lake.checks.coverage import COMPARISON, Coverage, coverage_of_commit
from loglake_assets.lake.checks.day_report import MANIFEST, DayReport, ObjectVerdict, Verdict
from loglake_assets.lake.storage.catalog import Catalog
from loglake_assets.lake.storage.keys import check_key, commit_key, manifest_key
from loglake_assets.lake.storage.partitions import registered_locations
from loglake_assets.lake.storage.raw_bucket import RawBucket
from loglake_assets.lake.storage.raw_objects import RawObject, find_deny_rule, raw_objects_by_day
from loglake_assets.lake.storage.reach import Reach
from loglake_assets.lake.storage.table import Table
from loglake_assets.lake.versions.commits import ACCEPTING_LOSS, ROLLBACK, Commit, edited_records
from loglake_assets.lake.versions.integrity import altered_files, bucket_of, differences
from loglake_assets.lake.versions.late_ledger import broken_entries, late_objects, was_read
from loglake_assets.lake.versions.manifests import (
    GONE_WHILE_READING,
    BrokenManifestError,
    Manifest,
    ManifestMissingError,
    ManifestObject,
    read_manifest,
)
from loglake_assets.lake.versions.served_day import Placing, ServedDay, served_day
from loglake_assets.s3.objects import etag_if_any
from loglake_assets.sources import LogSource
from loglake_assets.sources.calendar_days import day_number
from loglake_assets.sources.definition import definition_digest
from loglake_assets.sources.rules import Rules
from loglake_assets.sources.words import tally


@dataclass(frozen=True)
class Reconciler:
    """Compares days of one source of one lake. Clients are passed in; two days of objects are held at a time."""

    raw: RawBucket
    table: Table
    catalog: Catalog
    rules: Rules
    look_ahead: int = 1

    @property
    def source(self) -> LogSource:
        return self.raw.source

    def days(self, days: Collection[date], first_open: date, unknown: list[str] | None = None) -> Iterator[DayReport]:
        """Every day of `days` that has an object, a commit or a partition; days from `first_open` on are not due.

        Keys that no pattern of the source places are added to `unknown`, as far as the listing meets them.
        """
        if not days:
            return
        registered = registered_locations(self.catalog, self.source, list(days))
        for day, landed in self._with_days_near(sorted(set(days)), unknown):
            # After the listing: what a build made meanwhile then holds all that is listed.
            if found := self.compare(day, landed, registered, day < first_open):
                yield found

    def days_of(
        self, landed: Mapping[date, list[RawObject]], days: Collection[date], first_open: date
    ) -> list[DayReport]:
        """As `days`, for whoever has listed already: `landed` are objects by delivery day."""
        if not days:
            return []
        registered = registered_locations(self.catalog, self.source, list(days))
        with ThreadPoolExecutor(8) as pool:
            found = pool.map(lambda day: self.compare(day, landed, registered, day < first_open), sorted(set(days)))
            return [one for one in found if one]

    def compare(
        self,
        day: date,
        landed: Mapping[date, list[RawObject]],
        registered: Mapping[tuple[str, ...], str],
        is_due: bool,
    ) -> DayReport | None:
        """One day, whose objects were listed before; None where there is neither an object nor a commit."""
        served = self._serve(day)
        if not landed.get(day) and served.placing is Placing.NOT_COMMITTED:
            return None
        return self._day(day, landed, registered, served, is_due)

    @property
    def _reach(self) -> Reach:
        """Which delivery prefixes the build of a day reads."""
        return Reach(self.look_ahead, self.source.look_behind_days)

    def _with_days_near(
        self, days: list[date], unknown: list[str] | None
    ) -> Iterator[tuple[date, dict[date, list[RawObject]]]]:
        """(day, objects by delivery day of it and of the days that its build looks ahead and behind to)."""
        wanted, behind = self._reach.prefix_days(days), timedelta(days=self._reach.behind)
        held: dict[date, list[RawObject]] = {}
        due = iter(days)
        day = next(due, None)
        for listed, objects in raw_objects_by_day(self.raw, wanted, unknown):
            held[listed] = objects
            while day is not None and listed >= day + timedelta(days=self.look_ahead):
                yield day, held
                held = {d: found for d, found in held.items() if d > day - behind}
                day = next(due, None)

    def _serve(self, day: date) -> ServedDay:
        return served_day(self.table, self.catalog, day_number(day))

    def _manifest(self, served: ServedDay) -> Manifest | ObjectVerdict | None:
        """The manifest of the run that readers see; a verdict where it cannot be had, None where there is no run."""
        if served.run_id is None:
            return None
        key = manifest_key(served.table, served.day, served.run_id)
        try:
            return read_manifest(self.table, served.day, served.run_id)
        except (ManifestMissingError, BrokenManifestError) as error:
            why = "is gone" if isinstance(error, ManifestMissingError) else "cannot be read"
            return ObjectVerdict(Verdict.UNREADABLE_RECORD, self.table.bucket, key, f"{MANIFEST} {why}")

    def _day(
        self,
        day: date,
        landed: Mapping[date, list[RawObject]],
        registered: Mapping[tuple[str, ...], str],
        served: ServedDay,
        is_due: bool,
    ) -> DayReport:
        found, own = self._manifest(served), landed.get(day, [])
        manifest = found if isinstance(found, Manifest) else None
        read = {o.name: o for o in manifest.objects} if manifest else None
        verdicts = [self._judge(one, registered, read, is_due) for one in own]
        judged = [one for one in verdicts if one]
        built = len(own) - len(judged)
        landed_own = [o for o, one in zip(own, verdicts, strict=True) if not one or one.verdict is not Verdict.EXCLUDED]
        prefixes = {o.placement.values for o in landed_own}
        if isinstance(found, ObjectVerdict):
            judged.append(found)
        if manifest:
            listing = {o.name: o.etag for objects in landed.values() for o in objects}
            judged += [*self._changes_elsewhere(day, manifest, listing), *self._late(manifest, served.commit)]
            judged += self._unread_before(day, manifest, landed, {(one.bucket, one.key) for one in judged})
            judged += [*self._short(manifest, served), *self._check_records(manifest, served)]
            judged += self._check_input(manifest)
        return DayReport(
            source=self.source.name,
            day=day,
            placing=served.placing,
            commit_seq=served.commit_seq,
            partition_seq=served.partition_seq,
            run_id=served.run_id,
            is_rolled_back=bool(served.commit and served.commit.reason == ROLLBACK),
            verdicts=tuple(judged),
            built=built,
            rules=manifest.excluded_by if manifest else {},
            listed_count=len(own),
            landed_bytes=sum(o.size for o in landed_own),
            prefixes=len(prefixes),
            unregistered_prefixes=sum(values not in registered for values in prefixes),
            checked_at=datetime.now(UTC).isoformat(timespec="seconds"),
            commit=served.commit,
            coverage=self._coverage(served),
        )

    def _coverage(self, served: ServedDay) -> Coverage | None:
        if served.commit is None:
            return None
        return coverage_of_commit(self.table, served.day, served.commit.seq)

    def _judge(
        self,
        found: RawObject,
        registered: Mapping[tuple[str, ...], str],
        read: Mapping[tuple[str, str], ManifestObject] | None,
        is_due: bool,
    ) -> ObjectVerdict | None:
        """The object under its verdict; None where it is built as it is now."""
        verdict, detail = self._verdict(found, registered, read, is_due)
        return None if verdict is Verdict.BUILT else ObjectVerdict(verdict, found.bucket, found.key, detail)

    def _verdict(
        self,
        found: RawObject,
        registered: Mapping[tuple[str, ...], str],
        read: Mapping[tuple[str, str], ManifestObject] | None,
        is_due: bool,
    ) -> tuple[Verdict, str]:
        location = registered.get(found.placement.values)
        if location is None:
            rule = find_deny_rule(self.rules, self.source, found)
            return (Verdict.EXCLUDED, rule) if rule else (Verdict.UNREGISTERED, found.placement.location)
        if location != found.placement.location:
            return Verdict.UNREGISTERED, f"{found.placement.location}, and its partition lies at {location}"
        if read is None:
            return (Verdict.UNBUILT if is_due else Verdict.OPEN), ""
        entry = read.get(found.name)
        if entry is None or entry.reason == GONE_WHILE_READING:
            return Verdict.UNBUILT, "arrived since the day was built"
        if entry.etag != found.etag:
            return Verdict.OLDER_VERSION, f"read as {entry.etag}, now {found.etag}"
        return (Verdict.QUARANTINED, entry.reason) if entry.reason else (Verdict.BUILT, "")

    def _changes_elsewhere(
        self, day: date, manifest: Manifest, listing: Mapping[tuple[str, str], str]
    ) -> Iterator[ObjectVerdict]:
        """What the build read and is no longer there; and what it read under later prefixes and has changed since."""
        for entry in manifest.objects:
            if entry.reason == GONE_WHILE_READING:
                continue
            own = entry.prefix_day == day_number(day)
            if not own and not entry.days.get(day_number(day)):
                continue  # read ahead, and held nothing of this day
            etag = listing.get(entry.name) or etag_if_any(self.table.s3, entry.bucket, entry.key)
            if etag is None:
                yield ObjectVerdict(Verdict.GONE, entry.bucket, entry.key, f"read as {entry.etag}")
            elif etag != entry.etag and not own:
                yield ObjectVerdict(Verdict.OLDER_VERSION, entry.bucket, entry.key, f"read as {entry.etag}, now {etag}")

    def _unread_before(
        self,
        day: date,
        manifest: Manifest,
        landed: Mapping[date, list[RawObject]],
        known: Collection[tuple[str, str]],
    ) -> Iterator[ObjectVerdict]:
        """What lies under an earlier prefix, was stored since this day began, and the day's build did not read.

        Whether it holds events of the day is not known before it is read: so the day is not known to be whole. `known`
        has the (bucket, key) of what is under a verdict already.
        """
        known = {*known, *(o.name for o in manifest.objects)}
        for before in range(1, self._reach.behind + 1):
            for found in landed.get(day - timedelta(days=before), ()):
                is_read = self._reach.reads(day, found.placement.day, found.last_modified)
                if found.name in known or not is_read or find_deny_rule(self.rules, self.source, found):
                    continue
                said = "may hold events of this day, and was stored under an earlier prefix since the day was built"
                yield ObjectVerdict(Verdict.LATE, found.bucket, found.key, said)

    def _late(self, manifest: Manifest, commit: Commit | None) -> Iterator[ObjectVerdict]:
        """Entries of the late ledger that the build did not read: to be built, or gone before it could.

        What is gone is a person's concern no longer where the day was built with that loss accepted.
        """
        is_accepted = commit is not None and commit.reason == ACCEPTING_LOSS
        read = {o.name: o for o in manifest.objects if o.reason != GONE_WHILE_READING}
        for late in late_objects(self.table, manifest.day):
            if was_read(late, read.get((late.bucket, late.key))):
                continue
            if etag_if_any(self.table.s3, late.bucket, late.key) is None:
                if is_accepted:
                    continue
                said = f"held {tally(late.events, 'event')} of this day and was removed before its build read it"
                yield ObjectVerdict(Verdict.GONE, late.bucket, late.key, said)
            else:
                yield ObjectVerdict(
                    Verdict.LATE, late.bucket, late.key, f"holds {tally(late.events, 'event')} of this day"
                )
        for key, why in broken_entries(self.table, manifest.day).items():
            yield ObjectVerdict(Verdict.UNREADABLE_RECORD, self.table.bucket, key, f"entry of the late ledger: {why}")

    def _short(self, manifest: Manifest, served: ServedDay) -> Iterator[ObjectVerdict]:
        """Files of the build that are not as they were verified."""
        for key, why in altered_files(self.table.s3, served.commit, manifest).items():
            yield ObjectVerdict(Verdict.SHORT, bucket_of(manifest), key, why)

    def _check_records(self, manifest: Manifest, served: ServedDay) -> Iterator[ObjectVerdict]:
        """Where commit and manifest do not say the same, or an earlier record is not what the next one knows of it."""
        table, day = manifest.table, manifest.day
        if served.commit and (differing := differences(served.commit, manifest)):
            key = commit_key(table, day, served.commit.seq)
            said = f"commit and manifest differ in {', '.join(differing)}"
            yield ObjectVerdict(Verdict.ALTERED, self.table.bucket, key, said)
        for key in edited_records(self.table, day):
            said = "the commit after it knows it by another digest"
            yield ObjectVerdict(Verdict.ALTERED, self.table.bucket, key, said)

    def _check_input(self, manifest: Manifest) -> Iterator[ObjectVerdict]:
        """Where the rules, the columns or the code are others than when the day was built."""
        key = manifest_key(manifest.table, manifest.day, manifest.run_id)
        for said in input_change(manifest, self.source, self.rules):
            yield ObjectVerdict(Verdict.OUTDATED, self.table.bucket, key, said)


def input_change(manifest: Manifest, source: LogSource, rules: Rules) -> Iterator[str]:
    """Why a build of the day as it is would give other rows now, as sentences; nothing where it would not."""
    if manifest.exclusions and manifest.exclusions != rules.exclusion_digest:
        yield "built under other exclude rules"
    elif not manifest.exclusions and (manifest.excluded_by or rules.exclude):
        yield "built before manifests said under which exclude rules"
    columns = [column.name for column in source.readready.all_columns]
    if manifest.columns and (lacking := sorted(set(columns) - set(manifest.columns))):
        yield f"built without the columns {', '.join(lacking)}"
    elif manifest.definition and manifest.definition != definition_digest(source):
        yield "built by other views or another decoder"
    elif not manifest.definition:
        yield "built before manifests said by which views and decoder"


def put_report(table: Table, found: DayReport) -> str:
    """Keep the day's report with every name in it; returns its key."""
    key = check_key(table.name, day_number(found.day), COMPARISON)
    table.s3.put_object(Bucket=table.bucket, Key=key, Body=json.dumps(found.document(), sort_keys=True).encode())
    return key

"""One readready day judged by I1, I2, I3 and I6; what they are is said in tests/invariants.py.

Each asks storage once more: rows of the location that the catalog shows against the events of all raw objects, files
against the manifest of the run that wrote them, partition against commits, counts against what can be counted again.
"""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cached_property
from typing import Any

import numpy as np

from loglake_assets.sources.placement import day_from_number, day_number
from loglake_assets.sources.rules import Rules
from tests.raw_side import RawObject, RawSide
from tests.stored_lake import CatalogPartition, StoredLake, StoredRows

NAMES_SHOWN = 20
_RUN = re.compile(r"/run=([^/]+)/")


@dataclass(frozen=True)
class Violation:
    """One way in which an invariant does not hold. `names` are keys, records and files, at most 20 of them."""

    invariant: str
    day: int | None
    what: str
    names: tuple[str, ...] = ()


@dataclass
class Verdict:
    """`pending` is what may yet become true: events nobody had to build yet, counts that raw can no longer give."""

    violations: list[Violation] = field(default_factory=list)
    pending: list[Violation] = field(default_factory=list)
    object_count: int = 0
    record_count: int = 0
    """Records of the judged days, copies and excluded ones among them."""
    row_count: int = 0
    """Rows that readers of the judged days see."""

    @property
    def broken(self) -> set[str]:
        return {violation.invariant for violation in self.violations}


def named(invariant: str, day: int | None, what: str, names: Iterable[str]) -> Iterator[Violation]:
    """One violation for all the names, none where there are none; `what` follows their number."""
    if found := sorted(set(names)):
        yield Violation(invariant, day, f"{len(found):,} {what}", tuple(found[:NAMES_SHOWN]))


def same_location(location: str, other: str) -> bool:
    return location.rstrip("/") == other.rstrip("/")


def gaps(numbers: Collection[int]) -> list[int]:
    """The sequence numbers that are missing between 1 and the newest."""
    return sorted(set(range(1, max(numbers, default=0) + 1)) - set(numbers))


@dataclass(frozen=True)
class JudgedDay:
    """A day with all that storage says of it. `commits` by sequence number; `committed` are all days with a commit."""

    lake: StoredLake
    raw: RawSide
    rules: Rules
    look_ahead: int
    day: int
    commits: Mapping[int, Mapping[str, Any]]
    shown: CatalogPartition | None
    committed: frozenset[int]

    def judge(self, verdict: Verdict) -> None:
        """Add what is broken and what is pending."""
        pending: list[Violation] = []
        verdict.violations += [*self._events(pending), *self._rows_without_event(), *self._quarantine()]
        verdict.violations += [*self._readers(), *self._order(), *self._account(pending)]
        verdict.pending += pending
        verdict.record_count += len(self._of_day)
        verdict.row_count += self._seen.row_count

    @cached_property
    def head(self) -> Mapping[str, Any] | None:
        """The newest commit."""
        return self.commits[max(self.commits)] if self.commits else None

    @cached_property
    def _run(self) -> str | None:
        """The run whose rows readers see, by the name of its directory."""
        match = _RUN.search(self.shown.location) if self.shown else None
        return match[1] if match else None

    @cached_property
    def _seen_manifest(self) -> Mapping[str, Any] | None:
        return self.lake.manifest(self.day, self._run) if self._run else None

    @cached_property
    def _manifest(self) -> Mapping[str, Any] | None:
        """The newest commit's manifest; where no commit is left, that of the run which readers see."""
        if self.head is None or self.head["run_id"] == self._run:
            return self._seen_manifest
        return self.lake.manifest(self.day, self.head["run_id"])

    @cached_property
    def _seen(self) -> StoredRows:
        return self.lake.stored_rows(self.shown.location) if self.shown else StoredRows()

    @cached_property
    def _of_day(self) -> Any:
        return self.raw.of_day(self.day)

    @cached_property
    def _read(self) -> dict[str, Mapping[str, Any]]:
        """Manifest entries, by key, of the objects that the newest run read and that are still as it read them."""
        entries = self._manifest["objects"] if self._manifest else ()
        return {entry["key"]: entry for entry in entries if self._is_as_read(entry)}

    def _is_as_read(self, entry: Mapping[str, Any]) -> bool:
        found = self.raw.objects.get(entry["key"])
        return found is not None and entry["bucket"] == self.lake.raw_bucket and found.etag == entry["etag"]

    def _uri(self, key: str) -> str:
        return f"s3://{self.lake.raw_bucket}/{key}"

    def _record(self, key: str, ordinal: int) -> str:
        return f"record {ordinal} of {self._uri(key)}"

    def _events(self, pending: list[Violation]) -> Iterator[Violation]:
        """I1, from raw to rows."""
        wanted = self._of_day[~self._of_day["excluded"]]
        missing = wanted[~np.isin(wanted["key"], self._seen.digests)]
        waiting = {number: self._waits(number) for number in np.unique(missing["object"]).tolist()}
        lost = [self._name(event) for event in missing if waiting[int(event["object"])] is None]
        yield from named("I1", self.day, "records have an event that no row holds", lost)
        for reason in sorted({reason for reason in waiting.values() if reason}):
            names = [self._name(event) for event in missing if waiting[int(event["object"])] == reason]
            pending += named("I1", self.day, f"records have an event that no row holds yet: {reason}", names)
        keys, counts = np.unique(self._seen.digests, return_counts=True)
        repeated = self._of_day[np.isin(self._of_day["key"], keys[counts > 1])]
        yield from named("I1", self.day, "records have an event that several rows hold", map(self._name, repeated))

    def _name(self, event: Any) -> str:
        return self._record(self.raw.numbered[int(event["object"])], int(event["ordinal"]))

    def _waits(self, number: int) -> str | None:
        """Why events of an object need not be in the day yet, or None when they must be."""
        found = self.raw.objects[self.raw.numbered[number]]
        delay_days = (day_from_number(found.prefix_day) - day_from_number(self.day)).days
        if 0 <= delay_days <= self.look_ahead or found.key in self._read:
            return None
        if found.key in self._late:
            return "the late ledger names their objects"
        return None if found.prefix_day in self.committed else "the delivery day of their objects is not built"

    @cached_property
    def _late(self) -> set[str]:
        return self.lake.late_keys(self.day)

    def _rows_without_event(self) -> Iterator[Violation]:
        """I1, from rows to raw: a row that no record of its object backs, as long as the object is what it was."""
        surplus = np.setdiff1d(self._seen.digests, self._of_day["key"])
        if not len(surplus) or self.shown is None:
            return
        rows = self.lake.evidence(self.shown.location, set(surplus.tolist()))
        invented = [
            self._record(key, ordinal)
            for key, etag, ordinal in rows
            if key in self.raw.objects and self.raw.objects[key].etag == etag
        ]
        yield from named("I1", self.day, "rows hold an event that their raw record is not", invented)

    def _quarantine(self) -> Iterator[Violation]:
        """I1: what cannot be read is listed, and what is listed cannot be read."""
        entries = self._manifest["quarantine"] if self._manifest else ()
        said = {(entry["key"], entry["ordinal"]) for entry in entries}
        delivered = [found for found in self.raw.objects.values() if found.prefix_day == self.day]
        bad = {name for found in delivered for name in _bad_parts(found)}
        yield from named("I1", self.day, "unreadable parts are not in quarantine", map(self._part, bad - said))
        false = {name for name in said - bad if self._can_be_read(*name)}
        yield from named("I1", self.day, "parts are in quarantine and can be read", map(self._part, false))

    def _can_be_read(self, key: str, ordinal: int | None) -> bool:
        """Whether a part that quarantine names is good, told only of objects that are as the run read them."""
        found = self.raw.objects.get(key) if key in self._read else None
        return found is not None and (key, ordinal) not in _bad_parts(found)

    def _part(self, name: tuple[str, int | None]) -> str:
        key, ordinal = name
        return self._uri(key) if ordinal is None else self._record(key, ordinal)

    def _readers(self) -> Iterator[Violation]:
        """I2."""
        rows = int(self.head["rows"]) if self.head else 0
        if rows and not self._seen.row_count:
            yield Violation("I2", self.day, f"readers see no row, the newest commit has {rows:,}")
        yield from named("I2", self.day, "files that readers see are no ORC", self._seen.unreadable)
        if self.shown is None:
            return
        if self._seen_manifest is None or not same_location(self._seen_manifest["location"], self.shown.location):
            yield Violation(
                "I2", self.day, "readers see a directory that no manifest describes", (self.shown.location,)
            )
        else:
            said = {file["key"]: int(file["rows"]) for file in self._seen_manifest["files"]}
            odd = {key for key, _ in said.items() ^ self._seen.rows.items()}
            yield from named("I2", self.day, "files that readers see differ from the run's manifest", odd)
        foreign = self._seen.runs - {self._run or ""}
        yield from named("I2", self.day, "other runs have rows among those that readers see", foreign)

    def _order(self) -> Iterator[Violation]:
        """I3."""
        absent = [f"commit {number}" for number in gaps(self.commits)]
        yield from named("I3", self.day, "commits are missing from the sequence", absent)
        names = {seq: (self.lake.table, self.day, seq) for seq in self.commits}
        odd = [f"commit {s}" for s, c in self.commits.items() if (c["table"], c["day"], c["seq"]) != names[s]]
        yield from named("I3", self.day, "commit records say another table, day or number than their key", odd)
        if self.head is None:
            if self.shown is not None:
                yield Violation("I3", self.day, "readers are sent to a day that no commit stands for")
        elif self.shown is None:
            yield Violation("I3", self.day, f"commit {max(self.commits)} has no partition")
        else:
            yield from self._placed(self.shown, max(self.commits), self.head["location"])

    def _placed(self, shown: CatalogPartition, newest: int, location: str) -> Iterator[Violation]:
        if not same_location(shown.location, location):
            yield Violation(
                "I3", self.day, f"the partition is not at the location of commit {newest}", (shown.location, location)
            )
        if shown.seq != newest:
            yield Violation("I3", self.day, f"the partition shows commit {shown.seq}, the newest is {newest}")

    def _account(self, pending: list[Violation]) -> Iterator[Violation]:
        """I6."""
        if self._manifest is None:
            if self.head is not None:
                yield Violation("I6", self.day, "the newest commit's run left no manifest", (self.head["run_id"],))
            return
        said = {name: int(self._manifest["totals"][name]) for name in _COUNTS}
        accounted = sum(said[name] for name in _COUNTS[1:])
        if said["records_read"] != accounted:
            yield Violation("I6", self.day, f"{said['records_read']:,} records were read, {accounted:,} accounted for")
        found = {**self._counted_in_readready(), **self._counted_in_raw(pending)}
        for (name, where), count in found.items():
            if count != said[name]:
                yield Violation("I6", self.day, f"{name} {where}: {said[name]:,} by the manifest, {count:,} found")

    def _counted_in_readready(self) -> dict[tuple[str, str], int]:
        assert self._manifest is not None, "checked by the caller"
        location, run_id = self._manifest["location"], self._manifest["run_id"]
        is_seen = self.shown is not None and same_location(self.shown.location, location)
        rows = self._seen if is_seen else self.lake.stored_rows(location)
        counts = {
            ("written", "as rows"): rows.row_count,
            ("duplicates", "as rows"): self.lake.duplicate_rows(self.day, run_id),
        }
        return counts if self.head is None else {**counts, ("written", "by the commit"): int(self.head["rows"])}

    def _counted_in_raw(self, pending: list[Violation]) -> dict[tuple[str, str], int]:
        """The day's records counted again in the objects that its run read; empty where one is no longer as it was."""
        assert self._manifest is not None, "checked by the caller"
        entries = self._manifest["objects"]
        gone = [self._uri(e["key"]) for e in entries if e["key"] not in self._read and e["etag"]]
        pending += named("I6", self.day, "objects are not what the run read: raw cannot be counted again", gone)
        if gone:
            return {}
        if self._manifest["rules_version"] != self.rules.version:
            pending.append(Violation("I6", self.day, "other rules stand than at the build: raw was not counted again"))
            return {}
        read = [self.raw.objects[key] for key, entry in self._read.items() if entry["reason"] is None]
        events = self._of_day[np.isin(self._of_day["object"], [found.number for found in read])]
        kept = events[~events["excluded"]]
        distinct = len(np.unique(kept["key"]))
        odd = sum(len(found.odd) for found in read if found.prefix_day == self.day)
        return {
            ("records_read", "in raw"): len(events) + odd,
            ("written", "in raw"): distinct,
            ("excluded", "in raw"): len(events) - len(kept),
            ("duplicates", "in raw"): len(kept) - distinct,
            ("quarantined_records", "in raw"): odd,
        }


_COUNTS = ("records_read", "written", "excluded", "duplicates", "quarantined_records")


def _bad_parts(found: RawObject) -> set[tuple[str, int | None]]:
    """(key, None) of an unreadable object, (key, ordinal) of each record that can be no row."""
    return {(found.key, None)} if found.unreadable else {(found.key, ordinal) for ordinal in found.odd}


def with_look_ahead(days: Iterable[int], look_ahead: int) -> set[int]:
    """Days and the delivery days that a build of them reads."""
    return {day_number(day_from_number(day) + timedelta(days=n)) for day in days for n in range(look_ahead + 1)}

"""One readready day judged by I1, I2 and I3; what they are is said in tests/invariants.py.

Each asks storage once more: rows of the location that the catalog shows against the events of all raw objects, files
against the manifest of the run that wrote them, partition against commits.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from loglake_assets.sources.calendar_days import day_from_number
from tests.day_account import DayAccount
from tests.raw_side import RawObject
from tests.stored_day import StoredDay, same_location
from tests.stored_lake import CatalogPartition
from tests.verdict import Verdict, Violation, violation_of


@dataclass(frozen=True)
class JudgedDay:
    """A day beside the events that all raw objects hold of it."""

    stored: StoredDay

    def judge(self, verdict: Verdict) -> None:
        """Add what is broken and what is pending."""
        pending: list[Violation] = []
        verdict.violations += [*self._events(pending), *self._repeated(), *self._without_event(), *self._quarantine()]
        verdict.violations += [*self._readers(), *self._order(), *DayAccount(self.stored).judge(pending)]
        verdict.pending += pending
        verdict.record_count += len(self.stored.of_day)
        verdict.row_count += self.stored.seen.row_count

    def _events(self, pending: list[Violation]) -> Iterator[Violation]:
        """I1, from raw to rows."""
        wanted = self.stored.of_day[~self.stored.of_day["excluded"]]
        missing = wanted[~np.isin(wanted["key"], self.stored.seen.digests)]
        waiting = {number: self._waits(number) for number in np.unique(missing["object"]).tolist()}
        lost = [self._name(event) for event in missing if waiting[int(event["object"])] is None]
        yield from violation_of("I1", self.stored.day, "records have an event that no row holds", lost)
        for reason in sorted({reason for reason in waiting.values() if reason}):
            names = [self._name(event) for event in missing if waiting[int(event["object"])] == reason]
            pending += violation_of(
                "I1", self.stored.day, f"records have an event that no row holds yet: {reason}", names
            )

    def _repeated(self) -> Iterator[Violation]:
        """I1: no event has two rows."""
        keys, counts = np.unique(self.stored.seen.digests, return_counts=True)
        repeated = map(self._name, self.stored.of_day[np.isin(self.stored.of_day["key"], keys[counts > 1])])
        yield from violation_of("I1", self.stored.day, "records have an event that several rows hold", repeated)

    def _name(self, event: Any) -> str:
        return self.stored.record(self.stored.raw.numbered[int(event["object"])], int(event["ordinal"]))

    def _waits(self, number: int) -> str | None:
        """Why events of an object need not be in the day yet, or None when they must be."""
        found = self.stored.raw.objects[self.stored.raw.numbered[number]]
        delay_days = (day_from_number(found.prefix_day) - day_from_number(self.stored.day)).days
        if 0 <= delay_days <= self.stored.look_ahead or found.key in self.stored.read:
            return None
        if found.key in self._late:
            return "the late ledger names their objects"
        return None if found.prefix_day in self.stored.committed else "the delivery day of their objects is not built"

    @cached_property
    def _late(self) -> set[str]:
        return self.stored.lake.late_keys(self.stored.day)

    def _without_event(self) -> Iterator[Violation]:
        """I1, from rows to raw: a row that no record of its object backs, as long as the object is what it was."""
        surplus = np.setdiff1d(self.stored.seen.digests, self.stored.of_day["key"])
        if not len(surplus) or self.stored.shown is None:
            return
        rows = self.stored.lake.evidence(self.stored.shown.location, set(surplus.tolist()))
        invented = [
            self.stored.record(key, ordinal)
            for key, etag, ordinal in rows
            if key in self.stored.raw.objects and self.stored.raw.objects[key].etag == etag
        ]
        yield from violation_of("I1", self.stored.day, "rows hold an event that their raw record is not", invented)

    def _quarantine(self) -> Iterator[Violation]:
        """I1: what cannot be read is listed, and what is listed cannot be read."""
        entries = self.stored.manifest["quarantine"] if self.stored.manifest else ()
        said = {(entry["key"], entry["ordinal"]) for entry in entries}
        delivered = [found for found in self.stored.raw.objects.values() if found.prefix_day == self.stored.day]
        bad = {name for found in delivered for name in _bad_parts(found)}
        yield from violation_of(
            "I1", self.stored.day, "unreadable parts are not in quarantine", map(self._part, bad - said)
        )
        false = {name for name in said - bad if self._can_be_read(*name)}
        yield from violation_of(
            "I1", self.stored.day, "parts are in quarantine and can be read", map(self._part, false)
        )

    def _can_be_read(self, key: str, ordinal: int | None) -> bool:
        """Whether a part that quarantine names is good, told only of objects that are as the run read them."""
        found = self.stored.raw.objects.get(key) if key in self.stored.read else None
        return found is not None and (key, ordinal) not in _bad_parts(found)

    def _part(self, name: tuple[str, int | None]) -> str:
        key, ordinal = name
        return self.stored.uri(key) if ordinal is None else self.stored.record(key, ordinal)

    def _readers(self) -> Iterator[Violation]:
        """I2."""
        rows = int(self.stored.head["rows"]) if self.stored.head else 0
        if rows and not self.stored.seen.row_count:
            yield Violation("I2", self.stored.day, f"readers see no row, the newest commit has {rows:,}")
        yield from violation_of("I2", self.stored.day, "files that readers see are no ORC", self.stored.seen.unreadable)
        if self.stored.shown is not None:
            yield from self._files(self.stored.shown.location)
        foreign = self.stored.seen.runs - {self.stored.run or ""}
        yield from violation_of("I2", self.stored.day, "other runs have rows among those that readers see", foreign)

    def _files(self, location: str) -> Iterator[Violation]:
        manifest = self.stored.seen_manifest
        if manifest is None or not same_location(manifest["location"], location):
            yield Violation("I2", self.stored.day, "readers see a directory that no manifest describes", (location,))
            return
        said = {file["key"]: int(file["rows"]) for file in manifest["files"]}
        odd = {key for key, _ in said.items() ^ self.stored.seen.rows.items()}
        yield from violation_of("I2", self.stored.day, "files that readers see differ from the run's manifest", odd)

    def _order(self) -> Iterator[Violation]:
        """I3."""
        known = {n for commit in self.stored.commits.values() for n in commit.get("acknowledged", ())}
        absent = [f"commit {number}" for number in gaps({*self.stored.commits, *known})]
        yield from violation_of("I3", self.stored.day, "commits are missing from the sequence", absent)
        names = {seq: (self.stored.lake.table, self.stored.day, seq) for seq in self.stored.commits}
        odd = [f"commit {s}" for s, c in self.stored.commits.items() if (c["table"], c["day"], c["seq"]) != names[s]]
        yield from violation_of(
            "I3", self.stored.day, "commit records say another table, day or number than their key", odd
        )
        if self.stored.head is None:
            if self.stored.shown is not None:
                yield Violation("I3", self.stored.day, "readers are sent to a day that no commit stands for")
        elif self.stored.shown is None:
            yield Violation("I3", self.stored.day, f"commit {max(self.stored.commits)} has no partition")
        else:
            yield from self._placement_violations(
                self.stored.shown, max(self.stored.commits), self.stored.head["location"]
            )

    def _placement_violations(self, shown: CatalogPartition, newest: int, location: str) -> Iterator[Violation]:
        if not same_location(shown.location, location):
            what = f"the partition is not at the location of commit {newest}"
            yield Violation("I3", self.stored.day, what, (shown.location, location))
        if shown.seq != newest:
            yield Violation("I3", self.stored.day, f"the partition shows commit {shown.seq}, the newest is {newest}")


def _bad_parts(found: RawObject) -> set[tuple[str, int | None]]:
    """(key, None) of an unreadable object, (key, ordinal) of each record that can be no row."""
    return {(found.key, None)} if found.unreadable else {(found.key, ordinal) for ordinal in found.odd}


def gaps(numbers: Collection[int]) -> list[int]:
    """The sequence numbers that are missing between 1 and the newest."""
    return sorted(set(range(1, max(numbers, default=0) + 1)) - set(numbers))

"""What became of each object of a delivery day, as verdicts, with what mends each. No storage is looked at here."""

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from typing import Any

from loglake_assets.lake.versions.commits import Commit
from loglake_assets.lake.versions.served_day import Placing
from loglake_assets.sources.placement import day_number
from resources.settings import program


class Verdict(StrEnum):
    """What became of one object of a delivery day. Exactly one holds."""

    BUILT = "built"
    QUARANTINED = "quarantined"
    """Read and not loaded; the detail is the reason."""
    EXCLUDED = "excluded_by_rule"
    """Without a partition because a deny rule wants it so; the detail is the rule."""
    OPEN = "day_still_open"
    UNREGISTERED = "landed_unregistered"
    UNBUILT = "registered_unbuilt"
    LATE = "late_unbuilt"
    """Under a far later prefix: the late ledger names it, the day's build did not read it."""
    OLDER_VERSION = "built_from_older_version"
    GONE = "gone_since_built"
    SHORT = "built_short"
    """A file of the build is absent, or has another size or content; the detail says which."""
    ALTERED = "altered_since_commit"
    """A record of the day does not agree with the others: commit, manifest, catalog; the detail says in what."""
    UNREADABLE_RECORD = "unreadable_record"
    """A manifest or an entry of the late ledger is empty, cut, or lacks a field; the detail says what."""
    OUTDATED = "built_under_other_definitions"
    """The day was built under other exclude rules, columns or code than there are now; the detail says which."""


MANIFEST = "manifest"
"""What the detail of an unreadable manifest begins with."""

REMEDIES: Mapping[Verdict, str] = {
    Verdict.QUARANTINED: "restore the object or mend its reader, then {loglake} requeue {source} {day}",
    Verdict.EXCLUDED: "nothing to mend: a rule of rules.toml wants it so",
    Verdict.UNREGISTERED: "{loglake} reconcile",
    Verdict.UNBUILT: "{loglake} build {source} {day}",
    Verdict.LATE: "{loglake} build {source} {day}",
    Verdict.OLDER_VERSION: "find out who overwrote it; then {loglake} build {source} {day}",
    Verdict.GONE: "restore the object from its bucket's versions; a build without it is refused",
    Verdict.SHORT: "{loglake} build {source} {day}",
    Verdict.ALTERED: "find out who edited it and restore it from the bucket's versions",
    Verdict.UNREADABLE_RECORD: "restore it from the bucket's versions; if there are none, {loglake} build "
    "{source} {day} --accept-loss builds a day without a manifest anew, and building the days after it writes "
    "an entry of the late ledger anew",
    Verdict.OUTDATED: "{loglake} build {source} {day}",
}
OF_OBJECTS = frozenset(Verdict) - {Verdict.SHORT, Verdict.ALTERED, Verdict.UNREADABLE_RECORD, Verdict.OUTDATED}
"""Verdicts of raw objects; the others are of what the build left."""
RIGHT = frozenset({Verdict.BUILT, Verdict.QUARANTINED, Verdict.EXCLUDED, Verdict.OPEN})
"""Verdicts that ask for nothing here: what is in quarantine is the coverage check's concern."""
_UNCOUNTED = frozenset({Verdict.EXCLUDED, Verdict.OPEN})
_BUILD_MENDS = (Verdict.UNBUILT, Verdict.LATE, Verdict.OLDER_VERSION, Verdict.OUTDATED)


@dataclass(frozen=True)
class Judged:
    """One object under its verdict; for a verdict that is not of objects, a file or a record of the build."""

    verdict: Verdict
    bucket: str
    key: str
    detail: str = ""

    @property
    def name(self) -> str:
        return f"s3://{self.bucket}/{self.key}"

    @property
    def text(self) -> str:
        """The verdict with its object and what is known of it: keys, ETags and names of rules, never content."""
        return f"{self.verdict}: {self.name}" + (f" ({self.detail})" if self.detail else "")


@dataclass(frozen=True)
class DayReconciliation:
    """One delivery day of one source. `judged` are the objects that are not `built`, of which `built` is the number.

    `rules` counts records that the build excluded, by rule.
    """

    source: str
    day: date
    placing: Placing
    commit_seq: int
    partition_seq: int
    run_id: str | None
    is_rolled_back: bool
    judged: tuple[Judged, ...]
    built: int = 0
    rules: Mapping[str, int] = field(default_factory=dict)
    listed_count: int = 0
    checked_at: str = ""
    commit: Commit | None = None

    @property
    def counts(self) -> dict[str, int]:
        others = Counter(str(j.verdict) for j in self.judged)
        return ({str(Verdict.BUILT): self.built} if self.built else {}) | dict(others)

    def named(self, *verdicts: Verdict) -> list[Judged]:
        return [j for j in self.judged if j.verdict in verdicts]

    @property
    def is_stale(self) -> bool:
        """Whether the day is built, and building it again would bring it something.

        A day that was rolled back is as a person wants it.
        """
        if self.run_id is None or self.is_rolled_back:
            return False
        broken = any(j.detail.startswith(MANIFEST) for j in self.named(Verdict.UNREADABLE_RECORD))
        return broken or bool(self.named(*_BUILD_MENDS))

    @property
    def pct(self) -> float | None:
        """Percentage of the day's objects that its build holds as they are now, rounded down; None for no object."""
        others = (j.verdict for j in self.judged)
        counted = self.built + sum(v in OF_OBJECTS and v not in _UNCOUNTED for v in others)
        return int(1_000_000 * self.built / counted) / 10_000 if counted else None

    def remedy(self, verdict: Verdict) -> str:
        return REMEDIES.get(verdict, "nothing to mend").format(
            loglake=program(), source=self.source, day=self.day.isoformat()
        )

    def document(self) -> dict[str, Any]:
        """As JSON, with every name."""
        names: dict[str, list[dict[str, str]]] = defaultdict(list)
        for judged in self.judged:
            names[judged.verdict].append({"name": judged.name, "detail": judged.detail})
        return {
            "source": self.source,
            "day": day_number(self.day),
            "placing": self.placing,
            "commit_seq": self.commit_seq,
            "partition_seq": self.partition_seq,
            "run_id": self.run_id,
            "is_rolled_back": self.is_rolled_back,
            "objects_pct": self.pct,
            "counts": self.counts,
            "excluded_records_by_rule": dict(self.rules),
            "names": dict(names),
            "remedies": {v: self.remedy(Verdict(v)) for v in names},
            "listed_count": self.listed_count,
            "checked_at": self.checked_at,
        }

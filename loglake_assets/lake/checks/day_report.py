"""What is known of one delivery day of one source, and what mends each thing that is wrong with it.

Its objects by verdict, where readers are sent, the newest commit, and the coverage that was measured of that commit.
Nothing is read here: the reconciler makes reports, and all who ask how a day is read them.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Any

from loglake_assets.lake.checks.coverage import BESIDE, Coverage, Measure
from loglake_assets.lake.versions.commits import Commit
from loglake_assets.lake.versions.served_day import IN_ORDER, Placing
from loglake_assets.sources.calendar_days import day_number, days_argument, runs_of_days
from loglake_assets.sources.words import floor_pct, inflect, plain_argument, tally
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


LOOK_BACK_DAYS = 35
"""Days before today that are compared hourly, and that lists and the report are of."""
MANIFEST = "manifest"
"""What the detail of an unreadable manifest begins with."""


class Choice(StrEnum):
    """What a person wanted of a day."""

    ROLLED_BACK = "rolled_back"


SCHEDULE_HOUR = 2
"""UTC hour in which the day just closed is built, where a log's defs.yaml says no other."""
_GRACE_HOURS = 2  # after that hour


def first_open_day(now: datetime, schedule_hour: int = SCHEDULE_HOUR) -> date:
    """The first day that need not be built yet: closed days get until their schedule's hour, and two hours more."""
    return (now - timedelta(hours=schedule_hour + _GRACE_HOURS)).date()


Finding = Verdict | Placing | Measure | Choice
"""What may be said of a day: of an object of it, of where its readers are sent, of what was measured or wanted."""

_REBUILD = "`{build}`"
_RECONCILE = "`{loglake} reconcile`"
_RESTORE = "restore it from the bucket's versions"
_REQUEUE = "restore the object or mend its reader, then `{loglake} requeue {source} {days}`"

REMEDIES: Mapping[Finding, str] = {
    Verdict.QUARANTINED: _REQUEUE,
    Verdict.EXCLUDED: "nothing to mend: a rule of rules.toml wants it so",
    Verdict.UNREGISTERED: _RECONCILE,
    Verdict.UNBUILT: _REBUILD,
    Verdict.LATE: _REBUILD,
    Verdict.OLDER_VERSION: "find out who overwrote it; then `{build}`; where events are gone from it, the build is "
    "refused and says how to accept their loss",
    Verdict.GONE: "restore the object from its bucket's versions; where there is none, a build without it is "
    "refused, and says how to accept the loss",
    Verdict.SHORT: "find out who changed the file; then `{build}`, which makes it anew from the raw objects",
    Verdict.ALTERED: f"find out who edited it and {_RESTORE}",
    Verdict.UNREADABLE_RECORD: f"{_RESTORE}; if there are none, `{{build}} --accept-loss` builds a day without a "
    "manifest anew, and building the days after it writes an entry of the late ledger anew",
    Verdict.OUTDATED: _REBUILD,
    Placing.PARTITION_MISSING: _RECONCILE,
    Placing.PARTITION_BEHIND: _RECONCILE,
    Placing.LOCATION_DIFFERS: "find out who moved the partition; then `{loglake} reconcile`",
    Placing.COMMIT_BROKEN: f"{_RESTORE}; if there are none, `{{build}}` gives readers a new commit, and the record "
    "that was cut stays named",
    Placing.COMMIT_EDITED: f"find out who edited the record and {_RESTORE}",
    Placing.COMMIT_MISSING: "find out who removed the record; then `{loglake} rollback {source} {day} {run}`",
    Choice.ROLLED_BACK: "somebody rolled the day back, which stands until `{build}`",
    Measure.UNCHECKED: _REBUILD,
    Measure.ALTERED: "files of the day are not as they were committed: find out who changed them; then `{build}`, "
    "which makes them anew from the raw objects",
    Measure.MISSING: _REBUILD,
    Measure.SURPLUS: "rows that are in no raw log: find out who wrote them; then `{build}`",
    Measure.REPEATED: "rows that are there more than once: `{build}`",
    Measure.DIFFERING: "one event with two contents, an error of the log or a forgery: compare the objects that are "
    "named with the row's own, which `{loglake} evidence {event} --source {source} --day {day}` shows",
    Measure.SET_ASIDE: "objects that the build read are gone, overwritten or archived: restore them, what is gone or "
    "overwritten from the bucket's versions; then `{build}`",
    Measure.WITHHELD: "S3 holds objects and does not give them: the quarantine says by its reasons what mends that; "
    "then `{build}`",
    Measure.UNREADABLE: _REQUEUE,
    Measure.UNPLACEABLE: "the quarantine table names the records without a usable time, each with the reason",
}
"""What mends each finding. `{build}` builds the days, `{days}` are they, `{loglake}` is how any command begins.

`{day}`, `{run}` and `{event}` are the last day, its run and an event of it: one command is of one day.
"""

OF_OBJECTS = frozenset(Verdict) - {Verdict.SHORT, Verdict.ALTERED, Verdict.UNREADABLE_RECORD, Verdict.OUTDATED}
"""Verdicts of raw objects; the others are of what the build left."""
RIGHT = frozenset({Verdict.BUILT, Verdict.QUARANTINED, Verdict.EXCLUDED, Verdict.OPEN})
"""Verdicts that ask for nothing here: what is in quarantine is the coverage check's concern."""
_UNCOUNTED = frozenset({Verdict.EXCLUDED, Verdict.OPEN})
_BUILD_MENDS = (Verdict.UNBUILT, Verdict.LATE, Verdict.OLDER_VERSION, Verdict.OUTDATED)
_OF_RECORDS = frozenset({Placing.COMMIT_MISSING, Placing.COMMIT_BROKEN, Placing.COMMIT_EDITED})
_DAMAGE = (Verdict.SHORT, Verdict.ALTERED, Verdict.UNREADABLE_RECORD)
_NOT_COMMITTED_WORDS = {Verdict.UNBUILT: "unbuilt", Verdict.OPEN: "open"}
_NAMED = 3  # event keys or objects of a reason


def remedy(
    finding: Finding,
    source: str,
    first: date,
    last: date | None = None,
    run: str | None = None,
    coverage: Coverage | None = None,
) -> str:
    """What mends a finding of the days from `first` to `last`; "nothing to mend" for one that asks for nothing.

    `run` and `coverage` are of the last day.
    """
    event = plain_argument(next(iter(coverage.differing if coverage else ()), ""), "EVENT")
    days = days_argument(first, last or first)
    build = f"{program()} build {source} {days}"
    text, day = REMEDIES.get(finding, "nothing to mend"), last or first
    return text.format(loglake=program(), build=build, source=source, days=days, day=day, run=run, event=event)


def finding_runs(findings: Mapping[date, Iterable[Finding]]) -> Iterator[tuple[Finding, list[date]]]:
    """Each finding with neighbouring days that have it, as one remedy mends them: one day each where it is of a day."""
    days_of: dict[Finding, list[date]] = defaultdict(list)
    for day, of_day in findings.items():
        for finding in of_day:
            days_of[finding].append(day)
    for finding, days in days_of.items():
        is_of_a_day = "{day}" in REMEDIES.get(finding, "")
        for run in runs_of_days(days):
            yield from ((finding, part) for part in ([[day] for day in run] if is_of_a_day else [run]))


@dataclass(frozen=True)
class ObjectVerdict:
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
class DayReport:
    """One delivery day of one source. `built` is how many objects are built, `verdicts` are of all others.

    `rules` counts records that the build excluded, by rule. `coverage` is None where the newest commit was not
    measured. Bytes and prefixes are without objects that a deny rule keeps out.
    """

    source: str
    day: date
    placing: Placing
    commit_seq: int
    partition_seq: int
    run_id: str | None
    is_rolled_back: bool
    verdicts: tuple[ObjectVerdict, ...]
    built: int = 0
    rules: Mapping[str, int] = field(default_factory=dict)
    listed_count: int = 0
    landed_bytes: int = 0
    prefixes: int = 0
    unregistered_prefixes: int = 0
    checked_at: str = ""
    commit: Commit | None = None
    coverage: Coverage | None = None

    @property
    def counts(self) -> dict[str, int]:
        others = Counter(str(j.verdict) for j in self.verdicts)
        return ({str(Verdict.BUILT): self.built} if self.built else {}) | dict(others)

    def select(self, *verdicts: Verdict) -> list[ObjectVerdict]:
        return [j for j in self.verdicts if j.verdict in verdicts]

    @property
    def wrong(self) -> list[ObjectVerdict]:
        """Those that ask for something: a day that was rolled back is as a person wants it, and asks for no build."""
        right = {*RIGHT, *(_BUILD_MENDS if self.is_rolled_back else ())}
        return [one for one in self.verdicts if one.verdict not in right]

    @property
    def landed_count(self) -> int:
        """Objects of the day that no deny rule keeps out."""
        return self.listed_count - len(self.select(Verdict.EXCLUDED))

    @property
    def is_stale(self) -> bool:
        """Whether the day is built, and building it again would bring it something.

        A day that was rolled back is as a person wants it.
        """
        if self.run_id is None or self.is_rolled_back:
            return False
        return self._has_broken_manifest or bool(self.select(*_BUILD_MENDS))

    @property
    def _has_broken_manifest(self) -> bool:
        return any(j.detail.startswith(MANIFEST) for j in self.select(Verdict.UNREADABLE_RECORD))

    @property
    def pct(self) -> float | None:
        """Percentage of the day's objects that its build holds as they are now, rounded down; None for no object."""
        others = (j.verdict for j in self.verdicts)
        counted = self.built + sum(v in OF_OBJECTS and v not in _UNCOUNTED for v in others)
        return floor_pct(self.built, counted)

    @property
    def coverage_pct(self) -> float | None:
        """Percentage of the day's events that its newest commit holds; None where it was not measured or has none."""
        return self.coverage.pct if self.coverage else None

    @property
    def findings(self) -> tuple[Finding, ...]:
        """Everything that asks for something, each once, in the order in which it is mended."""
        verdicts = {one.verdict for one in self.wrong}
        placing: list[Finding] = [] if self.placing in IN_ORDER else [self.placing]
        if self.is_rolled_back:
            placing.append(Choice.ROLLED_BACK)
        if self._has_broken_manifest:  # what the build read is not known, and a build is refused until that is mended
            verdicts -= {Verdict.UNBUILT}
        of_objects = [verdict for verdict in Verdict if verdict in verdicts]
        return (*placing, *of_objects, *self._measures())

    def _measures(self) -> tuple[Measure, ...]:
        if self.placing is Placing.NOT_COMMITTED or self.is_rolled_back:
            return ()
        return self.coverage.findings if self.coverage else (Measure.UNCHECKED,)

    @property
    def words(self) -> tuple[str, ...]:
        """One word for the day, the gravest that holds; of a measured day, each word that the recount gives."""
        if self.select(Verdict.UNREGISTERED):
            return ("unregistered",)
        if self.placing is Placing.NOT_COMMITTED:
            return (next((word for verdict, word in _NOT_COMMITTED_WORDS.items() if self.select(verdict)), "excluded"),)
        if self.placing not in IN_ORDER:
            return ("damaged",) if self.placing in _OF_RECORDS else ("unplaced",)
        if self.is_rolled_back:
            return ("rolled_back",)
        if self.select(*_DAMAGE):
            return ("damaged",)
        if self.is_stale:
            return ("stale",)
        if self.select(Verdict.GONE):
            return ("raw_gone",)
        return measure_words(self.coverage)

    @property
    def state(self) -> str:
        return ", ".join(self.words)

    @property
    def reasons(self) -> tuple[str, ...]:
        """A sentence for each thing that is not as it must be: counts, keys of events and objects, never content."""
        beside = _beside_reasons(self.coverage) if self.coverage else ()
        return (*beside, *(judged.text for judged in self.verdicts if judged.verdict not in RIGHT))

    def remedy(self, finding: Finding, first: date | None = None) -> str:
        """What mends a finding of this day, and of those since `first` that have it too."""
        return remedy(finding, self.source, first or self.day, self.day, self.run_id, self.coverage)

    def document(self) -> dict[str, Any]:
        """As JSON, with every name."""
        names: dict[str, list[dict[str, str]]] = defaultdict(list)
        for judged in self.verdicts:
            names[judged.verdict].append({"name": judged.name, "detail": judged.detail})
        return {
            "source": self.source,
            "day": day_number(self.day),
            "state": self.state,
            "placing": self.placing,
            "commit_seq": self.commit_seq,
            "partition_seq": self.partition_seq,
            "run_id": self.run_id,
            "is_rolled_back": self.is_rolled_back,
            "objects_pct": self.pct,
            "coverage_pct": self.coverage_pct,
            "counts": self.counts,
            "excluded_records_by_rule": dict(self.rules),
            "names": dict(names),
            "remedies": {finding: self.remedy(finding) for finding in (*self.findings, *map(Verdict, names))},
            "listed_count": self.listed_count,
            "checked_at": self.checked_at,
        }


def remedies(found: Iterable[tuple[DayReport, Finding]]) -> list[str]:
    """What mends findings of days: each text once, neighbouring days of a finding in one command."""
    findings: dict[date, dict[Finding, None]] = defaultdict(dict)  # each once, in the order they come
    reports: dict[date, DayReport] = {}
    for report, finding in found:
        reports[report.day] = report
        findings[report.day][finding] = None
    runs = finding_runs(findings)
    return list(dict.fromkeys(reports[run[-1]].remedy(finding, run[0]) for finding, run in runs))


def measure_words(coverage: Coverage | None) -> tuple[str, ...]:
    """The words for a committed day by what was measured of its newest commit."""
    if coverage is None:
        return (str(Measure.UNCHECKED),)
    pct, found = coverage.pct, coverage.findings
    wrong = ["incomplete"] if pct is not None and pct < 100 else []
    wrong += [str(measure) for measure in BESIDE if measure in found]
    return tuple(wrong) or ("empty" if pct is None else "complete",)


def _beside_reasons(coverage: Coverage) -> Iterator[str]:
    """A sentence for each of `BESIDE`: counts, keys of events and objects, never content."""
    if coverage.surplus:
        named = ", ".join(coverage.surplus_events[:_NAMED])
        yield (
            f"surplus: {tally(coverage.surplus, 'row')} of the table {inflect(coverage.surplus, 'is', 'are')} "
            f"in no raw log, such as {named}"
        )
    if coverage.repeated:
        yield (
            f"repeated: {tally(coverage.repeated, 'row')} of the table "
            f"{inflect(coverage.repeated, 'is', 'are')} there once already"
        )
    if copies := coverage.differing:
        named = "; ".join(f"{event} in {where}" for event, where in sorted(copies.items())[:_NAMED])
        yield (
            f"differing: {tally(len(copies), 'event')} {inflect(len(copies), 'has', 'have')} a copy with other "
            f"content, which is no row: {named}"
        )

"""What the report says, as values: every day of a year by state, what is open, what was set apart, what changed.

Days of the look-back are compared by listing, as the hourly checks do; of older days the newest commit, its coverage
and the ledger say how they are and what they ask for, so that a report of a year lists no year of objects.
"""

import json
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

from loglake_assets.lake.checks.coverage import Coverage, Measure, coverage_of_commit
from loglake_assets.lake.checks.day_report import (
    LOOK_BACK_DAYS,
    Choice,
    DayReport,
    Finding,
    ObjectVerdict,
    Verdict,
    finding_runs,
    first_open_day,
    measure_words,
    remedy,
)
from loglake_assets.lake.checks.ledger import LedgerDay, read_ledger_day
from loglake_assets.lake.lake import Lake
from loglake_assets.lake.storage.keys import check_key, report_key
from loglake_assets.lake.storage.partitions import days_expression, delivered_days
from loglake_assets.lake.versions.commits import ROLLBACK, Commit, heads, sequences
from loglake_assets.lake.versions.late_ledger import late_counts
from loglake_assets.report.report_words import state_words
from loglake_assets.reviews import load_review, review_names
from loglake_assets.reviews.session_activity.reviewer_scope import days_to_review
from loglake_assets.reviews.session_activity.verdicts import SessionReview, reviews_with_backlog
from loglake_assets.s3.json_records import json_record
from loglake_assets.s3.objects import object_if_any
from loglake_assets.s3.pages import keys
from loglake_assets.sources import LogSource, load_source, source_names
from loglake_assets.sources.calendar_days import day_from_number, day_number, days_between
from loglake_assets.sources.rules import ExcludeRule, load_rules

REPORT_DAYS = 365
COMPLETE, NOTHING_DELIVERED, UNBUILT, OPEN = "complete", "nothing delivered", "unbuilt", "open"
_NAMES_SHOWN = 3
TOOLS_SHOWN = 20


@dataclass(frozen=True)
class Period:
    """The days of a report, oldest first: those its heat maps show, and the recent ones of sessions, tools and digests.

    `words` name the latter in a sentence, such as "the last 35 days".
    """

    shown: tuple[date, ...]
    recent: tuple[date, ...]
    words: str

    @property
    def compared_days(self) -> list[date]:
        """Days that are compared with storage by listing it."""
        return sorted({*self.recent, *self.shown[-LOOK_BACK_DAYS - 1 :]})


def period_of(today: date, newest_built: date | None = None, asked: tuple[date, date] | None = None) -> Period:
    """The year to today and its look-back; of a lake that stands still, the look-back to its newest built day.

    With `asked`, the first and the last day of what a report is made for, it is these days and the year to their last.
    """
    if asked:
        first, last = asked
        return _period(last, first, last, f"the days from {first} to {last}" if first < last else f"the day {first}")
    first = today - timedelta(days=LOOK_BACK_DAYS)
    if newest_built is None or newest_built >= first:
        return _period(today, first, today, f"the last {LOOK_BACK_DAYS} days")
    words = f"the {LOOK_BACK_DAYS} days to {newest_built}, the newest day that is built"
    return _period(today, newest_built - timedelta(days=LOOK_BACK_DAYS - 1), newest_built, words)


def _period(end: date, first: date, last: date, words: str) -> Period:
    begin = min(first, end - timedelta(days=REPORT_DAYS - 1))
    return Period(tuple(days_between(begin, end)), tuple(days_between(first, last)), words)


@dataclass(frozen=True)
class DayFigure:
    """One UTC day of a log. `pct` is of its events, None where none was measured; `state` is its one word."""

    day: date
    state: str
    pct: float | None = None
    rows: int = 0
    orc_bytes: int = 0
    late_objects: int = 0
    ledger: LedgerDay | None = None


@dataclass(frozen=True)
class Problem:
    """One finding that neighbouring days ask for, with the first names of it, which anybody may have chosen."""

    first: date
    last: date
    finding: str
    remedy: str
    names: tuple[str, ...] = ()

    @property
    def days(self) -> int:
        return (self.last - self.first).days + 1


@dataclass(frozen=True)
class DigestDay:
    """What the log's own digests prove of a delivery day; `pct` is of all its files, None where it has none."""

    day: date
    pct: float | None
    findings: int


@dataclass(frozen=True)
class LogFigures:
    """One log over the days of the report, oldest first."""

    name: str
    title: str
    days: tuple[DayFigure, ...]
    problems: tuple[Problem, ...] = ()
    digests: tuple[DigestDay, ...] = ()
    has_digests: bool = False
    rules: tuple[ExcludeRule, ...] = ()
    """The exclusions that rules.toml has now."""

    def with_digests(self, fresh: Collection[DigestDay]) -> "LogFigures":
        """The same log, with what was found of some of its days in place of what their audit kept."""
        found = {one.day: one for one in (*self.digests, *fresh)}
        return replace(self, digests=tuple(found[day] for day in sorted(found)))

    @property
    def months(self) -> dict[str, list[DayFigure]]:
        """Days by month, such as 2026-11."""
        found: dict[str, list[DayFigure]] = {}
        for figure in self.days:
            found.setdefault(f"{figure.day:%Y-%m}", []).append(figure)
        return found

    @property
    def exclusions(self) -> dict[str, tuple[int, ExcludeRule | None]]:
        """Events left out by name of the rule, with the rule; None where rules.toml has it no longer."""
        counts = Counter[str]()
        for figure in self.days:
            counts.update(figure.ledger.excluded_by if figure.ledger else {})
        now = {rule.name: rule for rule in self.rules}
        return {name: (counts[name], now.get(name)) for name in (*now, *sorted(counts.keys() - now.keys()))}

    @property
    def totals(self) -> dict[str, int]:
        """Sums of the ledger over all days."""
        found: Counter[str] = Counter()
        for ledger in (figure.ledger for figure in self.days if figure.ledger):
            found.update(ledger.totals)
        return dict(found)


@dataclass(frozen=True)
class LakeFigures:
    """The whole report. `changes` are sentences about what is otherwise than in the report before it."""

    lake: str
    place: str
    made_at: datetime
    period: Period
    logs: tuple[LogFigures, ...]
    sessions: Mapping[str, int] = field(default_factory=dict)
    tools: tuple[Mapping[str, Any], ...] = ()
    changes: tuple[str, ...] = ()
    before: str = ""
    reviews: tuple[SessionReview, ...] = ()

    def closed_days(self, log: LogFigures) -> tuple[DayFigure, ...]:
        """The log's days that were over when the report was made."""
        return tuple(figure for figure in log.days if figure.day < self.made_at.date())

    def complete_days(self, log: LogFigures) -> int:
        """How many of its closed days are complete."""
        return sum(figure.state == COMPLETE for figure in self.closed_days(log))

    @property
    def states(self) -> dict[str, dict[str, str]]:
        """State of each day by log: what the next report compares with."""
        return {log.name: {figure.day.isoformat(): figure.state for figure in log.days} for log in self.logs}


def lake_figures(lake: Lake, place: str, now: datetime, asked: tuple[date, date] | None = None) -> LakeFigures:
    """Everything the report says, as of `now`: of the last year, or of the first and last day that are asked for.

    Raises AthenaError where a review cannot be asked.
    """
    period = period_of(now.date(), None if asked else _newest_built_day(lake, now.date()), asked)
    logs = tuple(log_figures(lake, load_source(name), first_open_day(now), period) for name in source_names())
    first, last = period.recent[0], period.recent[-1]
    reviews = reviews_with_backlog(lake, first, last, days_to_review())
    tools = _ask(
        lake,
        "agent_tool_use",
        "SELECT useridentity_arn AS agent, tool_name AS tool, count(*) AS calls FROM agent_tool_use "
        f"WHERE logcalendarday BETWEEN {day_number(first)} AND {day_number(last)} "
        f"GROUP BY 1, 2 ORDER BY calls DESC LIMIT {TOOLS_SHOWN}",
    )
    made = LakeFigures(
        lake.settings.name,
        place,
        now,
        period,
        logs,
        dict(Counter(one.row["state"] for one in reviews if one.day >= first)),
        tuple(tools),
        reviews=tuple(reviews),
    )
    before, states = _report_before(lake, now.date())
    return replace(made, changes=tuple(_changes(states, made.states)), before=before)


def _newest_built_day(lake: Lake, today: date) -> date | None:
    """The newest day until today that is built of any log; None where none is."""
    tables = (lake.table(load_source(name).readready.name) for name in source_names())
    days = (day for table in tables for day in sequences(table) if day <= day_number(today))
    newest = max(days, default=None)
    return None if newest is None else day_from_number(newest)


def _ask(lake: Lake, review: str, sql: str) -> list[dict[str, Any]]:
    """Rows of a review; none where no day of it was ever built."""
    if review not in review_names() or not sequences(lake.table(load_review(review).table.name)):
        return []
    return lake.athena.ask(sql).rows


def log_figures(lake: Lake, source: LogSource, first_open: date, period: Period) -> LogFigures:
    """One log over the days of a report; days from `first_open` on need not be built yet."""
    days = period.shown
    table = lake.table(source.readready.name)
    listed = {one.day: one for one in lake.reconciler(source).days(period.compared_days, first_open)}
    delivered = delivered_days(lake.catalog, source, days_expression(days))
    commits = {day_from_number(day): commit for day, commit in heads(table).items()}
    late = late_counts(table)
    built = [day for day in days if day in commits]
    with ThreadPoolExecutor(16) as pool:
        ledger = dict(zip(built, pool.map(lambda day: read_ledger_day(table, day_number(day)), built), strict=True))
        coverage = pool.map(lambda day: coverage_of_commit(table, day_number(day), commits[day].seq), built)
        measured = dict(zip(built, coverage, strict=True))
    known = {
        day: _of_report(listed[day])
        if day in listed
        else _of_commit(commits[day], measured[day])
        if day in commits
        else _of_delivery(day in delivered, day >= first_open)
        for day in days
    }

    def figure(day: date) -> DayFigure:
        commit, found = commits.get(day), measured.get(day)
        return DayFigure(
            day,
            known[day].state,
            found.pct if found else None,
            commit.rows if commit else 0,
            commit.bytes if commit else 0,
            late.get(day_number(day), 0),
            ledger.get(day),
        )

    figures = tuple(map(figure, days))
    begun = next((n for n, one in enumerate(figures) if one.state != NOTHING_DELIVERED), len(figures))
    # Before its first day a log has nothing to be missing.
    return LogFigures(
        source.name,
        source.title,
        figures[begun:],
        tuple(_problems(source.name, known)),
        tuple(_digests(lake, source, period.recent)),
        source.digests is not None,
        load_rules(source.name).exclude,
    )


@dataclass(frozen=True)
class _KnownDay:
    """What is known of a day: its state, what it asks for, and where the names of that are."""

    state: str
    findings: tuple[Finding, ...] = ()
    coverage: Coverage | None = None
    verdicts: tuple[ObjectVerdict, ...] = ()
    run_id: str | None = None

    def names(self, finding: Finding) -> list[str]:
        """What a finding is of: objects, as far as they are known."""
        if self.coverage and finding is Measure.UNREADABLE:
            return list(self.coverage.unreadable)
        if self.coverage and finding is Measure.MISSING:
            return list(self.coverage.missing_by_object)
        if self.coverage and finding is Measure.UNPLACEABLE:
            return list(self.coverage.unplaceable_by_object)
        return [judged.name for judged in self.verdicts if judged.verdict == finding]


def _of_report(found: DayReport) -> _KnownDay:
    """A day that was compared with storage."""
    return _KnownDay(found.state, found.findings, found.coverage, found.verdicts, found.run_id)


def _of_commit(commit: Commit, coverage: Coverage | None) -> _KnownDay:
    """An older day, by its newest commit and what was counted of that."""
    if commit.reason == ROLLBACK:
        return _KnownDay(str(Choice.ROLLED_BACK), (Choice.ROLLED_BACK,), coverage, run_id=commit.run_id)
    findings = coverage.findings if coverage else (Measure.UNCHECKED,)
    return _KnownDay(", ".join(measure_words(coverage)), findings, coverage, run_id=commit.run_id)


def _of_delivery(is_delivered: bool, is_open: bool) -> _KnownDay:
    """A day without a commit."""
    if is_open:
        return _KnownDay(OPEN)
    return _KnownDay(UNBUILT, (Verdict.UNBUILT,)) if is_delivered else _KnownDay(NOTHING_DELIVERED)


def _problems(source: str, known: Mapping[date, _KnownDay]) -> Iterator[Problem]:
    """What days ask for, the newest first; neighbouring days that ask for the same are one."""
    found = [
        Problem(
            run[0],
            run[-1],
            str(finding),
            remedy(finding, source, run[0], run[-1], known[run[-1]].run_id, known[run[-1]].coverage),
            tuple(name for day in run for name in known[day].names(finding))[:_NAMES_SHOWN],
        )
        for finding, run in finding_runs({day: one.findings for day, one in known.items()})
    ]
    yield from sorted(found, key=lambda problem: (problem.last, problem.first), reverse=True)


def _digests(lake: Lake, source: LogSource, days: Sequence[date]) -> Iterator[DigestDay]:
    """What the daily audit of digests kept; days that were not audited are left out."""
    if source.digests is None:
        return
    for day in days:
        key = check_key(source.raw.name, day_number(day), "digests")
        found = _json(lake, key)
        if found is not None:
            yield digest_day(day, found)


def digest_day(day: date, report: Mapping[str, Any]) -> DigestDay:
    """What the document of a day's validation says of it."""
    return DigestDay(day, report.get("files_proved_pct"), len(report.get("findings", ())))


def _json(lake: Lake, key: str) -> dict[str, Any] | None:
    body = object_if_any(lake.s3, lake.settings.readready_bucket, key)
    try:
        return None if body is None else json_record(body)
    except ValueError:
        return None


def _report_before(lake: Lake, today: date) -> tuple[str, dict[str, dict[str, str]]]:
    """The day of the newest report before today's, and the states it gave; empty where there is none."""
    bucket = lake.settings.readready_bucket
    own = report_key(today, "json")
    earlier = [key for key in keys(lake.s3, bucket, "reports/") if key.endswith(".json") and key < own]
    if not earlier:
        return "", {}
    newest = max(earlier)
    found = _json(lake, newest) or {}
    return newest.split("/")[1], found.get("states", {})


def _changes(before: Mapping[str, Mapping[str, str]], now: Mapping[str, Mapping[str, str]]) -> Iterator[str]:
    """What was of another state; days that are new are not a change."""
    for log, days in now.items():
        for day, state in days.items():
            was = before.get(log, {}).get(day)
            if was is not None and was != state:
                yield f"{log} {day}: {state_words(was)} before, {state_words(state)} now"


def put_report(lake: Lake, found: LakeFigures, html: str) -> str:
    """Keep the page, and beside it what the next report compares with; returns the page's key."""
    day, bucket = found.made_at.astimezone(UTC).date(), lake.settings.readready_bucket
    document = json.dumps({"made_at": found.made_at.isoformat(), "states": found.states}, sort_keys=True)
    lake.s3.put_object(
        Bucket=bucket, Key=report_key(day, "json"), Body=document.encode(), ContentType="application/json"
    )
    key = report_key(day, "html")
    lake.s3.put_object(Bucket=bucket, Key=key, Body=html.encode(), ContentType="text/html; charset=utf-8")
    return key

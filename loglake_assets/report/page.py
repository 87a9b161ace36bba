"""The report as one HTML page that loads nothing, runs nothing and can be printed."""

from collections import Counter
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from jinja2 import Environment
from markupsafe import Markup

from loglake_assets.report.charts import BROKEN, KINDS, PARTLY, WAITING, heat_map, kind_of, monthly_bars
from loglake_assets.report.figures import NOTHING_DELIVERED, TOOLS_SHOWN, DayFigure, LakeFigures, LogFigures
from loglake_assets.report.report_words import SESSIONS, finding_words, state_words
from loglake_assets.reviews.page_text import page_environment
from loglake_assets.reviews.session_activity.states import STATES
from loglake_assets.reviews.session_activity.verdicts import OWED, VERDICTS, counts_by_status
from loglake_assets.sources.calendar_days import days_argument, days_text, runs_of_days
from loglake_assets.sources.words import join_clauses, tally
from resources.settings import loglake

PROBLEMS_SHOWN = 100
"""Rows of one log."""
CHANGES_SHOWN = 100
REVIEWS_SHOWN = 50
_NO_SUM = "\N{EN DASH}"
_OPEN_KINDS = (PARTLY, BROKEN, WAITING)
"""What a day is called that is not complete, and over, and not without any event."""
_CSS_CLASSES = dict(zip(KINDS, ("complete", "notwhole", "damaged", "waiting", "quiet", "nothing"), strict=True))


def report_page(found: LakeFigures) -> str:
    """The whole page. Names of objects and tools are anybody's: they stand escaped, and never in a picture."""
    today = found.made_at.date()
    owed = [(one, status) for one in found.reviews if (status := one.status(today)) in OWED]
    owed_dates = sorted(Counter((one.due, status) for one, status in owed).items())
    problems = [(log, problem) for log in found.logs for problem in log.problems[:PROBLEMS_SHOWN]]
    return (
        _pages()
        .get_template("report.html.j2")
        .render(
            report=found,
            logs=[(log, _pictures(log, months), months) for log, months in ((log, _months(log)) for log in found.logs)],
            days={log.name: _days(log) for log in found.logs},
            compared=_comparison_words(found),
            kinds=KINDS,
            problems=problems,
            problem_count=sum(len(log.problems) for log in found.logs),
            more=[(log, left) for log in found.logs if (left := log.problems[PROBLEMS_SHOWN:])],
            changes=found.changes[:CHANGES_SHOWN],
            change_count=len(found.changes),
            sessions=[(STATES[s].label, count, SESSIONS[s]) for s, count in found.sessions.items() if s in STATES],
            reviews=[(status, count) for status, count in counts_by_status(found.reviews, today).items() if count],
            owed=owed_dates[:REVIEWS_SHOWN],
            owed_count=len(owed),
            owed_before=sum(one.day < found.period.recent[0] for one, _ in owed),
            owed_dates=len(owed_dates),
            closed={log.name: found.closed_days(log) for log in found.logs},
            audits={log.name: _audit(found, log) for log in found.logs if found.closed_days(log)},
            most_tools=TOOLS_SHOWN,
        )
    )


def _audit(found: LakeFigures, log: LogFigures) -> str:
    """The command that validates the log's digests of the days that the report would tell of."""
    closed = [figure.day for figure in found.closed_days(log)]
    days = [day for day in found.period.recent if day in closed] or closed[-1:]
    return loglake(f"digests {log.name} {days_argument(days[0], days[-1])}")


def _comparison_words(found: LakeFigures) -> str:
    """The days that were compared with storage, as words."""
    return join_clauses([days_text(run) for run in runs_of_days(found.period.compared_days)])


def _days(log: LogFigures) -> dict[str, list[DayFigure]]:
    """The days of a log for its tables, newest first; a day on which nothing was delivered is in none."""
    days = [figure for figure in reversed(log.days) if figure.state != NOTHING_DELIVERED]
    return {"open": [figure for figure in days if kind_of(figure.state) in _OPEN_KINDS], "all": days}


def _pictures(log: LogFigures, months: Sequence[Mapping[str, Any]]) -> dict[str, Markup]:
    def bars(what: str, title: str, unit: str) -> Markup:
        return monthly_bars({month["month"]: month[what] for month in months}, f"{log.title}: {title} a month", unit)

    return {
        "heat": heat_map(log, legend=False),
        "rows": bars("rows", "events", "events"),
        "bytes": bars("bytes", "bytes of raw logs", "bytes"),
        "late": bars("late", "late objects", "late objects"),
        "usd": bars("usd", "cost of Glue", "USD"),
    }


def _months(log: LogFigures) -> list[dict[str, Any]]:
    """A row a month: days by kind, the lowest coverage, and sums. What the pictures show, as numbers."""
    rows = []
    for month, days in log.months.items():
        kinds = Counter(kind_of(figure.state) for figure in days)
        measured = [figure.pct for figure in days if figure.pct is not None]
        ledgers = [figure.ledger for figure in days if figure.ledger]
        rows.append(
            {
                "month": month,
                "kinds": {kind: kinds.get(kind, 0) for kind in KINDS},
                "least": min(measured, default=None),
                "rows": sum(figure.rows for figure in days),
                "bytes": sum(one.totals.get("content_bytes", 0) for one in ledgers),
                "late": sum(figure.late_objects for figure in days),
                "usd": round(sum(one.usd for one in ledgers), 4),
            }
        )
    return rows


def _of_ledger(figure: DayFigure, name: str) -> str:
    """A sum of a day's ledger as it is shown: no number where none was kept."""
    return f"{figure.ledger.totals.get(name, 0):,}" if figure.ledger else _NO_SUM


def _total(totals: Mapping[str, int], name: str) -> int:
    return totals.get(name, 0)


def _status(name: str) -> str:
    """A review's status as people read it."""
    return VERDICTS.get(name, name.capitalize())


@cache
def _pages() -> Environment:
    pages = page_environment(__package__)
    pages.filters |= {
        "css_class": _CSS_CLASSES.__getitem__,
        "total": _total,
        "of_ledger": _of_ledger,
        "kind": kind_of,
        "tally": tally,
        "status": _status,
        "finding": finding_words,
        "state": state_words,
    }
    return pages

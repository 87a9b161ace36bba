"""The report as one HTML page that loads nothing, runs nothing and can be printed."""

import base64
import hashlib
from collections import Counter
from collections.abc import Mapping
from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from loglake_assets.report.charts import KINDS, heat_map, kind_of, monthly_bars
from loglake_assets.report.figures import LakeFigures, LogFigures
from loglake_assets.reviews.session_activity.page_text import percentage, plain, text_for_page
from loglake_assets.reviews.session_activity.states import STATES

PROBLEMS_SHOWN = 200
CHANGES_SHOWN = 100


def report_page(found: LakeFigures) -> str:
    """The whole page. Names of objects and tools are anybody's: they stand escaped, and never in a picture."""
    problems = [(log, problem) for log in found.logs for problem in log.problems]
    return (
        _pages()
        .get_template("report.html.j2")
        .render(
            report=found,
            logs=[(log, _pictures(log), _months(log)) for log in found.logs],
            kinds=KINDS,
            problems=problems[:PROBLEMS_SHOWN],
            problem_count=len(problems),
            changes=found.changes[:CHANGES_SHOWN],
            change_count=len(found.changes),
            sessions=[(STATES[state], count) for state, count in found.sessions.items() if state in STATES],
            yesterday=[(log, _yesterday(log, found)) for log in found.logs],
        )
    )


def _yesterday(log: LogFigures, found: LakeFigures) -> Any:
    """The last closed day of the log, or None."""
    closed = [figure for figure in log.days if figure.day < found.made_at.date()]
    return closed[-1] if closed else None


def _pictures(log: LogFigures) -> dict[str, Markup]:
    return {
        "heat": heat_map(log.days, f"{log.title}: each day of the last year by how whole it is"),
        "rows": monthly_bars(_sums(log, "rows"), f"{log.title}: events a month", "events"),
        "bytes": monthly_bars(_sums(log, "bytes"), f"{log.title}: bytes of raw logs a month", "bytes"),
        "late": monthly_bars(_sums(log, "late"), f"{log.title}: late objects a month", "late objects"),
        "usd": monthly_bars(_sums(log, "usd"), f"{log.title}: cost of Glue a month", "USD"),
    }


def _sums(log: LogFigures, what: str) -> dict[str, float]:
    return {month["month"]: month[what] for month in _months(log)}


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


def _style_source(style: str) -> Markup:
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    return Markup(f"'sha256-{digest}'")


def _total(totals: Mapping[str, int], name: str) -> int:
    return totals.get(name, 0)


@cache
def _pages() -> Environment:
    pages = Environment(
        loader=PackageLoader(__package__, ""),
        autoescape=True,
        finalize=text_for_page,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    pages.filters |= {"plain": plain, "percentage": percentage, "style_source": _style_source, "total": _total}
    pages.filters |= {"grouped": "{:,}".format, "kind": kind_of}
    return pages

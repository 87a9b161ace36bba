"""The report of a lake, made now: kept in the lake, and as a file of this machine to open."""

import webbrowser
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from infra.cli.command_lake import CommandLake
from loglake_assets.report.figures import lake_figures, put_report
from loglake_assets.report.page import report_page
from loglake_assets.sources.words import tally


def make_report(lake: CommandLake, say: Callable[[str], None]) -> Path:
    """Make the report and return where it lies here. Raises AthenaError where a review cannot be asked."""
    found = lake_figures(lake.resource, lake.place, datetime.now(UTC))
    html = report_page(found)
    key = put_report(lake.resource, found, html)
    path = lake.home / "reports" / f"{found.made_at.date()}.html"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(html, encoding="utf-8")
    for log in found.logs:
        days = f"{found.complete_days(log):,} of {tally(len(found.closed_days(log)), 'closed day')} complete"
        say(f"{log.name}: {days}, {tally(len(log.problems), 'open problem')}")
    say(f"Report: {path.as_uri()}, kept as s3://{lake.settings.readready_bucket}/{key}")
    return path


def open_report(path: Path, say: Callable[[str], None]) -> None:
    """Show it in this machine's browser; where there is none, the address was said."""
    if not webbrowser.open(path.as_uri()):
        say("No browser was found here: open the file above in one.")

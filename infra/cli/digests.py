"""Validation of a log's own digests from the command line: a table of days, and every finding by name."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from infra.cli.command_lake import CommandLake
from infra.cli.terminal_output import escape, pct_text, print_table, size
from loglake_assets.lake.digest_audit import validate_digests
from loglake_assets.sources import LogSource, load_source, source_names
from loglake_assets.sources.calendar_days import day_from_number, days_between
from loglake_assets.sources.digest_report import DigestReport
from loglake_assets.sources.modules import load_digests

HEADINGS = (
    *("day", "digests expected", "digests valid", "backfills", "files", "proved", "not as named", "named by none"),
    *("hour without digest", "day without digest", "% of files proved", "read", "findings"),
)
"""`files` is the sum of the five after it: each file counts once."""
_GROUPS_SHOWN = 3
_DAY_OF_GRACE = timedelta(days=1)


class DigestsError(RuntimeError):
    """Nothing can be validated; the message says why and what to do."""


def validate_days(
    lake: CommandLake, source: LogSource, first: date, last: date, keys: Path | None, say: Callable[[str], None]
) -> list[DigestReport]:
    """Reports of the delivery days from first to last. Raises DigestsError where the log has no digests."""
    if source.digests is None:
        others = [name for name in source_names() if load_source(name).digests]
        raise DigestsError(f"{source.title} is delivered without digests. Logs that have some: {', '.join(others)}.")
    if last < first:
        raise DigestsError(f"The range of days {first}..{last} ends before it begins. Write the earlier day first.")
    return validate_digests(source, lake.resource, days_between(first, last), datetime.now(UTC), say, keys)


def print_digests(source: LogSource, reports: Sequence[DigestReport]) -> None:
    """The table of days, the findings with hours in a row as one line, their number by kind, and what is not proved."""
    print_table(f"{source.title}, delivery days by its own digests", HEADINGS, [_row(report) for report in reports])
    for line in load_digests(source).finding_lines(f for r in reports for f in r.findings):
        print(escape(f"FOUND {line}"))
    counts: Counter[str] = sum((Counter(report.counts) for report in reports), Counter())
    if counts:
        print(f"Found in all: {', '.join(f'{count:,} {kind}' for kind, count in sorted(counts.items()))}")
    for line in summary_lines(reports, datetime.now(UTC).date()):
        print(escape(line))


def summary_lines(reports: Sequence[DigestReport], today: date) -> Iterator[str]:
    """How many of all files are proved, and of those that no digest speaks of how many there are and why."""
    files, proved = sum(r.files for r in reports), sum(r.files_matching for r in reports)
    if files:
        yield f"{proved:,} of {files:,} files are proved: a digest with a valid signature names their content."
    if undecided := sum(report.files_undecided for report in reports):
        yield (
            f"Not proved, hour without digest: {undecided:,} files. Of the hour in which they were stored there is no "
            "valid digest: it has not arrived, or is among the findings."
        )
    recent = [report for report in reports if day_from_number(report.day) >= today - _DAY_OF_GRACE]
    for chosen, why in (
        (
            [r for r in reports if r not in recent],
            "log file validation was off there, or none was delivered to this lake",
        ),
        (recent, "their digests have not arrived, or log file validation is off there"),
    ):
        yield from _unproved_line(chosen, why)


def _unproved_line(reports: Sequence[DigestReport], why: str) -> Iterator[str]:
    """One line for all accounts and Regions that have files on a day and no digest of that day."""
    groups: Counter[str] = sum((Counter(report.unproved) for report in reports), Counter())
    if not groups:
        return
    shown = ", ".join(f"{name} ({count:,})" for name, count in groups.most_common(_GROUPS_SHOWN))
    more = f" and {len(groups) - _GROUPS_SHOWN:,} more" if len(groups) > _GROUPS_SHOWN else ""
    days = sum(bool(report.unproved) for report in reports)
    yield (
        f"Not proved, day without digest: {sum(groups.values()):,} files of {len(groups):,} accounts and Regions on "
        f"{days:,} days: {why}. Most: {shown}{more}."
    )


def _row(report: DigestReport) -> list[object]:
    return [
        day_from_number(report.day),
        report.digests_expected,
        report.digests_valid,
        report.backfills_found,
        report.files,
        report.files_matching,
        report.files_named - report.files_matching,
        report.files_unvouched,
        report.files_undecided,
        sum(report.unproved.values()),
        pct_text(report.proved_pct),
        size(report.bytes_read),
        len(report.findings),
    ]

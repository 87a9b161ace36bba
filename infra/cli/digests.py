"""Validation of a log's own digests from the command line: a table of days, and every finding by name."""

from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime
from pathlib import Path

from infra.cli.dagster_runs import coverage_text
from infra.cli.lake import CommandLake
from infra.cli.terminal import escape, print_table, size
from loglake_assets.orchestration.digest_checks import digest_keys
from loglake_assets.sources import LogSource, load_source, source_names
from loglake_assets.sources.digest_report import DigestReport
from loglake_assets.sources.modules import load_digests
from loglake_assets.sources.placement import day_from_number, days_between

HEADINGS = (
    *("day", "chains", "digests", "of", "valid", "backfills", "files named", "matching", "unvouched", "undecided"),
    *("unproved", "proved %", "read", "findings"),
)


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
    days = days_between(first, last)
    trusted = digest_keys(source, lake.resource, first, datetime.now(UTC), keys)
    bucket = lake.settings.raw_bucket(source.name)
    return list(load_digests(source).validate(lake.client("s3"), source, bucket, days, trusted, progress=say))


def print_digests(source: LogSource, reports: Sequence[DigestReport]) -> None:
    """The table of days, the findings with hours in a row as one line, their number by kind, what has no digests."""
    print_table(f"{source.title}, delivery days by its own digests", HEADINGS, [_row(report) for report in reports])
    for line in load_digests(source).finding_lines(f for r in reports for f in r.findings):
        print(escape(f"FOUND {line}"))
    counts: Counter[str] = sum((Counter(report.counts) for report in reports), Counter())
    if counts:
        print(f"Found in all: {', '.join(f'{count:,} {kind}' for kind, count in sorted(counts.items()))}")
    for report in reports:
        for group, count in report.unproved.items():
            print(escape(f"unproved {day_from_number(report.day)}: {count:,} files of {group} have no digests"))


def _row(report: DigestReport) -> list[object]:
    return [
        day_from_number(report.day),
        report.chains,
        report.digests_found,
        report.digests_expected,
        report.digests_valid,
        report.backfills_found,
        report.files_named,
        report.files_matching,
        report.files_unvouched,
        report.files_undecided,
        sum(report.unproved.values()),
        coverage_text(report.pct),
        size(report.bytes_read),
        len(report.findings),
    ]

"""What was not loaded, by name: the quarantine of committed days on the terminal."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from typing import Any

from infra.cli.command_lake import CommandLake
from infra.cli.terminal_output import print_text
from loglake_assets.lake.versions.commits import head
from loglake_assets.lake.versions.manifests import manifest_if_any
from loglake_assets.sources import LogSource
from loglake_assets.sources.calendar_days import day_number
from loglake_assets.sources.reasons import advice
from resources.settings import program

NAMES_SHOWN = 20


def print_quarantine(lake: CommandLake, source: LogSource, days: Sequence[date]) -> None:
    """A line for each object or record of the days that is not loaded, the first twenty; then what the reasons mean."""
    entries = list(_entries(lake, source, days))
    for day, entry in entries[:NAMES_SHOWN]:
        print_text(f"quarantined {day}: {entry['reason']}: {entry_name(entry)}")
    if len(entries) > NAMES_SHOWN:
        print_text(
            f"and {len(entries) - NAMES_SHOWN:,} more; all are in manifests/ in {lake.settings.readready_bucket}"
        )
    for reason in sorted({entry["reason"] for _, entry in entries}):
        concerned = [day for day, entry in entries if entry["reason"] == reason]
        print_text(f"{reason}: {advice(reason, program(), source.name, min(concerned), max(concerned))}")


def _entries(lake: CommandLake, source: LogSource, days: Sequence[date]) -> Iterator[tuple[date, Mapping[str, Any]]]:
    table = lake.table(source.readready.name)
    for day in days:
        commit = head(table, day_number(day))
        if commit is None:
            continue
        manifest = manifest_if_any(table, day_number(day), commit.run_id)
        for entry in manifest.quarantine if manifest else ():
            yield day, entry


def entry_name(entry: Mapping[str, Any]) -> str:
    """Which object, or which record of it, an entry of a manifest's quarantine is about; not escaped."""
    what = "object" if entry["ordinal"] is None else f"record {entry['ordinal']} of"
    return f"{what} s3://{entry['bucket']}/{entry['key']}"

"""The first day of a local lake, as its Dagster is given it: that of the first raw day that the catalog knows."""

import os
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from infra.cli.command_lake import CommandLake
from loglake_assets.lake.checks.day_report import LOOK_BACK_DAYS
from loglake_assets.lake.storage.partitions import delivered_days
from loglake_assets.sources import load_source, source_names
from resources.settings import FIRST_DAY, first_day, loglake

_SHOWN = "dagster.first_day"


def lake_first_day(lake: CommandLake, asked: date | None = None) -> date:
    """LOGLAKE_FIRST_DAY where it is set, else the first raw day of any log; `asked` where that lies before.

    A lake without a raw day begins a look-back ago.
    """
    if os.environ.get(FIRST_DAY):
        first = first_day()
    else:
        first = first_raw_day(lake) or datetime.now(UTC).date() - timedelta(days=LOOK_BACK_DAYS)
    return min(first, asked) if asked else first


def first_raw_day(lake: CommandLake) -> date | None:
    """The first day of which the catalog has a raw partition of any log."""
    found = (delivered_days(lake.catalog, source) for source in map(load_source, source_names()))
    return min((day for days in found for day in days), default=None)


def note_first_day(home: Path, first: date) -> None:
    """Keep for other commands from which day on the Dagster that runs has days."""
    (home / _SHOWN).write_text(first.isoformat())


def forget_first_day(home: Path) -> None:
    """That Dagster has ended."""
    (home / _SHOWN).unlink(missing_ok=True)


def hidden_days_hint(home: Path, first_loaded: date) -> str | None:
    """What to say where the Dagster that runs begins after a day that was just loaded; None where it does not."""
    noted = home / _SHOWN
    shown = date.fromisoformat(noted.read_text()) if noted.exists() else None
    if shown is None or first_loaded >= shown:
        return None
    return (
        f"Dagster was started with days from {shown} on. Stop `{loglake('up')}` and start it again: it then shows days "
        f"from {first_loaded} on. `{loglake(f'build LOG {first_loaded}')}` builds them now as well."
    )

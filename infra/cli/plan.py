"""What building days would take, at a terminal."""

from collections.abc import Callable
from datetime import UTC, date, datetime

from infra.cli.lake import CommandLake
from infra.cli.terminal import print_table, size
from loglake_assets.lake.checks.build_plan import build_plan
from loglake_assets.orchestration.comparison import first_open_day
from loglake_assets.orchestration.plan_asset import plan_sentence
from loglake_assets.orchestration.source_config import source_config
from loglake_assets.sources.placement import days_argument, days_between
from resources.settings import first_day as lake_first_day
from resources.settings import loglake

SHOWN = 60


def print_plan(lake: CommandLake, name: str, first: date, last: date, say: Callable[[str], None]) -> None:
    """The days with anything to build, and what that takes in all."""
    config = source_config(name, start_day=lake_first_day())
    days = days_between(first, last)
    first_open = first_open_day(datetime.now(UTC), config.schedule_hour)
    found = build_plan(
        lake.resource.reconciler(config.source, config.look_ahead_days), days, first_open, config.days_per_run
    )
    rows = [[one.day, one.objects, size(one.bytes), one.brings, one.state] for one in found.to_build[:SHOWN]]
    if rows:
        print_table(f"{config.source.title}, to build", ("day", "objects", "stored", "brings", "state now"), rows)
    if len(found.to_build) > SHOWN:
        say(f"and {len(found.to_build) - SHOWN:,} days more")
    say(f"{plan_sentence(found)}. `{loglake(f'build {name} {days_argument(first, last)}')}` builds them.")

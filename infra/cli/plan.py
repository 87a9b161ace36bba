"""What building days would take, at a terminal."""

from collections.abc import Callable
from datetime import date

from infra.cli.command_lake import CommandLake
from infra.cli.terminal_output import print_table, size
from loglake_assets.orchestration.plan_asset import plan_days, plan_sentence
from loglake_assets.orchestration.source_config import source_config
from loglake_assets.sources.calendar_days import days_argument, days_between
from loglake_assets.sources.words import tally
from resources.settings import first_day as lake_first_day
from resources.settings import loglake

SHOWN = 60


def print_plan(lake: CommandLake, name: str, first: date, last: date, say: Callable[[str], None]) -> None:
    """The days with anything to build, and what that takes in all."""
    config = source_config(name, start_day=lake_first_day())
    found = plan_days(config, lake.resource, days_between(first, last))
    rows = [[one.day, one.objects, size(one.bytes), one.brings, one.state] for one in found.to_build[:SHOWN]]
    if rows:
        print_table(f"{config.source.title}, to build", ("day", "objects", "stored", "brings", "state now"), rows)
    if len(found.to_build) > SHOWN:
        say(f"and {tally(len(found.to_build) - SHOWN, 'day')} more")
    say(f"{plan_sentence(found)}. `{loglake(f'build {name} {days_argument(first, last)}')}` builds them.")

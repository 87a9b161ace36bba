"""A backfill over every log and review, from one launch: exactly the days that were asked for, in each table's windows.

A backfill that the UI starts for several tables takes of a review all days that read one of the chosen days, and those
whose logs nobody built then fail. Decided in docs/decisions/0026-a-backfill-of-everything.md.
"""

from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

import dagster as dg
from dagster._core.definitions.assets.graph.asset_graph import AssetGraph
from dagster._core.definitions.selector import PartitionRangeSelector, PartitionsByAssetSelector, PartitionsSelector
from dagster._core.execution.backfill import PartitionBackfill
from dagster._core.utils import make_new_backfill_id
from pydantic import Field

from loglake_assets.sources.calendar_days import days_argument
from loglake_assets.sources.words import tally

BACKFILL = "backfill_everything"
BACKFILL_TAG = "loglake/backfill"
"""The tag of the run that asked for a backfill: the backfill's id."""
_DAYS = 7
_TABLES = frozenset({"readready", "review"})


class BackfillDays(dg.Config):
    """Which closed days to build; without them, the last seven."""

    first_day: str = Field(
        "", description="the first UTC day, such as 2026-11-01; without it, six days before the last"
    )
    last_day: str = Field("", description="the last UTC day, such as 2026-11-07; without it, yesterday")

    def days(self, today: date, earliest: date = date.min) -> tuple[date, date]:
        """The first and the last day; `earliest` is the first that there is. Raises Failure where one is no day."""
        try:
            last = date.fromisoformat(self.last_day) if self.last_day else today - timedelta(days=1)
            if self.first_day:
                return date.fromisoformat(self.first_day), last
            return max(earliest, last - timedelta(days=_DAYS - 1)), last
        except ValueError:
            raise dg.Failure(
                f"The config of {BACKFILL} has first_day {self.first_day!r} and last_day {self.last_day!r}: expected "
                "days such as 2026-11-01. Nothing was asked for. Launch the job again.",
                allow_retries=False,
            ) from None


def backfill_job(assets: Iterable[Any]) -> dg.JobDefinition:
    """The job over those of `assets` that hold days of a log or a review."""
    tables = [
        asset
        for asset in assets
        if isinstance(asset, dg.AssetsDefinition) and {spec.tags.get("loglake/layer") for spec in asset.specs} & _TABLES
    ]

    @dg.op(name="ask_for_days_of_everything")
    def ask(context: dg.OpExecutionContext, config: BackfillDays) -> None:
        first, last = config.days(datetime.now(UTC).date(), _first_day(tables))
        found = backfill(context.instance, tables, first, last)
        context.instance.add_backfill(found)
        context.instance.add_run_tags(context.run_id, {BACKFILL_TAG: found.backfill_id})
        context.log.info(
            f"Backfill {found.backfill_id} was asked for: {days_argument(first, last)} of "
            f"{tally(len(tables), 'table')}. It is followed, cancelled and taken up again on the page Runs > "
            "Backfills."
        )

    @dg.job(
        name=BACKFILL,
        description="Builds days of every log, and then of every review, as one backfill. Launch it with the days, or "
        "as it is for the last seven closed days.",
    )
    def backfill_everything() -> None:
        ask()

    return backfill_everything


def _first_day(tables: Iterable[dg.AssetsDefinition]) -> date:
    """The first day that all of the tables have."""
    of_tables = (table.partitions_def.get_first_partition_key() for table in tables if table.partitions_def)
    return date.fromisoformat(max((key for key in of_tables if key), default=date.min.isoformat()))


def backfill(
    instance: dg.DagsterInstance, tables: Sequence[dg.AssetsDefinition], first: date, last: date
) -> PartitionBackfill:
    """A backfill of the days from `first` to `last` of each table. Raises Failure where they are no closed days."""
    graph = AssetGraph.from_assets(tables)
    keys = sorted(key for table in tables for key in table.keys)
    for key in keys:
        _refuse_other_days(graph.get(key).partitions_def, key, first, last)
    days = PartitionsSelector(ranges=[PartitionRangeSelector(start=first.isoformat(), end=last.isoformat())])
    found: PartitionBackfill = PartitionBackfill.from_partitions_by_assets(
        backfill_id=make_new_backfill_id(),
        asset_graph=graph,
        backfill_timestamp=datetime.now(UTC).timestamp(),
        tags={"loglake/days": days_argument(first, last)},
        dynamic_partitions_store=instance,
        partitions_by_assets=[PartitionsByAssetSelector(asset_key=key, partitions=days) for key in keys],
        title=f"Everything, {days_argument(first, last)}",
        description=None,
        run_config=None,
    )
    return found


def _refuse_other_days(days: Any, key: dg.AssetKey, first: date, last: date) -> None:
    known = days.get_partition_keys()
    if first > last or not known or first.isoformat() not in known or last.isoformat() not in known:
        accepted = f"{known[0]} to {known[-1]}" if known else "none yet"
        raise dg.Failure(
            f"{days_argument(first, last)} are no closed days of {key.to_user_string()}; accepted: {accepted}. Nothing "
            "was asked for. Launch the job again with other days.",
            allow_retries=False,
        )

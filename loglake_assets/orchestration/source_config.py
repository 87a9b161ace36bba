"""What a person sets per source in `defs.yaml`. The log itself is declared beside it, in the source's folder."""

import os
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Annotated, Any, Self

import dagster as dg
from dagster.components import Model, Resolvable, Resolver
from pydantic import ConfigDict, Field, SkipValidation, model_validator

from loglake_assets.lake.checks.day_report import SCHEDULE_HOUR
from loglake_assets.lake.checks.object_lock import LOCK_MODES, NO_LOCK, LockTerms
from loglake_assets.sources import COMPRESSIONS, DEFAULT_COMPRESSION, LogSource, load_source
from loglake_assets.sources.model import ENGINE, ENGINES, SPARK
from resources.settings import SettingsError

LONGEST_LOCK_DAYS = 36_500  # S3's own limit


class SourceSettings(Model, Resolvable):
    """The attributes of a source's `defs.yaml`. Days are UTC; percentages are of a day's events.

    Raises ValueError for a setting out of bounds.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    source: Annotated[SkipValidation[LogSource], Resolver(lambda _, name: load_source(name), model_field_type=str)] = (
        Field(description="name of the source's folder")
    )
    days_per_run: int = Field(7, description="days that one Glue run builds at most, 1 to 31")
    look_ahead_days: int = Field(1, description="delivery days after a day that may still hold its events")
    compression: str = Field(DEFAULT_COMPRESSION, description=f"of the ORC files: {' or '.join(COMPRESSIONS)}")
    coverage_error_below_pct: float = Field(90.0, description="below it the coverage check is an error, else a warning")
    schedule_hour: int = Field(SCHEDULE_HOUR, description="UTC hour in which the day just closed is built")
    heal_days: int = Field(35, description="how far back missing and changed days are rebuilt by themselves")
    recount_cron: str = Field(
        "0 5 * * 0", description="when the closed days of heal_days are counted again in full, UTC"
    )
    expect_every_day: bool = Field(
        True, description="whether a closed day without any delivery is a warning; false for a log that has quiet days"
    )
    owners: tuple[str, ...] = Field(("team:audit-logs",), description="who is asked: e-mail addresses, or team:<name>")
    object_lock_mode: str = Field(NO_LOCK, description="lock that raw objects must have: none, GOVERNANCE, COMPLIANCE")
    object_lock_days: int = Field(0, description="days for which raw objects must be locked; 0 with none")
    commit_lock_mode: str = Field(NO_LOCK, description="lock that commit records of its days must have, likewise")
    commit_lock_days: int = Field(0, description="days for which commit records must be locked; 0 with none")

    @property
    def raw_lock(self) -> LockTerms:
        """What S3 Object Lock is to promise of raw objects."""
        return LockTerms(self.object_lock_mode, self.object_lock_days)

    @property
    def commit_lock(self) -> LockTerms:
        """What it is to promise of the commit records of this source's days."""
        return LockTerms(self.commit_lock_mode, self.commit_lock_days)

    @model_validator(mode="after")
    def _refuse_what_is_out_of_bounds(self) -> Self:
        name = self.source.name
        if not 1 <= self.days_per_run <= 31:
            raise ValueError(f"days_per_run of {name} is {self.days_per_run}; accepted: 1 to 31 days in one Glue run.")
        if not 0 <= self.look_ahead_days <= 7:
            raise ValueError(f"look_ahead_days of {name} is {self.look_ahead_days}; accepted: 0 to 7.")
        if self.compression not in COMPRESSIONS:
            raise ValueError(f"compression of {name} is {self.compression!r}; accepted: {', '.join(COMPRESSIONS)}.")
        _refuse_odd_lock(name, "object_lock", self.raw_lock)
        _refuse_odd_lock(name, "commit_lock", self.commit_lock)
        return self


class SourceConfig(SourceSettings):
    """How one source is orchestrated: its settings, and the lake's first day, which all sources and reviews share."""

    start_day: date

    @property
    def raw_key(self) -> dg.AssetKey:
        return dg.AssetKey(["raw", self.source.raw.name])

    @property
    def readready_key(self) -> dg.AssetKey:
        return dg.AssetKey(["readready", self.source.readready.name])

    @property
    def checks_key(self) -> dg.AssetKey:
        """The asset that the checks without a day stand on. Nothing ever materializes it."""
        return dg.AssetKey(["checks", self.source.name])

    @property
    def audit_key(self) -> dg.AssetKey:
        return dg.AssetKey(["audit", f"{self.source.name}_coverage"])

    @property
    def plan_key(self) -> dg.AssetKey:
        return dg.AssetKey(["plan", self.source.name])

    @property
    def preview_key(self) -> dg.AssetKey:
        return dg.AssetKey(["preview", self.source.name])

    @property
    def reconciliation_key(self) -> dg.AssetKey:
        return dg.AssetKey(["audit", f"{self.source.name}_reconciliation"])

    def tags(self, layer: str) -> dict[str, str]:
        """By which assets are found in the UI; `layer` is raw, readready or audit."""
        return {"loglake/log": self.source.name, "loglake/layer": layer}

    @property
    def raw_days(self) -> dg.DailyPartitionsDefinition:
        """Today is a day of the raw table: objects arrive."""
        return dg.DailyPartitionsDefinition(start_date=str(self.start_day), end_offset=1)

    @property
    def closed_days(self) -> dg.DailyPartitionsDefinition:
        """Readready knows closed days only: today's events are still on their way."""
        return dg.DailyPartitionsDefinition(start_date=str(self.start_day))


def source_config(name: str, **settings: Any) -> SourceConfig:
    """The configuration of source `name`. Raises UnknownSourceError, or ValueError for a setting out of bounds."""
    return SourceConfig(source=load_source(name), **settings)


def _refuse_odd_lock(name: str, setting: str, terms: LockTerms) -> None:
    if terms.mode not in LOCK_MODES:
        raise ValueError(f"{setting}_mode of {name} is {terms.mode!r}; accepted: {', '.join(LOCK_MODES)}.")
    fewest, most = (1, LONGEST_LOCK_DAYS) if terms else (0, 0)
    if not fewest <= terms.days <= most:
        accepted = f"1 to {LONGEST_LOCK_DAYS:,} days" if terms else "0 where no mode is set"
        raise ValueError(f"{setting}_days of {name} is {terms.days} with mode {terms.mode}; accepted: {accepted}.")


def engine(environment: Mapping[str, str] | None = None) -> str:
    """What spreads builds, by LOGLAKE_ENGINE: spark, or local for the processes of one machine. Raises SettingsError.

    A lake on one machine sets local where nothing is set; Glue is Spark.
    """
    value = (os.environ if environment is None else environment).get(ENGINE) or SPARK
    if value not in ENGINES:
        raise SettingsError(f"{ENGINE} is {value!r}; accepted: {', '.join(ENGINES)}. Without it, Spark builds.")
    return value


def windows(days: Sequence[date], length: int) -> list[list[date]]:
    """Days in runs of at most `length`, none of them spanning a gap."""
    found: list[list[date]] = []
    for day in days:
        if found and len(found[-1]) < length and day - found[-1][-1] == timedelta(days=1):
            found[-1].append(day)
        else:
            found.append([day])
    return found


def window_tags(days: Sequence[date]) -> dict[str, str]:
    """The tags by which Dagster runs a job over the days from the first to the last."""
    return {
        "dagster/asset_partition_range_start": days[0].isoformat(),
        "dagster/asset_partition_range_end": days[-1].isoformat(),
    }

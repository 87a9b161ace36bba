"""What a person sets per source in `defs.yaml`. The log itself is declared beside it, in the source's folder."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import dagster as dg

from loglake_assets.lake.checks.object_lock import LOCK_MODES, NO_LOCK, LockTerms
from loglake_assets.sources import COMPRESSIONS, DEFAULT_COMPRESSION, LogSource, load_source
from loglake_assets.sources.model import ENGINES, SPARK
from resources.settings import SettingsError

LONGEST_LOCK_DAYS = 36_500  # S3's own limit


@dataclass(frozen=True)
class SourceConfig:
    """How one source is orchestrated. Days are UTC; percentages are of a day's events."""

    source: LogSource
    start_day: date
    """The lake's first day, the same for every source and review."""
    days_per_run: int = 7
    look_ahead_days: int = 1
    compression: str = DEFAULT_COMPRESSION
    coverage_error_below_pct: float = 90.0
    schedule_hour: int = 2
    heal_days: int = 35
    recount_cron: str = "0 5 * * 0"
    expect_every_day: bool = True
    """Whether a closed day without any delivery is something to warn of."""
    object_lock_mode: str = NO_LOCK
    object_lock_days: int = 0
    commit_lock_mode: str = NO_LOCK
    commit_lock_days: int = 0

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
    def reconciliation_key(self) -> dg.AssetKey:
        return dg.AssetKey(["audit", f"{self.source.name}_reconciliation"])

    @property
    def raw_lock(self) -> LockTerms:
        """What S3 Object Lock is to promise of raw objects."""
        return LockTerms(self.object_lock_mode, self.object_lock_days)

    @property
    def commit_lock(self) -> LockTerms:
        """What it is to promise of the commit records of this source's days."""
        return LockTerms(self.commit_lock_mode, self.commit_lock_days)

    @property
    def raw_days(self) -> dg.DailyPartitionsDefinition:
        """Today is a day of the raw table: objects arrive."""
        return dg.DailyPartitionsDefinition(start_date=str(self.start_day), end_offset=1)

    @property
    def closed_days(self) -> dg.DailyPartitionsDefinition:
        """Readready knows closed days only: today's events are still on their way."""
        return dg.DailyPartitionsDefinition(start_date=str(self.start_day))


def source_config(name: str, **settings: object) -> SourceConfig:
    """The configuration of source `name`. Raises UnknownSourceError, or ValueError for a setting out of bounds."""
    config = SourceConfig(source=load_source(name), **settings)  # type: ignore[arg-type]  # from YAML, checked by the component
    if not 1 <= config.days_per_run <= 31:
        raise ValueError(f"days_per_run of {name} is {config.days_per_run}; accepted: 1 to 31 days in one Glue run.")
    if not 0 <= config.look_ahead_days <= 7:
        raise ValueError(f"look_ahead_days of {name} is {config.look_ahead_days}; accepted: 0 to 7.")
    if config.compression not in COMPRESSIONS:
        raise ValueError(f"compression of {name} is {config.compression!r}; accepted: {', '.join(COMPRESSIONS)}.")
    _refuse_odd_lock(name, "object_lock", config.raw_lock)
    _refuse_odd_lock(name, "commit_lock", config.commit_lock)
    return config


def _refuse_odd_lock(name: str, setting: str, terms: LockTerms) -> None:
    if terms.mode not in LOCK_MODES:
        raise ValueError(f"{setting}_mode of {name} is {terms.mode!r}; accepted: {', '.join(LOCK_MODES)}.")
    fewest, most = (1, LONGEST_LOCK_DAYS) if terms else (0, 0)
    if not fewest <= terms.days <= most:
        accepted = f"1 to {LONGEST_LOCK_DAYS:,} days" if terms else "0 where no mode is set"
        raise ValueError(f"{setting}_days of {name} is {terms.days} with mode {terms.mode}; accepted: {accepted}.")


def engine(environment: Mapping[str, str] | None = None) -> str:
    """Who builds readready days, LOGLAKE_ENGINE: spark, or light where one machine is enough. Raises SettingsError."""
    value = (os.environ if environment is None else environment).get("LOGLAKE_ENGINE") or SPARK
    if value not in ENGINES:
        raise SettingsError(f"LOGLAKE_ENGINE is {value!r}; accepted: {', '.join(ENGINES)}. Without it, Spark builds.")
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

"""What a person sets per review in `defs.yaml`. The review itself is declared beside it, in its folder."""

import importlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from types import ModuleType
from typing import Any

import dagster as dg

from loglake_assets.reviews import Review, load_review


@dataclass(frozen=True)
class ReviewConfig:
    """How one review is orchestrated. Days are UTC."""

    review: Review
    start_day: date
    """The lake's first day."""
    days_per_run: int = 7
    heal_days: int = 35
    leading_coverage_floor_pct: float = 90.0
    wait_for: tuple[str, ...] | None = None
    """Logs whose day must be built before this review builds it by itself; None: all that it joins."""
    wait_minutes: int = 360
    """How long it waits for them at most, from when its leading table was built."""
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def key(self) -> dg.AssetKey:
        return dg.AssetKey(["review", self.review.name])

    @property
    def days(self) -> dg.DailyPartitionsDefinition:
        """Closed days, as of the tables it joins."""
        return dg.DailyPartitionsDefinition(start_date=str(self.start_day))

    @property
    def awaited_sources(self) -> tuple[str, ...]:
        return self.review.joined_sources if self.wait_for is None else self.wait_for

    @property
    def builder(self) -> ModuleType:
        return importlib.import_module(self.review.builder)


def review_config(name: str, **settings: Any) -> ReviewConfig:
    """The configuration of review `name`. Raises UnknownReviewError, or ValueError for a setting out of bounds."""
    config = ReviewConfig(load_review(name), **settings)
    if not 1 <= config.days_per_run <= 31:
        raise ValueError(f"days_per_run of {name} is {config.days_per_run}; accepted: 1 to 31 days in one run.")
    if unknown := sorted(set(config.awaited_sources) - set(config.review.joined_sources)):
        joined = ", ".join(config.review.joined_sources)
        raise ValueError(f"wait_for of {name} names {', '.join(unknown)}; accepted: the logs that it joins, {joined}.")
    if config.wait_minutes < 0:
        raise ValueError(f"wait_minutes of {name} is {config.wait_minutes}; accepted: 0 or more.")
    return config

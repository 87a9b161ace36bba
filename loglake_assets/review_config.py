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
    schedule_hour: int = 3
    heal_days: int = 35
    leading_coverage_floor_pct: float = 90.0
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def key(self) -> dg.AssetKey:
        return dg.AssetKey(["review", self.review.name])

    @property
    def days(self) -> dg.DailyPartitionsDefinition:
        """Closed days, as of the tables it joins."""
        return dg.DailyPartitionsDefinition(start_date=str(self.start_day))

    @property
    def builder(self) -> ModuleType:
        return importlib.import_module(self.review.builder)


def review_config(name: str, **settings: Any) -> ReviewConfig:
    """The configuration of review `name`. Raises UnknownReviewError, or ValueError for a setting out of bounds."""
    config = ReviewConfig(load_review(name), **settings)
    if not 1 <= config.days_per_run <= 31:
        raise ValueError(f"days_per_run of {name} is {config.days_per_run}; accepted: 1 to 31 days in one run.")
    return config

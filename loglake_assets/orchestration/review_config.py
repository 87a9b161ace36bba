"""What a person sets per review in `defs.yaml`. The review itself is declared beside it, in its folder."""

from collections.abc import Mapping
from datetime import date
from typing import Annotated, Any, Self

import dagster as dg
from dagster.components import Model, Resolvable, Resolver
from pydantic import ConfigDict, Field, SkipValidation, model_validator

from loglake_assets.reviews import Review, load_review
from loglake_assets.reviews.builder import ReviewBuilder, load_builder


class ReviewSettings(Model, Resolvable):
    """The attributes of a review's `defs.yaml`. Days are UTC. Raises ValueError for a setting out of bounds."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    review: Annotated[SkipValidation[Review], Resolver(lambda _, name: load_review(name), model_field_type=str)] = (
        Field(description="name of the review's folder")
    )
    days_per_run: int = Field(7, description="days that one run builds at most, 1 to 31")
    heal_days: int = Field(35, description="how far back missing and changed days are rebuilt by themselves")
    leading_coverage_floor_pct: float = Field(90.0, description="coverage of the leading table that a day needs")
    wait_for: tuple[str, ...] | None = Field(
        None, description="logs that a day waits for before it builds by itself; without it, all that it joins"
    )
    owners: tuple[str, ...] = Field(("team:audit-logs",), description="who is asked: e-mail addresses, or team:<name>")
    wait_minutes: int = Field(
        360,
        description="how long it waits for them at most, from when its leading table was built; then it is built with "
        "what there is, and says so",
    )

    @property
    def awaited_sources(self) -> tuple[str, ...]:
        return self.review.joined_sources if self.wait_for is None else self.wait_for

    @model_validator(mode="after")
    def _refuse_what_is_out_of_bounds(self) -> Self:
        name, joined = self.review.name, self.review.joined_sources
        if not 1 <= self.days_per_run <= 31:
            raise ValueError(f"days_per_run of {name} is {self.days_per_run}; accepted: 1 to 31 days in one run.")
        if unknown := ", ".join(sorted(set(self.awaited_sources) - set(joined))):
            raise ValueError(
                f"wait_for of {name} names {unknown}; accepted: the logs that it joins, {', '.join(joined)}."
            )
        if self.wait_minutes < 0:
            raise ValueError(f"wait_minutes of {name} is {self.wait_minutes}; accepted: 0 or more.")
        return self


class ReviewConfig(ReviewSettings):
    """How one review is orchestrated: its settings, those of its own as `options`, and the lake's first day."""

    start_day: date
    options: Mapping[str, Any] = Field(default_factory=dict)

    @property
    def key(self) -> dg.AssetKey:
        return dg.AssetKey(["review", self.review.name])

    @property
    def days(self) -> dg.DailyPartitionsDefinition:
        """Closed days, as of the tables it joins."""
        return dg.DailyPartitionsDefinition(start_date=str(self.start_day))

    @property
    def builder(self) -> ReviewBuilder:
        return load_builder(self.review)


def review_config(name: str, **settings: Any) -> ReviewConfig:
    """The configuration of review `name`. Raises UnknownReviewError, or ValueError for a setting out of bounds."""
    return ReviewConfig(review=load_review(name), **settings)

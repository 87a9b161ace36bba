"""A review as a component: a few lines of `defs.yaml` beside the review's declaration become its definitions."""

from typing import Any

import dagster as dg
from dagster.components import Component, ComponentLoadContext, Model, Resolvable
from pydantic import Field

from loglake_assets.orchestration.review_config import review_config
from loglake_assets.orchestration.review_definitions import build_review
from resources.settings import first_day


class ReviewComponent(Component, Model, Resolvable):
    """One review of the lake: its table as an asset, with checks, schedule and healing.

    A review with settings of its own has a component of its own, which adds them: its builder gets them as options.
    """

    review: str = Field(description="name of the review's folder")
    days_per_run: int = Field(7, description="days that one run builds at most, 1 to 31")
    heal_days: int = Field(35, description="how far back missing and changed days are rebuilt by themselves")
    leading_coverage_floor_pct: float = Field(90.0, description="coverage of the leading table that a day needs")
    wait_for: list[str] | None = Field(
        None, description="logs that a day waits for before it builds by itself; without it, all that it joins"
    )
    wait_minutes: int = Field(
        360, description="how long it waits for them at most; then it is built with what there is, and says so"
    )

    def build_defs(self, context: ComponentLoadContext) -> dg.Definitions:
        given: dict[str, Any] = self.model_dump()
        settings = {name: given.pop(name) for name in ReviewComponent.model_fields}
        if settings["wait_for"] is not None:
            settings["wait_for"] = tuple(settings["wait_for"])
        config = review_config(settings.pop("review"), start_day=first_day(), options=given, **settings)
        return build_review(config)

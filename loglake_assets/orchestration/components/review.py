"""A review as a component: a few lines of `defs.yaml` beside the review's declaration become its definitions."""

import dagster as dg
from dagster.components import Component, ComponentLoadContext

from loglake_assets.orchestration.review_config import ReviewConfig, ReviewSettings
from loglake_assets.orchestration.review_definitions import build_review
from resources.settings import first_day


class ReviewComponent(ReviewSettings, Component):
    """One review of the lake: its table as an asset, with checks, schedule and healing.

    A review with settings of its own has a component of its own, which adds them: its builder gets them as options.
    """

    def build_defs(self, context: ComponentLoadContext) -> dg.Definitions:
        shared = {name: value for name, value in self if name in ReviewSettings.model_fields}
        own = {name: value for name, value in self if name not in ReviewSettings.model_fields}
        return build_review(ReviewConfig(**shared, start_day=first_day(), options=own))

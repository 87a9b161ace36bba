"""The lake as a Dagster resource: assets, checks and sensors get a `Lake` value and never import boto3."""

import os
from typing import Any

import dagster as dg

from loglake_assets.lake.lake import Lake
from resources.glue_jobs import GlueJobs
from resources.settings import RAW_BUCKETS, lake_settings
from resources.spark import small_spark


class LakeResource(dg.ConfigurableResource):  # type: ignore[type-arg]  # what it gives is a Lake
    """Makes the `Lake` of a name, an account and a Region. Raises SettingsError where one of them is odd."""

    name: str
    account: str
    region: str

    def create_resource(self, context: dg.InitResourceContext) -> Lake:
        named = {"LOGLAKE_NAME": self.name, "LOGLAKE_ACCOUNT": self.account, "AWS_REGION": self.region}
        # Most lakes have neither, and EnvVar wants a value.
        named |= {variable: os.environ.get(variable, "") for variable in (RAW_BUCKETS, "AWS_ENDPOINT_URL")}
        return Lake(lake_settings(named))


def lake_resources() -> dict[str, Any]:
    """Resources by the name that assets ask for. Values come from the environment when a run starts, not on import."""
    lake = LakeResource(
        name=dg.EnvVar("LOGLAKE_NAME"), account=dg.EnvVar("LOGLAKE_ACCOUNT"), region=dg.EnvVar("AWS_REGION")
    )
    return {"lake": lake, "glue_jobs": GlueJobs(lake=lake), "spark": small_spark()}

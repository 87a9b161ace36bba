"""The resources that definitions are given. Values come from the environment when a run starts, not on import."""

from typing import Any

import dagster as dg

from resources.glue_jobs import GlueJobs
from resources.lake import LakeResource


def lake_resources() -> dict[str, Any]:
    """Resources by the name that assets ask for. Local and AWS differ in the environment's values only."""
    lake = LakeResource(
        name=dg.EnvVar("LOGLAKE_NAME"), account=dg.EnvVar("LOGLAKE_ACCOUNT"), region=dg.EnvVar("AWS_REGION")
    )
    return {"lake": lake, "glue_jobs": GlueJobs(lake=lake)}

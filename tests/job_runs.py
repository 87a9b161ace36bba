"""Runs of the deployed Glue job that tests start by themselves, without Dagster and without a commit."""

from datetime import date
from typing import Any

from infra.cli.local_lake import LocalLake
from loglake_assets.sources.calendar_days import day_number
from tests.wait import until


def run_job(lake: LocalLake, way: str, first: date, last: date, job: str = "") -> str:
    """Build the lake's days of CloudTrail as they lie there now, by its own job or another; what the run said."""
    glue, name = lake.client("glue"), job or lake.settings.readready_job
    days = {"--first_day": str(day_number(first)), "--last_day": str(day_number(last))}
    given = {"--source": "cloudtrail", "--run_id": f"by-{way}{'-own' if job else ''}", "--engine": way, **days}
    run = glue.start_job_run(JobName=name, Arguments=given)["JobRunId"]
    state = until(lambda: _final_state(glue, name, run), 180)
    log = (lake.home / "runs" / run / "output.log").read_text()
    assert state == "SUCCEEDED", log
    return log


def _final_state(glue: Any, name: str, run: str) -> str | None:
    state = glue.get_job_run(JobName=name, RunId=run)["JobRun"]["JobRunState"]
    return state if state in {"SUCCEEDED", "FAILED"} else None

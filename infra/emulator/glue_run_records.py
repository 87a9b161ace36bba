"""The records of job runs: in ministack's store as Glue tells them, and beside each run's log as run.json.

How a run is carried out does not belong here (see glue_runs.py).
"""

import hashlib
import json
import time
import uuid
from pathlib import Path
from typing import Any

from ministack.core.responses import get_account_id, get_region
from ministack.services import glue

from infra.emulator.processes import write_atomically

GOING = ("STARTING", "RUNNING", "STOPPING")
LOST_MESSAGE = "the stack stopped while this run was going; start it again"
DEFAULT_TIMEOUT_MINUTES = 2880

Request = dict[str, Any]
Record = dict[str, Any]


def new_run(name: str, job: Record, request: Request) -> Record:
    """The record of a run that starts now."""
    now = time.time()
    return {
        "Id": f"jr_{hashlib.sha256(uuid.uuid4().bytes).hexdigest()}",
        "JobName": name,
        "JobRunState": "STARTING",
        "StartedOn": now,
        "LastModifiedOn": now,
        "CompletedOn": None,
        "ExecutionTime": 0,
        "DPUSeconds": 0.0,
        "Arguments": dict(request.get("Arguments") or {}),
        "ErrorMessage": "",
        "Timeout": request.get("Timeout") or job.get("Timeout") or DEFAULT_TIMEOUT_MINUTES,
        "GlueVersion": job.get("GlueVersion"),
        "NumberOfWorkers": request.get("NumberOfWorkers") or job.get("NumberOfWorkers"),
        "WorkerType": request.get("WorkerType") or job.get("WorkerType"),
        "MaxCapacity": request.get("MaxCapacity") or job.get("MaxCapacity"),
        "LogGroupName": "/aws-glue/jobs",
        "Attempt": 0,
        "PredecessorRuns": [],
    }


def merge_arguments(job: Record, run: Record) -> dict[str, str]:
    """The arguments that the script gets: the job's defaults, the run's own, and those no run can override."""
    return {
        **(job.get("DefaultArguments") or {}),
        **run["Arguments"],
        **(job.get("NonOverridableArguments") or {}),
        "--JOB_NAME": run["JobName"],
        "--JOB_RUN_ID": run["Id"],
    }


def find_run(name: Any, run_id: Any) -> Record | None:
    """The run in the store of the request's account and Region."""
    return next((run for run in glue._job_runs.get(name, []) if run["Id"] == run_id), None)


def api_record(run: Record) -> Record:
    """The record as the API gives it: absent fields left out, and the time so far of a run that goes."""
    shown = {name: value for name, value in run.items() if value is not None and value != ""}
    if run["JobRunState"] in GOING:
        shown["ExecutionTime"] = int(time.time() - run["StartedOn"])
    return shown


def change_run(run: Record, **fields: Any) -> None:
    """Change the record, and say when."""
    run.update(fields, LastModifiedOn=time.time())


def save_run(directory: Path, run: Record) -> None:
    """Write the record into the run's directory, with the account and Region of the request."""
    directory.mkdir(parents=True, exist_ok=True)
    _write_run(directory, get_account_id(), get_region(), run)


def restore_run(directory: Path) -> None:
    """Bring the record beside the log into the store, as it is newer than the snapshot, unless its job is gone.

    A run that was still going when its stack ended is lost: it becomes FAILED in the store and in its directory.
    """
    try:
        saved = json.loads((directory / "run.json").read_text())
    except (OSError, ValueError):
        return
    account, region, run = saved["account"], saved["region"], saved["run"]
    if glue._jobs.get_scoped(account, region, run["JobName"]) is None:
        return
    if run["JobRunState"] in GOING:
        change_run(run, JobRunState="FAILED", ErrorMessage=LOST_MESSAGE, CompletedOn=time.time())
        _write_run(directory, account, region, run)
    _put_into_store(account, region, run)


def _write_run(directory: Path, account: str, region: str, run: Record) -> None:
    write_atomically(directory / "run.json", json.dumps({"account": account, "region": region, "run": run}))


def _put_into_store(account: str, region: str, run: Record) -> None:
    runs = glue._job_runs.get_scoped(account, region, run["JobName"]) or []
    others = [other for other in runs if other["Id"] != run["Id"]]
    ordered = sorted([*others, run], key=lambda each: float(each["StartedOn"]))
    glue._job_runs.set_scoped(account, region, run["JobName"], ordered)

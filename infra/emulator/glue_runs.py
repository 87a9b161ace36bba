"""Glue job runs that run: ministack answers SUCCEEDED without starting the script, which would make a broken job green.

Records live in ministack's `_job_runs`, so they persist with the rest, and beside each run's log as run.json, so that
a run survives a kill between two snapshots (glue_run_records.py). Arguments, MaxConcurrentRuns, timeouts and stopping
follow Glue; how the child process is made is in glue_child.py.
"""

import contextvars
import logging
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import boto3
from ministack.core.responses import (
    error_response_json,
    get_account_id,
    get_region,
    json_response,
)
from ministack.services import cloudwatch_logs, glue
from ministack.services.cloudformation import provisioners

from infra.emulator.credentials import role_credentials
from infra.emulator.glue_child import (
    RunError,
    RunPlan,
    await_child,
    discard_scratch,
    end_child,
    failure_message,
    kill_leftover,
    start_child,
)
from infra.emulator.glue_run_records import (
    GOING,
    LOST_MESSAGE,
    Record,
    Request,
    api_record,
    change_run,
    find_run,
    merge_arguments,
    new_run,
    restore_run,
    save_run,
)

DEFAULT_EXECUTION_PROPERTY = {"MaxConcurrentRuns": 1}
RUNS_PAGE_LIMIT = 200
LINES_LOGGED = 1_000

Response = tuple[int, dict[str, str], bytes]

logger = logging.getLogger("loglake.glue")


class JobRuns:
    """The job run operations of Glue. `minute_seconds` is how long a minute of a Timeout lasts; a test shortens it."""

    def __init__(self, home: Path, endpoint_url: str, minute_seconds: float = 60.0) -> None:
        self._directory = home / "runs"
        self._endpoint_url = endpoint_url
        self._minute_seconds = minute_seconds
        self._lock = threading.Lock()
        self._children: dict[str, subprocess.Popen[bytes]] = {}
        self._stops_asked: set[str] = set()
        self._ending = False

    def start(self, request: Request) -> Response:
        name = str(request.get("JobName"))
        with self._lock:
            job = glue._jobs.get(name)
            if job is None:
                return _refuse("EntityNotFoundException", f"Job {name} not found.")
            if self._ending:
                return _refuse("InternalServiceException", "The stack is stopping; start the run once it is up again.")
            runs = glue._job_runs.setdefault(name, [])
            most = int((job.get("ExecutionProperty") or DEFAULT_EXECUTION_PROPERTY)["MaxConcurrentRuns"])
            if sum(run["JobRunState"] in GOING for run in runs) >= most:
                return _refuse("ConcurrentRunsExceededException", f"Concurrent runs exceeded for {name}")
            run = new_run(name, job, request)
            save_run(self._directory / run["Id"], run)
            runs.append(run)
        work = contextvars.copy_context()
        threading.Thread(target=work.run, args=(self._run, job, run), daemon=True, name=f"run-{run['Id'][:11]}").start()
        return _answer({"JobRunId": run["Id"]})

    def get(self, request: Request) -> Response:
        with self._lock:
            run = find_run(request.get("JobName"), request.get("RunId"))
            if run is None:
                return _refuse("EntityNotFoundException", f"Job run {request.get('RunId')} not found.")
            return _answer({"JobRun": api_record(run)})

    def get_all(self, request: Request) -> Response:
        """GetJobRuns, newest first; the token is the Id of the last run given."""
        name, token = request.get("JobName"), request.get("NextToken")
        limit = int(request.get("MaxResults") or RUNS_PAGE_LIMIT)
        with self._lock:
            if name not in glue._jobs:
                return _refuse("EntityNotFoundException", f"Job {name} not found.")
            runs = list(reversed(glue._job_runs.get(name, [])))
            first = next((at + 1 for at, run in enumerate(runs) if run["Id"] == token), None if token else 0)
            if first is None:
                return _refuse("InvalidInputException", "NextToken is not one that GetJobRuns gave.")
            page = [api_record(run) for run in runs[first : first + limit]]
        more = {"NextToken": page[-1]["Id"]} if first + limit < len(runs) else {}
        return _answer({"JobRuns": page} | more)

    def batch_stop(self, request: Request) -> Response:
        stopped: list[dict[str, str]] = []
        errors: list[dict[str, Any]] = []
        for run_id in request.get("JobRunIds") or []:
            named = {"JobName": str(request.get("JobName")), "JobRunId": str(run_id)}
            refusal = self._ask_to_stop(**named)
            if refusal is None:
                stopped.append(named)
            else:
                errors.append({**named, "ErrorDetail": refusal})
        return _answer({"SuccessfulSubmissions": stopped, "Errors": errors})

    def recover(self) -> None:
        """After a restart: end what an earlier stack left running, and say of its runs that they are lost."""
        for directory in sorted(self._directory.glob("*/")):
            if kill_leftover(directory):
                logger.warning("The run %s was still going without its stack and was ended.", directory.name)
            restore_run(directory)

    def end_all(self, grace_seconds: float) -> None:
        """End every child, for a stack that stops; their runs become FAILED."""
        with self._lock:
            self._ending = True
            children = dict(self._children)
        enders = [
            threading.Thread(target=end_child, args=(child, run_id, grace_seconds))
            for run_id, child in children.items()
        ]
        for ender in enders:
            ender.start()
        for ender in enders:
            ender.join()
        deadline = time.monotonic() + 1
        while self._children and time.monotonic() < deadline:
            time.sleep(0.02)

    def _ask_to_stop(self, JobName: str, JobRunId: str) -> dict[str, str] | None:  # the API's own names
        with self._lock:
            run = find_run(JobName, JobRunId)
            if run is None:
                return {"ErrorCode": "EntityNotFoundException", "ErrorMessage": f"Job run {JobRunId} not found."}
            if run["JobRunState"] not in GOING:
                return {
                    "ErrorCode": "InvalidInputException",
                    "ErrorMessage": f"Job run {JobRunId} has ended already: {run['JobRunState']}.",
                }
            change_run(run, JobRunState="STOPPING")
            self._stops_asked.add(JobRunId)
            child = self._children.get(JobRunId)
        if child is not None:
            threading.Thread(target=end_child, args=(child, JobRunId), daemon=True).start()
        return None

    def _run(self, job: Record, run: Record) -> None:
        plan: RunPlan | None = None
        try:
            plan = self._plan(job, run)
            state, message = self._outcome(plan, run)
        except RunError as error:
            state, message = "FAILED", str(error)
        except Exception as error:
            logger.exception("The run %s of %s could not be carried out.", run["Id"], run["JobName"])
            state, message = "FAILED", f"The local stack could not carry out the run: {error!r}. See its log."
        if plan is not None:
            _log_output(plan)
            discard_scratch(plan)
        self._end(run, state, message)

    def _outcome(self, plan: RunPlan, run: Record) -> tuple[str, str]:
        """Start, wait, and on exit code 0 store what was written; returns the final state and its message."""
        child = start_child(plan)
        with self._lock:
            self._children[plan.run_id] = child
            stop_now = self._ending or plan.run_id in self._stops_asked
            if not stop_now:
                change_run(run, JobRunState="RUNNING")
        if stop_now:
            end_child(child, plan.run_id)
        code = await_child(child, plan.run_id, float(run["Timeout"]) * self._minute_seconds)
        if self._ending:
            return "FAILED", LOST_MESSAGE
        if plan.run_id in self._stops_asked:
            return "STOPPED", ""
        if code is None:
            return "TIMEOUT", f"Job run exceeded its timeout of {run['Timeout']} minutes."
        if code != 0:
            return "FAILED", failure_message(plan.log, code)
        return "SUCCEEDED", ""

    def _end(self, run: Record, state: str, message: str) -> None:
        now = time.time()
        seconds = int(now - run["StartedOn"])
        with self._lock:
            self._children.pop(run["Id"], None)
            self._stops_asked.discard(run["Id"])
            change_run(
                run,
                JobRunState=state,
                ErrorMessage=message[:1000],
                CompletedOn=now,
                ExecutionTime=seconds,
                DPUSeconds=float(seconds * int(run.get("NumberOfWorkers") or 1)),
            )
            save_run(self._directory / run["Id"], run)
        logger.info("Run %s of %s: %s %s", run["Id"], run["JobName"], state, message)

    def _plan(self, job: Record, run: Record) -> RunPlan:
        environment = self._environment(job, run["JobName"])
        client = boto3.client(
            "s3",
            endpoint_url=self._endpoint_url,
            region_name=environment["AWS_REGION"],
            aws_access_key_id=environment["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=environment["AWS_SECRET_ACCESS_KEY"],
            aws_session_token=environment["AWS_SESSION_TOKEN"],
        )
        return RunPlan(
            run_id=run["Id"],
            directory=self._directory / run["Id"],
            script=str((job.get("Command") or {}).get("ScriptLocation", "")),
            arguments=merge_arguments(job, run),
            environment=environment,
            s3=client,
        )

    def _environment(self, job: Record, name: str) -> dict[str, str]:
        return {
            "AWS_ENDPOINT_URL": self._endpoint_url,
            "AWS_REGION": get_region(),
            "AWS_DEFAULT_REGION": get_region(),
            "AWS_ACCOUNT": get_account_id(),
            **role_credentials(get_account_id(), str(job.get("Role", "")), "glue", name),
        }


def _log_output(plan: RunPlan) -> None:
    """The end of what the run printed, in CloudWatch Logs, where Glue puts stdout and stderr of a driver."""
    group = f"{plan.arguments.get('--custom-logGroup-prefix', '/aws-glue/jobs')}/output"
    stream = {"logGroupName": group, "logStreamName": plan.run_id}
    lines = plan.log.read_text(errors="replace").split("\n") if plan.log.exists() else []
    at = int(time.time() * 1000)
    events = [{"timestamp": at, "message": line} for line in lines[-LINES_LOGGED:] if line]
    cloudwatch_logs._create_log_group({"logGroupName": group})
    cloudwatch_logs._create_log_stream(stream)
    cloudwatch_logs._put_log_events({**stream, "logEvents": events})


def replacements(runs: JobRuns) -> dict[str, Any]:
    """The functions of `ministack.services.glue` that these stand in for. CloudFormation calls the same ones."""
    provisioners._GLUE_JOB_DEFAULTS["ExecutionProperty"] = dict(DEFAULT_EXECUTION_PROPERTY)
    return {
        "_start_job_run": runs.start,
        "_get_job_run": runs.get,
        "_get_job_runs": runs.get_all,
        "_batch_stop_job_run": runs.batch_stop,
        "_create_job": _keep_execution_property(glue._create_job, lambda request: (request.get("Name"), request)),
        "_update_job": _keep_execution_property(
            glue._update_job, lambda request: (request.get("JobName"), request.get("JobUpdate") or {})
        ),
    }


def _keep_execution_property(
    original: Callable[[Request], Response], definition: Callable[[Request], tuple[Any, Request]]
) -> Callable[[Request], Response]:
    """`original`, and then the job keeps its ExecutionProperty, which ministack drops."""

    def keep_definition(request: Request) -> Response:
        response = original(request)
        name, given = definition(request)
        if response[0] == 200:
            glue._jobs[name]["ExecutionProperty"] = given.get("ExecutionProperty") or dict(DEFAULT_EXECUTION_PROPERTY)
        return response

    return keep_definition


def _answer(body: dict[str, Any]) -> Response:
    answer: Response = json_response(body)
    return answer


def _refuse(code: str, message: str) -> Response:
    answer: Response = error_response_json(code, message, 400)
    return answer

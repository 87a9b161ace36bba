"""Runs of the readready Glue job: started, followed, stopped on cancel, and adopted after a restart.

Our own thin client over `open_pipes_session`. The stock client never ends on EXPIRED, loses messages when it is used
twice in a process, and starts a second run after a crash while the first still writes.
"""

import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from typing import Any

import dagster as dg
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from dagster_aws.pipes import PipesS3MessageReader
from dagster_pipes import PIPES_PROTOCOL_VERSION, PIPES_PROTOCOL_VERSION_FIELD

from resources.access import LakeAccess
from resources.console import glue_log_page, glue_run_page
from resources.glue_output import output_lines

GLUE_RUN_TAG = "loglake/glue_run"
"""Tag of a Dagster run: the id of its Glue run, from its start on."""
ACTIVE = frozenset({"STARTING", "RUNNING", "STOPPING", "WAITING"})
"""States in which a run may still write; every other state is its end."""
_SUCCEEDED = "SUCCEEDED"
_PASSES = frozenset({"ConcurrentRunsExceededException", "ThrottlingException"})
_TELL_SECONDS = 10.0
_CLOSED = json.dumps({PIPES_PROTOCOL_VERSION_FIELD: PIPES_PROTOCOL_VERSION, "method": "closed", "params": {}})
"""What a run says last of itself, in Pipes' protocol."""
_ADVICE = {
    "TIMEOUT": "It ran out of time: ask for fewer days in a window or give the job more workers.",
    "EXPIRED": "It waited too long for capacity: building the days again helps once there is some.",
    "STOPPED": "Somebody stopped it: build the days again when that was not meant.",
    "ERROR": "Glue itself failed: building the days again can help.",
    "FAILED": "What it says is in its log; building the days again helps only when the cause is gone.",
}


class GlueRunError(RuntimeError):
    """A Glue run did not succeed; the message names job, run, state, what it said, and what to do."""


@dataclass(frozen=True)
class Window:
    """The days one run builds, both ends included."""

    source: str
    first_day: date
    last_day: date

    @property
    def arguments(self) -> dict[str, str]:
        return {
            "--source": self.source,
            "--first_day": f"{self.first_day:%Y%m%d}",
            "--last_day": f"{self.last_day:%Y%m%d}",
        }


@dataclass(frozen=True)
class GlueRun:
    """A finished, successful run: Glue's id, ours, and what it cost."""

    job_name: str
    job_run_id: str
    run_id: str
    seconds: float
    dpu_seconds: float
    adopted: bool


class _PrefixedS3Reader(PipesS3MessageReader):
    """Pipes messages under a known prefix, so that a restarted worker reads on where the first one stopped."""

    def __init__(self, *, key_prefix: str, **options: Any) -> None:
        super().__init__(**options)
        self._key_prefix = key_prefix
        self._has_ended = False

    def end(self) -> None:
        """The run has ended: what it has not said by now it never says, so nothing is waited for (10 s otherwise)."""
        self._has_ended = True

    def messages_are_readable(self, params: Any) -> bool:
        return self._has_ended or super().messages_are_readable(params)

    def download_messages(self, cursor: Any, params: Any) -> tuple[Any, str] | None:
        found: tuple[Any, str] | None = super().download_messages(cursor, params)
        return (cursor, _CLOSED) if found is None and self._has_ended else found

    @contextmanager
    def get_params(self) -> Iterator[dict[str, Any]]:
        with super().get_params() as params:
            yield {**params, "key_prefix": self._key_prefix}


class GlueJobs(dg.ConfigurableResource):  # type: ignore[type-arg]  # the resource gives itself to assets
    """Builds windows of days by Glue runs of one lake. Seconds throughout."""

    lake: dg.ResourceDependency[LakeAccess]
    longest_poll_seconds: float = 10.0
    capacity_wait_seconds: float = 3600.0

    def run_window(
        self,
        context: dg.AssetExecutionContext,
        window: Window,
        look_ahead: int,
        max_days: int,
        compression: str,
        engine: str,
    ) -> GlueRun:
        """Run the job for a window and wait for its end. Raises GlueRunError; a cancel stops the Glue run."""
        asked = {**window.arguments, "--look_ahead": str(look_ahead), "--max_days": str(max_days)}
        asked |= {"--compression": compression, "--engine": engine}
        adopted = self._adoptable(asked)
        run_id = adopted["Arguments"]["--run_id"] if adopted else self._new_run_id(window, context.run.run_id[:8])
        reader = _PrefixedS3Reader(
            key_prefix=f"pipes/{run_id}",
            bucket=self.lake.settings.artifacts_bucket,
            client=self.lake.s3,
            interval=1.0,
        )
        with dg.open_pipes_session(context, dg.PipesEnvContextInjector(), reader) as session:
            if adopted:
                job_run_id = adopted["Id"]
                context.log.info(f"Adopting Glue run {job_run_id}, which builds these days already.")
            else:
                pipes = session.get_bootstrap_cli_arguments()
                job_run_id = self._start({**asked, "--run_id": run_id, **pipes}, context)
            context.instance.add_run_tags(context.run_id, {GLUE_RUN_TAG: job_run_id})
            if page := glue_run_page(self.lake.settings, job_run_id):  # now: a run that fails has no other link
                context.log.info(
                    f"Glue run {job_run_id}: {page} What it says of errors: "
                    f"{glue_log_page(self.lake.settings, job_run_id)}"
                )
            try:
                return self._follow(context, job_run_id, run_id, bool(adopted))
            finally:
                reader.end()

    @property
    def _job(self) -> str:
        return self.lake.settings.readready_job

    def _follow(self, context: dg.AssetExecutionContext, job_run_id: str, run_id: str, adopted: bool) -> GlueRun:
        started = told = time.monotonic()
        try:
            while (run := self._job_run(job_run_id))["JobRunState"] in ACTIVE:
                time.sleep(self._pause(started))
                if (now := time.monotonic()) - told >= _TELL_SECONDS:
                    told = now
                    context.log.info(f"Glue run {job_run_id[:11]}: {run['JobRunState']}, {now - started:.0f} s")
        except (dg.DagsterExecutionInterruptedError, KeyboardInterrupt):
            self._stop(job_run_id)
            raise
        self._print_output(context, job_run_id, run_id, run["JobRunState"] == _SUCCEEDED)
        if run["JobRunState"] != _SUCCEEDED:
            raise GlueRunError(_failure(self._job, run, glue_log_page(self.lake.settings, job_run_id)))
        seconds = float(run.get("ExecutionTime", 0))
        dpu_seconds = float(run.get("DPUSeconds") or seconds * float(run.get("MaxCapacity") or 0))
        return GlueRun(self._job, job_run_id, run_id, seconds, dpu_seconds, adopted)

    def _print_output(self, context: dg.AssetExecutionContext, job_run_id: str, run_id: str, is_success: bool) -> None:
        """Into the stdout of the Dagster run. Who follows a run at a terminal has read what went well there already."""
        if is_success and "progress" in str(context.run.run_config.get("loggers")):
            return
        for line in output_lines(self.lake.client("logs"), self.lake.settings.job_log_group, job_run_id, run_id):
            print(line, flush=True)

    def _job_run(self, job_run_id: str) -> Mapping[str, Any]:
        return self.lake.glue.get_job_run(JobName=self._job, RunId=job_run_id)["JobRun"]

    def _stop(self, job_run_id: str) -> None:
        answer = self.lake.glue.batch_stop_job_run(JobName=self._job, JobRunIds=[job_run_id])
        for error in answer.get("Errors", ()):
            detail = error.get("ErrorDetail", {})
            raise GlueRunError(
                f"Glue run {job_run_id} of {self._job} was cancelled and not stopped: {detail.get('ErrorCode')}. "
                "It may still write, to a directory of its own that nobody will commit. Stop it in the Glue console."
            )

    def _start(self, arguments: dict[str, str], context: dg.AssetExecutionContext) -> str:
        """StartJobRun, waiting while the job has no room. An answer that is lost is looked for, never started twice."""
        glue, started = _client_without_retries(self.lake), time.monotonic()
        give_up = started + self.capacity_wait_seconds
        while True:
            try:
                return str(glue.start_job_run(JobName=self._job, Arguments=arguments)["JobRunId"])
            except ClientError as error:
                reason, is_lost = error.response["Error"]["Code"], _is_of_the_server(error)
                if reason not in _PASSES and not is_lost:
                    raise GlueRunError(f"Glue refused to start {self._job}: {reason}. {error}") from error
            except BotoCoreError as error:
                reason, is_lost = type(error).__name__, True
            if is_lost and (arrived := self._by_run_id(arguments["--run_id"])):  # it may have arrived: look first
                context.log.info(f"StartJobRun gave no answer ({reason}), and the run is there.")
                return str(arrived["Id"])
            if time.monotonic() > give_up:
                raise GlueRunError(
                    f"{self._job} could not be started in {self.capacity_wait_seconds:.0f} s ({reason}). Nothing was "
                    "started; build the days again later, or raise MaxConcurrentRuns where there was no room."
                )
            context.log.info(f"{self._job} was not started ({reason}); trying again.")
            time.sleep(self._pause(started))

    def _pause(self, started: float) -> float:
        """Seconds until the next look: half a second at first, then a fiftieth of what has passed."""
        return min(self.longest_poll_seconds, max(0.5, (time.monotonic() - started) / 50))

    def _adoptable(self, wanted: Mapping[str, str]) -> Mapping[str, Any] | None:
        """A run that is going and builds exactly these days in exactly this way: its orchestrator was killed.

        A finished run is never adopted: who asks for the days again wants them read again.
        """
        for run in self._runs():
            arguments = run.get("Arguments", {})
            same = all(arguments.get(name) == value for name, value in wanted.items())
            if run["JobRunState"] in ACTIVE - {"STOPPING"} and same:
                return run
        return None

    def _by_run_id(self, run_id: str) -> Mapping[str, Any] | None:
        return next((run for run in self._runs() if run.get("Arguments", {}).get("--run_id") == run_id), None)

    def _new_run_id(self, window: Window, dagster_run: str) -> str:
        """`<dagster run>-<first>-<last>-<attempt>`: readable, and new for every attempt."""
        base = f"{dagster_run}-{window.first_day:%Y%m%d}-{window.last_day:%Y%m%d}"
        tried = sum(run.get("Arguments", {}).get("--run_id", "").startswith(base) for run in self._runs())
        return f"{base}-{tried + 1}"

    def _runs(self) -> list[Mapping[str, Any]]:
        """The job's newest runs, newest first; older ones than these are no longer going."""
        return list(self.lake.glue.get_job_runs(JobName=self._job, MaxResults=200)["JobRuns"])


def _is_of_the_server(error: ClientError) -> bool:
    """Whether the answer leaves open what became of the request."""
    return int(error.response["ResponseMetadata"]["HTTPStatusCode"]) >= 500


def _failure(job: str, run: Mapping[str, Any], log_page: str | None) -> str:
    state, said = run["JobRunState"], str(run.get("ErrorMessage") or "nothing")[:1000]
    return (
        f"Glue run {run['Id']} of {job} ended {state} after {run.get('ExecutionTime', 0)} s and said: {said}. "
        f"No day of it was committed. {_ADVICE.get(state, '')}"
        f"{f' Its log: {log_page}' if log_page else ''}"
    )


def _client_without_retries(lake: LakeAccess) -> Any:
    """A Glue client that sends a request once: StartJobRun has no idempotency token, so a silent retry starts two."""
    import boto3

    config = Config(retries={"total_max_attempts": 1}, read_timeout=60)
    return boto3.client(
        "glue", region_name=lake.settings.region, endpoint_url=lake.settings.endpoint_url, config=config
    )

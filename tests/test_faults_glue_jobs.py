"""Glue runs that do not start, do not succeed, or whose start is not answered: a small job that really runs."""

import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import dagster as dg
import pytest
from botocore.exceptions import ClientError

from infra.cli.local_lake import LocalLake
from loglake_assets.lake.lake import Lake
from resources.glue_jobs import GlueJobs, GlueRun, GlueRunError, Window
from resources.glue_output import MOST_LINES
from resources.settings import LakeSettings
from tests.answer_proxy import rewriting_proxy
from tests.fault_proxy import FaultProxy

WINDOW = Window("cloudtrail", date(2026, 11, 1), date(2026, 11, 2))
SCRIPT = b"""
import sys, time
time.sleep(float(sys.argv[sys.argv.index("--sleep") + 1]))
if "--dagster-pipes-context" in sys.argv:
    import boto3
    from dagster_pipes import PipesCliArgsParamsLoader, PipesS3MessageWriter, open_dagster_pipes
    writer = PipesS3MessageWriter(client=boto3.client("s3"))
    with open_dagster_pipes(params_loader=PipesCliArgsParamsLoader(), message_writer=writer):
        pass
"""


@dataclass(frozen=True)
class SmallJob:
    """A job of the emulator under the name that the lake `name` gives it; its script sleeps, greets and succeeds."""

    lake: LocalLake
    name: str = field(default_factory=lambda: f"j{uuid.uuid4().hex[:8]}")

    @property
    def job(self) -> str:
        return f"{self.name}-readready"

    def make(self, sleep_seconds: float, script: bytes = SCRIPT) -> "SmallJob":
        s3, glue = self.lake.client("s3"), self.lake.client("glue")
        bucket = f"{self.name}-artifacts-{self.lake.settings.account}"
        s3.create_bucket(Bucket=bucket)
        s3.put_object(Bucket=bucket, Key="script.py", Body=script)
        glue.create_job(
            Name=self.job,
            Role=f"arn:aws:iam::{self.lake.settings.account}:role/any",
            Command={"Name": "glueetl", "ScriptLocation": f"s3://{bucket}/script.py"},
            GlueVersion="5.1",
            DefaultArguments={
                "--sleep": str(sleep_seconds),
                "--custom-logGroup-prefix": f"/aws-glue/{self.job}",
            },
        )
        return self

    def runs(self) -> list[dict[str, Any]]:
        return list(self.lake.client("glue").get_job_runs(JobName=self.job)["JobRuns"])

    def run_through(self, endpoint_url: str | None, **seconds: float) -> GlueRun:
        """The window run by an asset whose clients talk to `endpoint_url`; None is AWS, by the environment."""
        named = self.lake.settings
        lake = Lake(LakeSettings(self.name, named.account, named.region, endpoint_url))
        made: list[GlueRun] = []

        @dg.asset
        def built(context: dg.AssetExecutionContext, glue_jobs: GlueJobs) -> Iterator[Any]:
            made.append(glue_jobs.run_window(context, WINDOW, 1, 7, "zlib", "spark"))
            yield dg.MaterializeResult()

        with dg.DagsterInstance.ephemeral() as instance:
            resources = {"lake": lake, "glue_jobs": GlueJobs(lake=lake, **seconds)}
            dg.materialize([built], resources=resources, instance=instance)
        return made[0]


@pytest.fixture
def job(lake: LocalLake) -> SmallJob:
    return SmallJob(lake).make(sleep_seconds=0)


def state_change(state: str) -> Callable[[str, dict[str, Any]], tuple[int, dict[str, Any]]]:
    """Every run that succeeded is told as ended in another state."""

    def change(operation: str, answer: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        if operation == "GetJobRun" and answer["JobRun"]["JobRunState"] == "SUCCEEDED":
            answer["JobRun"].update(JobRunState=state, ErrorMessage=f"said of {state}")
        return 200, answer

    return change


@pytest.mark.parametrize(
    ("state", "advice"),
    [
        ("FAILED", "only when the cause is gone"),
        ("TIMEOUT", "ask for fewer days"),
        ("STOPPED", "Somebody stopped it"),
        ("EXPIRED", "waited too long for capacity"),
        ("ERROR", "Glue itself failed"),
    ],
)
@pytest.mark.fault(
    43, "a run that ends FAILED, TIMEOUT, STOPPED, EXPIRED or ERROR", "a failure with the state and what to do"
)
def test_every_end_but_success_is_a_failure_that_says_what_to_do(job: SmallJob, state: str, advice: str) -> None:
    with rewriting_proxy(job.lake.info.endpoint_url, state_change(state)) as url:
        with pytest.raises(
            GlueRunError, match=f"ended {state} .*said of {state}.*No day of it was committed.*{advice}"
        ):
            job.run_through(url)


def test_a_run_that_fails_on_aws_leads_to_its_glue_run_and_its_log(
    job: SmallJob, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    with rewriting_proxy(job.lake.info.endpoint_url, state_change("FAILED")) as url:
        monkeypatch.setenv("AWS_ENDPOINT_URL", url)
        with pytest.raises(GlueRunError, match=r"Its log: https://\S+/log-events/jr_\w+$"):
            job.run_through(None)
    (run,) = job.runs()
    logged = capfd.readouterr().err
    assert f"#/job/{job.job}/run/{run['Id']} " in logged, "at its start: a failed day has no metadata"
    assert f"/log-events/{run['Id']}" in logged


@pytest.mark.fault(43, "a run that is WAITING for a while", "polled until it runs and ends")
def test_a_waiting_run_is_waited_for(job: SmallJob) -> None:
    told: list[str] = []

    def change(operation: str, answer: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        if operation == "GetJobRun":
            told.append("WAITING" if len(told) < 4 else answer["JobRun"]["JobRunState"])
            answer["JobRun"]["JobRunState"] = told[-1]
        return 200, answer

    with rewriting_proxy(job.lake.info.endpoint_url, change) as url:
        job.run_through(url)
    assert told[:4] == ["WAITING"] * 4
    assert told[-1] == "SUCCEEDED"


@pytest.mark.fault(
    43, "one run more than the job has room for", "waited for, then run; no longer than it was told to wait"
)
def test_a_job_without_room_is_waited_for_and_not_forever(lake: LocalLake) -> None:
    job, glue = SmallJob(lake).make(sleep_seconds=6), lake.client("glue")
    glue.start_job_run(JobName=job.job, Arguments={"--source": "other"})
    with pytest.raises(GlueRunError, match=r"could not be started in 1 s \(ConcurrentRunsExceededException\)"):
        job.run_through(lake.info.endpoint_url, capacity_wait_seconds=1)
    assert len(job.runs()) == 1
    job.run_through(lake.info.endpoint_url)
    assert [run["JobRunState"] for run in job.runs()] == ["SUCCEEDED", "SUCCEEDED"]


@pytest.mark.fault(43, "a job that is not there", "refused at once, in a sentence")
def test_what_no_waiting_mends_is_refused_at_once(lake: LocalLake, job: SmallJob) -> None:
    lake.client("glue").delete_job(JobName=job.job)
    with pytest.raises(ClientError, match="not found"):
        job.run_through(lake.info.endpoint_url)


@pytest.mark.fault(43, "polls of a run throttled", "polled on; one run")
def test_throttled_polls_are_tried_again(job: SmallJob, proxy: FaultProxy) -> None:
    throttled = {"service": "glue", "operation": "GetJobRun", "error": {"code": "ThrottlingException"}, "times": 3}
    proxy.break_it(throttled)
    job.run_through(proxy.url)
    assert proxy.firings("GetJobRun") == 3
    assert len(job.runs()) == 1


@pytest.mark.parametrize(
    "rule",
    [
        pytest.param({"response": {"abort_bytes": 0}}, id="answer cut"),
        pytest.param({"reset": True}, id="request cut"),
        pytest.param({"error": {"code": "InternalServiceException", "status": 500}}, id="500 before it started"),
    ],
)
@pytest.mark.fault(
    44, "StartJobRun or its answer lost on the way", "looked for by run id, started when it is not there: one run"
)
def test_a_start_without_an_answer_is_one_run(job: SmallJob, proxy: FaultProxy, rule: dict[str, Any]) -> None:
    proxy.break_it({"service": "glue", "operation": "StartJobRun", "times": 1, **rule})
    made = job.run_through(proxy.url)
    assert proxy.firings("StartJobRun") == 1
    (run,) = job.runs()
    assert (run["Id"], run["Arguments"]["--run_id"]) == (made.job_run_id, made.run_id)


@pytest.mark.fault(44, "StartJobRun answered 500 although the run began", "found by its run id and followed: one run")
def test_a_start_answered_with_an_error_of_the_server_is_one_run(job: SmallJob) -> None:
    spoiled: list[dict[str, Any]] = []

    def change(operation: str, answer: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        if operation == "StartJobRun" and not spoiled:
            spoiled.append(answer)
            return 500, {"__type": "InternalServiceException", "Message": "try again"}
        return 200, answer

    with rewriting_proxy(job.lake.info.endpoint_url, change) as url:
        made = job.run_through(url)
    assert [run["Id"] for run in job.runs()] == [made.job_run_id] == [spoiled[0]["JobRunId"]]


SECRET = "AKIA-of-a-log"
CHATTY = b"""
import sys
run = sys.argv[sys.argv.index("--run_id") + 1]
for n in range(300):
    print(f"{run}: step {n}")
print(f"{run}: object s3://b/a\x1b[2J key")
print("26/11/01 INFO TaskSetManager: AKIA-of-a-log")
print("other-run: AKIA-of-a-log")
print('  File "AKIA of a log", line 1, in x')
raise ValueError("AKIA-of-a-log\\nAKIA-of-a-log: x")
"""


@pytest.mark.fault(43, "a run that fails and whose output quotes a log", "stdout says where it fell, and no content")
def test_stdout_of_the_dagster_run_has_the_jobs_own_words_and_no_other(
    lake: LocalLake, capsys: pytest.CaptureFixture[str]
) -> None:
    job = SmallJob(lake).make(0, CHATTY)
    with pytest.raises(GlueRunError):
        job.run_through(lake.info.endpoint_url)
    said = [line for line in capsys.readouterr().out.splitlines() if line.startswith(("glue | ", "What the job"))]
    group, run = f"/aws-glue/{job.job}/output", job.runs()[0]["Id"]
    assert said[0] == f"What the job printed, by {group}, stream {run}:"
    assert "glue | step 299" in said
    assert "glue | object s3://b/a\\x1b[2J key" in said
    assert 'glue |   File "' in "".join(said), "the places of the traceback"
    assert said[-2] == "glue | ValueError"
    assert SECRET not in "".join(said)
    assert "other lines are left out" in said[-1]
    assert len(said) == 2 + MOST_LINES


def test_output_that_cannot_be_read_is_said_and_fails_no_run(job: SmallJob, capsys: pytest.CaptureFixture[str]) -> None:
    def refuse(operation: str, answer: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        return (400, {"__type": "AccessDeniedException"}) if operation == "GetLogEvents" else (200, answer)

    with rewriting_proxy(job.lake.info.endpoint_url, refuse) as url:
        job.run_through(url)
    assert f"could not be read from /aws-glue/{job.job}/output (AccessDeniedException)" in capsys.readouterr().out

"""The local stack as a process of its own: runs that run, partitions that are checked, and what a kill -9 leaves."""

import io
import json
import os
import signal
import socket
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from infra.emulator.partition_filter import ExpressionError, PartitionFilter
from infra.emulator.processes import StackInfo, free_port, process_start, running_stack, start_stack, stop_stack

pytestmark = pytest.mark.stack

ACCOUNT = "000000000000"
REGION = "eu-west-1"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/any"
ENDED = ("SUCCEEDED", "FAILED", "STOPPED", "TIMEOUT")
KEYS = [{"Name": "region", "Type": "string"}, {"Name": "day", "Type": "int"}, {"Name": "arrived", "Type": "date"}]


class Lake:
    """Clients of one stack, and the few things each test makes with them."""

    def __init__(self, info: StackInfo, home: Path) -> None:
        self.info, self.home = info, home

    def client(self, service: str) -> Any:
        return boto3.client(  # type: ignore[call-overload]
            service,
            endpoint_url=self.info.endpoint_url,
            region_name=REGION,
            **self.info.credentials,
            config=Config(retries={"total_max_attempts": 1}),
        )

    def make_bucket(self, name: str) -> None:
        self.client("s3").create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": REGION})

    def make_job(self, name: str, script: str, **definition: Any) -> None:
        self.client("s3").put_object(Bucket="artifacts", Key=f"scripts/{name}.py", Body=script.encode())
        command = {"Name": "glueetl", "ScriptLocation": f"s3://artifacts/scripts/{name}.py"}
        self.client("glue").create_job(Name=name, Role=ROLE, Command=command, GlueVersion="5.1", **definition)

    def start(self, job: str, **arguments: str) -> str:
        given = {f"--{name}": value for name, value in arguments.items()}
        return str(self.client("glue").start_job_run(JobName=job, Arguments=given)["JobRunId"])

    def run(self, job: str, run_id: str) -> dict[str, Any]:
        answer: dict[str, Any] = self.client("glue").get_job_run(JobName=job, RunId=run_id)["JobRun"]
        return answer

    def ended(self, job: str, run_id: str, seconds: float = 60) -> dict[str, Any]:
        until(lambda: self.run(job, run_id)["JobRunState"] in ENDED, f"{job} ends", seconds)
        return self.run(job, run_id)

    def output(self, run_id: str) -> str:
        return (self.home / "runs" / run_id / "output.log").read_text()

    def make_table(self, name: str) -> None:
        glue = self.client("glue")
        if not any(database["Name"] == "lake" for database in glue.get_databases()["DatabaseList"]):
            glue.create_database(DatabaseInput={"Name": "lake"})
        glue.create_table(DatabaseName="lake", TableInput={"Name": name, "PartitionKeys": KEYS})

    def add(self, table: str, *values: str) -> None:
        given = {"Values": list(values), "StorageDescriptor": {"Columns": [{"Name": "a"}], "Location": "s3://x/"}}
        self.client("glue").create_partition(DatabaseName="lake", TableName=table, PartitionInput=given)

    def chosen(self, table: str, expression: str = "") -> list[list[str]]:
        pages = self.client("glue").get_paginator("get_partitions")
        extra = {"Expression": expression} if expression else {}
        found = pages.paginate(DatabaseName="lake", TableName=table, **extra)
        return [partition["Values"] for page in found for partition in page["Partitions"]]


def until(true: Callable[[], bool], what: str, seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(0.05)


def refusal(code: str, call: Callable[..., Any], **given: Any) -> str:
    with pytest.raises(ClientError) as caught:
        call(**given)
    assert caught.value.response["Error"]["Code"] == code
    return str(caught.value)


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lake]:
    home = tmp_path_factory.mktemp("stack")
    info = start_stack(home, arguments=("--glue-minute-seconds", "2"))
    lake = Lake(info, home)
    lake.make_bucket("artifacts")
    lake.make_bucket("lake-readready")
    yield lake
    stop_stack(info)


# Glue job runs


def test_a_run_executes_the_script_with_its_merged_arguments(lake: Lake) -> None:
    zipped = io.BytesIO()
    with zipfile.ZipFile(zipped, "w") as archive:
        archive.writestr("shipped.py", "WORD = 'from the zip'")
    lake.client("s3").put_object(Bucket="artifacts", Key="shipped.zip", Body=zipped.getvalue())
    script = "import sys, os, json, shipped\nprint(json.dumps([sys.argv[1:], shipped.WORD, os.environ['AWS_ACCOUNT']]))"
    lake.make_job(
        "arguments",
        script,
        DefaultArguments={"--day": "default", "--kept": "yes", "--extra-py-files": "s3://artifacts/shipped.zip"},
        NonOverridableArguments={"--layer": "fixed"},
        NumberOfWorkers=3,
        WorkerType="G.1X",
    )
    run_id = lake.start("arguments", day="20261101", layer="mine")
    run = lake.ended("arguments", run_id)
    argv, word, account = json.loads(lake.output(run_id))
    given = dict(zip(argv[::2], argv[1::2], strict=True))
    assert run["JobRunState"] == "SUCCEEDED"
    assert given == {
        "--day": "20261101",
        "--kept": "yes",
        "--layer": "fixed",
        "--JOB_NAME": "arguments",
        "--JOB_RUN_ID": run_id,
    }
    assert (word, account) == ("from the zip", ACCOUNT)
    assert run["DPUSeconds"] == run["ExecutionTime"] * 3
    assert run["Arguments"]["--day"] == "20261101"
    assert run["CompletedOn"] >= run["StartedOn"]


def test_a_failing_script_is_a_failed_run_that_stores_nothing(lake: Lake) -> None:
    script = """
try:
    1 / 0
except ZeroDivisionError as error:
    raise ValueError('no such day') from error
"""
    lake.make_job("broken", script)
    run = lake.ended("broken", lake.start("broken"))
    assert run["JobRunState"] == "FAILED"
    assert run["ErrorMessage"] == "ValueError: no such day"


def test_an_exit_code_without_a_traceback_is_a_failed_run(lake: Lake) -> None:
    lake.make_job("refusing", "import sys; sys.exit('the window has no days')")
    run = lake.ended("refusing", lake.start("refusing"))
    assert (run["JobRunState"], run["ErrorMessage"]) == (
        "FAILED",
        "The script ended with exit code 1; its last line was: the window has no days",
    )


def test_a_script_that_is_not_there_is_a_failed_run(lake: Lake) -> None:
    lake.make_job("absent", "")
    lake.client("s3").delete_object(Bucket="artifacts", Key="scripts/absent.py")
    run = lake.ended("absent", lake.start("absent"))
    assert run["JobRunState"] == "FAILED"
    assert "s3://artifacts/scripts/absent.py could not be read" in run["ErrorMessage"]


@pytest.mark.fault(43, "one run more than MaxConcurrentRuns", "ConcurrentRunsExceeded until the first is stopped")
def test_one_run_too_many_is_refused_until_the_first_is_stopped(lake: Lake) -> None:
    glue = lake.client("glue")
    lake.make_job("slow", "import time; time.sleep(600)", ExecutionProperty={"MaxConcurrentRuns": 1})
    assert glue.get_job(JobName="slow")["Job"]["ExecutionProperty"] == {"MaxConcurrentRuns": 1}
    first = lake.start("slow")
    refusal("ConcurrentRunsExceededException", glue.start_job_run, JobName="slow")
    until(lambda: lake.run("slow", first)["JobRunState"] == "RUNNING", "it runs")
    pid = json.loads((lake.home / "runs" / first / "pid.json").read_text())["pid"]
    answer = glue.batch_stop_job_run(JobName="slow", JobRunIds=[first, "jr_unknown"])
    assert answer["SuccessfulSubmissions"] == [{"JobName": "slow", "JobRunId": first}]
    assert answer["Errors"][0]["JobRunId"] == "jr_unknown"
    assert answer["Errors"][0]["ErrorDetail"]["ErrorCode"] == "EntityNotFoundException"
    assert lake.ended("slow", first)["JobRunState"] == "STOPPED"
    assert process_start(pid) is None
    second = lake.start("slow")
    glue.batch_stop_job_run(JobName="slow", JobRunIds=[second])
    assert lake.ended("slow", second)["JobRunState"] == "STOPPED"
    newest = glue.get_job_runs(JobName="slow", MaxResults=1)
    older = glue.get_job_runs(JobName="slow", MaxResults=1, NextToken=newest["NextToken"])
    assert [newest["JobRuns"][0]["Id"], older["JobRuns"][0]["Id"]] == [second, first]
    assert "NextToken" not in older


@pytest.mark.fault(43, "a run longer than its Timeout", "TIMEOUT, with all it started ended")
def test_a_run_beyond_its_timeout_is_ended_with_all_it_started(lake: Lake) -> None:
    script = "import subprocess, time\nprint(subprocess.Popen(['sleep', '600']).pid, flush=True)\ntime.sleep(600)"
    lake.make_job("late", script, Timeout=1)
    run_id = lake.start("late")
    assert lake.ended("late", run_id)["JobRunState"] == "TIMEOUT"
    assert process_start(int(lake.output(run_id))) is None


def test_unknown_jobs_and_runs_are_not_found(lake: Lake) -> None:
    glue = lake.client("glue")
    refusal("EntityNotFoundException", glue.start_job_run, JobName="nobody")
    refusal("EntityNotFoundException", glue.get_job_run, JobName="nobody", RunId="jr_1")


def test_a_spark_script_reaches_s3_from_its_executors(lake: Lake) -> None:
    script = """
import boto3
from pyspark.sql import SparkSession
spark = SparkSession.builder.getOrCreate()
def put(numbers):
    s3 = boto3.client("s3")
    for number in numbers:
        s3.put_object(Bucket="lake-readready", Key=f"events/{number}", Body=b"x")
        yield number
assert spark.sparkContext.parallelize(range(4), 2).mapPartitions(put).count() == 4
assert spark.conf.get("spark.sql.session.timeZone") == "UTC"
assert spark.conf.get("spark.sql.shuffle.partitions") == "3"
"""
    lake.make_job("spark", script, DefaultArguments={"--conf": "spark.sql.shuffle.partitions=3 --conf spark.x=y"})
    run_id = lake.start("spark")
    run = lake.ended("spark", run_id, seconds=120)
    assert run["JobRunState"] == "SUCCEEDED", lake.output(run_id)[-3000:]
    listed = lake.client("s3").list_objects_v2(Bucket="lake-readready", Prefix="events/")["Contents"]
    assert [entry["Key"] for entry in listed] == [f"events/{number}" for number in range(4)]


# Partitions


def test_partitions_are_chosen_by_expression_as_their_types_compare(lake: Lake) -> None:
    lake.make_table("chosen")
    for region, day, arrived in (("eu", "9", "2026-11-01"), ("eu", "10", "2026-11-02"), ("us", "100", "2026-11-30")):
        lake.add("chosen", region, day, arrived)
    assert [v[1] for v in lake.chosen("chosen", "day < 10")] == ["9"]
    both = lake.chosen("chosen", "day >= '10' AND (region = 'us' OR region LIKE 'e%')")
    assert sorted(v[1] for v in both) == ["10", "100"]
    assert [v[1] for v in lake.chosen("chosen", "day BETWEEN 9 AND 10 AND NOT arrived > '2026-11-01'")] == ["9"]
    assert [v[1] for v in lake.chosen("chosen", "day NOT IN (9, 10)")] == ["100"]
    assert [v[1] for v in lake.chosen("chosen", "region <> 'eu' and region is not null")] == ["100"]


def test_an_expression_that_is_none_is_refused(lake: Lake) -> None:
    lake.make_table("refusing")
    ask = lake.client("glue").get_partitions
    for expression in ("day =", "nokey = 1", "region = 1", "day = 'x'", "upper(region) = 'EU'", "day = " + "1" * 2048):
        refusal("InvalidInputException", ask, DatabaseName="lake", TableName="refusing", Expression=expression)


def test_pages_of_partitions_end_and_repeat_nothing(lake: Lake) -> None:
    lake.make_table("paged")
    glue = lake.client("glue")
    inputs = [{"Values": ["eu", str(day), "2026-11-01"]} for day in range(100)]
    refusal(
        "ValidationException",
        glue.batch_create_partition,
        DatabaseName="lake",
        TableName="paged",
        PartitionInputList=[*inputs, inputs[0]],
    )
    for errors in (0, 100):  # the second time all of them exist
        made = glue.batch_create_partition(DatabaseName="lake", TableName="paged", PartitionInputList=inputs)
        assert len(made["Errors"]) == errors
    pages = glue.get_paginator("get_partitions").paginate(
        DatabaseName="lake", TableName="paged", ExcludeColumnSchema=True, PaginationConfig={"PageSize": 30}
    )
    found = [[partition["Values"][1] for partition in page["Partitions"]] for page in pages]
    assert [len(page) for page in found] == [30, 30, 30, 10]
    assert {day for page in found for day in page} == {str(day) for day in range(100)}


def test_a_partition_needs_its_table_and_a_value_a_key(lake: Lake) -> None:
    lake.make_table("strict")
    glue = lake.client("glue")
    create = glue.create_partition
    values = ["eu", "1", "2026-11-01"]
    named = {"DatabaseName": "lake", "TableName": "strict"}
    refusal("EntityNotFoundException", create, DatabaseName="lake", TableName="no", PartitionInput={"Values": values})
    refusal("InvalidInputException", create, **named, PartitionInput={"Values": ["eu"]})
    lake.add("strict", *values)
    refusal("AlreadyExistsException", create, **named, PartitionInput={"Values": values})
    moved = {"Values": values, "StorageDescriptor": {"Location": "s3://lake/new/"}}
    update = [{"PartitionValueList": values, "PartitionInput": moved}]
    for _ in range(2):
        assert glue.batch_update_partition(**named, Entries=update)["Errors"] == []
    partition = glue.get_partition(**named, PartitionValues=values)["Partition"]
    assert partition["StorageDescriptor"]["Location"] == "s3://lake/new/"
    glue.delete_partition(**named, PartitionValues=values)
    refusal("EntityNotFoundException", glue.get_partition, **named, PartitionValues=values)
    refusal("EntityNotFoundException", glue.delete_partition, **named, PartitionValues=values)


def test_null_partitions_match_is_null_and_no_comparison() -> None:
    null = ["__HIVE_DEFAULT_PARTITION__", "1", "2026-11-01"]
    assert PartitionFilter("region IS NULL", KEYS).accepts(null)
    assert not PartitionFilter("region = 'eu'", KEYS).accepts(null)
    assert not PartitionFilter("NOT region = 'eu'", KEYS).accepts(null)
    assert PartitionFilter("region = 'eu' OR DAY = 1", KEYS).accepts(null)
    with pytest.raises(ExpressionError, match="the keys are region, day, arrived"):
        PartitionFilter("place = 'eu'", KEYS)


# Invocations, kills and restarts

PRODUCER = """
import os, time, boto3
def handler(event, context):
    while os.path.exists(os.environ["GATE"]):
        time.sleep(0.05)
    sqs = boto3.client("sqs")
    for record in event["Records"]:
        sqs.send_message(QueueUrl=os.environ["QUEUE"], MessageBody=record["s3"]["object"]["key"])
"""


def make_producer(lake: Lake, gate: Path, bucket: str, reserved: int | None = None) -> str:
    """A Lambda that waits while `gate` exists, then sends each key of `bucket` to a queue; returns the queue's URL."""
    queue = str(lake.client("sqs").create_queue(QueueName=bucket)["QueueUrl"])
    zipped = io.BytesIO()
    with zipfile.ZipFile(zipped, "w") as archive:
        archive.writestr("producer.py", PRODUCER)
    functions = lake.client("lambda")
    arn = functions.create_function(
        FunctionName=bucket,
        Runtime="python3.11",
        Role=ROLE,
        Handler="producer.handler",
        Timeout=60,
        Code={"ZipFile": zipped.getvalue()},
        Environment={"Variables": {"GATE": str(gate), "QUEUE": queue}},
    )["FunctionArn"]
    if reserved is not None:
        functions.put_function_concurrency(FunctionName=bucket, ReservedConcurrentExecutions=reserved)
    lake.make_bucket(bucket)
    lake.client("s3").put_bucket_notification_configuration(
        Bucket=bucket,
        NotificationConfiguration={
            "LambdaFunctionConfigurations": [{"LambdaFunctionArn": arn, "Events": ["s3:ObjectCreated:*"]}]
        },
    )
    return queue


def keys_received(lake: Lake, queue: str, count: int) -> set[str]:
    keys: set[str] = set()

    def enough() -> bool:
        answer = lake.client("sqs").receive_message(QueueUrl=queue, MaxNumberOfMessages=10)
        for message in answer.get("Messages", []):
            keys.add(message["Body"])
            lake.client("sqs").delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
        return len(keys) >= count

    until(enough, f"{count} keys in the queue", 30)
    return keys


def test_a_burst_of_objects_loses_no_notification_although_its_lambda_is_throttled(lake: Lake, tmp_path: Path) -> None:
    queue = make_producer(lake, tmp_path / "open", "burst", reserved=1)
    names = {f"day/{number}" for number in range(60)}
    s3 = lake.client("s3")
    for name in names:
        s3.put_object(Bucket="burst", Key=name, Body=b"{}")
    assert keys_received(lake, queue, len(names)) == names


def test_a_killed_stack_comes_back_with_everything_it_answered(tmp_path: Path) -> None:
    home, gate = tmp_path / "home", tmp_path / "closed"
    gate.touch()
    lake = Lake(start_stack(home), home)
    lake.make_bucket("artifacts")
    lake.make_table("kept")
    lake.add("kept", "eu", "1", "2026-11-01")
    queue = make_producer(lake, gate, "notifying")
    lake.make_job("slow", "import time; time.sleep(600)")
    time.sleep(1.5)  # a snapshot a second
    run_id = lake.start("slow")
    until(lambda: lake.run("slow", run_id)["JobRunState"] == "RUNNING", "it runs")
    child = json.loads((home / "runs" / run_id / "pid.json").read_text())["pid"]
    lake.client("s3").put_object(Bucket="notifying", Key="waiting", Body=b"kept")

    os.kill(lake.info.pid, signal.SIGKILL)
    os.waitpid(lake.info.pid, 0)
    gate.unlink()
    assert running_stack(home) is None
    assert process_start(child) is not None

    lake = Lake(start_stack(home, port=lake.info.port), home)
    try:
        assert process_start(child) is None
        assert lake.client("s3").get_object(Bucket="notifying", Key="waiting")["Body"].read() == b"kept"
        assert lake.chosen("kept") == [["eu", "1", "2026-11-01"]]
        run = lake.run("slow", run_id)
        assert run["JobRunState"] == "FAILED"
        assert run["ErrorMessage"] == "the stack stopped while this run was going; start it again"
        assert keys_received(lake, queue, 1) == {"waiting"}
    finally:
        stop_stack(lake.info)


def test_a_clean_stop_is_quick_ends_children_and_keeps_everything(tmp_path: Path) -> None:
    lake = Lake(start_stack(tmp_path, auth=False), tmp_path)
    lake.make_bucket("artifacts")
    lake.make_job("slow", "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)")
    run_id = lake.start("slow")
    until(lambda: lake.run("slow", run_id)["JobRunState"] == "RUNNING", "it runs")
    child = json.loads((tmp_path / "runs" / run_id / "pid.json").read_text())["pid"]
    began = time.monotonic()
    stop_stack(lake.info)
    assert time.monotonic() - began < 5
    assert process_start(child) is None
    assert not (tmp_path / "stack.json").exists()
    lake = Lake(start_stack(tmp_path), tmp_path)
    try:
        assert start_stack(tmp_path) == lake.info
        assert lake.run("slow", run_id)["JobRunState"] == "FAILED"
    finally:
        stop_stack(lake.info)


def stack_refusal(home: Path, port: int) -> str:
    command = [sys.executable, "-m", "infra.emulator.stack", "--home", str(home), "--port", str(port)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert ended.returncode == 2
    assert len(ended.stderr.strip().splitlines()) == 1
    return ended.stderr


def test_a_port_in_use_a_second_stack_and_a_bad_home_are_one_sentence(lake: Lake, tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        assert "cannot listen on" in stack_refusal(tmp_path, taken.getsockname()[1])
    assert "already serves the home" in stack_refusal(lake.home, free_port())
    (tmp_path / "file").touch()
    assert "cannot be written" in stack_refusal(tmp_path / "file", free_port())

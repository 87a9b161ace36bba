"""The commands of a local lake as a person has them: mistyped, at once, interrupted, on a full disk, in little room."""

import ast
import csv
import gzip
import io
import json
import os
import re
import shlex
import shutil
import signal
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import typer.core
import typer.main
import yaml

from infra.cli.dagster_home import write_dagster_home
from infra.cli.dagster_runs import dagster_instance, load_definitions
from infra.cli.day_argument import BuildError, days_of
from infra.cli.day_range import days_of_statement
from infra.cli.demo import MADE_BY_A_DEMO, Demo, DemoError, empty_home
from infra.cli.demo_arrivals import BURST_PREFIXES, PROBES, Arrivals, tell_burst, tell_latency
from infra.cli.home import REPOSITORY, local_program
from infra.cli.load import raw_partition_values
from infra.cli.local_lake import DIGEST_KEYS, LakeHomeError, LocalLake, deploy_lake, local_lake
from infra.cli.main import app, main
from infra.cli.query import print_answer
from infra.cli.tables import list_tables, table_entries
from infra.cli.terminal_output import PLAIN_WIDTH, print_pairs, print_pieces, print_table, print_text
from infra.emulator.processes import running_stack, start_stack
from lambdas.looker.prompt import table_cards
from loglake_assets.lake.checks.day_report import REMEDIES
from loglake_assets.lake.checks.day_report import remedy as finding_remedy
from loglake_assets.lake.storage.table import Table
from loglake_assets.lake.versions.commits import head
from loglake_assets.s3.pages import keys
from loglake_assets.sources import load_source
from loglake_assets.sources.calendar_days import day_number
from loglake_assets.sources.reasons import ADVICE, advice
from loglake_assets.sources.sample_deliveries import DAYS, FIRST_DAY, sample_keys
from resources.athena import Answer
from resources.settings import COMMAND, loglake, program
from tests.commands import PROGRAM, command, environment, line_of_lake
from tests.conftest import quiet
from tests.wait import until

TODAY = datetime.now(UTC).date()
FIRST = TODAY - timedelta(days=2)
SECOND = FIRST + timedelta(days=1)
TABLE = "from_cloudtrail_readready"
READING = (
    "status",
    "query",
    "ask",
    "evidence",
    "digests",
    "review",
    "rollback",
    "collect",
    "requeue",
    "reconcile",
    "build",
)
GIVEN = {
    "query": ["select 1"],
    "ask": ["what?"],
    "evidence": ["some-id"],
    "digests": ["cloudtrail", "2026-11-01"],
    "review": ["--who", "ann", "--days", "2026-11-01", "--out", "OUT"],
    "rollback": ["cloudtrail", "2026-11-01", "r"],
    "requeue": ["cloudtrail", "2026-11-01"],
    "build": ["cloudtrail", "2026-11-01..2026-11-02"],
}


@dataclass(frozen=True)
class Lake:
    """A lake of the last two closed days of the API log's samples; the first of them is built."""

    opened: LocalLake
    files: Path

    @property
    def home(self) -> Path:
        return self.opened.home


def sample_folder(folder: Path, source: str, events: int) -> Path:
    """Samples of the two days as files."""
    asked = [source, str(folder), "--events", str(events), "--days", "2", "--from", str(FIRST)]
    done = command(folder.parent / "no-lake", "generate", *asked)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return sample_folder(tmp_path_factory.mktemp("samples") / "logs", "cloudtrail", 1_500)


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory, files: Path) -> Iterator[Lake]:
    home, before = tmp_path_factory.mktemp("home") / "lake", dict(os.environ)
    with local_lake(home, quiet) as opened:
        done = command(home, "load", "cloudtrail", str(files))
        assert done.returncode == 0, done.stderr
        done = command(home, "build", "cloudtrail", str(FIRST))
        assert done.returncode == 0, done.stdout + done.stderr
        yield Lake(opened, files)
    os.environ.clear()
    os.environ.update(before)
    shutil.rmtree(home, ignore_errors=True)


# --- a place that is none ---------------------------------------------------------------------------------------------


@pytest.mark.fault(98, "each reading command on a home that does not exist", "it says so and makes nothing")
@pytest.mark.parametrize("name", READING)
def test_a_mistyped_home_is_said_and_not_made(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    home = tmp_path / "lakee"
    monkeypatch.setenv("LOGLAKE_HOME", str(home))
    given = [text.replace("OUT", str(tmp_path / "out")) for text in GIVEN.get(name, [])]
    assert main([name, *given]) == 2
    complained = capsys.readouterr().err
    assert complained.startswith(f"{name}: There is no lake in {home}: it does not exist. Nothing was created.")
    assert complained.endswith(f"`loglake --home {home} up` makes a lake there.\n")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.fault(98, "up --port 80000, 0, -1, a word, other digits", "a sentence, and no lake is made")
@pytest.mark.parametrize("port", ["80000", "0", "-1", "http", "\u0664\u0665", "1" * 5_000])
def test_a_port_that_cannot_be_is_a_sentence(
    tmp_path: Path, port: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LOGLAKE_HOME", str(tmp_path / "lake"))
    assert main(["up", f"--port={port}"]) == 2
    expected = f"up: --port {port[:40]!r} is no port number; accepted: 1 to 65535, such as 3001.\n"
    assert capsys.readouterr().err == expected
    assert list(tmp_path.iterdir()) == []


@contextmanager
def read_only(folder: Path) -> Iterator[None]:
    """A folder that cannot be written: by its mode, and for root, who does not mind, by a mount."""
    if os.getuid() != 0:
        folder.chmod(0o555)
        yield
        folder.chmod(0o755)
        return
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "ro", "tmpfs", str(folder)], capture_output=True, check=False
    )
    if mounted.returncode != 0:
        pytest.skip("root needs a kernel that lets it mount")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.mark.fault(
    91, "a home in a folder that is read-only, or that is a file", "one sentence each: where, what to do"
)
def test_a_home_that_cannot_be_written_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("infra.cli.local_lake.free_bytes", lambda home: 1 << 40)
    folder, file = tmp_path / "shelf", tmp_path / "file"
    folder.mkdir()
    file.touch()
    with read_only(folder), pytest.raises(LakeHomeError, match=r"cannot be kept in .*shelf/lake: it cannot be written"):
        with local_lake(folder / "lake", quiet):
            pass
    with pytest.raises(LakeHomeError, match=r"Not a directory\)\. Nothing was started, and trying again does not help"):
        with local_lake(file / "lake", quiet):
            pass


# --- two at once ------------------------------------------------------------------------------------------------------


@pytest.mark.stack
@pytest.mark.fault(86, "three commands begun at once on a home without a stack", "all work; the last one stops it")
def test_commands_at_once_share_one_stack(tmp_path: Path, files: Path) -> None:
    home = tmp_path / "lake"
    asked = [*PROGRAM, "load", "cloudtrail", str(files)]
    begun = [
        subprocess.Popen(asked, cwd=REPOSITORY, env=environment(home), stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        for _ in range(3)
    ]
    said = [process.communicate(timeout=180)[0].decode() for process in begun]
    assert [process.returncode for process in begun] == [0, 0, 0], said
    assert running_stack(home) is None


# --- interrupted ------------------------------------------------------------------------------------------------------


def job_runs(lake: Lake) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = lake.opened.client("glue").get_job_runs(JobName=lake.opened.settings.readready_job)[
        "JobRuns"
    ]
    return found


@pytest.mark.fault(87, "SIGINT in a build whose shell has it ignored", "one sentence, true states, the job stopped")
@pytest.mark.fault(71, "a build that ends before a day whose earlier commit stands", "the table says that it stands")
def test_an_interrupted_build_says_what_stands_of_each_day(lake: Lake) -> None:
    before = len(job_runs(lake))
    process = subprocess.Popen(
        [*PROGRAM, "build", "cloudtrail", f"{FIRST}..{SECOND}"],
        cwd=REPOSITORY,
        env=environment(lake.home, LOGLAKE_ENGINE="spark"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_IGN),
    )
    until(lambda: len(job_runs(lake)) > before and job_runs(lake)[0]["JobRunState"] == "RUNNING", 120)
    run = lake.home / "runs" / job_runs(lake)[0]["Id"]
    os.killpg(json.loads((run / "pid.json").read_text())["pid"], signal.SIGSTOP)  # so that it cannot end by itself
    process.send_signal(signal.SIGINT)
    said, complained = process.communicate(timeout=120)
    assert process.returncode == 130, said + complained
    assert complained == (
        f"{line_of_lake(lake.home)}build: Stopped, and the Glue run with it: 0 of 2 days were built by this command. "
        "The same command builds the others; nothing has to be cleaned up first.\n"
    )
    states = dict(re.findall(r"^(20\d\d-\d\d-\d\d) .*?  (\S+(?: \S+)*)$", said, re.M))
    assert states == {str(FIRST): "built earlier: commit 1 stands", str(SECOND): "not built"}
    assert "Traceback" not in said + complained
    until(lambda: {one["Id"]: one["JobRunState"] for one in job_runs(lake)}[run.name] == "STOPPED", 90)


@pytest.mark.stack
@pytest.mark.fault(87, "SIGTERM and SIGINT while a command starts its stack", "both end, and no stack is left")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_command_that_is_stopped_early_leaves_no_stack(tmp_path: Path, files: Path, number: signal.Signals) -> None:
    home = tmp_path / "lake"
    process = subprocess.Popen(
        [*PROGRAM, "load", "cloudtrail", str(files)],
        cwd=REPOSITORY,
        env=environment(home),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    until((home / "stack.log").exists, 60)
    process.send_signal(number)
    _, complained = process.communicate(timeout=60)
    assert (process.returncode, complained) == (130, "load: stopped. What it had started was stopped too.\n")
    assert not serves(home)


@pytest.mark.stack
@pytest.mark.fault(
    87, "SIGINT in the midst of starting the stack's process", "it comes afterwards, and no stack is left"
)
def test_a_signal_in_the_midst_of_a_start_leaves_no_stack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    start = subprocess.Popen

    def start_and_interrupt(*arguments: Any, **given: Any) -> Any:
        child = start(*arguments, **given)
        signal.raise_signal(signal.SIGINT)
        return child

    monkeypatch.setattr("infra.emulator.processes.subprocess.Popen", start_and_interrupt)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # of a test that runs in the background
    try:
        with pytest.raises(KeyboardInterrupt):
            start_stack(tmp_path, log=lambda text: None)
    finally:
        signal.signal(signal.SIGINT, before)
    assert not serves(tmp_path)


def serves(home: Path) -> bool:
    """Whether any process has the home as its stack's."""
    lines = (p.joinpath("cmdline") for p in Path("/proc").iterdir() if p.name.isdigit())
    return any(b"infra.emulator.stack" in text and str(home).encode() in text for text in map(_text, lines))


def _text(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


@pytest.mark.fault(71, "a build that is refused, of a day whose commit stands", "the table says that the commit stands")
def test_a_day_that_fails_is_not_called_unbuilt_while_a_commit_stands(lake: Lake) -> None:
    s3, bucket = lake.opened.client("s3"), lake.opened.settings.raw_bucket("cloudtrail")
    prefix = f"AWSLogs/o-exampleorg1/111122223333/CloudTrail/us-east-1/{FIRST:%Y/%m/%d}/"
    key = s3.list_objects_v2(Bucket=bucket, Prefix=prefix)["Contents"][0]["Key"]
    body = s3.get_object(Bucket=bucket, Key=key)["Body"].read()
    s3.delete_object(Bucket=bucket, Key=key)
    done = command(lake.home, "build", "cloudtrail", str(FIRST))
    s3.put_object(Bucket=bucket, Key=key, Body=body)
    assert done.returncode == 1
    (line,) = (line for line in done.stdout.splitlines() if line.startswith(f"{FIRST} "))
    assert line.endswith("  built earlier: commit 1 stands")


# --- the machine beneath ----------------------------------------------------------------------------------------------


@pytest.mark.fault(91, "Dagster's database locked by another process", "said as that, with what may hold it")
def test_a_locked_database_is_said(lake: Lake) -> None:
    database = lake.home / "dagster" / "history" / "runs.db"
    assert database.exists()
    with sqlite3.connect(database, isolation_level=None) as holder:
        holder.execute("PRAGMA locking_mode=EXCLUSIVE")
        holder.execute("BEGIN EXCLUSIVE")
        done = command(lake.home, "build", "cloudtrail", str(FIRST))
        holder.execute("ROLLBACK")
    holder.close()
    assert done.returncode == 2, done.stdout
    expected = f"build: Dagster's database under {lake.home / 'dagster'} is locked: another process has held it"
    assert done.stderr.startswith(expected)
    assert "SELECT" not in done.stderr


@pytest.mark.stack
@pytest.mark.fault(
    91, "a disk that fills while the stack runs", "objects are refused in one sentence, and nothing waits"
)
def test_a_disk_that_fills_while_the_stack_runs_is_said(tmp_path: Path, files: Path) -> None:
    mounted = ["mount", "-t", "tmpfs", "-o", "size=2g", "tmpfs", str(tmp_path)]
    if os.getuid() != 0 or subprocess.run(mounted, capture_output=True, check=False).returncode != 0:
        pytest.skip("mounting a disk that fills needs root, and a kernel that lets it")
    home, before = tmp_path / "lake", dict(os.environ)
    try:
        with local_lake(home, quiet) as opened:
            used = shutil.disk_usage(home).used
            resize(tmp_path, used + 40_000_000)
            with pytest.raises(opened.client("s3").exceptions.ClientError, match="InsufficientStorage"):
                opened.client("s3").put_object(Bucket=opened.settings.raw_bucket("cloudtrail"), Key="a", Body=b"a")
            done = command_with_room(home, files)
            assert done.returncode == 2, done.stdout
            assert done.stderr.startswith(f"load: The disk of the lake in {home} is full: ")
            assert done.stderr.endswith("Free some, then give the command again.\n")
            resize(tmp_path, 2 << 30)
            assert command(home, "load", "cloudtrail", str(files)).returncode == 0
    finally:
        os.environ.clear()
        os.environ.update(before)
        subprocess.run(["umount", "-l", str(tmp_path)], check=True)


def command_with_room(home: Path, files: Path) -> "subprocess.CompletedProcess[str]":
    """`load` as it is when the disk had room as it began: its own look at the start is passed over."""
    program = (
        "import sys, infra.cli.local_lake as opened; opened.NEEDED_BYTES = 0\n"
        "opened.refuse_full_disk.__defaults__ = (0,)\n"
        "from infra.cli.main import app, main\n"
        f"sys.exit(main(['load', 'cloudtrail', {str(files)!r}]))"
    )
    return subprocess.run(
        [PROGRAM[0], "-c", program],
        cwd=REPOSITORY,
        env=environment(home),
        capture_output=True,
        text=True,
        check=False,
    )


def resize(folder: Path, size: int) -> None:
    subprocess.run(["mount", "-o", f"remount,size={size}", str(folder)], check=True)


# --- keys of samples --------------------------------------------------------------------------------------------------


@pytest.mark.fault(72, "README's generate, load and digests lines, and the daily check", "keys found, all as delivered")
def test_digests_of_generated_samples_are_validated_without_keys_being_given(lake: Lake) -> None:
    assert json.loads((lake.home / DIGEST_KEYS).read_text()) == sample_keys("cloudtrail")
    beside = lake.files.with_name("logs.public_keys.json")
    assert json.loads(beside.read_text()) == sample_keys("cloudtrail"), "public keys, and no private one"
    done = command(lake.home, "digests", "cloudtrail", f"{FIRST}..{SECOND}")
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{FIRST}" in done.stdout
    with dagster_instance(lake.opened) as instance:
        result = load_definitions().resolve_job_def("daily_checks").execute_in_process(instance=instance)
    (evaluation,) = (one for one in result.get_asset_check_evaluations() if one.check_name == "digests")
    assert evaluation.passed
    assert evaluation.metadata["digests_valid"].value == 48
    assert isinstance(evaluation.asset_key, dg.AssetKey)


# --- a question about days --------------------------------------------------------------------------------------------


@pytest.mark.fault(66, "a query over days that are built, not whole, not built, without a partition", "each is said")
def test_a_query_says_which_of_its_days_are_not_whole(lake: Lake) -> None:
    first, second = day_number(FIRST), day_number(SECOND)
    sql = f"select count(*) as n from {TABLE} where logcalendarday between {first} and {second}"
    done = command(lake.home, "query", sql)
    (line,) = (line for line in done.stdout.splitlines() if line.startswith("Of "))
    assert re.fullmatch(
        rf"Of {TABLE} these are not whole: {FIRST} 99\.\d{{4}} % of its events; {SECOND} not built\. "
        rf"`loglake --home {re.escape(str(lake.home))} status` says what helps\.",
        line,
    )
    glue, database = lake.opened.client("glue"), lake.opened.settings.database
    named = {"DatabaseName": database, "TableName": TABLE}
    partition = glue.get_partition(**named, PartitionValues=[str(first)])["Partition"]
    glue.delete_partition(**named, PartitionValues=[str(first)])
    done = command(lake.home, "query", f"select * from {TABLE} where logcalendarday = {first}", "--format", "csv")
    fields = ("Values", "StorageDescriptor", "Parameters")
    glue.create_partition(**named, PartitionInput={name: partition[name] for name in fields})
    assert done.stdout.count("\n") == 1, "the heading, and no row"
    helps = f"`loglake --home {lake.home} status` says what helps."
    assert done.stderr == f"Of {TABLE} these are not whole: {FIRST} without a partition. {helps}\n"
    done = command(lake.home, "query", f"select count(*) as n from {TABLE}", "--format", "jsonl")
    assert json.loads(done.stdout)["n"] > 100
    assert done.stderr.startswith("The statement names no range of days, so all days were asked; of ")
    assert command(lake.home, "query", f"describe {TABLE}").stdout.count("not whole") == 0


def test_a_query_says_that_a_day_is_stale_though_all_was_there_when_it_was_counted(lake: Lake) -> None:
    s3, bucket = lake.opened.client("s3"), lake.opened.settings.raw_bucket("cloudtrail")
    delivered = s3.list_objects_v2(Bucket=bucket, Prefix="AWSLogs/")["Contents"]
    some = next(entry["Key"] for entry in delivered if f"/CloudTrail/us-east-1/{FIRST:%Y/%m/%d}/" in entry["Key"])
    key = f"{some.rpartition('/')[0]}/later.json.gz"
    s3.put_object(Bucket=bucket, Key=key, Body=gzip.compress(b'{"Records": []}'))
    sql = f"select count(*) as n from {TABLE} where logcalendarday = {day_number(FIRST)}"
    asked, status = command(lake.home, "query", sql), command(lake.home, "status")
    s3.delete_object(Bucket=bucket, Key=key)
    assert f"Of {TABLE} these are not whole: {FIRST} stale." in asked.stdout
    assert f"stale: {FIRST}: registered_unbuilt: s3://{bucket}/{key}" in status.stdout


def test_only_another_tree_than_the_one_deployed_last_asks_cloudformation_for_changes(lake: Lake) -> None:
    glue, s3, named = lake.opened.client("glue"), lake.opened.client("s3"), lake.opened.settings
    said: list[str] = []
    deploy_lake(lake.opened, said.append)
    assert said == []
    glue.delete_table(DatabaseName=named.database, Name="session_activity")
    deploy_lake(lake.opened, said.append)
    assert said == [f"{named.database}.session_activity: view over session_activity_review"]
    said.clear()
    s3.put_object(Bucket=named.artifacts_bucket, Key="deployment", Body=b"another tree")
    deploy_lake(lake.opened, said.append)
    assert {line.partition(": ")[2] for line in said} == {"unchanged"}
    said.clear()
    deploy_lake(lake.opened, said.append)
    assert said == []


@pytest.mark.fault(66, "days of a log of which nothing was delivered, in loglake query and status", "the same words")
def test_days_without_raw_logs_are_said_in_the_same_words_by_query_and_status(lake: Lake) -> None:
    s3, source = lake.opened.client("s3"), load_source("bedrock")
    bucket, before = lake.opened.settings.raw_bucket("bedrock"), FIRST - timedelta(days=1)
    key = f"AWSLogs/111122223333/BedrockModelInvocationLogs/us-east-1/{before:%Y/%m/%d}/10/a.json.gz"
    s3.put_object(Bucket=bucket, Key=key, Body=gzip.compress(b""))
    of_days = f"logcalendarday between {day_number(before)} and {day_number(SECOND)}"
    sql = f"select count(*) as n from {source.readready.name} where {of_days}"
    asked, status = command(lake.home, "query", sql), command(lake.home, "status")
    s3.delete_object(Bucket=bucket, Key=key)
    words = (
        f"{FIRST} to {SECOND}: no raw logs are there for these days. If logs were expected, see whether "
        f"{source.title} is delivered to s3://{bucket}; `{local_program(lake.home)} load {source.name} FOLDER` puts "
        "files there."
    )
    assert f"Of {source.readready.name}, {words}" in asked.stdout.splitlines()
    assert words in status.stdout.splitlines()
    assert f"Of {source.readready.name} these are not whole: {before} not built." in asked.stdout
    sql = f"select count(*) as n from {source.readready.name} where logcalendarday = {day_number(FIRST)}"
    (line,) = (line for line in command(lake.home, "query", sql).stdout.splitlines() if line.startswith("Of "))
    assert line.startswith(f"Of {source.readready.name}, {FIRST}: no raw logs are there for this day. If logs were ")


@pytest.mark.fault(98, "statements that are no SELECT through loglake query", "the answer, and no library's warning")
@pytest.mark.parametrize(
    "sql", ["show tables", f"show partitions {TABLE}", f"explain select 1 from {TABLE}", "show views"]
)
def test_a_statement_that_is_no_select_prints_no_warning(lake: Lake, sql: str) -> None:
    done = command(lake.home, "query", sql)
    assert "unsupported syntax" not in done.stdout + done.stderr
    assert all(line.startswith("query: Athena: ") for line in done.stderr.splitlines())


WHOLE = None
A, B, C = date(2026, 11, 1), date(2026, 11, 2), date(2026, 11, 3)


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("select 1 from t where logcalendarday = 20261101", {"t": (A,)}),
        ("select 1 from T x where x.logcalendarday in (20261101, 20261103)", {"t": (A, B, C)}),
        ("select 1 from t where logcalendarday >= 20261101 and logcalendarday < 20261103", {"t": (A, B)}),
        ("select 1 from t where logcalendarday = 20261101 or logcalendarday = 20261103", {"t": WHOLE}),
        ("select 1 from t where logcalendarday = 20261101 or eventname = 'a'", {"t": WHOLE}),
        ("select 1 from t where logcalendarday >= 20261101", {"t": WHOLE}),
        ("select 1 from loglake.t where logcalendarday = 20261101", {"t": (A,)}),
        ("select 1 from t where logcalendarday = 20261101 union select 1 from t where logcalendarday = 20261102",
         {"t": (A, B)}),
        ("with w as (select * from t where logcalendarday = 20261101) select * from w", {"t": (A,)}),
        ("select 1 from t join u on t.k = u.k where t.logcalendarday = 20261101", {"t": (A,), "u": WHOLE}),
        ("select 1 from t join u on t.logcalendarday = u.logcalendarday where t.logcalendarday = 20261101",
         {"t": (A,), "u": (A,)}),
        ("select 1 from other where logcalendarday = 20261101", {}),
        ("describe t", {}),
        ("show tables", {}),
        ("this is no sql from t", {}),
    ],
)  # fmt: skip
def test_the_days_of_a_statement_are_told_from_its_predicates(sql: str, expected: dict[str, Any]) -> None:
    cloudtrail = next(card for card in table_cards() if card.name == TABLE)
    assert days_of_statement(sql, {"t": cloudtrail, "u": cloudtrail}) == expected


# --- what is advised --------------------------------------------------------------------------------------------------


@pytest.mark.fault(
    98, "commands given too little, or what no command takes", "what is missing or unknown, and how to ask"
)
@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["build", "cloudtrail"], "Missing argument 'DAYS'"),
        (["load", "--dir", "logs"], "No such option: --dir"),
        (["review", "--session", "s-1"], "Missing option '--out'"),
        (["review", "--who", "a b", "--out", "x"], "--who with a person and --days with a range of days"),
        (["review", "--session", "s", "--who", "a", "--out", "x"], "Give --session with an id, or --who"),
        (["build", "cloudtrail", "2026-11-07..2026-11-01"], "ends before it begins"),
        (["build", "cloudtrail", "yesterday"], "'yesterday' is not a day; expected yyyy-mm-dd"),
        (["query"], "Give one statement: loglake query"),
        (["query", "select 1", "--format", "xml"], "'xml' is not one of 'table', 'csv', 'json', 'jsonl'"),
        (
            ["review", "--who", "*", "--days", "2026-11-01", "--out", "x", "--reviewr", "dana"],
            "No such option: --reviewr",
        ),
        (["--lake", "prod", "--home", "x", "status"], "--home is of the local lake"),
        (["--profile", "p", "status"], "--profile and --region are of a lake on AWS"),
        (["--lake", "nosuch", "status"], "There is no lake 'nosuch'"),
        (["--lake", "../x", "status"], "There is no lake '../x'"),
        (["--lake", "prod", "load", "cloudtrail", "logs"], "is for the lake of this machine, and --lake is prod"),
    ],
)
def test_what_a_command_cannot_do_is_a_sentence(
    given: list[str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(given) == 2
    told = " ".join(capsys.readouterr().err.replace("│", " ").split())
    assert said in told
    assert "Traceback" not in told
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "name", sorted(one.name or one.callback.__name__ for one in app.registered_commands if one.callback)
)
def test_every_command_has_a_help_text_with_an_example(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([name, "--help"]) == 0
    out = " ".join(capsys.readouterr().out.split())
    assert re.search(rf"Example: loglake (--lake prod )?{name}\b", out)


def advised_commands() -> Iterator[str]:
    """Each command that the lake tells a person to give: of findings and reasons, and what is said in one place only.

    What is filled in there is a day here, which is as good a text as any.
    """
    last = FIRST_DAY + timedelta(days=2)
    findings = [finding_remedy(finding, "cloudtrail", FIRST_DAY, last, "run-1") for finding in REMEDIES]
    reasons = [advice(reason, program(), "cloudtrail", FIRST_DAY, last) for reason in ADVICE]
    for text in (*findings, *reasons):
        yield from re.findall(r"loglake [^;,`]+", text)
    for folder in ("loglake_assets", "infra"):
        for file in (REPOSITORY / folder).rglob("*.py"):
            for call in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
                match call:
                    case ast.Call(func=ast.Name("loglake"), args=[ast.JoinedStr() | ast.Constant() as said]):
                        yield loglake(text_of(said))


def text_of(said: ast.expr) -> str:
    if isinstance(said, ast.JoinedStr):
        return "".join(text_of(part) for part in said.values)
    return str(said.value) if isinstance(said, ast.Constant) else str(FIRST_DAY)


def test_every_command_that_is_advised_is_one_and_names_the_lake(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(COMMAND, "loglake --home 'a home'")
    group = typer.main.get_command(app)
    assert isinstance(group, typer.core.TyperGroup)
    for text in (found := set(advised_commands())):
        assert text.startswith("loglake --home 'a home' ")
        context = group.make_context("loglake", shlex.split(text)[1:])
        name, command, rest = group.resolve_command(context, [*context.protected_args, *context.args])
        assert command is not None
        command.make_context(name, rest, parent=context)
    assert len(found) > 20


def test_the_command_says_what_its_exit_codes_mean(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    assert "Exit codes: 0 done; 1 what was asked for failed" in " ".join(capsys.readouterr().out.split())


@pytest.mark.fault(98, "a session that is not found, and a review of which no day is built", "advice names the days")
def test_advice_to_build_a_review_names_the_days_that_can_be_built(lake: Lake, tmp_path: Path) -> None:
    build = f"loglake --home {lake.home} build session_activity {FIRST}"
    done = command(lake.home, "review", "--session", "s-1", "--out", str(tmp_path / "out"))
    assert done.stderr.endswith(f"1 day of the review is not built and may hold it. This builds them: {build}\n")
    said = command(lake.home, "status").stdout
    assert f"no day yet. `{build}` makes it of built days." in said
    assert "no day yet. It is made from days of Amazon Bedrock model invocations, and none is built." in said
    assert "<" not in said


# --- a table that is dropped ------------------------------------------------------------------------------------------


@pytest.mark.fault(84, "the raw and the readready table dropped, then status, then reconcile", "named; rows are back")
def test_a_dropped_table_is_named_and_one_command_brings_it_back(lake: Lake) -> None:
    glue, database = lake.opened.client("glue"), lake.opened.settings.database
    day = f"where logcalendarday = {day_number(FIRST)}"
    sql = f"select count(*) as n from {TABLE} {day}"
    before = json.loads(command(lake.home, "query", sql, "--format", "jsonl").stdout)["n"]
    for table in (TABLE, "from_cloudtrail_raw"):
        glue.delete_table(DatabaseName=database, Name=table)
    done = command(lake.home, "reconcile")
    for table in (TABLE, "from_cloudtrail_raw"):
        assert f"The table {database}.{table} was gone: somebody dropped it. It is made again" in done.stderr
    assert "Error" not in done.stdout + done.stderr
    until(lambda: json.loads(command(lake.home, "query", sql, "--format", "jsonl").stdout)["n"] == before, 60)
    assert glue.get_table(DatabaseName=database, Name=TABLE)["Table"]["Parameters"]["classification"] == "orc"
    done = command(lake.home, "status")
    assert (done.returncode, done.stderr) == (0, "")


# --- what is shown ----------------------------------------------------------------------------------------------------


def table_of(headings: list[str], rows: list[list[Any]]) -> list[str]:
    output = io.StringIO()
    print_table("", headings, rows, output)
    return output.getvalue().splitlines()


@pytest.mark.long
@pytest.mark.fault(98, "a table of long and many cells, with control characters in them", "it fits and nothing acts")
def test_a_table_fits_and_what_does_not_is_cut() -> None:
    lines = table_of(["n", "text"], [[1, "x" * 5_000], [22, "\x1b[31m" + "y" * 5_000]])
    assert {len(line) for line in lines[2:]} == {PLAIN_WIDTH}
    assert all(line.endswith("x…") or line.endswith("y…") or "-" in line or "n" in line for line in lines)
    assert "\x1b" not in "".join(lines)
    assert "\\u{1b}[31m" in lines[3]
    assert table_of(["a", "b"], [["short", "s"]]) == ["a      b", "-----  -", "short  s"]
    wide = [f"column{n}" for n in range(66)]
    few = table_of(wide, [["v" * 900] * 66] * 2)
    assert len(few) == 2 * 67
    assert max(map(len, few)) == PLAIN_WIDTH
    many = table_of(wide, [["v" * 900] * 66] * 6_668)
    assert sum(map(len, many)) < 6_670 * (PLAIN_WIDTH + 1)
    assert many[-1] == "46 of 66 columns are not shown, since they do not fit: name fewer."


class Terminal(io.StringIO):
    """What is written to it, as to a terminal of so many columns as COLUMNS says."""

    def isatty(self) -> bool:
        return True


def test_text_is_wrapped_on_a_terminal_and_no_command_or_name_is_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    build, name = "loglake --home /lakes/a build cloudtrail 2026-11-02..2026-11-03", "s3://raw/" + "x" * 90
    text = f"incomplete: objects cannot be read: the reason that is named says what mends each; then {build}; {name}"
    terminal, pipe = Terminal(), io.StringIO()
    print_text(text, terminal)
    print_text(text, pipe)
    assert pipe.getvalue() == f"{text}\n"
    lines = terminal.getvalue().splitlines()
    assert [line for line in lines if len(line) > 80 and name not in line] == []
    assert [sum(whole in line for line in lines) for whole in (build, name)] == [1, 1]
    assert " ".join(line.strip() for line in lines) == text
    assert {line[:4] for line in lines[1:]} == {"    "}
    hostile = Terminal()
    print_text("a\x1b[31m " * 40, hostile)
    assert "\x1b" not in hostile.getvalue()


def test_pairs_and_records_are_as_wide_as_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    pairs = [("key", "word " * 40), ("long", "y" * 200)]
    cut, wrapped, pieces, pipe = Terminal(), Terminal(), Terminal(), io.StringIO()
    print_pairs("title", pairs, cut, is_cut=True)
    assert [len(line) for line in cut.getvalue().splitlines()] == [5, 60, 60]
    print_pairs("", pairs[:1], wrapped)
    assert max(map(len, wrapped.getvalue().splitlines())) <= 60
    assert wrapped.getvalue().split() == ["key", *["word"] * 40]
    print_pieces("z" * 200, pieces)
    assert "".join(line[2:] for line in pieces.getvalue().splitlines()) == "z" * 200
    assert max(map(len, pieces.getvalue().splitlines())) == 60
    print_pairs("", pairs, pipe, is_cut=True)
    assert pipe.getvalue().splitlines()[1].endswith("y" * 200), "a pipe gets all"


def test_every_column_that_is_listed_says_what_it_is() -> None:
    assert [(e.name, c.name) for e in table_entries() for c in e.all_columns if not c.comment] == []
    said: list[str] = []
    assert list_tables(["line"], said.append)
    assert re.fullmatch(r"[0-9]+ columns, in [0-9]+ of [0-9]+ tables", said[-1])


def test_formats_for_programs_have_whole_values_of_their_types(capsys: pytest.CaptureFixture[str]) -> None:
    names = ("s", "i", "b", "d", "x", "m", "n")
    types = ("varchar", "bigint", "boolean", "double", "double", "decimal", "integer")
    rows: list[list[str | None]] = [["a" * 999, "7", "true", "1.5", "NaN", "12345678901234567890.5", None]]
    answer = Answer("q", names, types, rows)
    print_answer(answer, "json")
    (read,) = json.loads(capsys.readouterr().out)
    assert read == dict(zip(names, ["a" * 999, 7, True, 1.5, "NaN", "12345678901234567890.5", None], strict=True))
    print_answer(answer, "jsonl")
    assert json.loads(capsys.readouterr().out) == read
    print_answer(Answer("q", ("a", "b"), ("varchar", "varchar"), [["x,\n\x1b", None]]), "csv")
    told = capsys.readouterr().out
    assert "\x1b" not in told
    assert list(csv.reader(io.StringIO(told))) == [["a", "b"], ["x,\\u{a}\\u{1b}", ""]]


def test_a_query_gives_numbers_and_booleans_as_such(lake: Lake) -> None:
    sql = f"select 1 as n, true as b, cast(1.5 as double) as d, 'x' as s, logcalendarday as day from {TABLE} limit 1"
    done = command(lake.home, "query", sql, "--format", "json")
    assert json.loads(done.stdout) == [{"n": 1, "b": True, "d": 1.5, "s": "x", "day": day_number(FIRST)}]


VOUCHED = "raw_key like '%/111122223333/CloudTrail/us-east-1/%'"
"""Rows of the account and Region of the samples that digests are delivered for."""


def test_evidence_prints_a_day_as_a_day(lake: Lake) -> None:
    sql = f"select min(eventid) as id from {TABLE} where {VOUCHED} and logcalendarday = {day_number(FIRST)}"
    event_id = json.loads(command(lake.home, "query", sql, "--format", "jsonl").stdout)["id"]
    done = command(lake.home, "evidence", event_id, "--day", str(FIRST))
    assert re.search(rf"^logcalendarday +{day_number(FIRST)}$", done.stdout, re.M)
    assert done.stdout.endswith("All agree.\n")
    assert " not known " not in done.stdout


@pytest.mark.fault(98, "evidence of a row whose object no digest names", "it says what agrees and what is not known")
def test_evidence_says_what_could_not_be_compared(lake: Lake) -> None:
    sql = f"select min(eventid) as id from {TABLE} where not {VOUCHED} and logcalendarday = {day_number(FIRST)}"
    event_id = json.loads(command(lake.home, "query", sql, "--format", "jsonl").stdout)["id"]
    done = command(lake.home, "evidence", event_id, "--day", str(FIRST))
    assert re.search(r"^digest +not known +no digest names the object", done.stdout, re.M)
    agreeing, last = len(re.findall(r"^[a-zA-Z ]+ agrees ", done.stdout, re.M)), done.stdout.splitlines()[-1]
    assert last == (f"{agreeing} of {agreeing + 1} agree. These could not be compared, each line says why: digest.")


# --- the demo ---------------------------------------------------------------------------------------------------------


def test_the_demos_steps_rise() -> None:
    said: list[str] = []
    demo = Demo(said.append)
    for text in ("a", "b", "c"):
        demo.step(text)
        demo("between")
    assert [line.strip() for line in said if line != "between"] == ["1. a", "2. b", "3. c"]


def test_a_demo_removes_only_what_a_demo_made(tmp_path: Path) -> None:
    home = tmp_path / "lake"
    empty_home(home)
    (home / "state").mkdir()
    empty_home(home)
    assert [path.name for path in home.iterdir()] == [MADE_BY_A_DEMO]
    other = tmp_path / "other"
    (other / "state").mkdir(parents=True)
    with pytest.raises(DemoError, match="no demo made it"):
        empty_home(other)
    assert (other / "state").exists()


def test_a_measurement_leaves_bucket_and_catalog_as_they_were(lake: Lake) -> None:
    opened, source = lake.opened, load_source("cloudtrail")
    bucket = opened.settings.raw_bucket(source.name)
    stored, placed = set(keys(opened.client("s3"), bucket, "")), raw_partition_values(opened, source)
    said: list[str] = []
    arrivals = Arrivals(opened, source)
    tell_latency(arrivals, said.append)
    assert tell_burst(arrivals, said.append) == set()
    assert len(raw_partition_values(opened, source)) == len(placed) + PROBES + BURST_PREFIXES
    arrivals.clear_away()
    assert set(keys(opened.client("s3"), bucket, "")) == stored
    assert raw_partition_values(opened, source) == placed
    assert len(said) == 2


@pytest.mark.slow
@pytest.mark.fault(98, "a demo in a home of its own, then the commands it printed", "its steps rise; the commands work")
def test_what_the_demo_prints_works_afterwards(tmp_path: Path) -> None:
    home = tmp_path / "demo lake"
    done = command(home, "demo", "--events", "3000")
    assert done.returncode == 0, done.stdout + done.stderr
    steps = [int(number) for number in re.findall(r"^(\d+)\. ", done.stdout, re.M)]
    assert steps == list(range(1, len(steps) + 1))
    told = command(home, "status").stdout
    days = {date.fromisoformat(day) for day in re.findall(r"^(\d{4}-\d{2}-\d{2}) +\d", told, re.M)}
    asked_looker, last = {TODAY, datetime.now(UTC).date()}, FIRST_DAY + timedelta(days=DAYS)  # events arrive late
    assert FIRST_DAY in days
    assert {day for day in days if day > last} <= asked_looker
    assert "probe.json" not in told + max((home / "reports").glob("*.html")).read_text(encoding="utf-8")
    printed = re.findall(r"loglake --home .*(?:evidence|status).*", done.stdout)
    assert len(printed) >= 4
    for line in (printed[0], printed[-1]):
        again = subprocess.run(
            ["bash", "-c", line],
            cwd=REPOSITORY,
            env={**environment(home), "PATH": f"{Path(PROGRAM[0]).parent}:{os.environ['PATH']}"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert again.returncode == 0, line + again.stdout + again.stderr


def test_a_commit_of_the_built_day_stands(lake: Lake) -> None:
    """What the tests above rest on."""
    bucket = lake.opened.settings.readready_bucket
    assert head(Table(load_source("cloudtrail").readready.name, lake.opened.client("s3"), bucket), day_number(FIRST))


# --- terminals, days and homes as they come ---------------------------------------------------------------------------


def test_whoever_reads_may_stop_reading(tmp_path: Path) -> None:
    piped = f"set -o pipefail; {shlex.join(PROGRAM)} questions | head -1"
    done = subprocess.run(
        ["bash", "-c", piped], env=environment(tmp_path), cwd=REPOSITORY, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.count("\n") == 1


def test_a_terminal_that_lacks_a_character_shows_its_number(tmp_path: Path) -> None:
    program = (
        "import sys; from infra.cli.main import main; sys.argv = ['loglake', 'questions']; main(); print('\u2026')"
    )
    done = subprocess.run(
        [*PROGRAM[:1], "-c", program],
        env=environment(tmp_path, PYTHONIOENCODING="ascii"),
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "\\u2026"


@pytest.mark.parametrize("days", ["0001-01-01..9999-12-31", "1999-12-31", "2026-11-01..2101-01-01"])
def test_days_of_no_log_are_refused(days: str) -> None:
    with pytest.raises(BuildError, match="is no day of any log"):
        days_of(days)


def test_a_demo_with_no_room_for_what_it_shows_starts_nothing(tmp_path: Path) -> None:
    done = command(tmp_path / "demo", "demo", "--events", "5")
    assert done.returncode == 2
    assert "Nothing was started" in done.stderr
    assert not (tmp_path / "demo" / "stack.json").exists()


@pytest.mark.parametrize("name", ['a "b"', "it's # {x}: [y]", "\u00e9 \\ %s"])
def test_any_folder_can_be_a_home_of_dagster(name: str, tmp_path: Path) -> None:
    write_dagster_home(tmp_path / name)
    found = yaml.safe_load((tmp_path / name / "dagster.yaml").read_text())
    assert found["event_log_storage"]["config"]["base_dir"] == f"{tmp_path / name}/history/runs/"

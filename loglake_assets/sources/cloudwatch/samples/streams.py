"""The invented log groups and streams, and the Firehose streams that deliver them."""

from dataclasses import dataclass
from random import Random

from loglake_assets.sources.cloudtrail.samples.identifiers import hex_digits
from loglake_assets.sources.cloudtrail.samples.trail import ACCOUNTS

FIREHOSES = (("", "session-logs-to-s3-1"), ("", "app-logs-to-s3-3"), ("central/", "central-logs-2"))
"""(what stands before the date in a key, delivery stream and its version)."""
SESSION_FIREHOSE, APP_FIREHOSE, CENTRAL_FIREHOSE = range(3)
_CENTRAL_ACCOUNTS = {account for _, account in ACCOUNTS[2:]}  # these send everything to one central account

SESSION_GROUP = "/aws/ssm/sessionlogs"
LAMBDA_GROUP = "/aws/lambda/example-orders"
AUDIT_GROUP = "/aws/rds/cluster/example-db/audit"
WEB_GROUP = "/aws/apprunner/example-web/0123456789abcdef/application"
ACCESS_GROUP = "API-Gateway-Access-Logs_example01/prod"
GENERAL_GROUPS = (LAMBDA_GROUP, AUDIT_GROUP, WEB_GROUP, ACCESS_GROUP)
STREAMS_PER_GROUP = 3
STREAMS_PER_ACCOUNT = STREAMS_PER_GROUP * len(GENERAL_GROUPS)


@dataclass(frozen=True, slots=True)
class LogStream:
    """Where events lie in CloudWatch; within it, (timestamp, id) orders them."""

    owner: str
    group: str
    name: str

    @property
    def firehose(self) -> int:
        if self.owner in _CENTRAL_ACCOUNTS:
            return CENTRAL_FIREHOSE
        return SESSION_FIREHOSE if self.group == SESSION_GROUP else APP_FIREHOSE


def general_streams(seed: int) -> list[LogStream]:
    """The log streams of each account in turn, beside Session Manager's."""
    rng = Random(f"{seed}:streams")
    return [
        LogStream(account, group, _name(rng, group, number))
        for _, account in ACCOUNTS
        for group in GENERAL_GROUPS
        for number in range(STREAMS_PER_GROUP)
    ]


def _name(rng: Random, group: str, number: int) -> str:
    if group == AUDIT_GROUP:
        return f"example-db-instance-{number}.audit.log.0.2026-01-01-00-00.0.0"
    if group == LAMBDA_GROUP:
        return f"2026/01/0{number + 1}/[$LATEST]{hex_digits(rng, 32)}"
    return f"instance/{hex_digits(rng, 32)}"

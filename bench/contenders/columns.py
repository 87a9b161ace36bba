"""The columns that the contenders write: 38, as flat as a reader wants them. Our job writes these and its evidence."""

from dataclasses import dataclass
from pathlib import Path

from bench.volumes import NEEDLE_NAMES, Volume, read_volume

TEXT = (
    *("eventVersion", "eventTime", "eventSource", "eventName", "awsRegion", "sourceIPAddress", "userAgent"),
    *("errorCode", "errorMessage", "requestID", "eventID", "eventType", "apiVersion", "recipientAccountId"),
    *("sharedEventID", "vpcEndpointId", "eventCategory", "sessionCredentialFromConsole"),
)
BOOLEAN = ("readOnly", "managementEvent")  # read as text: some records spell them "true", which typed readers refuse
BLOCKS = (
    *("requestParameters", "responseElements", "additionalEventData", "resources"),
    *("serviceEventDetails", "tlsDetails"),
)
IDENTITY = ("type", "principalId", "arn", "accountId", "accessKeyId", "userName", "invokedBy")
CONTEXT = {  # path below userIdentity.sessionContext: column
    ("sourceIdentity",): "useridentity_sourceidentity",
    ("attributes", "mfaAuthenticated"): "useridentity_mfaauthenticated",
    ("sessionIssuer", "type"): "useridentity_issuertype",
    ("sessionIssuer", "arn"): "useridentity_issuerarn",
    ("sessionIssuer", "userName"): "useridentity_issuerusername",
}
NAMES = (
    *(name.lower() for name in (*TEXT, *BOOLEAN, *BLOCKS)),
    *(f"useridentity_{name.lower()}" for name in IDENTITY),
    *CONTEXT.values(),
)


@dataclass(frozen=True)
class Task:
    """What a contender is asked to do."""

    volume: Volume
    rows: Path
    needle: bool

    @property
    def where(self) -> str:
        """The filter as SQL over the columns, or what keeps everything."""
        if not self.needle:
            return "true"
        names, accounts = (", ".join(f"'{v}'" for v in values) for values in (NEEDLE_NAMES, self.accounts))
        return f"eventname IN ({names}) AND recipientaccountid IN ({accounts})"

    @property
    def accounts(self) -> tuple[str, ...]:
        return self.volume.needle_accounts


def task(arguments: list[str]) -> Task:
    """The task that the arguments of a contender's process say."""
    out = Path(arguments[1])
    out.mkdir(parents=True, exist_ok=True)
    return Task(read_volume(Path(arguments[0])), out / "rows", "needle" in arguments[2:])

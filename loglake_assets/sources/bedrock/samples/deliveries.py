"""One object to be: which invocations it tells of, and under which key it is delivered."""

from dataclasses import dataclass, field
from datetime import UTC, datetime

from loglake_assets.sources.cloudtrail.samples.identifiers import iso_day

READABLE = ("log", "zero_byte")
UNREADABLE = {"corrupt": "corrupt_gzip", "truncated": "truncated_gzip", "not_json": "not_json"}
IGNORED = {
    "body": "body",
    "permission_check": "permission_check",
    "folder_marker": "folder_marker",
    "unknown_key": "unknown_key",
}


@dataclass(slots=True)
class Delivery:
    """One object to be: the folder of its account and Region, when (epoch seconds), and the numbers it holds."""

    folder: str
    time: int
    invocations: list[int] = field(default_factory=list)
    kind: str = "log"
    unique: str = ""
    part: str = ""
    """Of a body: whether it is the input or the output."""
    body_key: str = ""
    """Of a body: its key, which its record names."""

    @property
    def day(self) -> str:
        return iso_day(self.time)

    @property
    def hour(self) -> str:
        return f"{datetime.fromtimestamp(self.time, UTC):%Y/%m/%d/%H}"

    @property
    def key(self) -> str:
        account_folder = self.folder.rpartition("/")[0]
        match self.kind:
            case "body":
                return self.body_key
            case "permission_check":
                return f"{account_folder}/amazon-bedrock-logs-permission-check"
            case "folder_marker":
                return f"{self.folder}/"
            case "unknown_key":
                return f"{account_folder}/README.txt"
        at = datetime.fromtimestamp(self.time, UTC)
        milliseconds = int(self.unique[:4], 16) % 1000
        return f"{self.folder}/{self.hour}/{at:%Y%m%dT%H%M%S}{milliseconds:03d}Z_{self.unique}.json.gz"

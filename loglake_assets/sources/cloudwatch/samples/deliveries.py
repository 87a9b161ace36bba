"""One object to be: which events it holds, and under which key it is delivered."""

from dataclasses import dataclass, field
from datetime import UTC, datetime

from loglake_assets.sources.cloudwatch.samples.streams import FIREHOSES

VARIANTS = ("newline_delimited", "back_to_back", "gzip_of_gzip", "plain_text")
READABLE = ("log", *VARIANTS, "control", "zero_byte")
UNREADABLE = {
    "corrupt": "corrupt_gzip",
    "truncated": "truncated_gzip",
    "processing_failed": "firehose_failed_records",
    "message_extraction": "message_extraction",
}
IGNORED = {"folder_marker": "folder_marker", "unknown_key": "unknown_key"}


@dataclass(slots=True)
class Delivery:
    """One object to be: the Firehose stream that delivers, when (epoch seconds), and the numbers of its events."""

    firehose: int
    time: int
    events: list[int]
    kind: str = "log"
    unique: str = ""
    control_times: list[int] = field(default_factory=list)
    """Epoch milliseconds of the control messages in it."""

    @property
    def folder(self) -> str:
        """The raw partition: prefix, day and hour of arrival."""
        prefix = "processing-failed/" if self.kind == "processing_failed" else FIREHOSES[self.firehose][0]
        return f"{prefix}{datetime.fromtimestamp(self.time, UTC):%Y/%m/%d/%H}/"

    @property
    def key(self) -> str:
        if self.kind == "folder_marker":
            return self.folder
        if self.kind == "unknown_key":
            return "manual/notes.txt"
        at = datetime.fromtimestamp(self.time, UTC)
        suffix = ".gz" if self.kind == "gzip_of_gzip" else ""
        return f"{self.folder}{FIREHOSES[self.firehose][1]}-{at:%Y-%m-%d-%H-%M-%S}-{self.unique}{suffix}"

"""What a source's decoder and the reader of objects say to each other. Standard library only."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any


class NotThisLogError(ValueError):
    """An object's content is no delivery of this log; `reason` is what quarantine lists. Never holds content."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class RecordError(ValueError):
    """One record cannot be a row; `reason` is what quarantine lists. Never holds content."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class DecodedRecord:
    """One record: `fields` by column name (absent is null), its time in UTC, the SHA-256 (hex) of its bytes.

    `excluded_by` names what a log carries beside its events, such as control messages: counted, never written.
    """

    fields: dict[str, Any]
    time: datetime
    sha256: str
    excluded_by: str | None = None

"""What a source's recount yields. Standard library only."""

from dataclasses import dataclass


class NotCountableError(ValueError):
    """An object's content is no delivery of this log, so its events cannot be counted; `reason` says why."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class CountedEvent:
    """One event as stored: its key (None: not a record), its time as spelled, and the fields that rules ask for."""

    key: str | None
    time: str | None
    fields: dict[str, str | None]
    is_excluded: bool = False
    """True for what the log carries beside its events, such as a control message."""

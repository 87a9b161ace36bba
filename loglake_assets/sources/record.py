"""What a source's decoder and the reader of objects say to each other. Standard library only."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Any, NamedTuple

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_DAYS_REMEMBERED = 4096


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


class PlainRecords(NamedTuple):
    """Records by a decoder's quick way: `columns` in the order of its FIELDS, times in them as `microseconds`.

    `places` says which of the records that were asked for they are.
    """

    places: list[int]
    microseconds: list[int]
    columns: list[Sequence[Any]]


def microseconds_of(moment: datetime) -> int:
    """Microseconds from 1970 in UTC to a moment that has a time zone."""
    return (moment - _EPOCH) // _MICROSECOND


def plain_microseconds(text: str) -> int | None:
    """Microseconds of a time that is spelled as AWS does, `2026-11-01T12:00:00Z`; None of any other spelling."""
    midnight, minutes, seconds = _midnight(text[:10]), _MINUTES.get(text[10:16]), _SECONDS.get(text[16:])
    if midnight is None or minutes is None or seconds is None:
        return None
    return midnight + minutes + seconds


@lru_cache(_DAYS_REMEMBERED)
def _midnight(text: str) -> int | None:
    try:
        day = date.fromisoformat(text)
    except ValueError:
        return None
    return (day - _EPOCH.date()) // _MICROSECOND if day.isoformat() == text else None


_MINUTES = {f"T{n // 60:02d}:{n % 60:02d}": n * 60_000_000 for n in range(24 * 60)}
_SECONDS = {f":{n:02d}Z": n * 1_000_000 for n in range(60)}

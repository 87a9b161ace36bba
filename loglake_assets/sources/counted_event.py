"""What a source's recount yields. Standard library only."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


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


class KeyTwice(dict[str, Any]):
    """A JSON object that says a key twice: what was said first is lost, so it can be no event."""


def json_decoder(parse_int: Callable[[str], Any]) -> json.JSONDecoder:
    """A reader of JSON that refuses NaN and Infinity, as the standard does, and tells what says a key twice.

    `parse_int` is given digits of any number; int itself refuses more than 4,300.
    """
    return json.JSONDecoder(object_pairs_hook=_json_object, parse_int=parse_int, parse_constant=_no_number)


def _json_object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    return found if len(found) == len(pairs) else KeyTwice(found)


def _no_number(name: str) -> None:
    raise ValueError(f"{name} is no JSON")

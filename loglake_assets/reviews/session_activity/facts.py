"""What is read for the sessions of a window of days, and a session as it is made of that."""

import json
import re
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from functools import cached_property
from typing import Any

from loglake_assets.reviews.inputs import Input
from loglake_assets.reviews.secret_masks import Secret, secrets_in
from loglake_assets.reviews.session_activity.flags import line_flags
from loglake_assets.reviews.session_activity.transcripts import Block, event_lines, is_piece


@dataclass(frozen=True)
class Evidence:
    """Where the raw record of a row lies, in an object of which content, and which run wrote the row."""

    bucket: str
    key: str
    version_id: str | None
    etag: str | None
    sha256: str | None
    ordinal: int
    run: str

    @staticmethod
    def of(row: Mapping[str, Any]) -> "Evidence":
        names = ("raw_bucket", "raw_key", "raw_versionid", "raw_etag", "raw_objectsha256", "raw_ordinal", "f_run")
        return Evidence(*(row[name] for name in names))


@dataclass(frozen=True)
class Keystrokes:
    """One log event of a session, with its lines as they were sent."""

    row: Mapping[str, Any]
    lines: tuple[str, ...]

    @staticmethod
    def of(row: Mapping[str, Any]) -> "Keystrokes":
        plain = bool(row["session_isplain"])
        return Keystrokes(row, event_lines(row["session"] or "", row["session_linecount"] or 0, plain))

    @property
    def is_piece(self) -> bool:
        """Whether its only line goes on in the next event. Text that was uploaded whole is never cut."""
        return not self.row["session_isplain"] and is_piece(self.lines)

    @property
    def origin(self) -> tuple[str, str]:
        """Log stream and account: what an event cannot choose for itself."""
        return str(self.row["sessionid"]), str(self.row["logaccountid"])

    def of_account(self, central_accounts: Collection[str]) -> "Keystrokes":
        """The event as one of the account that it was copied from, where the one that holds it is trusted to say so.

        CloudWatch Logs itself writes `@aws.account` beside an event that it copies into a central account; whoever
        writes an event cannot. Of any other account the field means nothing.
        """
        if self.row["logaccountid"] not in central_accounts:
            return self
        account = json_object(self.row["extractedfields"]).get("@aws.account")
        return replace(self, row={**self.row, "logaccountid": account}) if isinstance(account, str) else self

    @property
    def time(self) -> datetime:
        moment: datetime = self.row["eventtime"]
        return moment

    @property
    def order(self) -> tuple[datetime, str]:
        return self.time, str(self.row["eventid"] or "").zfill(64)


@dataclass(frozen=True)
class Facts:
    """What was read for a window of days: rows of the queries, by session, and what the lake held of each day."""

    starts: Sequence[Mapping[str, Any]]
    ends: Mapping[str, datetime]
    keystrokes: Mapping[str, Sequence[Keystrokes]]
    calls: Mapping[str, Sequence[Mapping[str, Any]]]
    trail: Mapping[date, Input]
    typed: Mapping[date, Input]

    def around(self, day: date, days_before: int, days_after: int) -> "Facts":
        """What a run for this day alone would have read: the same day is the same whatever window it is built in."""
        first, last = day - timedelta(days=days_before), day + timedelta(days=days_after)

        def is_near(moment: datetime) -> bool:
            return first <= moment.date() <= last

        near = {name: [k for k in events if is_near(k.time)] for name, events in self.keystrokes.items()}
        return replace(
            self,
            starts=[row for row in self.starts if is_near(row["eventtime"])],
            ends={name: moment for name, moment in self.ends.items() if is_near(moment)},
            keystrokes={name: events for name, events in near.items() if events},
            trail={d: i for d, i in self.trail.items() if first <= d <= last},
            typed={d: i for d, i in self.typed.items() if first <= d <= last},
        )

    def attribute_to_origin(self, central_accounts: Collection[str]) -> "Facts":
        """With the events of central accounts as those of the accounts they were copied from, each of them once."""
        return replace(
            self,
            keystrokes={name: _distinct(events, central_accounts) for name, events in self.keystrokes.items()},
        )


def _distinct(events: Sequence[Keystrokes], central_accounts: Collection[str]) -> list[Keystrokes]:
    """Events without those that lie in another log group as well: a copy has an id of its own and the same content.

    Of equal events of one log stream, the place that has most of them keeps all of its own; a session may well show
    the same line twice in a moment.
    """
    equal: dict[tuple[Any, ...], dict[tuple[str, str], list[Keystrokes]]] = defaultdict(lambda: defaultdict(list))
    for event in events:
        found, row = event.of_account(central_accounts), event.row
        content = (found.origin, event.time, event.row["session"])
        equal[content][str(row["logaccountid"]), str(row["loggroup"])].append(found)

    def longest_copies() -> Iterator[Keystrokes]:
        for (origin, *_), places in equal.items():
            in_order = sorted(places, key=lambda place: (place[0] != origin[1], place))
            yield from places[max(in_order, key=lambda place: len(places[place]))]

    return list(longest_copies())


def json_object(text: str | None) -> dict[str, Any]:
    """The object that JSON text spells; an empty one where it spells anything else."""
    try:
        found = json.loads(text or "{}")
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


@dataclass(frozen=True)
class Session:
    """One session. `start` is its StartSession row, None for an orphan; times are UTC."""

    key: str
    session_id: str | None
    day: date
    state: str
    state_reason: str
    keystrokes_due: datetime | None
    start: Mapping[str, Any] | None
    request: Mapping[str, Any]
    terminated: datetime | None
    keystrokes: Sequence[Keystrokes] = ()
    calls: Sequence[Mapping[str, Any]] = ()
    gaps: Sequence[tuple[datetime, datetime]] = ()
    inputs: Sequence[Input] = ()
    blocks: Sequence[Block] = field(default_factory=list)
    lines: Sequence[str] = field(default_factory=list)

    @property
    def start_time(self) -> datetime:
        moment: datetime = self.start["eventtime"] if self.start else self.keystrokes[0].time
        return moment

    @property
    def last_keystrokes(self) -> datetime | None:
        return self.keystrokes[-1].time if self.keystrokes else None

    @property
    def end_time(self) -> datetime | None:
        return self.terminated or self.last_keystrokes

    @property
    def end_reason(self) -> str | None:
        if self.terminated:
            return "terminated"
        last = _plain_line(self.lines[-1]) if self.lines else ""
        return "exited" if last in {"exit", "logout"} else None

    @property
    def claimed_arn(self) -> str | None:
        """Who it was by the keystrokes' own record, which whoever writes the log can choose."""
        return next(
            (k.row["session_useridentity_arn"] for k in self.keystrokes if k.row["session_useridentity_arn"]), None
        )

    @property
    def call_count(self) -> int:
        return int(self.calls[0]["call_count"]) if self.calls else 0

    @cached_property
    def flags(self) -> list[tuple[str, int]]:
        """(flag, line) of everything in the transcript that a reviewer should look at; lines count from 1."""
        secret = {found.line for found in self.secrets}
        return [
            (flag, number) for number, line in enumerate(self.lines, 1) for flag in line_flags(line, number in secret)
        ]

    @cached_property
    def secrets(self) -> list[Secret]:
        """What looks like a secret in the transcript."""
        return secrets_in(self.lines)

    def of_row(self, name: str) -> Any:
        """A column of the StartSession event."""
        return self.start[name] if self.start else None

    def of_keystrokes(self, name: str) -> Any:
        """A column that all of the session's keystrokes share, from the first that has it."""
        return next((k.row[name] for k in self.keystrokes if k.row[name]), None)


_CONTROL = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|[\x00-\x1f\x7f]")


def _plain_line(line: str) -> str:
    """A line without control sequences."""
    return _CONTROL.sub("", line).strip()


def group_facts(rows: Sequence[Mapping[str, Any]], name: str) -> dict[str, list[Mapping[str, Any]]]:
    """Rows by one of their columns, in their order."""
    found: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for row in rows:
        found[row[name]].append(row)
    return found

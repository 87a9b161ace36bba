"""Verdicts on sessions: what a reviewer judged, each an object that is put once and never changed.

A second verdict on a session stands beside the first, and the newest counts. It names the packet that was judged by its
SHA-256, and the facts that would be others had the session's record changed since.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, date, datetime, timedelta
from itertools import takewhile
from typing import Any

from loglake_assets.lake.lake import Lake
from loglake_assets.lake.storage.keys import judged_packet_key, verdict_key, verdicts_prefix, verdicts_root
from loglake_assets.lake.versions.commits import sequences
from loglake_assets.reviews.session_activity import REVIEW
from loglake_assets.reviews.session_activity.reviewer_scope import Reviewer
from loglake_assets.s3.json_records import json_record, known_fields
from loglake_assets.s3.objects import put_once, whole_object
from loglake_assets.s3.pages import keys
from loglake_assets.s3.read_ahead import results_in_order
from loglake_assets.s3.urls import bucket_and_key
from loglake_assets.sources.calendar_days import day_from_number, day_number, days_between

VERDICTS: Mapping[str, str] = {
    "appropriate": "Appropriate",
    "not_appropriate": "Not appropriate",
    "needs_follow_up": "Needs follow-up",
}
LONGEST_NOTE = 10_000
"""Characters."""
FACTS = ("state", "transcript_lines", "transcript_bytes", "keystroke_events", "api_call_count")
"""Columns of a session's row that say whether its record is still the one that was judged."""
COLUMNS = (
    *("session_key", "sessionid", "started", "useridentity_arn", "useridentity_sourceidentity", "target", "flags"),
    *("packet", "logcalendarday", *FACTS),
)
AWAITED, RECORDING_AWAITED, OVERDUE = "awaits a verdict", "recording awaited", "overdue"
CHANGED, UNREADABLE = "changed since its verdict", "verdict unreadable"
OWED = (OVERDUE, UNREADABLE, CHANGED, AWAITED)
"""What a reviewer has to do something about, the most urgent first."""
COMPARED_DAYS = 365
"""Days of which verdicts are read and compared with what the session's record is now; of older ones, that one is there
counts."""
_IN_FLIGHT = 16
_CLOCKS_APART = timedelta(hours=1)


class VerdictError(ValueError):
    """A verdict cannot be recorded; the message says why, and that nothing was."""


@dataclass(frozen=True)
class Verdict:
    """One verdict. `day` is the session's partition (yyyymmdd); `given_by` is the ARN of whoever recorded it.

    `given_at` is UTC in ISO 8601; `packet_sha256` is of the packet's JSON as it was stored.
    """

    session_key: str
    day: int
    verdict: str
    note: str
    reviewer: str
    given_by: str
    given_at: str
    packet: str
    packet_sha256: str
    facts: Mapping[str, Any] = field(default_factory=dict)
    objects_sha256: str = ""
    """Of the raw objects and records that the packet names; empty in verdicts that are older than it."""


@dataclass(frozen=True)
class BrokenVerdict:
    """The newest verdict on a session is no record that can be read: its key, and why."""

    key: str
    why: str


@dataclass(frozen=True)
class SessionReview:
    """A session's row of `COLUMNS`, its newest verdict if it has one, and the last day on which one is in time.

    `is_same_packet` says whether the packet, as it is stored now, is of the records that were judged.
    """

    row: Mapping[str, Any]
    due: date
    verdict: Verdict | BrokenVerdict | None = None
    is_same_packet: bool = True

    @property
    def day(self) -> date:
        """The partition that the session stands in."""
        return day_from_number(self.row["logcalendarday"])

    def status(self, today: date) -> str:
        """The verdict, or what a reviewer still owes."""
        if isinstance(self.verdict, BrokenVerdict):
            return UNREADABLE
        if self.verdict:
            is_same = self.is_same_packet and facts_of(self.row) == self.verdict.facts
            return self.verdict.verdict if is_same else CHANGED
        if self.row["state"] == "awaiting":
            return RECORDING_AWAITED
        return OVERDUE if today > self.due else AWAITED


def facts_of(row: Mapping[str, Any]) -> dict[str, Any]:
    """What a verdict keeps of the session's row."""
    return {name: row[name] for name in FACTS}


def session_reviews(lake: Lake, first: date, last: date, days_to_review: int) -> list[SessionReview]:
    """The sessions of a range of days by time, each with its newest verdict. Raises AthenaError."""
    rows = _rows(lake, f"BETWEEN {day_number(first)} AND {day_number(last)}")
    newest = _newest_keys(key for day in days_between(first, last) for key in _verdict_keys(lake, day)) if rows else {}
    return list(_reviews(lake, rows, newest, days_to_review))


def reviews_with_backlog(lake: Lake, first: date, last: date, days_to_review: int) -> list[SessionReview]:
    """The sessions of a range of days and those of any day before it that owe a verdict, by time. Raises AthenaError.

    Nothing that is owed is over by waiting. Of days more than `COMPARED_DAYS` before the last, a session owes one where
    none was ever given.
    """
    rows = _rows(lake, f"<= {day_number(last)}")
    newest = _newest_keys(_verdict_keys(lake)) if rows else {}
    since = day_number(min(first, last - timedelta(days=COMPARED_DAYS)))
    unsettled = [row for row in rows if row["logcalendarday"] >= since or _prefix(row) not in newest]
    found = _reviews(lake, unsettled, newest, days_to_review)
    return [one for one in found if one.day >= first or one.status(last) in OWED]


def _rows(lake: Lake, days: str) -> list[dict[str, Any]]:
    """Sessions by time of the days that a condition selects; none where no day of the review was ever built."""
    if not sequences(lake.table(REVIEW.table.name)):
        return []
    rows: list[dict[str, Any]] = lake.athena.ask(
        f"SELECT {', '.join(COLUMNS)} FROM {REVIEW.name} WHERE logcalendarday {days} ORDER BY started, session_key"
    ).rows
    return rows


def _reviews(
    lake: Lake, rows: Sequence[Mapping[str, Any]], newest: Mapping[str, str], days_to_review: int
) -> Iterator[SessionReview]:
    """Each session with the verdict of its newest key, which is read."""
    own = {prefix: newest[prefix] for row in rows if (prefix := _prefix(row)) in newest}
    found = results_in_order(lambda key: _verdict_or_problem(lake, key), own.values(), _IN_FLIGHT)
    verdicts = dict(zip(own, found, strict=True))
    given = [verdicts.get(_prefix(row)) for row in rows]
    same = results_in_order(lambda pair: _is_same_packet(lake, *pair), zip(rows, given, strict=True), _IN_FLIGHT)
    for row, verdict, is_same in zip(rows, given, same, strict=True):
        yield SessionReview(row, row["started"].date() + timedelta(days=days_to_review), verdict, is_same)


def _prefix(row: Mapping[str, Any]) -> str:
    """Where the verdicts on a session lie."""
    return verdicts_prefix(REVIEW.name, row["logcalendarday"], row["session_key"])


def _is_same_packet(lake: Lake, row: Mapping[str, Any], verdict: Verdict | BrokenVerdict | None) -> bool:
    """Whether the session's packet is the one that was judged, or one made again of the same records."""
    if not isinstance(verdict, Verdict):
        return True
    try:
        document = packet_document(lake, str(row["packet"]))
    except lake.s3.exceptions.NoSuchKey:
        return False
    if row["packet"] == verdict.packet:
        return hashlib.sha256(document).hexdigest() == verdict.packet_sha256
    return verdict.objects_sha256 in ("", objects_sha256(document))


def objects_sha256(document: bytes) -> str:
    """SHA-256 of what raw objects and records a packet's JSON names, wherever they lie; empty where it names none."""
    try:
        objects = json_record(document)["objects"]
        named = sorted((one["table"], one["sha256"], one["ordinals"]) for one in objects)
    except (ValueError, KeyError, TypeError):
        return ""
    return hashlib.sha256(json.dumps(named).encode()).hexdigest()


def verdict_on(lake: Lake, session_key: str, day: int) -> Verdict | BrokenVerdict | None:
    """The newest verdict on a session of a day (yyyymmdd); None where there is none."""
    prefix = verdicts_prefix(REVIEW.name, day, session_key)
    newest = max(keys(lake.s3, lake.settings.readready_bucket, prefix), default=None)
    return None if newest is None else _verdict_or_problem(lake, newest)


def _verdict_keys(lake: Lake, day: date | None = None) -> Iterator[str]:
    """Keys of the verdicts on sessions of a day, or of every day, which stand before the packets that were judged."""
    root = verdicts_root(REVIEW.name)
    found = keys(
        lake.s3, lake.settings.readready_bucket, verdicts_prefix(REVIEW.name, day_number(day)) if day else root
    )
    return takewhile(lambda key: key.removeprefix(root)[:1].isdigit(), found)


def _newest_keys(found: Iterable[str]) -> dict[str, str]:
    """The key of the newest verdict by the prefix of its session; keys of a session are in the order of time."""
    return {f"{key.rpartition('/')[0]}/": key for key in found}


def _verdict_or_problem(lake: Lake, key: str) -> Verdict | BrokenVerdict:
    try:
        body = whole_object(lake.s3, lake.settings.readready_bucket, key)["Body"]
        found = Verdict(**known_fields(Verdict, json_record(body)))
        own = verdict_key(REVIEW.name, found.day, found.session_key, datetime.fromisoformat(found.given_at))
    except ValueError as error:
        return BrokenVerdict(key, str(error))
    except (TypeError, AttributeError):
        return BrokenVerdict(key, "a field is of another kind than it must be")
    if own != key or datetime.fromisoformat(found.given_at) > datetime.now(UTC) + _CLOCKS_APART:
        return BrokenVerdict(key, "its key is of another session or time, or of the future")
    return found if found.verdict in [*VERDICTS] else BrokenVerdict(key, "it has a verdict that is none")


def give_verdict(lake: Lake, row: Mapping[str, Any], verdict: str, note: str, who: Reviewer, given_by: str) -> Verdict:
    """Record a verdict that `check_verdict` lets pass on a session, by its row of `COLUMNS`.

    The object is put under a key that is not there, so no verdict takes another's place. The packet that was judged is
    kept beside it, as retention takes the packets of superseded runs.
    """
    now = datetime.now(UTC)
    packet = str(row["packet"])
    document = packet_document(lake, packet)
    made = Verdict(
        session_key=str(row["session_key"]),
        day=int(row["logcalendarday"]),
        verdict=verdict,
        note=note,
        reviewer=who.name,
        given_by=given_by,
        given_at=now.isoformat(),
        packet=packet,
        packet_sha256=hashlib.sha256(document).hexdigest(),
        facts=facts_of(row),
        objects_sha256=objects_sha256(document),
    )
    bucket = lake.settings.readready_bucket
    put_once(lake.s3, bucket, judged_packet_key(REVIEW.name, made.packet_sha256), document)
    record = json.dumps(asdict(made), indent=2, sort_keys=True).encode()
    put_once(lake.s3, bucket, verdict_key(REVIEW.name, made.day, made.session_key, now), record)
    return made


def packet_document(lake: Lake, address: str) -> bytes:
    """The JSON twin of a packet, by the s3:// address of its page. Raises what S3 refuses with."""
    bucket, key = bucket_and_key(address)
    body: bytes = whole_object(lake.s3, bucket, key.removesuffix(".html") + ".json")["Body"]
    return body


def check_verdict(row: Mapping[str, Any], verdict: str, note: str, who: Reviewer, given_by: str) -> None:
    """Raise VerdictError where this verdict may not be given on the session of this row."""
    if verdict not in VERDICTS:
        raise VerdictError(f"A verdict is one of {', '.join(VERDICTS)}, not {verdict!r}. Nothing was recorded.")
    if len(note) > LONGEST_NOTE:
        raise VerdictError(f"The note has {len(note):,} characters; {LONGEST_NOTE:,} at most. Nothing was recorded.")
    if verdict != "appropriate" and not note.strip():
        raise VerdictError(f"{verdict} needs a note that says why. Nothing was recorded.")
    if row["state"] == "awaiting":
        raise VerdictError("The session's recording is still awaited: it is too early. Nothing was recorded.")
    if not who.reviews(row["useridentity_sourceidentity"], row["useridentity_arn"]):
        raise VerdictError(f"The session is of nobody whom {who.name} reviews. Nothing was recorded.")
    if given_by == row["useridentity_arn"]:
        raise VerdictError("Whoever started a session cannot give the verdict on it. Nothing was recorded.")


def counts_by_status(reviews: Sequence[SessionReview], today: date) -> dict[str, int]:
    """How many sessions have each verdict or owe one, what is owed first."""
    counts = dict.fromkeys((*OWED, RECORDING_AWAITED, *VERDICTS), 0)
    for one in reviews:
        counts[one.status(today)] += 1
    return counts

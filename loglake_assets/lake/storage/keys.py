"""Where things stand in the readready bucket. The one place that spells a key; standard library only.

<table>/run=<run>/logcalendarday=<day>/*.orc      what a Glue run wrote, never overwritten
manifests/<table>/<day>/<run>.json.gz             what the run read, counted and wrote for that day
commits/<table>/<day>/<seq>.json                  the sequence of commits of a day; the newest is what readers see
duplicates/<table>/run=<run>/logcalendarday=...   the dropped copies, with both object keys
quarantine/<table>/run=<run>/logcalendarday=...   what was read and not loaded, with the reason
late/<table>/<day>/<object>.json                  objects found to hold events of a day already built
checks/<table>/<day>/<check>.json                 the newest result of a check, with every name in it
packets/<review>/<day>/run=<run>/*                files made for people from a day of a review
verdicts/<review>/<day>/<session>/<time>.json     what a reviewer judged of a session, never overwritten
verdicts/<review>/packets/<sha256>.json           the packet that was judged
collected/<table>/<day>/<run>.json                what retention took of an old run, and when
reports/<yyyy-mm-dd>/lake.html                    the report of that day, and lake.json with the states it gave
"""

import hashlib
import re
from dataclasses import dataclass
from datetime import date, datetime

COMMITS_PREFIX = "commits/"
DUPLICATES, QUARANTINE = COMPANIONS = ("duplicates", "quarantine")
_READREADY, _REVIEW = "_readready", "_review"
_RUN_KEY = re.compile(
    r"^(?:(?:duplicates|quarantine)/)?(?P<table>[a-z0-9_]+)/run=(?P<run>[^/]+)/logcalendarday=(?P<day>\d{8})/[^/]+$"
)
_PACKET_KEY = re.compile(r"^packets/(?P<review>[a-z0-9_]+)/(?P<day>\d{8})/run=(?P<run>[^/]+)/.+$")
_COMMIT = re.compile(r"^commits/(?P<table>[a-z0-9_]+)/(?P<day>\d{8})/(?P<seq>\d{8})\.json$")


@dataclass(frozen=True)
class CommitKey:
    """The parts of a commit record's key."""

    table: str
    day: int
    seq: int


def commits_prefix(table: str, day: int) -> str:
    return f"{COMMITS_PREFIX}{table}/{day}/"


def commit_key(table: str, day: int, seq: int) -> str:
    return f"{commits_prefix(table, day)}{seq:08d}.json"


def parse_commit_key(key: str) -> CommitKey | None:
    """The parts of a commit record's key, or None for any other key."""
    match = _COMMIT.match(key)
    if not match:
        return None
    return CommitKey(match["table"], int(match["day"]), int(match["seq"]))


def run_prefix(table: str, run_id: str) -> str:
    return f"{table}/run={run_id}/"


def day_prefix(table: str, run_id: str, day: int) -> str:
    return f"{run_prefix(table, run_id)}logcalendarday={day}/"


def manifest_key(table: str, day: int, run_id: str) -> str:
    return f"manifests/{table}/{day}/{run_id}.json.gz"


def duplicates_prefix(table: str, run_id: str) -> str:
    return f"{DUPLICATES}/{table}/run={run_id}/"


def quarantine_prefix(table: str, run_id: str) -> str:
    return f"{QUARANTINE}/{table}/run={run_id}/"


def companions(table: str, run_id: str, day: int) -> tuple[tuple[str, str], ...]:
    """(table, key prefix) of what a run wrote beside a readready day and is read as tables; none for other tables."""
    base = table.removesuffix(_READREADY)
    if base == table:
        return ()
    return tuple((f"{base}_{kind}", f"{kind}/{table}/run={run_id}/logcalendarday={day}/") for kind in COMPANIONS)


@dataclass(frozen=True, order=True)
class RunDirectory:
    """One day of one run, wherever its parts lie."""

    day: int
    run_id: str


def run_roots(table: str) -> tuple[str, ...]:
    """The prefixes under which runs of a table write."""
    review = table.removesuffix(_REVIEW)
    packets = () if review == table else (f"packets/{review}/",)
    return (f"{table}/", *(f"{kind}/{table}/" for kind in COMPANIONS), *packets)


def parse_run_key(table: str, key: str) -> RunDirectory | None:
    """Which day of which run a key under `run_roots` belongs to; None for what is no part of a day."""
    match = _RUN_KEY.match(key)
    if match and match["table"] == table:
        return RunDirectory(int(match["day"]), match["run"])
    packet = _PACKET_KEY.match(key)
    if packet and packet["review"] + _REVIEW == table:
        return RunDirectory(int(packet["day"]), packet["run"])
    return None


def collected_key(table: str, day: int, run_id: str) -> str:
    return f"collected/{table}/{day}/{run_id}.json"


def late_prefix(table: str, day: int) -> str:
    return f"late/{table}/{day}/"


def late_key(table: str, day: int, bucket: str, key: str, etag: str) -> str:
    """One entry per late object and content: writing it twice is writing it once."""
    name = hashlib.sha256(f"{bucket}/{key}#{etag}".encode()).hexdigest()[:32]
    return f"{late_prefix(table, day)}{name}.json"


def packets_prefix(review: str, day: int, run_id: str) -> str:
    return f"packets/{review}/{day}/run={run_id}/"


def verdicts_root(review: str) -> str:
    """Of every verdict of a review; days come before the packets that were judged."""
    return f"verdicts/{review}/"


def verdicts_prefix(review: str, day: int, session_key: str | None = None) -> str:
    """Of a day, or of one session; its own key may hold anything, so its hash stands for it."""
    of_day = f"{verdicts_root(review)}{day}/"
    if session_key is None:
        return of_day
    return f"{of_day}{hashlib.sha256(session_key.encode(errors='replace')).hexdigest()[:32]}/"


def verdict_key(review: str, day: int, session_key: str, given_at: datetime) -> str:
    """Keys of one session are in the order of time."""
    return f"{verdicts_prefix(review, day, session_key)}{given_at:%Y%m%dT%H%M%S%f}.json"


def judged_packet_key(review: str, sha256: str) -> str:
    """Where the packet lies that a verdict was given on, by its digest."""
    return f"{verdicts_root(review)}packets/{sha256}.json"


def report_key(day: date, ending: str) -> str:
    """Key of a day's report; `ending` is html or json."""
    return f"reports/{day}/lake.{ending}"


def check_key(table: str, day: int, check: str) -> str:
    return f"checks/{table}/{day}/{check}.json"


def coverage_key(table: str, day: int) -> str:
    return check_key(table, day, "coverage")

"""Verdicts on sessions from the command line: which sessions owe one and until when, and how one is given."""

import json
import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from infra.cli.command_lake import CommandLake
from infra.cli.review import WhichSessions, is_seen_by
from infra.cli.terminal_output import escape, print_table
from loglake_assets.lake.checks.day_report import LOOK_BACK_DAYS
from loglake_assets.reviews.session_activity import REVIEW
from loglake_assets.reviews.session_activity.packets import shortest_name
from loglake_assets.reviews.session_activity.reviewer_scope import (
    Reviewer,
    entry_to_add,
    load_reviewers,
    reviewers_file,
)
from loglake_assets.reviews.session_activity.verdicts import (
    COLUMNS,
    FACTS,
    OWED,
    BrokenVerdict,
    SessionReview,
    VerdictError,
    check_verdict,
    counts_by_status,
    facts_of,
    give_verdict,
    reviews_with_backlog,
    session_reviews,
)
from loglake_assets.sources.words import inflect, tally
from resources.settings import loglake

ROWS_SHOWN = 200
_IN_PACKET = {"api_call_count": "api_calls"}
Say = Callable[[str], None]


@dataclass(frozen=True)
class VerdictRequest:
    """A verdict that somebody asks to record, on a session by its key or one of its ids."""

    session: str
    verdict: str
    note: str
    facts: Mapping[str, Any] | None = None
    """What the packet that was judged says of the session's record; None where no packet is given."""


def print_reviews(
    lake: CommandLake,
    days: tuple[date, date] | None,
    days_to_review: int,
    reviewer: Reviewer | None,
    is_all: bool,
    form: str,
    say: Say,
    reviewers: Path | None = None,
) -> None:
    """The sessions that owe a verdict, those due first at the top, or all; without `days` of the last 35, and what is
    owed of any day before them.

    `reviewers` is the file of who reviews whom, where it is not the project's own.
    """
    today = datetime.now(UTC).date()
    first, last = days or (today - timedelta(days=LOOK_BACK_DAYS), today)
    asked = (session_reviews if days else reviews_with_backlog)(lake.resource, first, last, days_to_review)
    found = [one for one in asked if is_seen_by(one.row, reviewer)]
    shown = [one for one in found if is_all or one.status(today) in OWED]
    rows = [_row(one, today) for one in sorted(shown, key=lambda one: (one.due, str(one.row["started"])))]
    if form == "json":
        print(json.dumps(rows, indent=1))
        return
    if rows:
        print_table("", list(rows[0]), [list(row.values()) for row in rows[:ROWS_SHOWN]])
    if len(rows) > ROWS_SHOWN:
        say(f"And {len(rows) - ROWS_SHOWN:,} more, due from {rows[ROWS_SHOWN]['due']}: --format json has them all.")
    counts = ", ".join(f"{count:,} {status}" for status, count in counts_by_status(found, today).items() if count)
    before = sum(one.day < first for one in found)
    owed = f", and {before:,} of days before that {inflect(before, 'owes', 'owe')} a verdict" if before else ""
    said = f"{tally(len(found) - before, 'session')} from {first} to {last}{owed}"
    say(f"{said}{': ' if counts else ''}{counts}.")
    if rows:
        say(_how_to_judge(reviewer, reviewers))


def _how_to_judge(reviewer: Reviewer | None, file: Path | None) -> str:
    """The command that records a verdict, with who may give one; or what to write so that somebody may."""
    option = f" --reviewers {shlex.quote(str(file))}" if file else ""
    if reviewer:
        return f"Give a verdict: {loglake(f'verdict SESSION appropriate --reviewer {reviewer.name}{option}')}"
    names = sorted(load_reviewers(file))
    if not names:
        return f"Nobody can give a verdict yet: {reviewers_file(file)} names no reviewer. {entry_to_add('dana')}"
    command = loglake(f"verdict SESSION appropriate --reviewer NAME{option}")
    return f"Give a verdict: {command}; NAME is one of those in {reviewers_file(file)}: {', '.join(names)}"


def _row(one: SessionReview, today: date) -> dict[str, Any]:
    row, verdict = one.row, one.verdict
    return {
        "due": str(one.due),
        "status": one.status(today),
        "session": row["session_key"],
        "who": shortest_name(row),
        "started": f"{row['started']:%Y-%m-%d %H:%M:%S}",
        "record": row["state"],
        "flags": row["flags"],
        "reviewer": None if verdict is None or isinstance(verdict, BrokenVerdict) else verdict.reviewer,
    }


def record_verdicts(lake: CommandLake, asked: Sequence[VerdictRequest], reviewer: Reviewer, say: Say) -> None:
    """Record verdicts, all or none where one of them may not be given. Raises VerdictError."""
    given_by = str(lake.client("sts").get_caller_identity()["Arn"])
    rows = [_session(lake, one.session) for one in asked]
    for one, row in zip(asked, rows, strict=True):
        try:
            check_verdict(row, one.verdict, one.note, reviewer, given_by)
            if one.facts is not None and one.facts != facts_of(row):
                raise VerdictError(
                    "Its record is another now than in the packet that was judged: fetch the packet again and read "
                    "what is new. Nothing was recorded."
                )
        except VerdictError as error:
            raise VerdictError(f"Session {escape(one.session)}: {error}") from None
    for one, row in zip(asked, rows, strict=True):
        made = give_verdict(lake.resource, row, one.verdict, one.note, reviewer, given_by)
        say(escape(f"{made.session_key}: {made.verdict}, by {made.reviewer} at {made.given_at}"))


def _session(lake: CommandLake, session: str) -> dict[str, Any]:
    condition = WhichSessions(session).condition()
    rows = lake.resource.athena.ask(f"SELECT {', '.join(COLUMNS)} FROM {REVIEW.name} WHERE {condition}").rows
    if len(rows) != 1:
        raise VerdictError(
            f"{len(rows)} sessions are called {session!r} where one was expected. Nothing was recorded. "
            f"{loglake('verdicts --all')} names those of the last {LOOK_BACK_DAYS} days."
        )
    return rows[0]


def verdicts_in(folder: Path, reviewer: str) -> list[VerdictRequest]:
    """The verdicts that stand in the JSON files of a folder of packets. Raises VerdictError where there is none."""
    if not folder.is_dir():
        raise VerdictError(f"{folder} is no folder. Nothing was recorded.")
    found = list(_verdict_requests(folder, reviewer))
    if not found:
        raise VerdictError(
            f"No packet in {folder} has a verdict. Nothing was recorded. Write `verdict`, `note` and `reviewer` into "
            "the field `verdict` of its JSON file."
        )
    return found


def _verdict_requests(folder: Path, reviewer: str) -> Iterator[VerdictRequest]:
    for path in sorted(folder.glob("*.json")):
        try:
            document = json.loads(path.read_text(encoding="utf-8"))
            key, given = str(document["session"]["key"]), dict(document["verdict"])
        except (ValueError, KeyError, TypeError) as error:
            raise VerdictError(
                f"{path} is no packet that can be read ({type(error).__name__}). Nothing was recorded."
            ) from error
        if not given.get("verdict"):
            continue
        if given.get("reviewer") not in {None, "", reviewer}:
            raise VerdictError(f"{path} has a verdict of another reviewer than {reviewer}. Nothing was recorded.")
        facts = {name: document["session"].get(_IN_PACKET.get(name, name)) for name in FACTS}
        yield VerdictRequest(key, str(given["verdict"]), str(given.get("note") or ""), facts)

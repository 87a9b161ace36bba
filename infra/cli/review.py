"""Days of a review built through Dagster, and packets taken out of the lake for a person to read."""

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from infra.cli.command_lake import CommandLake
from infra.cli.dagster_runs import DayResult, print_errors, run_days
from infra.cli.day_argument import BuildError
from infra.cli.terminal_output import escape, pct_text, print_table
from loglake_assets.reviews import Review, load_review
from loglake_assets.reviews.builder import load_builder
from loglake_assets.reviews.inputs import BUILT, UNBUILT, read_inputs
from loglake_assets.reviews.secret_masks import KINDS
from loglake_assets.reviews.session_activity.documents import MASKED_FIELDS, load_plain
from loglake_assets.reviews.session_activity.facts import Keystrokes
from loglake_assets.reviews.session_activity.log_events import LOG_EVENTS, log_events_of
from loglake_assets.reviews.session_activity.packets import write_packets
from loglake_assets.reviews.session_activity.reviewer_scope import Reviewer, matches
from loglake_assets.reviews.session_activity.verdicts import BrokenVerdict, packet_document, verdict_on
from loglake_assets.reviews.staleness import STALE, days_to_build, review_states
from loglake_assets.sources import load_source
from loglake_assets.sources.calendar_days import day_number, days_argument
from loglake_assets.sources.words import inflect, tally
from resources.athena import sql_literal
from resources.settings import loglake

Say = Callable[[str], None]


def build_review_range(lake: CommandLake, review: Review, first: date, last: date, say: Say) -> list[DayResult]:
    """Build the days of a range whose leading table is built."""
    days: list[date] | None = None

    def with_input(asked: list[date]) -> list[date]:
        nonlocal days
        days = _days_with_input(lake, review, asked, say) if days is None else days
        return days

    return run_days(lake, review.name, review.table.name, first, last, with_input, say)


def _days_with_input(lake: CommandLake, review: Review, asked: Sequence[date], say: Say) -> list[date]:
    leading = load_source(review.leading_source)
    inputs = read_inputs(lake.resource, leading, asked)
    days = [day for day in asked if inputs[day].status == BUILT]
    if not days:
        raise BuildError(
            f"No day from {asked[0]} to {asked[-1]} of {leading.readready.name} is built, and {review.name} begins "
            "with it. Nothing was built. Build it first: "
            f"{loglake(f'build {leading.name} {days_argument(asked[0], asked[-1])}')}"
        )
    if len(days) < len(asked):
        left = len(asked) - len(days)
        say(
            f"  {left} of {tally(len(asked), 'day')} {inflect(left, 'is', 'are')} not built in "
            f"{leading.readready.name}: nothing can be said of them"
        )
    return days


def print_review_days(review: Review, results: Sequence[DayResult]) -> None:
    """The table of built days by what the review counts, then each error once."""
    names = list(dict.fromkeys(name for r in results for name in r.metadata.get("counted", ())))
    checks = {f"{check}_pct": (check, meaning) for check, meaning in load_builder(review).CHECKS.items()}
    share = next((name for r in results for name in r.metadata if name in checks), "")
    check, meaning = checks.get(share, ("coverage", ""))
    heading = f"{check.replace('_', ' ')} %"
    rows = [_row(result, names, share) for result in results]
    print_table(f"{review.title} by day", ["day", "rows", *names, heading, "state"], rows)
    if meaning:
        print(f"{heading}: {meaning} It says nothing of how whole the day is: `{loglake('status')}` does.")
    print_errors(results)


def _row(result: DayResult, names: Sequence[str], share: str) -> list[Any]:
    m = result.metadata
    if not m:
        return [result.day, *[None] * (len(names) + 2), result.newest_commit or "not built"]
    counts = (m[name] for name in names)
    return [result.day, m["dagster/row_count"], *counts, pct_text(m.get(share)), "built"]


# --- packets ----------------------------------------------------------------------------------------------------------


class ReviewError(RuntimeError):
    """No packet can be written; the message says what was asked for and what to do."""


@dataclass(frozen=True)
class WhichSessions:
    """Which sessions: one, or all of a person (source identity or arn, * for anything) on days of a range."""

    session: str | None = None
    who: str | None = None
    first: date | None = None
    last: date | None = None

    @property
    def title(self) -> str:
        return f"Session {self.session}" if self.session else f"Sessions of {self.who}, {self.first} to {self.last}"

    def condition(self) -> str:
        """What the view is asked; who it was is compared outside, so that a pattern is no SQL."""
        if self.session:
            text = sql_literal(self.session)
            return f"session_key = {text} OR f_sessionid = {text} OR sessionid = {text}"
        assert self.first, "a person is asked for with a range of days"
        assert self.last, "a person is asked for with a range of days"
        return f"logcalendarday BETWEEN {day_number(self.first)} AND {day_number(self.last)}"


def write_review(
    lake: CommandLake,
    wanted: WhichSessions,
    reviewer: Reviewer | None,
    folder: Path,
    say: Say,
    is_masked: bool = True,
) -> list[Path]:
    """Write the packets of the sessions asked for, of a reviewer's own people only, and say which days are not whole.

    Raises ReviewError, also for a folder that holds anything: packets of other sessions would stay between these, and a
    verdict that stands in one would be lost.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ReviewError(
            f"{folder} is not an empty folder. Nothing was written: packets of other sessions would stand among these. "
            "Name a folder that is empty or does not exist yet."
        )
    columns = ", ".join(MASKED_FIELDS)
    sql = (
        "SELECT session_key, sessionid, state, started, last_keystrokes, useridentity_arn, "
        f"useridentity_sourceidentity, packet, logcalendarday, {columns} FROM session_activity "
        f"WHERE ({wanted.condition()}) ORDER BY started, session_key"
    )
    incomplete = _incomplete(lake, wanted)
    for sentence in incomplete:
        say(f"NOT COMPLETE: {sentence}")
    rows = [row for row in lake.resource.athena.ask(sql).rows if _is_of(row, wanted.who) and is_seen_by(row, reviewer)]
    if not rows:
        scope = f", or none whose people {reviewer.name} reviews" if reviewer else ""
        raise ReviewError(
            f"{wanted.title}: no such session is in session_activity{scope}. Nothing was written. "
            f"{_days_to_try(lake, wanted)}"
        )
    say(tally(len(rows), "session"))
    return write_packets(folder, _documents(lake, rows, is_masked, incomplete, say), wanted.title, incomplete)


def _days_to_try(lake: CommandLake, wanted: WhichSessions) -> str:
    """What to do where a session is not found: build the days that it may be of."""
    review = load_review("session_activity")
    days = days_to_build(lake.resource, review)
    if wanted.first and wanted.last:
        days = [day for day in days if wanted.first <= day <= wanted.last]
    if not days:
        return (
            f"It may be of a day of its log that is not built: `{loglake('status')}` names those and what builds them."
        )
    build = loglake(f"build {review.name} {days_argument(days[0], days[-1])}")
    return (
        f"{tally(len(days), 'day')} of the review {inflect(len(days), 'is', 'are')} not built and may hold it. "
        f"This builds them: {build}"
    )


def _incomplete(lake: CommandLake, wanted: WhichSessions) -> list[str]:
    """Of a range of days: those that are not built, that are stale, or of whose logs not all is there."""
    if not wanted.first or not wanted.last:
        return []
    review = load_review("session_activity")
    days = [wanted.first + timedelta(days=n) for n in range((wanted.last - wanted.first).days + 1)]
    sentences = []
    for state in review_states(lake.resource, review, days):
        if state.status == UNBUILT:
            sentences.append(
                f"{review.name}, {state.day}: this day has not been built, so none of its sessions are here."
            )
        elif state.status == STALE:
            sentences.append(f"{review.name}, {state.day}: built before its logs were as they are: {state.reasons[0]}.")
        sentences += state.incomplete
    return sentences


def _documents(
    lake: CommandLake, rows: Sequence[Mapping[str, Any]], is_masked: bool, said: Sequence[str], say: Say
) -> Iterator[dict[str, Any]]:
    """The document of each row, with what is incomplete told once and what is masked counted."""
    told, masks = set(said), Counter[str]()
    for row, document in ((row, json.loads(packet_document(lake.resource, row["packet"]))) for row in rows):
        for sentence in (s for s in document.get("incomplete", ()) if s not in told):
            told.add(sentence)
            say(f"NOT COMPLETE: {sentence}")
        found = document if is_masked else unmasked_document(lake, row, document)
        verdict = verdict_on(lake.resource, row["session_key"], row["logcalendarday"])
        if isinstance(verdict, BrokenVerdict):
            say(escape(f"The verdict on {row['session_key']} cannot be read: {verdict.key}: {verdict.why}."))
        elif verdict:
            found["verdict_before"] = {
                name: getattr(verdict, name) for name in ("reviewer", "verdict", "note", "given_at")
            }
        masks.update(found.get("masked", {}).get("counts", {}))
        yield found
    if not is_masked:
        say("Nothing is masked: these packets may hold passwords, keys and tokens.")
    elif masks:
        counts = ", ".join(f"{count:,} x {KINDS.get(kind, kind)}" for kind, count in masks.most_common())
        say(f"Masked, as it looks like a secret: {counts}. Each packet says where; --unmask leaves masks out.")


def unmasked_document(lake: CommandLake, row: Mapping[str, Any], document: dict[str, Any]) -> dict[str, Any]:
    """A packet's document without masks, from the tables. Raises ReviewError where they do not hold its log events."""
    events = {found["eventid"]: Keystrokes.of(found) for found in lake.resource.athena.ask(log_events_of(row)).rows}
    try:
        return load_plain(document, row, events)
    except KeyError:
        build = loglake(f"build session_activity {row['started'].date()}")
        raise ReviewError(
            f"Session {row['session_key']} cannot be shown without masks: the log events of its packet are not all in "
            f"{LOG_EVENTS} any more. Build its day again: {build}"
        ) from None


def _is_of(row: Mapping[str, Any], who: str | None) -> bool:
    """Whether a session is of whoever is asked for. An orphan has neither name, and is of * alone."""
    names = (row["useridentity_sourceidentity"], row["useridentity_arn"])
    return who is None or any(matches(who, name or None) for name in names)


def is_seen_by(row: Mapping[str, Any], reviewer: Reviewer | None) -> bool:
    """Whether a session is a reviewer's to see, by its row; everything is where none is named."""
    return reviewer is None or reviewer.reviews(row["useridentity_sourceidentity"], row["useridentity_arn"])

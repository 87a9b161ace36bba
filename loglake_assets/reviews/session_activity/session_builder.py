"""Days of sessions: the rows, a packet for each session, and the checks that name what was not recorded."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from itertools import chain
from typing import Any

from loglake_assets.lake.lake import Lake
from loglake_assets.reviews.builder import DayCheck, Progress, ReviewDay, ReviewFile
from loglake_assets.reviews.inputs import Input
from loglake_assets.reviews.page_text import twin_json
from loglake_assets.reviews.session_activity import LINES, REVIEW
from loglake_assets.reviews.session_activity.documents import counts_by_state, document_of, line_rows, row_of
from loglake_assets.reviews.session_activity.facts import Facts, Session
from loglake_assets.reviews.session_activity.lake_queries import read_facts
from loglake_assets.reviews.session_activity.packets import file_name, index_html, packet_html
from loglake_assets.reviews.session_activity.sessions import STATES, SessionRules, sessions_of
from loglake_assets.sources.words import floor_pct, plain_argument
from resources.settings import loglake

KEYSTROKES, ORPHANS = "keystroke_coverage", "orphans"
CHECKS: Mapping[str, str] = {
    KEYSTROKES: "Of the sessions that should have keystrokes, which percentage has them; the others by name.",
    ORPHANS: "No keystrokes without the StartSession they belong to.",
}
_WITH, _WITHOUT = ("recorded", "recorded_partly"), ("lost",)


def build(
    lake: Lake,
    days: Sequence[date],
    options: Mapping[str, Any],
    address: Callable[[date], str],
    progress: Progress,
) -> Iterator[ReviewDay]:
    """The sessions of each day. `options`: `error_below_pct`, and any of SessionRules' as minutes or patterns."""
    facts, now, rules = read_facts(lake, days, progress), datetime.now(UTC), session_rules(options)
    for day in days:
        sessions = sessions_of(facts, day, now, rules)
        names = _packet_names(sessions)
        rows = [row_of(session, f"{address(day)}{names[session.key]}.html") for session in sessions]
        counts = counts_by_state(sessions, STATES)
        yield ReviewDay(
            day=day,
            rows=rows,
            inputs=_inputs_of_day(facts, day),
            files=_packets(sessions, names, day, lake.settings.name, now, bool(options.get("mask_secrets", True))),
            checks=_checks(sessions, day, float(options.get("error_below_pct", 90))),
            counts={**counts, "flagged": sum(1 for row in rows if row["flags"])},
            metadata={
                "transcript_lines": sum(row["transcript_lines"] for row in rows),
                "lines_that_look_like_secrets": sum(len({s.line for s in session.secrets}) for session in sessions),
            },
            pages={"packets": f"{address(day)}index.html"},
            details={LINES.name: chain.from_iterable(map(line_rows, sorted(sessions, key=lambda one: one.key)))},
        )


def _inputs_of_day(facts: Facts, day: date) -> list[Input]:
    near = facts.around(day, REVIEW.look_back_days, REVIEW.look_ahead_days)
    return [*near.trail.values(), *near.typed.values()]


def session_rules(options: Mapping[str, Any]) -> SessionRules:
    """Rules from a component's options: `idle_minutes`, `delivery_delay_minutes`, `not_loggable_documents`,
    `central_accounts`."""
    default = SessionRules()
    return SessionRules(
        idle=timedelta(minutes=options.get("idle_minutes", default.idle.total_seconds() / 60)),
        delivery_delay=timedelta(
            minutes=options.get("delivery_delay_minutes", default.delivery_delay.total_seconds() / 60)
        ),
        not_loggable=tuple(options.get("not_loggable_documents", default.not_loggable)),
        central_accounts=frozenset(map(_account, options.get("central_accounts", ()))),
    )


def _account(given: str | int) -> str:
    """An account id as it was meant. Raises ValueError for anything else."""
    account = str(given).zfill(12)
    if not re.fullmatch("[0-9]{12}", account):
        raise ValueError(f"central_accounts of {REVIEW.name} names {given!r}; expected account ids of 12 digits.")
    return account


def _packet_names(sessions: Sequence[Session]) -> dict[str, str]:
    taken = {"index"}
    return {session.key: file_name(session.key, taken) for session in sessions}


def _packets(
    sessions: Sequence[Session], names: Mapping[str, str], day: date, lake_name: str, now: datetime, is_masked: bool
) -> Iterator[ReviewFile]:
    """A page and its JSON twin for each session, and a page that leads to all of them."""
    entries, incomplete = [], dict[str, None]()
    for session in sessions:
        document, name = document_of(session, lake_name, now, is_masked), names[session.key]
        yield ReviewFile(f"{name}.html", packet_html(document).encode(), "text/html; charset=utf-8")
        yield ReviewFile(f"{name}.json", twin_json(document).encode(), "application/json")
        flagged = len({flag["line"] for flag in document["flags"]})
        entries.append({"session": document["session"], "href": f"{name}.html", "flag_count": flagged})
        incomplete |= dict.fromkeys(document["incomplete"])
    page = index_html(entries, f"Sessions of {day}", sorted(incomplete))
    yield ReviewFile("index.html", page.encode(), "text/html; charset=utf-8")


def _checks(sessions: Sequence[Session], day: date, error_below: float) -> list[DayCheck]:
    have = sum(s.state in _WITH for s in sessions)
    lost = [s for s in sessions if s.state in _WITHOUT]
    partly = [s for s in sessions if s.state == "recorded_partly"]
    orphans = [s.key for s in sessions if s.state == "orphan"]
    should = have + len(lost)
    pct = floor_pct(have, should)
    build = loglake(f"build {REVIEW.name} {day}")
    shown = plain_argument(lost[0].key if lost else "", "SESSION")
    return [
        DayCheck(
            KEYSTROKES,
            passed=not lost,
            is_error=pct is not None and pct < error_below,
            metadata={
                "keystroke_coverage_pct": pct if pct is not None else "n/a: no session that should have keystrokes",
                "sessions_that_should_have_keystrokes": should,
                "sessions_that_have_them": have,
                "of_these_in_part": len(partly),
                "awaiting": sum(s.state == "awaiting" for s in sessions),
            },
            summary=(
                f"{len(lost):,} of {should:,} sessions that should have keystrokes have none"
                if lost
                else "each session that should have keystrokes has them"
            ),
            remedy=(
                "look whether session logging to CloudWatch Logs was on for the named sessions, and its Firehose "
                f"delivered; load and build what comes of it, then `{build}`; what else was done in the first of them "
                f"is shown by `{loglake(f'review --session {shown} --out session')}`"
                if lost
                else ""
            ),
            names=[s.key for s in lost],
        ),
        DayCheck(
            ORPHANS,
            passed=not orphans,
            is_error=False,
            metadata={"orphans": len(orphans)},
            summary=(
                f"{len(orphans):,} log streams of keystrokes belong to no StartSession that CloudTrail has"
                if orphans
                else "all keystrokes belong to a session that CloudTrail knows"
            ),
            remedy=(
                f"build the CloudTrail days around it that are not whole (`{loglake('status')}` names them), then "
                f"`{build}`; what is an orphan still may be of an account whose trail is not delivered here, or made "
                "up: somebody who reviews everybody's sessions must read it"
                if orphans
                else ""
            ),
            names=orphans,
        ),
    ]

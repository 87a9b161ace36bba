"""What the lake holds, day by day, for a person at a terminal."""

from collections import defaultdict
from datetime import UTC, datetime, timedelta
from typing import Any

from infra.cli.command_lake import CommandLake
from infra.cli.quarantine import print_quarantine
from infra.cli.terminal_output import pct_text, print_table, print_text, size
from loglake_assets.lake.checks.day_report import DayReport, Finding, first_open_day, remedies
from loglake_assets.lake.checks.source_report import SourceReport, delivery_hint, no_raw_logs
from loglake_assets.lake.versions.commits import heads
from loglake_assets.reviews import Review, load_review, review_names
from loglake_assets.reviews.staleness import days_to_build, review_states
from loglake_assets.sources import LogSource, load_source, source_names
from loglake_assets.sources.calendar_days import day_from_number, days_argument
from loglake_assets.sources.words import tally
from resources.settings import loglake

_EXPLAINED = frozenset({"damaged", "stale", "raw_gone", "unregistered", "surplus", "repeated", "differing"})
_REASONS_SHOWN = 3  # of a day
_REMEDIES_SHOWN = 3  # of a state, each of neighbouring days
HEADINGS = ("day", "landed", "stored", "prefixes", "registered", "commit", "run", "rows", "ORC", "coverage %", "state")


def print_status(lake: CommandLake) -> None:
    """A table a source, with what mends what is not complete."""
    print(f"Lake {lake.settings.name}: {lake.place}")
    for name in source_names():
        source = load_source(name)
        state = lake.resource.source_report(source, first_open_day(datetime.now(UTC)))
        if not state.days:
            print()
            print_text(f"{source.title}: no day yet; {delivery_hint(lake.raw_bucket(source))}.")
            continue
        print_table(source.title, HEADINGS, [_row(day) for day in state.days])
        _print_rest(state)
        _print_reasons(state)
        print_quarantine(lake, source, [day.day for day in state.days if "incomplete" in day.words])
        _print_days_without_raw_logs(lake, source, state)
    for name in review_names():
        print_review(lake, load_review(name))


def _print_days_without_raw_logs(lake: CommandLake, source: LogSource, state: SourceReport) -> None:
    """Days since the first one that ended and have no raw object; what was there and is gone is a state of its day."""
    first, count = state.days[0].day, (datetime.now(UTC).date() - state.days[0].day).days
    known = state.delivered | {day.day for day in state.days if day.state != "empty"}
    if days := [day for day in (first + timedelta(days=n) for n in range(count)) if day not in known]:
        print_text(no_raw_logs(days, lake.raw_bucket(source)))


def _print_reasons(state: SourceReport) -> None:
    """Why days are not as they must be, by name, and keys that are in no table."""
    for day in state.days:
        if _EXPLAINED.intersection(day.words):
            for reason in day.reasons[:_REASONS_SHOWN]:
                print_text(f"{day.state}: {day.day}: {reason}")
    for key in state.unknown:
        print_text(f"unknown_key: {key}: no key pattern of this log places it, so it is in no table")


def print_review(lake: CommandLake, review: Review) -> None:
    """The days of a review, with those that are stale and why."""
    commits = heads(lake.table(review.table.name))
    if not commits:
        days_built = days_to_build(lake.resource, review)
        hint = f"It is made from days of {load_source(review.leading_source).title}, and none is built."
        if days_built:
            days_text = days_argument(days_built[0], days_built[-1])
            hint = f"`{loglake(f'build {review.name} {days_text}')}` makes it of built days."
        print()
        print_text(f"{review.title}: no day yet. {hint}")
        return
    days = {day_from_number(number): commit for number, commit in commits.items()}
    states = review_states(lake.resource, review, list(days))
    rows = [[s.day, (c := days[s.day]).seq, c.run_id, c.rows, size(c.bytes), s.status] for s in states]
    print_table(review.title, ("day", "commit", "run", "rows", "ORC", "state"), rows)
    for state in states:
        for reason in state.reasons[:3]:
            build = loglake(f"build {review.name} {state.day}")
            print_text(f"{state.status}: {state.day}: {reason}. `{build}` builds it again.")


def _print_rest(found: SourceReport) -> None:
    """Objects that are in no table, by reason, and what mends each state that a day is in."""
    if ignored := found.ignored:
        print_text(
            "in the bucket, and in no table: "
            + ", ".join(f"{count:,} {reason}" for reason, count in sorted(ignored.items()))
        )
    found_of: dict[tuple[str, Finding], list[tuple[DayReport, Finding]]] = defaultdict(list)
    for day in found.days:
        for finding in day.findings:
            word = str(finding) if str(finding) in day.words else day.words[0]
            found_of[word, finding].append((day, finding))
    for (word, _), pairs in sorted(found_of.items()):
        texts = remedies(pairs)
        for text in texts[:_REMEDIES_SHOWN]:
            print_text(f"{word}: {text}")
        if len(texts) > _REMEDIES_SHOWN:
            more = tally(len(texts) - _REMEDIES_SHOWN, "more range")
            print_text(f"{word}: and {more} of days, the last to {pairs[-1][0].day}")


def _row(day: DayReport) -> list[Any]:
    commit = day.commit
    return [
        day.day,
        day.landed_count,
        size(day.landed_bytes),
        day.prefixes,
        day.prefixes - day.unregistered_prefixes,
        commit.seq if commit else None,
        commit.run_id if commit else None,
        commit.rows if commit else None,
        size(commit.bytes) if commit else None,
        pct_text(day.coverage_pct) if commit else None,
        day.state,
    ]

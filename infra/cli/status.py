"""What the lake holds, day by day, for a person at a terminal."""

from datetime import UTC, date, datetime
from typing import Any

from infra.cli.build import coverage_text
from infra.cli.lake import OpenedLake
from infra.cli.quarantine import print_quarantine
from infra.cli.terminal import escaped, print_table, size
from loglake_assets.lake.checks.day_states import DayState, SourceState, Survey
from loglake_assets.lake.versions.commits import heads
from loglake_assets.reviews import Review, load_review, review_names
from loglake_assets.reviews.staleness import review_states
from loglake_assets.sources import LogSource, load_source, source_names
from loglake_assets.sources.placement import day_from_number
from loglake_assets.sources.rules import load_rules

_EXPLAINED = frozenset({"damaged", "stale", "raw_gone", "unregistered"})
_REASONS_SHOWN = 3  # of a day
HEADINGS = ("day", "landed", "stored", "prefixes", "registered", "commit", "run", "rows", "ORC", "coverage %", "state")
REMEDIES = {
    "unregistered": "make reconcile",
    "unplaced": "make reconcile",
    "unbuilt": "{build}",
    "stale": "{build}",
    "raw_gone": "an object that was read is gone: restore it from its bucket's versions (changed_since_built names it)",
    "unchecked": "{build}",
    "rolled_back": "as asked for by make rollback, until {build}",
    "damaged": "a file or a record of the day is not as it was committed, see below; find out who changed it, then "
    "restore it, or {build}",
    "incomplete": "what is not loaded is named below, with the reason and what mends it; then {build}",
}
"""What mends each state; `{build}` is the command that builds its days."""


def survey(lake: OpenedLake, source: LogSource) -> Survey:
    """The survey of one source of this lake."""
    settings = lake.settings
    return Survey(
        lake.client("s3"),
        lake.client("glue"),
        source,
        settings.database,
        settings.raw_bucket(source.name),
        settings.readready_bucket,
        load_rules(source.name),
    )


def print_status(lake: OpenedLake) -> None:
    """A table a source, with what mends what is not complete."""
    print(f"Lake {lake.settings.name} in {lake.home}")
    for name in source_names():
        source = load_source(name)
        state = survey(lake, source).state(datetime.now(UTC).date())
        if not state.days:
            print(f"\n{source.title}: no day yet. `make load SOURCE={name} DIR=path` puts log files into it.")
            continue
        print_table(source.title, HEADINGS, [_row(day) for day in state.days])
        _print_rest(name, state)
        _print_reasons(state)
        print_quarantine(lake, source, [day.day for day in state.days if day.state == "incomplete"])
    for name in review_names():
        print_review(lake, load_review(name))


def _print_reasons(state: SourceState) -> None:
    """Why days are not as they must be, by name, and keys that are in no table."""
    for day in state.days:
        if day.state in _EXPLAINED:
            for reason in day.reasons[:_REASONS_SHOWN]:
                print(escaped(f"{day.state}: {day.day}: {reason}"))
    for key in state.unknown:
        print(escaped(f"unknown_key: {key}: no key pattern of this log places it, so it is in no table"))


def print_review(lake: OpenedLake, review: Review) -> None:
    """The days of a review, with those that are stale and why."""
    commits = heads(lake.client("s3"), lake.settings.readready_bucket, review.table.name)
    if not commits:
        hint = f"`make build SOURCE={review.name} FROM=<day> TO=<day>` builds it"
        print(f"\n{review.title}: no day yet. {hint} from days that are built.")
        return
    days = {day_from_number(number): commit for number, commit in commits.items()}
    states = review_states(lake.resource, review, list(days))
    rows = [[s.day, (c := days[s.day]).seq, c.run_id, c.rows, size(c.bytes), s.status] for s in states]
    print_table(review.title, ("day", "commit", "run", "rows", "ORC", "state"), rows)
    for state in states:
        for reason in state.reasons[:3]:
            build = f"make build SOURCE={review.name} FROM={state.day} TO={state.day}"
            print(f"{state.status}: {state.day}: {reason}. {build} builds it again.")


def _print_rest(source: str, found: SourceState) -> None:
    """Objects that are in no table, by reason, and what mends each state that a day is in."""
    if ignored := found.ignored:
        print(
            "in the bucket, and in no table: "
            + ", ".join(f"{count:,} {reason}" for reason, count in sorted(ignored.items()))
        )
    by_state: dict[str, list[date]] = {}
    for day in found.days:
        by_state.setdefault(day.state, []).append(day.day)
    for state in sorted(by_state.keys() & REMEDIES.keys()):
        days = by_state[state]
        build = f"make build SOURCE={source} FROM={min(days)} TO={max(days)}"
        print(f"{state}: {REMEDIES[state].format(build=build)}")


def _row(day: DayState) -> list[Any]:
    commit = day.commit
    return [
        day.day,
        day.raw_objects,
        size(day.raw_bytes),
        day.prefixes,
        day.prefixes - day.unregistered,
        commit.seq if commit else None,
        commit.run_id if commit else None,
        commit.rows if commit else None,
        size(commit.bytes) if commit else None,
        coverage_text(day.coverage_pct) if commit else None,
        day.state,
    ]

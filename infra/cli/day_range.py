"""Which days a statement reads, and which of them are not whole: zero rows of a day that is not built say nothing.

The same reading of a statement's day predicates as Log Lake Looker's guard, and the same measure of a day; here nothing
is refused.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date, timedelta
from itertools import groupby, islice

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from infra.cli.command_lake import CommandLake
from infra.cli.terminal_output import pct_text
from lambdas.looker.answer import BUILT, UNBUILT, DayCoverage
from lambdas.looker.days import DayRule, days_of_select, sources
from lambdas.looker.functions import RefusedError
from lambdas.looker.known_days import KnownDays
from lambdas.looker.prompt import TableCard, table_cards
from lambdas.looker.scope import can_have
from loglake_assets.lake.checks.coverage import odd_word
from loglake_assets.lake.checks.source_report import days_without_raw_logs, no_raw_logs
from loglake_assets.lake.storage.partitions import days_expression, delivered_days, partitions
from loglake_assets.lake.versions.commits import heads
from loglake_assets.reviews import Review, load_review, review_names
from loglake_assets.reviews.staleness import review_states
from loglake_assets.sources import LogSource, load_source, source_names
from loglake_assets.sources.calendar_days import day_from_number, day_number
from resources.settings import loglake

DAY_COLUMN = "logcalendarday"
MOST_DAYS = 366
MOST_PREFIXES = 2_000
"""Delivery prefixes that are listed under an answer: each is a request, and a person waits."""
SHOWN = 10
ABSENT = "without a partition"
"""A day whose commit stands and which the catalog does not show: readers see no row of it."""

NO_RAW_LOGS = "no raw logs"
"""A day that is not built, or built and empty, and of whose log nothing lies in the raw bucket."""


def warn_of_days(lake: CommandLake, sql: str, say: Callable[[str], None]) -> None:
    """Say which of the days that the statement reads are not whole, a line a table; nothing where all are."""
    cards = {card.name: card for card in table_cards()}
    for table, asked in sorted(days_of_statement(sql, cards).items()):
        days = _days_of_table(lake, cards[table]) if asked is None else list(asked)
        found = days_not_whole(lake, cards[table], days)
        if without := [day.day for day in found if day.status == NO_RAW_LOGS]:
            source = _log_of(cards[table])
            say(f"Of {table}, {no_raw_logs(without, lake.raw_bucket(source))}")
        if lines := list(_tell([day for day in found if day.status != NO_RAW_LOGS])):
            what = "The statement names no range of days, so all days were asked; of" if asked is None else "Of"
            more = f", and {len(lines) - SHOWN:,} more" if len(lines) > SHOWN else ""
            say(
                f"{what} {table} these are not whole: {'; '.join(lines[:SHOWN])}{more}. "
                f"`{loglake('status')}` says what helps."
            )


def days_of_statement(sql: str, cards: Mapping[str, TableCard]) -> dict[str, tuple[date, ...] | None]:
    """The days that a statement reads of each of the lake's tables; None where they cannot be told from it."""
    columns = {name: card.column_names for name, card in cards.items()}
    found: dict[str, tuple[date, ...] | None] = {}
    for select in _selects(sql):
        named = {
            source.alias_or_name.lower(): source.name.lower()
            for source in sources(select)
            if isinstance(source, exp.Table) and source.name.lower() in cards
        }
        for alias, days in _days_of_select(select, named, columns).items():
            table = named[alias]
            before = found.get(table, ())
            found[table] = None if days is None or before is None else tuple(sorted({*before, *days}))
    return found


def _selects(sql: str) -> Iterator[exp.Select]:
    try:
        for tree in sqlglot.parse(sql, read="athena"):
            if tree is not None and not isinstance(tree, exp.Describe):
                yield from tree.find_all(exp.Select)
    except (SqlglotError, RecursionError):  # Athena ran it all the same; what it read cannot be told
        return


def _days_of_select(
    select: exp.Select, named: Mapping[str, str], columns: Mapping[str, frozenset[str]]
) -> dict[str, tuple[date, ...] | None]:
    """The days of each alias: all together where the SELECT says them of all, else one by one."""
    with_day = frozenset(
        source.alias_or_name.lower() for source in sources(select) if can_have(source, DAY_COLUMN, columns)
    )
    rule = DayRule(DAY_COLUMN, MOST_DAYS)

    def read(tables: Mapping[str, str]) -> dict[str, tuple[date, ...] | None]:
        numbers = days_of_select(select, tables, with_day, rule)
        return {alias: tuple(map(day_from_number, days)) for alias, days in numbers.items()}

    try:
        return read(named)
    except RefusedError:  # the days of one of them cannot be told; perhaps those of others
        found: dict[str, tuple[date, ...] | None] = {}
        for alias, table in named.items():
            try:
                found |= read({alias: table})
            except RefusedError:
                found[alias] = None
        return found


def _days_of_table(lake: CommandLake, card: TableCard) -> list[date]:
    """Every day that a table has or, being a log's, was delivered."""
    commits = heads(lake.table(card.kept_in))
    known = set(map(day_from_number, commits))
    for source in map(load_source, source_names()):
        if source.readready.name == card.kept_in:
            known |= delivered_days(lake.catalog, source)
    return sorted(known)


def days_not_whole(lake: CommandLake, card: TableCard, days: Sequence[date]) -> list[DayCoverage]:
    """Those of the days that are not built, not all there, not measured, or that the catalog does not show."""
    if not days:
        return []
    known = KnownDays(lake.client("s3"), lake.settings.readready_bucket, (card,))
    placed = {int(p["Values"][0]) for p in partitions(lake.catalog, card.kept_in, days_expression(list(days)))}
    coverage, found = compare_days(lake, card, list(known.coverage(card.name, days))), []
    without_rows = [day.day for day in coverage if day.status == UNBUILT or (card.name, day.day) in known.empty]
    source = _log_of(card)
    without_logs = set(days_without_raw_logs(lake.raw_bucket(source), without_rows))
    for day in coverage:
        if day.day in without_logs:
            found.append(replace(day, status=NO_RAW_LOGS))
        elif day.status != UNBUILT and day_number(day.day) not in placed:
            found.append(replace(day, status=ABSENT))
        elif not day.is_complete and not (day.status == BUILT and _is_whole(known, card, day)):
            found.append(day)
    return found


def compare_days(lake: CommandLake, card: TableCard, days: Sequence[DayCoverage]) -> list[DayCoverage]:
    """The days, with what `status` says of those that are built: a count says nothing of what came after it.

    Logs with more than MOST_PREFIXES delivery prefixes on these days are not listed; of theirs, the last hourly
    comparison is known.
    """
    built = [day.day for day in days if day.status != UNBUILT]
    if not built:
        return list(days)
    states = _review_states(lake, card, built) if _review_of(card) else _log_states(lake, card, built)
    return [replace(day, status=states.get(day.day, day.status)) for day in days]


def _review_states(lake: CommandLake, card: TableCard, days: Sequence[date]) -> dict[date, str]:
    review = _review_of(card)
    assert review is not None, "asked for reviews only"
    return {state.day: state.status for state in review_states(lake.resource, review, days)}


def _log_states(lake: CommandLake, card: TableCard, days: Sequence[date]) -> dict[date, str]:
    source = _log_of(card)
    prefixes = islice(partitions(lake.catalog, source.raw.name, days_expression(days)), MOST_PREFIXES + 1)
    if sum(1 for _ in prefixes) > MOST_PREFIXES:
        return {}
    found = lake.resource.reconciler(source).days(days, date.max)
    return {day.day: odd_word(day.words) or BUILT for day in found}


def _review_of(card: TableCard) -> Review | None:
    """The review that a table is of; None for a log's."""
    reviews = map(load_review, review_names())
    return next((one for one in reviews if card.kept_in in {table.name for table in one.tables}), None)


def _log_of(card: TableCard) -> LogSource:
    """The log of a readready table, or the one that a review begins with."""
    if review := _review_of(card):
        return load_source(review.leading_source)
    return next(source for source in map(load_source, source_names()) if source.readready.name == card.kept_in)


def _is_whole(known: KnownDays, card: TableCard, day: DayCoverage) -> bool:
    """A built day of a table that is not measured, or one without events."""
    return not card.is_measured or (card.name, day.day) in known.empty


def _tell(days: Sequence[DayCoverage]) -> Iterator[str]:
    """Neighbouring days of which the same is true, together."""
    by_place = enumerate(days)
    for (_, what), run in groupby(by_place, key=lambda at: (at[1].day - timedelta(days=at[0]), _say(at[1]))):
        group = [day.day for _, day in run]
        yield f"{group[0]} {what}" if len(group) == 1 else f"{group[0]} to {group[-1]} {what}"


def _say(day: DayCoverage) -> str:
    if day.status != BUILT:
        return "not built" if day.status == UNBUILT else day.status
    if day.coverage_pct is None:
        return "not measured since it was built"
    return f"{pct_text(day.coverage_pct)} % of its events"

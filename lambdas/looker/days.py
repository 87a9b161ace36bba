"""Which days a SELECT can read of each of its tables, by the AND-ed comparisons of the day column with literals.

Rows outside the days must be unable to reach the result, whatever the joins do; that is also what lets Athena prune.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta

from sqlglot import exp

from lambdas.looker.functions import RefusedError, quote

Days = tuple[date, date]
_ALWAYS: Days = (date.min, date.max)
_MIRRORED: dict[type[exp.Expr], type[exp.Expr]] = {
    exp.EQ: exp.EQ,
    exp.GT: exp.LT,
    exp.GTE: exp.LTE,
    exp.LT: exp.GT,
    exp.LTE: exp.GTE,
}


@dataclass(frozen=True)
class DayRule:
    """What a range of days must be."""

    column: str
    max_days: int

    def refusal(self, table: str, what: str) -> RefusedError:
        return RefusedError(
            f"{what} for {quote(table)}: each SELECT that reads a table bounds its {self.column} by itself, AND-ed, "
            f"with integer literals yyyymmdd and at most {self.max_days} days, such as {self.column} BETWEEN 20260101 "
            "AND 20260107"
        )


@dataclass
class _Reading:
    """One SELECT: its tables by alias, who has a day column, and what is known so far."""

    rule: DayRule
    tables: Mapping[str, str]
    with_day: frozenset[str]
    days: dict[str, Days] = field(default_factory=dict)
    equals: set[tuple[str, str]] = field(default_factory=set)
    """(a, b): the days known of a hold for b."""

    def alias_of(self, node: exp.Expr | None) -> str | None:
        """The alias whose day column the node is."""
        if not isinstance(node, exp.Column) or node.name.lower() != self.rule.column:
            return None
        if node.table:
            return node.table.lower()
        if len(self.with_day) > 1:
            raise RefusedError(
                f"{self.rule.column} is ambiguous: several tables have it; write the table's alias before it"
            )
        return next(iter(self.with_day), None)

    def narrow(self, alias: str, days: Days) -> None:
        first, last = self.days.get(alias, _ALWAYS)
        self.days[alias] = (max(first, days[0]), min(last, days[1]))


def days_of_select(
    select: exp.Select, tables: Mapping[str, str], with_day: frozenset[str], rule: DayRule
) -> dict[str, tuple[int, ...]]:
    """Every day (yyyymmdd) by alias for each of `tables`, alias to name. `with_day`: aliases of all sources that can
    have a day column. Raises RefusedError where a table's days are open, too many or none.
    """
    reading = _Reading(rule, tables, with_day)
    for predicate, bounded, joined in _predicates(select):
        _learn(reading, predicate, bounded, joined)
    for _ in reading.equals:
        for known, other in reading.equals:
            reading.narrow(other, reading.days.get(known, _ALWAYS))
    return {alias: _accept(reading, alias, table) for alias, table in tables.items()}


def _predicates(select: exp.Select) -> Iterator[tuple[exp.Expr, frozenset[str], frozenset[str]]]:
    """Each AND-ed predicate with the aliases that it bounds, and those whose known days may reach these by equality.

    WHERE and the ON of an inner join hold for every row that is left. The ON of an outer join only decides which rows
    of the nullable side are joined; rows of the other side all stay.
    """
    where = select.args.get("where")
    every = frozenset(_alias(source) for source in sources(select))
    yield from ((predicate, every, every) for predicate in _conjuncts(where.this if where else None))
    before: frozenset[str] = frozenset({_alias(s) for s in sources(select)[:1]})
    for join in select.args.get("joins") or ():
        new = frozenset({_alias(join.this)})
        bounded, known = {"LEFT": (new, before), "RIGHT": (before, new), "": (before | new, before | new)}.get(
            join.side, (frozenset(), frozenset())
        )
        yield from ((predicate, bounded, known) for predicate in _conjuncts(join.args.get("on")))
        before |= new


def sources(select: exp.Select) -> list[exp.Expr]:
    """What FROM and the joins name, in order."""
    start = select.args.get("from_")
    return [*([start.this] if start else []), *(join.this for join in select.args.get("joins") or ())]


def _alias(source: exp.Expr) -> str:
    return source.alias_or_name.lower()


def _conjuncts(predicate: exp.Expr | None) -> Iterator[exp.Expr]:
    inner = predicate.unnest() if predicate is not None else None
    if isinstance(inner, exp.And):
        yield from _conjuncts(inner.this)
        yield from _conjuncts(inner.expression)
    elif inner is not None:
        yield inner


def _learn(reading: _Reading, predicate: exp.Expr, bounded: frozenset[str], known: frozenset[str]) -> None:
    left, right = predicate.this, predicate.args.get("expression")
    kind = type(predicate)
    one, other = reading.alias_of(left), reading.alias_of(right)
    if kind is exp.EQ and one and other:
        reading.equals |= {(a, b) for a, b in ((one, other), (other, one)) if a in known and b in bounded}
        return
    if one is None and other is not None and kind in _MIRRORED:
        kind, left, right, one = _MIRRORED[kind], right, left, other
    if one in bounded and one in reading.tables:
        days = _range(kind, predicate, right, reading.rule, reading.tables[one])
        reading.narrow(one, days or _ALWAYS)


def _range(
    kind: type[exp.Expr], predicate: exp.Expr, literal: exp.Expr | None, rule: DayRule, table: str
) -> Days | None:
    """The days the comparison leaves, or None where it bounds nothing."""
    given: dict[type[exp.Expr], list[exp.Expr | None]] = {
        exp.Between: [predicate.args.get("low"), predicate.args.get("high")],
        exp.In: predicate.expressions,
    }
    days = [_day(rule, table, node) for node in given.get(kind, [literal])]
    known = [day for day in days if day is not None]
    if not known or len(known) < len(days) or predicate.args.get("query"):
        return None
    if kind is exp.Between:
        return known[0], known[1]
    if kind in (exp.In, exp.EQ):
        return min(known), max(known)
    if kind in (exp.GT, exp.GTE):
        return known[0] + timedelta(days=kind is exp.GT), date.max
    if kind in (exp.LT, exp.LTE):
        return date.min, known[0] - timedelta(days=kind is exp.LT)
    return None


def _day(rule: DayRule, table: str, node: exp.Expr | None) -> date | None:
    """The day of an integer literal; None for what is no literal, which bounds nothing."""
    if not isinstance(node, exp.Literal):
        return None
    if node.is_string or not re.fullmatch("[0-9]{8}", node.this):
        raise rule.refusal(table, "the day is not compared with an integer literal of eight digits")
    try:
        day = date(int(node.this[:4]), int(node.this[4:6]), int(node.this[6:]))
    except ValueError:
        raise rule.refusal(table, f"{node.this} is not a calendar day") from None
    if not 1970 <= day.year <= 2999:
        raise rule.refusal(table, f"{node.this} is not a day of a log")
    return day


def _accept(reading: _Reading, alias: str, table: str) -> tuple[int, ...]:
    first, last = reading.days.get(alias, _ALWAYS)
    if first == date.min or last == date.max:
        missing = "no range of days" if (first, last) == _ALWAYS else "only one end of the range of days"
        raise reading.rule.refusal(table, f"{missing} is given")
    if first > last:
        raise reading.rule.refusal(table, "the range of days is reversed or contradicts itself")
    count = (last - first).days + 1
    if count > reading.rule.max_days:
        raise reading.rule.refusal(table, f"the range of {count} days is too wide")
    return tuple(int((first + timedelta(days=n)).strftime("%Y%m%d")) for n in range(count))

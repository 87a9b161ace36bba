"""Which joins a SELECT may have: of accepted kinds, and such that its sources are tied together by equalities.

Two tables without an equality between them are every row of one beside every row of the other, which no cutoff on
scanned bytes notices.
"""

from collections.abc import Callable, Iterator, Mapping
from itertools import combinations

from sqlglot import exp

from lambdas.looker.functions import RefusedError, quote
from lambdas.looker.scope import can_have, query_of

Ties = frozenset[frozenset[str]]
_SIDES, _KINDS = {"", "LEFT", "RIGHT", "FULL"}, {"", "INNER", "CROSS", "OUTER"}
_NONE: Ties = frozenset()


def check_kind(join: exp.Join, day_column: str) -> None:
    if join.args.get("side", "") not in _SIDES or join.kind not in _KINDS:
        raise RefusedError("this join is not accepted: INNER, LEFT, RIGHT, FULL and CROSS are")
    if any(column.name.lower() == day_column for column in join.args.get("using") or ()):
        raise RefusedError(f"USING ({day_column}) is not accepted: write it as ON a.{day_column} = b...")


def check_ties(select: exp.Select, found: Mapping[str, exp.Expr], tables: Mapping[str, frozenset[str]]) -> None:
    """Raises RefusedError where the sources of the SELECT, by alias in `found`, are not all tied together."""

    def aliases(node: exp.Expr) -> set[str]:
        """Whose columns stand in the node; a bare name may mean any source that can have it."""
        columns = list(node.find_all(exp.Column))
        named = {column.table.lower() for column in columns if column.table}
        bare = {column.name.lower() for column in columns if not column.table}
        return (named & set(found)) | {
            a for a, source in found.items() for name in bare if can_have(source, name, tables)
        }

    ties = set(_ties(_where(select), aliases))
    before: list[str] = [alias for alias, source in found.items() if not isinstance(source.parent, exp.Join)]
    for join in select.args.get("joins") or ():
        alias = join.this.alias_or_name.lower()
        if isinstance(join.this, exp.Unnest):
            ties |= {frozenset({alias, other}) for other in aliases(join.this) if other != alias}
        if join.args.get("using"):
            ties |= {frozenset({alias, other}) for other in before}
        ties |= _ties(join.args.get("on"), aliases)
        before.append(alias)
    many = {alias for alias, source in found.items() if not _is_one_row(query_of(source))}
    if loose := many - _reach(next(iter(sorted(many)), ""), ties):
        raise RefusedError(
            f"{quote(sorted(loose)[0])} is joined without an equality to the others: write a.column = b.column, "
            "AND-ed, in ON or WHERE; only UNNEST and queries of one row are joined without"
        )


def _where(select: exp.Select) -> exp.Expr | None:
    where = select.args.get("where")
    return where.this if where else None


def _ties(predicate: exp.Expr | None, aliases: Callable[[exp.Expr], set[str]]) -> Ties:
    """Pairs of aliases that every row which passes the predicate has an equality between."""
    inner = predicate.unnest() if predicate is not None else None
    if isinstance(inner, exp.And):
        return _ties(inner.this, aliases) | _ties(inner.expression, aliases)
    if isinstance(inner, exp.Or):
        return _ties(inner.this, aliases) & _ties(inner.expression, aliases)
    if not isinstance(inner, (exp.EQ, exp.NullSafeEQ)) or inner.find(exp.Query):
        return _NONE
    one, other = aliases(inner.this), aliases(inner.expression)
    return frozenset(frozenset(pair) for pair in combinations(sorted(one | other), 2) if _between(pair, one, other))


def _between(pair: tuple[str, str], one: set[str], other: set[str]) -> bool:
    a, b = pair
    return (a in one and b in other) or (b in one and a in other)


def _reach(start: str, ties: set[frozenset[str]]) -> set[str]:
    reached, size = {start}, 0
    while len(reached) > size:
        size = len(reached)
        reached |= {alias for tie in ties if tie & reached for alias in tie}
    return reached


def _is_one_row(query: exp.Expr | None) -> bool:
    """Whether the query gives at most one row: an aggregate without GROUP BY, or LIMIT 1."""
    if query is None:
        return False
    limit = query.args.get("limit")
    if isinstance(limit, exp.Limit) and limit.expression.name == "1":
        return True
    return isinstance(query, exp.Select) and not query.args.get("group") and any(_aggregates(query))


def _aggregates(select: exp.Select) -> Iterator[bool]:
    """True for each aggregate of the SELECT's own, outside of windows and of queries within it."""
    for given in select.expressions:
        for aggregate in given.find_all(exp.AggFunc):
            yield aggregate.find_ancestor(exp.Window, exp.Select) is select

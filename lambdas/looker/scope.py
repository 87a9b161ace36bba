"""What the names in a statement mean: the WITH queries in scope, and the query and columns behind a source."""

from collections.abc import Iterator, Mapping

from sqlglot import exp


def in_scope(node: exp.Expr) -> Iterator[exp.Expr]:
    """The WITH queries that the node sees. A query of a WITH sees those before it, not itself."""
    while (parent := node.parent) is not None:
        if isinstance(parent, exp.With):
            yield from parent.expressions[: node.index]
        elif isinstance(parent, exp.Query) and not isinstance(node, exp.With):
            yield from parent.ctes
        node = parent


def can_have(source: exp.Expr, name: str, tables: Mapping[str, frozenset[str]]) -> bool:
    """Whether a column's bare name can mean one of the source's columns. A star can be anything."""
    if isinstance(source, exp.Table) and source.name.lower() in tables:
        return name in tables[source.name.lower()]
    for named in (source, _cte(source)):
        alias = named.args.get("alias") if named else None
        if alias and alias.columns:
            return name in [column.name.lower() for column in alias.columns]
    query = query_of(source)
    return query is None or any(given.is_star or given.alias_or_name.lower() == name for given in query.selects)


def _cte(source: exp.Expr) -> exp.Expr | None:
    """The WITH query that a table's name means."""
    if not isinstance(source, exp.Table):
        return None
    return next((cte for cte in in_scope(source) if cte.alias.lower() == source.name.lower()), None)


def query_of(source: exp.Expr) -> exp.Query | None:
    """The query behind a source, out of its brackets; None behind a table or UNNEST."""
    found = _cte(source) or source
    while isinstance(found, (exp.CTE, exp.Subquery)):
        found = found.this
    return found if isinstance(found, exp.Query) else None

"""A query that fails, and the place in the statement that its message names."""

from sqlglot import exp


class QueryFailed(Exception):
    """A query that ends FAILED; the message is the StateChangeReason and never holds row contents."""


def not_here(what: str, place: str = "line 1:1") -> QueryFailed:
    """Athena has it and the local Athena does not."""
    return QueryFailed(f"NOT_SUPPORTED: {place}: not in the local Athena: {what}")


def place_of_identifier(identifier: exp.Expr) -> str:
    """`line L:C` of an identifier's first letter; sqlglot keeps the column of its last."""
    meta = identifier.meta
    width = meta.get("end", 0) - meta.get("start", 0)
    return f"line {meta.get('line', 1)}:{max(1, meta.get('col', 1) - width)}"


def place_of(node: exp.Expr) -> str:
    """`line L:C` of the first name in an expression whose place is known."""
    known = next((part for part in node.walk(bfs=False) if "line" in part.meta), node)
    return place_of_identifier(known)

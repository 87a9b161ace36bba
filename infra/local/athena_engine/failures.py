"""A query that fails, and the place in the statement that its message names."""

from sqlglot import exp


class QueryFailed(Exception):
    """A query that ends FAILED; the message is the StateChangeReason and never holds row contents."""


def place_of_identifier(identifier: exp.Expr) -> str:
    """`line L:C` of an identifier's first letter; sqlglot keeps the column of its last."""
    meta = identifier.meta
    width = meta.get("end", 0) - meta.get("start", 0)
    return f"line {meta.get('line', 1)}:{max(1, meta.get('col', 1) - width)}"

"""The `Expression` of GetPartitions: a WHERE clause over partition keys, turned into a test of a partition's values.

Numeric keys compare as numbers and dates as dates, so `'9' < '10'` is true for an int key, as on AWS. What the grammar
of AWS does not have (functions, arithmetic, subqueries) is refused rather than guessed.
"""

import re
from collections.abc import Callable, Sequence
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Any

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

EXPRESSION_LIMIT = 2048
NULL_PARTITION = "__HIVE_DEFAULT_PARTITION__"
_NUMERIC = re.compile(r"^(tinyint|smallint|int|integer|bigint|long|float|double|decimal.*)$")
_COMPARISONS: dict[type[exp.Expr], Callable[[Any, Any], bool]] = {
    exp.EQ: lambda left, right: left == right,
    exp.NEQ: lambda left, right: left != right,
    exp.GT: lambda left, right: left > right,
    exp.GTE: lambda left, right: left >= right,
    exp.LT: lambda left, right: left < right,
    exp.LTE: lambda left, right: left <= right,
}
_MIRRORED: dict[type[exp.Expr], type[exp.Expr]] = {
    exp.GT: exp.LT,
    exp.GTE: exp.LTE,
    exp.LT: exp.GT,
    exp.LTE: exp.GTE,
}

Truth = bool | None
Test = Callable[[Sequence[str]], Truth]
"""Three-valued, as SQL has it: None is unknown, and only True keeps a partition."""


class ExpressionError(ValueError):
    """The expression is not one that GetPartitions accepts; asking again cannot help."""


class PartitionFilter:
    """`keys` are the table's PartitionKeys as Glue holds them. Raises ExpressionError."""

    def __init__(self, expression: str, keys: Sequence[dict[str, Any]]) -> None:
        if len(expression) > EXPRESSION_LIMIT:
            raise ExpressionError(f"{len(expression)} characters; at most {EXPRESSION_LIMIT} are accepted")
        self._keys = {str(key["Name"]).lower(): (at, str(key.get("Type", "string"))) for at, key in enumerate(keys)}
        self._test = self._compile(_parse(expression))

    def accepts(self, values: Sequence[str]) -> bool:
        return self._test(values) is True

    def _compile(self, node: exp.Expr) -> Test:
        if isinstance(node, exp.Paren):
            return self._compile(node.this)
        if isinstance(node, exp.Not):
            return _negate(self._compile(node.this))
        if isinstance(node, exp.And | exp.Or):
            return _join(self._compile(node.left), self._compile(node.right), isinstance(node, exp.And))
        if type(node) in _COMPARISONS:
            return self._comparison(node)
        return self._predicate(node)

    def _comparison(self, node: exp.Expr) -> Test:
        left, right, kind = node.this, node.args["expression"], type(node)
        if not isinstance(left, exp.Column):
            left, right, kind = right, left, _MIRRORED.get(kind, kind)
        at, convert = self._key(left)
        compare, wanted = _COMPARISONS[kind], convert(_literal(right))
        return _on_value(at, convert, lambda value: compare(value, wanted))

    def _predicate(self, node: exp.Expr) -> Test:
        at, convert = self._key(node.this)
        if isinstance(node, exp.In) and node.expressions:
            wanted = {convert(_literal(item)) for item in node.expressions}
            return _on_value(at, convert, lambda value: value in wanted)
        if isinstance(node, exp.Between):
            low, high = convert(_literal(node.args["low"])), convert(_literal(node.args["high"]))
            return _on_value(at, convert, lambda value: low <= value <= high)
        if isinstance(node, exp.Like):
            pattern = _like_pattern(_literal(node.expression))
            return lambda values: pattern.fullmatch(values[at]) is not None
        if isinstance(node, exp.Is) and isinstance(node.expression, exp.Null):
            return lambda values: values[at] == NULL_PARTITION
        raise ExpressionError(f"{node.sql()!r} is not supported")

    def _key(self, node: object) -> tuple[int, Callable[[Any], Any]]:
        if not isinstance(node, exp.Column):
            raise ExpressionError(f"{node!s} is not a partition key")
        if node.name.lower() not in self._keys:
            raise ExpressionError(f"{node.name} is not a partition key; the keys are {', '.join(self._keys)}")
        at, kind = self._keys[node.name.lower()]
        return at, _conversion(node.name, kind.lower())


def _parse(expression: str) -> exp.Expr:
    try:
        return sqlglot.parse_one(expression, dialect="hive")
    except SqlglotError as error:
        raise ExpressionError(f"{expression!r} is not a WHERE expression: {str(error).splitlines()[0]}") from error


def _literal(node: object) -> exp.Literal:
    if isinstance(node, exp.Cast) and node.is_type("date"):  # DATE '2026-11-01'
        node = node.this
    if isinstance(node, exp.Neg) and isinstance(node.this, exp.Literal):
        return exp.Literal(this=f"-{node.this.this}", is_string=False)
    if not isinstance(node, exp.Literal):
        raise ExpressionError(f"{node!s} is not a literal")
    return node


def _conversion(name: str, kind: str) -> Callable[[Any], Any]:
    """Turns a literal or a partition's text into what the key's type compares by."""

    def convert(given: exp.Literal | str) -> Any:
        text = given if isinstance(given, str) else str(given.this)
        try:
            if _NUMERIC.match(kind):
                return Decimal(text)
            if kind == "date":
                return date.fromisoformat(text)
        except (ValueError, InvalidOperation):
            raise ExpressionError(f"{text!r} is not of type {kind}, which the partition key {name} has") from None
        if isinstance(given, exp.Literal) and not given.is_string:
            raise ExpressionError(f"the partition key {name} is of type {kind}: write '{text}' in quotes")
        return text

    return convert


def _on_value(at: int, convert: Callable[[Any], Any], test: Callable[[Any], bool]) -> Test:
    def comparison(values: Sequence[str]) -> Truth:
        if values[at] == NULL_PARTITION:
            return None
        try:
            return test(convert(values[at]))
        except ExpressionError:  # a stored value that is not of the key's type is like null: it matches nothing
            return None

    return comparison


def _negate(test: Test) -> Test:
    def negation(values: Sequence[str]) -> Truth:
        truth = test(values)
        return None if truth is None else not truth

    return negation


def _join(left: Test, right: Test, both: bool) -> Test:
    """AND when `both`, else OR: the deciding answer (False, or True) wins over unknown."""

    def junction(values: Sequence[str]) -> Truth:
        answers = (left(values), right(values))
        if (not both) in answers:
            return not both
        return None if None in answers else both

    return junction


def _like_pattern(literal: exp.Literal) -> re.Pattern[str]:
    parts = (".*" if char == "%" else "." if char == "_" else re.escape(char) for char in str(literal.this))
    return re.compile("".join(parts), re.DOTALL)

"""Types of expressions: what the catalog's column types make of them, and what Trino therefore refuses.

sqlglot finds the types on a copy whose columns all have their table. What it cannot tell has no type, and nothing is
refused for it here: the engine then compares, and does not take text for a number or a time either.
"""

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from sqlglot import exp
from sqlglot.dialects.dialect import Dialect
from sqlglot.errors import SqlglotError
from sqlglot.optimizer.annotate_types import annotate_types
from sqlglot.optimizer.qualify import qualify
from sqlglot.optimizer.scope import Scope, traverse_scope

from infra.emulator.athena_engine.failures import QueryFailed, not_here, place_of, place_of_identifier

Schema = Mapping[str, Mapping[str, Mapping[str, str]]]
"""Database to table to column to Hive's type."""
Reading = exp.Query | exp.Values
"""A statement that reads."""

_KINDS: dict[exp.DType, str] = {
    **dict.fromkeys((exp.DType.VARCHAR, exp.DType.TEXT, exp.DType.CHAR), "varchar"),
    **{
        exp.DType.TINYINT: "tinyint",
        exp.DType.SMALLINT: "smallint",
        exp.DType.INT: "integer",
        exp.DType.BIGINT: "bigint",
    },
    **{exp.DType.DECIMAL: "decimal", exp.DType.DOUBLE: "double", exp.DType.FLOAT: "real", exp.DType.BOOLEAN: "boolean"},
    **{exp.DType.DATE: "date", exp.DType.TIMESTAMPTZ: "timestamp with time zone", exp.DType.TIMESTAMP: "timestamp"},
    **{
        exp.DType.JSON: "json",
        exp.DType.ARRAY: "array",
        exp.DType.MAP: "map",
        exp.DType.STRUCT: "row",
        exp.DType.VARBINARY: "varbinary",
    },
    **{exp.DType.IPADDRESS: "ipaddress", exp.DType.INTERVAL: "interval day to second"},
}
INTEGERS = frozenset({"tinyint", "smallint", "integer", "bigint"})
_FAMILIES = {
    **dict.fromkeys((*INTEGERS, "decimal", "double", "real"), "number"),
    **dict.fromkeys(("date", "timestamp", "timestamp with time zone"), "time"),
}
_OPERATORS: dict[type[exp.Expr], str] = {
    **{exp.EQ: "=", exp.NEQ: "<>", exp.GT: ">", exp.GTE: ">=", exp.LT: "<", exp.LTE: "<="},
    **{exp.NullSafeEQ: "IS DISTINCT FROM", exp.NullSafeNEQ: "IS DISTINCT FROM", exp.DPipe: "||"},
    **{exp.Add: "+", exp.Mul: "*", exp.Div: "/", exp.Mod: "%"},
}
_MIXED = frozenset({"COALESCE", "GREATEST", "LEAST", "CASE", "UNION", "INTERSECT", "EXCEPT"})
"""Words for what brings values of one type together; their message is not that of an operator."""
_OF_A_TIME: tuple[type[exp.Expr], ...] = (
    *(exp.Year, exp.Quarter, exp.Month, exp.Week, exp.Day, exp.Hour, exp.Minute, exp.Second, exp.DayOfWeekIso),
    *(
        exp.DayOfMonth,
        exp.DayOfYear,
        exp.TimestampTrunc,
        exp.DateTrunc,
        exp.DateAdd,
        exp.DateDiff,
        exp.TimeToStr,
        exp.TimeToUnix,
    ),
    *(exp.LastDay, exp.Extract),
)
_OF_TEXT: tuple[type[exp.Expr], ...] = (
    *(exp.Lower, exp.Upper, exp.Length, exp.Trim, exp.Substring, exp.StrPosition, exp.Replace, exp.Reverse, exp.Split),
    *(exp.SplitPart, exp.StartsWith, exp.Like, exp.RegexpLike, exp.RegexpExtract, exp.RegexpExtractAll),
    *(exp.RegexpReplace, exp.RegexpCount, exp.StrToTime, exp.Levenshtein, exp.FromISO8601Timestamp, exp.Pad),
)
_NO_TIMES, _NO_TEXTS = ("varchar", "number", "json", "boolean"), ("number", "json", "boolean", "time")


def kind_of(node: Any) -> str | None:
    """The expression's type by Trino's name, without its arguments; None where it is not known."""
    return _KINDS.get(node.type.this) if isinstance(node, exp.Expr) and node.type is not None else None


def family_of(node: Any) -> str | None:
    """What the expression can be compared with: one of Trino's groups of types."""
    kind = kind_of(node)
    return _FAMILIES.get(kind, kind) if kind else None


def decimal_scale(node: exp.Expr) -> int | None:
    """Digits behind the point of a decimal or whole number in Trino; None where that is not known."""
    if isinstance(node, exp.Literal):
        return len(node.this.partition(".")[2]) if not node.is_string and "e" not in node.this.lower() else None
    if isinstance(node, exp.Cast) and kind_of(node) == "decimal":
        arguments = node.to.expressions
        return int(arguments[1].name) if len(arguments) > 1 else 0
    if kind_of(node) in INTEGERS:
        return 0
    inner = [decimal_scale(part) for part in _parts(node)]
    if not inner or any(scale is None for scale in inner):
        return None
    known = [scale for scale in inner if scale is not None]
    return sum(known) if isinstance(node, exp.Mul) else max(known)


def _parts(node: exp.Expr) -> list[exp.Expr]:
    """The operands whose scales make the expression's scale."""
    if isinstance(node, (exp.Add, exp.Sub, exp.Mul, exp.Div, exp.Mod)):
        return [node.left, node.right]
    if isinstance(node, exp.Coalesce):
        return [node.this, *node.expressions]
    if isinstance(node, exp.Round) and not node.args.get("decimals"):
        return [exp.Literal.number(0)]
    one = (exp.Paren, exp.Neg, exp.Sum, exp.Min, exp.Max, exp.Abs, exp.Nullif, exp.Round, exp.Window, exp.Filter)
    return [node.this] if isinstance(node, one) else []


def add_types(tree: Reading, schema: Schema) -> None:
    """Give the tree's expressions their types, and refuse names that only an alias of the same SELECT has."""
    for position, node in enumerate(tree.walk()):
        node.meta["position"] = position
    try:
        typed = _annotate_types(tree.copy(), schema)
    except SqlglotError:
        return
    _check_aliases(typed)
    _check_distinct(typed)
    if any(kind_of(column) == "ipaddress" for column in typed.selects):
        raise not_here("a column of IP addresses; they can be compared, and stand in contains('10.0.0.0/8', address)")
    types = {node.meta.get("position"): node.type for node in typed.walk() if node.type is not None}
    for node in tree.walk():
        node.type = types.get(node.meta.pop("position")) or node.type


def drop_types(tree: exp.Expr) -> None:
    """Take the types away again: sqlglot would write casts by them that the statement does not have."""
    for node in tree.walk():
        if not isinstance(node, (exp.Cast, exp.DataType)):
            node.type = None


def _annotate_types(tree: Reading, schema: Schema) -> Reading:
    known: dict[str, object] = {
        database: {table: {name: _hive_type(kind) for name, kind in columns.items()} for table, columns in of.items()}
        for database, of in schema.items()
    }
    options: dict[str, Any] = {"expand_alias_refs": False, "validate_qualify_columns": False}
    whole = qualify(tree, schema=known, dialect="athena", quote_identifiers=False, identify=False, **options)
    return annotate_types(whole, schema=known, dialect="athena", expression_metadata=_metadata())


@cache
def _hive_type(text: str) -> exp.DataType:
    return exp.DataType.build(text, dialect="hive")


@cache
def _metadata() -> Any:
    """What sqlglot knows of types, with what it leaves open or says otherwise than Trino."""
    returns: dict[type[exp.Expr], exp.DType] = {
        **dict.fromkeys((exp.JSONExtract, exp.ParseJSON), exp.DType.JSON),
        **dict.fromkeys((exp.JSONExtractScalar, exp.JSONFormat, exp.JSONValue), exp.DType.VARCHAR),
        **dict.fromkeys((exp.RegexpExtract, exp.RegexpReplace, exp.SplitPart, exp.TimeToStr), exp.DType.VARCHAR),
        **dict.fromkeys((exp.Length, exp.StrPosition, exp.ArraySize), exp.DType.BIGINT),
        **dict.fromkeys((exp.UnixToTime, exp.CurrentTimestamp, exp.FromISO8601Timestamp), exp.DType.TIMESTAMPTZ),
        **{exp.StrToTime: exp.DType.TIMESTAMP, exp.Date: exp.DType.DATE, exp.FromISO8601Date: exp.DType.DATE},
        **{
            exp.LastDay: exp.DType.DATE,
            exp.TimeToUnix: exp.DType.DOUBLE,
            exp.Split: exp.DType.ARRAY,
            exp.RegexpExtractAll: exp.DType.ARRAY,
            exp.Pow: exp.DType.DOUBLE,
        },
    }
    typed = {kind: {"returns": kind_returned} for kind, kind_returned in returns.items()}
    known = Dialect.get_or_raise("athena").EXPRESSION_METADATA
    same = {kind: {"annotator": _as_operand} for kind in (exp.TimestampTrunc, exp.DateTrunc, exp.DateAdd, exp.Round)}
    return {**known, **typed, **same, exp.Literal: {"annotator": _literal}, exp.Anonymous: {"annotator": _by_name}}


_NAMED = {
    **{"to_iso8601": exp.DType.VARCHAR, "format_datetime": exp.DType.VARCHAR, "url_decode": exp.DType.VARCHAR},
    **{"json_array_length": exp.DType.BIGINT, "json_size": exp.DType.BIGINT, "json_exists": exp.DType.BOOLEAN},
    **{
        "any_match": exp.DType.BOOLEAN,
        "all_match": exp.DType.BOOLEAN,
        "none_match": exp.DType.BOOLEAN,
        "codepoint": exp.DType.INT,
    },
}


def _by_name(annotator: Any, node: Any) -> Any:
    annotator._set_type(node, _NAMED.get(node.name.lower(), exp.DType.UNKNOWN))
    return node


def _as_operand(annotator: Any, node: Any) -> Any:
    annotator._set_type(node, node.this.type or exp.DType.UNKNOWN)
    return node


def _literal(annotator: Any, node: Any) -> Any:
    text = node.this.lower()
    number = exp.DType.DOUBLE if "e" in text else exp.DType.DECIMAL if "." in text else None
    whole = exp.DType.INT if len(text) < 10 or (text.isdigit() and int(text) < 2**31) else exp.DType.BIGINT
    annotator._set_type(node, exp.DType.VARCHAR if node.is_string else number or whole)
    return node


def _check_aliases(tree: exp.Expr) -> None:
    """Trino knows a SELECT's own aliases in its ORDER BY alone."""
    for scope in traverse_scope(tree):
        if not isinstance(scope.expression, exp.Select):
            continue
        given = [column for column in scope.expression.selects if not _is_unknown(column.unalias())]
        aliases = {column.alias.lower() for column in given}
        for column in _without_table(scope):
            if column.name.lower() in aliases:
                reason = f"Column '{column.name.lower()}' cannot be resolved"
                raise QueryFailed(f"COLUMN_NOT_FOUND: {place_of_identifier(column.this)}: {reason}")


def _check_distinct(tree: exp.Expr) -> None:
    """Rows that are each there once have an order by what the SELECT names alone."""
    for select in tree.find_all(exp.Select):
        order = select.args.get("order")
        if order is None or not select.args.get("distinct"):
            continue
        given = {column.unalias().sql("athena") for column in select.selects}
        named = given | {column.alias_or_name.lower() for column in select.selects}
        for ordered in (one.this for one in order.expressions):
            is_position = isinstance(ordered, exp.Literal) and not ordered.is_string
            is_name = isinstance(ordered, exp.Column) and not ordered.table and ordered.name.lower() in named
            if not (is_position or is_name or ordered.sql("athena") in given):
                reason = "For SELECT DISTINCT, ORDER BY expressions must appear in select list"
                raise QueryFailed(f"EXPRESSION_NOT_IN_DISTINCT: {place_of(ordered)}: {reason}")


def _is_unknown(column: exp.Expr) -> bool:
    """A bare name that no table has: sqlglot makes it its own alias."""
    return isinstance(column, exp.Column) and not column.table


def _without_table(scope: Scope) -> Iterator[exp.Column]:
    """Columns that no table of the SELECT has, outside of its ORDER BY."""
    for column in scope.unqualified_columns:
        order = column.find_ancestor(exp.Order)
        if order is None or order.parent is not scope.expression:
            yield column
    having = scope.expression.args.get("having")
    yield from (column for column in (having.find_all(exp.Column) if having else ()) if not column.table)


def check_types(tree: exp.Expr) -> None:
    """What Trino refuses because of types. Raises QueryFailed."""
    for node in tree.walk():
        for left, operator, right in _compare(node):
            if family_of(left) and family_of(right) and family_of(left) != family_of(right):
                kinds = (_speak(left), _speak(right))
                mixed = f"{operator} has different types: {', '.join(kinds)}"
                reason = mixed if operator in _MIXED else f"Cannot apply operator: {kinds[0]} {operator} {kinds[1]}"
                raise QueryFailed(f"TYPE_MISMATCH: {place_of(left)}: {reason}")
        for given, refused in _arguments(node):
            if family_of(given) in refused:
                reason = f"Unexpected parameters ({_speak(given)}) for function {_function(node)}"
                raise QueryFailed(f"FUNCTION_NOT_FOUND: {place_of(given)}: {reason}")
        for condition in _conditions(node):
            if family_of(condition) not in ("boolean", None):
                reason = f"{_function(node).upper()} must evaluate to a boolean (actual: {_speak(condition)})"
                raise QueryFailed(f"TYPE_MISMATCH: {place_of(condition)}: {reason}")


def _compare(node: exp.Expr) -> Iterator[tuple[exp.Expr, str, exp.Expr]]:
    operator = _OPERATORS.get(type(node))
    if operator and isinstance(node, exp.Binary):
        intervals = any(kind_of(side) == "interval day to second" for side in (node.left, node.right))
        if not (intervals and operator in ("+", "*")) and not isinstance(node.right, (exp.Any, exp.All)):
            yield node.left, operator, node.right
    elif isinstance(node, exp.Between):
        yield node.this, ">=", node.args["low"]
        yield node.this, "<=", node.args["high"]
    elif isinstance(node, exp.In):
        yield from ((node.this, "=", value) for value in node.expressions)
    elif isinstance(node, (exp.Coalesce, exp.Greatest, exp.Least)):
        yield from ((node.this, node.key.upper(), value) for value in node.expressions)
    elif isinstance(node, exp.Nullif):
        yield node.this, "=", node.expression
    elif isinstance(node, exp.Case):
        yield from _cases(node)
    elif isinstance(node, exp.SetOperation):
        columns = zip(node.left.selects, node.right.selects, strict=False)
        yield from ((left.unalias(), node.key.upper(), right.unalias()) for left, right in columns)


def _cases(node: exp.Case) -> Iterator[tuple[exp.Expr, str, exp.Expr]]:
    branches = node.args["ifs"]
    if node.this is not None:
        yield from ((node.this, "=", branch.this) for branch in branches)
    results = [branch.args["true"] for branch in branches] + [node.args.get("default")]
    yield from ((results[0], "CASE", result) for result in results[1:] if result is not None)


def _arguments(node: exp.Expr) -> Iterator[tuple[exp.Expr, tuple[str, ...]]]:
    """What a function of times or of text is given, with the types it does not take."""
    if isinstance(node, exp.DateDiff):
        yield node.expression, _NO_TIMES
    if isinstance(node, _OF_A_TIME):
        yield node.expression if isinstance(node, exp.Extract) else node.this, _NO_TIMES
    elif isinstance(node, _OF_TEXT):
        yield node.this, _NO_TEXTS


def _conditions(node: exp.Expr) -> list[exp.Expr]:
    if isinstance(node, (exp.And, exp.Or)):
        return [node.left, node.right]
    return [node.this] if isinstance(node, (exp.Where, exp.Having, exp.Not)) else []


def _function(node: exp.Expr) -> str:
    """A function by the name Athena gives it, a clause by its word."""
    if isinstance(node, exp.Func) and not isinstance(node, exp.Binary):
        return node.sql("athena").partition("(")[0].lower()
    return node.key


def _speak(node: exp.Expr) -> str:
    kind = kind_of(node)
    if isinstance(node, exp.Literal) and node.is_string:
        return f"varchar({len(node.this)})"
    return "timestamp(3)" if kind == "timestamp" else kind or "unknown"

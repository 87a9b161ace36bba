"""A source's Spark SQL in DuckDB: the same rows, or a refusal.

A statement is carried over only where it consists of what is listed here, each part with the same meaning in both
(`tests/test_light.py` holds them against Spark). Where the meaning hangs on the value, as with numbers in JSON, the
value is refused when it is met. What is refused is built by Spark.
"""

import json
import re
from collections.abc import Callable, Iterable
from typing import Any, NoReturn

import duckdb
import sqlglot
from duckdb.func import FunctionNullHandling
from sqlglot import exp

_SAME_IN_BOTH = (
    *(exp.Select, exp.Star, exp.From, exp.Where, exp.Join, exp.Subquery, exp.Table, exp.TableAlias, exp.Alias),
    *(exp.Column, exp.Identifier, exp.Literal, exp.Boolean, exp.Null, exp.Neg, exp.Paren, exp.Is, exp.In, exp.Between),
    *(exp.And, exp.Or, exp.Not, exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE, exp.Case, exp.If),
    *(exp.Coalesce, exp.Nullif, exp.ConcatWs, exp.StartsWith, exp.Contains, exp.ArraySize),
    *(exp.Window, exp.Order, exp.Ordered, exp.RowNumber, exp.FirstValue),
)
_SAID_ANEW = frozenset(
    ("java_lower", "text_under_key", "strlen", "length", "lower", "regexp_matches", "split_part", "string_split")
)
_SAME_PATTERN = re.compile(r"(?:[\w |(){},:/-]|\[[\w-]+\]|\\z)*")
"""No `.`, `$`, `\\s` or `&&`: Java means other characters by them than RE2 does."""
_OTHER_LOWER_CASE = re.compile("[\u03a3\u2c2f\ua7c0\ua7d0\ua7d6\ua7d8\U00010570-\U00010595]")
"""A sigma is final by other rules in Java, and Python knows newer letters."""
_LONGEST_JSON, _LONGEST_NUMBER = 10_000_000, 1_000  # characters; Jackson refuses longer ones


class NotLightError(RuntimeError):
    """The light engine does not build this; the message says why, never with content. Spark does."""


def create_views(connection: duckdb.DuckDBPyConnection, statements: Iterable[tuple[str, str]]) -> None:
    """Each (name, Spark SQL) as a view; that of duplicates as a table, since it is asked for several times."""
    connection.create_function("java_lower", _lower, ["VARCHAR"], "VARCHAR")
    connection.create_function(
        "text_under_key", _text_under_key, ["VARCHAR", "VARCHAR"], "VARCHAR", null_handling=FunctionNullHandling.SPECIAL
    )
    for name, statement in statements:
        kind = "TABLE" if name == "duplicates_as_view" else "VIEW"
        connection.execute(f"CREATE {kind} {name} AS {in_duckdb(name, statement)}")


def in_duckdb(name: str, statement: str) -> str:
    """The Spark SQL of view `name` for DuckDB. Raises NotLightError with the part that cannot be carried over."""
    tree = sqlglot.parse_one(statement, read="spark")
    found: list[exp.Expr] = list(tree.find_all(*_ANEW))
    for node in reversed(found):  # what stands inside of another first
        node.replace(_ANEW[type(node)](node))
    for node in tree.walk():
        if not isinstance(node, _SAME_IN_BOTH) and node.name not in _SAID_ANEW:
            raise NotLightError(f"View {name} uses {type(node).__name__}, which the light engine does not know.")
    return tree.sql("duckdb", comments=False)


def _call(name: str, *arguments: Any) -> exp.Expr:
    return exp.Anonymous(this=name, expressions=list(arguments))


def _lowered(node: exp.Expr) -> exp.Expr:
    ascii_only = exp.EQ(this=_call("strlen", node.this.copy()), expression=_call("length", node.this.copy()))
    quick = exp.If(this=ascii_only, true=_call("lower", node.this.copy()))
    return exp.Case(ifs=[quick], default=_call("java_lower", node.this))


def _match_patterns(node: exp.Expr) -> exp.Expr:
    if not (node.expression.is_string and _SAME_PATTERN.fullmatch(node.expression.this)):
        raise NotLightError(f"The pattern {node.expression.sql()} may mean something else outside of Spark.")
    return _call("regexp_matches", node.this, node.expression)


def _last_part(node: exp.Expr) -> exp.Expr:
    delimiter, count = node.args["delimiter"], node.args["count"]
    if not (delimiter.is_string and len(delimiter.this) == 1 and count.sql() == "-1"):
        raise NotLightError(f"{node.sql('spark')}: the light engine knows the last part behind one character only.")
    return _call("split_part", node.this, delimiter, exp.Literal.number(-1))


def _split(node: exp.Expr) -> exp.Expr:
    separator = node.expression
    if not (separator.is_string and separator.this and re.escape(separator.this).lstrip("\\") == separator.this):
        raise NotLightError(f"{node.sql('spark')}: the light engine splits at plain text only.")
    return _call("string_split", node.this, separator)


def _json_text(node: exp.Expr) -> exp.Expr:
    path = node.expression.expressions
    if [type(part) for part in path] != [exp.JSONPathRoot, exp.JSONPathKey]:
        raise NotLightError(f"{node.sql('spark')}: the light engine knows paths of one key only.")
    return _call("text_under_key", node.this, exp.Literal.string(path[1].this))


_ANEW: dict[type, Callable[[Any], exp.Expr]] = {
    exp.Lower: _lowered,
    exp.RegexpLike: _match_patterns,
    exp.SubstringIndex: _last_part,
    exp.RegexpSplit: _split,
    exp.JSONExtractScalar: _json_text,
}


def _lower(text: str) -> str:
    if _OTHER_LOWER_CASE.search(text):
        raise NotLightError("A letter has another lower case in Java.")
    return text.lower()


class _Pairs(list[tuple[str, Any]]):
    """A JSON object with its keys as often as they stand there."""


class _Number(str):
    """A number as it is spelled."""


def _text_under_key(document: str | None, key: str) -> str | None:
    """get_json_object(document, '$.key'): of keys that are there twice, the first that is not null."""
    if document is None:
        return None
    if len(document) > _LONGEST_JSON:
        raise NotLightError("A document is too long.")
    found = json.loads(
        document, object_pairs_hook=_Pairs, parse_int=_number, parse_float=_number, parse_constant=_refuse
    )
    pairs = found if isinstance(found, _Pairs) else []
    value = next((value for name, value in pairs if name == key and value is not None), None)
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None:
        return None
    return str(value) if _is_as_spelled(value) else _refuse(value)  # DuckDB refuses half a surrogate pair itself


def _is_as_spelled(value: Any) -> bool:
    """Whether Jackson gives the value's own text: it writes numbers and blocks its own way."""
    return value.isdigit() if isinstance(value, _Number) else isinstance(value, str)


def _number(text: str) -> _Number:
    return _Number(text) if len(text) <= _LONGEST_NUMBER else _refuse(text)


def _refuse(value: Any) -> NoReturn:
    raise NotLightError("A JSON value has a text of Jackson's own making.")

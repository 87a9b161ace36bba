"""A source's Spark SQL on Arrow tables, without a JVM: the same rows as Spark gives, or a refusal.

DuckDB evaluates. A statement is carried over only where it consists of what is listed here, each part with the same
meaning in both (`tests/test_one_build.py` holds them against Spark). Where the meaning hangs on the value, as with
numbers in JSON, the value is refused when it is met. What is refused is built by Spark SQL.
"""

import json
import os
import re
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, NoReturn

import duckdb
import pyarrow as pa
import sqlglot
from duckdb.func import FunctionNullHandling
from sqlglot import exp
from sqlglot.dialects.spark import Spark
from sqlglot.errors import SqlglotError

_OF_ROWS = (
    *(exp.Select, exp.Star, exp.From, exp.Where, exp.Join, exp.Subquery, exp.Table, exp.TableAlias, exp.Alias),
    *(exp.Column, exp.Identifier, exp.Literal, exp.Boolean, exp.Null, exp.Neg, exp.Paren, exp.Is, exp.In, exp.Between),
    *(exp.And, exp.Or, exp.Not, exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE, exp.Case, exp.If),
    *(exp.Coalesce, exp.Nullif, exp.ConcatWs, exp.StartsWith, exp.Contains, exp.ArraySize),
)
_OF_WINDOWS = (exp.Window, exp.Order, exp.Ordered, exp.RowNumber, exp.FirstValue)
_IN_DUCKDB = frozenset(
    ("java_lower", "text_under_key", "strlen", "length", "lower", "regexp_matches", "split_part", "string_split")
)
FUNCTIONS = frozenset(
    (
        *("array_size", "coalesce", "concat_ws", "contains", "get_json_object", "if", "lower", "nullif", "split"),
        *("startswith", "substring_index", "first_value", "row_number"),
    )
)
"""By the names that Spark knows. sqlglot reads others as the same, such as `size`, which is -1 of NULL in Spark."""
_SAME_PATTERN = re.compile(r"(?:[\w |(){},:/-]|\[[\w-]+\]|\\z)*")
"""No `.`, `$`, `\\s` or `&&`: Java means other characters by them than RE2 does."""
_PATH_OF_ONE_KEY = re.compile(r"\$\.([A-Za-z_][A-Za-z0-9_]*)")
_PLAIN_TEXT = re.compile(r"[^\\.^$*+?{}\[\]|()]+")
"""No character that means another than itself in a pattern."""
_OTHER_LOWER_CASE = re.compile("[\u03a3\u2c2f\ua7c0\ua7d0\ua7d6\ua7d8\U00010570-\U00010595]")
"""A sigma is final by other rules in Java, and Python knows newer letters."""
_LONGEST_JSON, _LONGEST_NUMBER = 10_000_000, 1_000  # characters; Jackson refuses longer ones
BOUNDS = "mybounds_as_view"


FAILURES = (duckdb.Error, OSError, pa.ArrowException)
"""What DuckDB raises; its own texts may quote a row."""


class _SparkAsItStands(Spark):
    """Spark's SQL with paths of JSON as they are spelled: sqlglot reads `k` and `$k` as `$.k`, and Spark does not."""

    def to_json_path(self, path: exp.Expr | None) -> exp.Expr | None:
        return path


class OnlySparkError(RuntimeError):
    """What only Spark SQL can build; the message says why, never with content."""


def connect(memory_megabytes: int) -> duckdb.DuckDBPyConnection:
    """A DuckDB in memory with one thread, which spills to the temporary folder, and the functions that views need."""
    settings: dict[str, Any] = {
        "threads": 1,
        "memory_limit": f"{memory_megabytes}MB",
        "python_enable_replacements": False,
        "temp_directory": str(Path(tempfile.gettempdir()) / f"loglake-duckdb-{os.getpid()}"),
    }
    connection = duckdb.connect(":memory:", config=settings)
    connection.execute("SET TimeZone = 'UTC'")
    connection.create_function("java_lower", _lower, ["VARCHAR"], "VARCHAR")
    connection.create_function(
        "text_under_key", _text_under_key, ["VARCHAR", "VARCHAR"], "VARCHAR", null_handling=FunctionNullHandling.SPECIAL
    )
    return connection


def create_views(
    connection: duckdb.DuckDBPyConnection, statements: Iterable[tuple[str, str]], windows: bool = False
) -> None:
    """Each (name, Spark SQL) as a view."""
    for name, statement in statements:
        connection.execute(f"CREATE VIEW {name} AS {in_duckdb(name, statement, windows)}")


def arrow_table(connection: duckdb.DuckDBPyConnection, statement: str) -> pa.Table:
    """The rows of a statement in DuckDB's SQL. Raises OnlySparkError: DuckDB's own message may quote a row."""
    with refusals():
        return connection.sql(statement).to_arrow_table()


@contextmanager
def refusals() -> Iterator[None]:
    """Errors of DuckDB as OnlySparkError, without their text."""
    try:
        yield
    except FAILURES as error:
        raise OnlySparkError(f"A view failed on Arrow ({type(error).__name__}).") from None


@cache
def in_duckdb(name: str, statement: str, windows: bool = False) -> str:
    """The Spark SQL of view `name` for DuckDB. Raises OnlySparkError with the part that cannot be carried over.

    Without `windows`, each row of the view is made of one row of what it reads, whatever other rows there are.
    """
    tree = parse(name, statement).copy()
    _check_functions(name, statement, tree)
    found: list[exp.Expr] = list(tree.find_all(*_REWRITES))
    for node in reversed(found):  # what stands inside of another first
        node.replace(_REWRITES[type(node)](node))
    known = (*_OF_ROWS, *_OF_WINDOWS) if windows else _OF_ROWS
    for node in tree.walk():
        is_ours = isinstance(node, exp.Anonymous) and node.name in _IN_DUCKDB
        if not isinstance(node, known) and not is_ours:
            raise OnlySparkError(f"View {name} uses {type(node).__name__}, which is not known on Arrow.")
        if _is_query_in_expression(node):
            raise OnlySparkError(f"View {name} has a query inside of an expression, which is not known on Arrow.")
        if isinstance(node, exp.TableAlias) and node.columns:
            raise OnlySparkError(f"View {name} gives columns other names by their place, which is not known on Arrow.")
        if isinstance(node, exp.Star) and any(node.args.values()):
            raise OnlySparkError(f"View {name} takes columns out of a star, which is not known on Arrow.")
        if isinstance(node, exp.Join) and not _is_of_bounds(node):
            raise OnlySparkError(
                f"View {name} joins; on Arrow a view may only CROSS JOIN {BOUNDS}, without a condition."
            )
    return tree.sql("duckdb", comments=False)


@cache
def column_aliases(name: str, statement: str) -> frozenset[str]:
    """The names that view `name` gives to what it computes, at any depth; all others pass through unchanged."""
    return frozenset(node.alias.lower() for node in parse(name, statement).find_all(exp.Alias))


@cache
def parse(name: str, statement: str) -> exp.Expr:
    """The tree of view `name`'s Spark SQL, which callers do not change. Raises OnlySparkError."""
    try:
        return sqlglot.parse_one(statement, read=_SparkAsItStands)
    except SqlglotError:
        raise OnlySparkError(f"View {name} is not understood on Arrow.") from None


def _check_functions(name: str, statement: str, tree: exp.Expr) -> None:
    """Raises OnlySparkError for a call of a function that is not one of FUNCTIONS, as the statement spells it."""
    for node in tree.find_all(exp.Func):
        if "start" not in node.meta:  # an operator, such as AND or RLIKE
            continue
        spelled = statement[node.meta["start"] : node.meta["end"] + 1].lower()
        if spelled not in FUNCTIONS:
            raise OnlySparkError(f"View {name} calls {spelled}, which is not known on Arrow.")


def _is_query_in_expression(node: exp.Expr) -> bool:
    """Whether it would be asked of the table at hand: a few thousand records, and not the window's."""
    if isinstance(node, exp.In):
        return node.args.get("query") is not None
    return isinstance(node, exp.Subquery) and not isinstance(node.parent, exp.From)


def _is_of_bounds(join: exp.Join) -> bool:
    return isinstance(join.this, exp.Table) and join.this.name == BOUNDS and not join.args.get("on")


def _call(name: str, *arguments: Any) -> exp.Expr:
    return exp.Anonymous(this=name, expressions=list(arguments))


def _lower_case(node: exp.Expr) -> exp.Expr:
    ascii_only = exp.EQ(this=_call("strlen", node.this.copy()), expression=_call("length", node.this.copy()))
    quick = exp.If(this=ascii_only, true=_call("lower", node.this.copy()))
    return exp.Case(ifs=[quick], default=_call("java_lower", node.this))


def _match_patterns(node: exp.Expr) -> exp.Expr:
    if not (node.expression.is_string and _SAME_PATTERN.fullmatch(node.expression.this)):
        raise OnlySparkError(f"The pattern {node.expression.sql()} may mean something else outside of Spark.")
    return _call("regexp_matches", node.this, node.expression)


def _last_part(node: exp.Expr) -> exp.Expr:
    delimiter, count = node.args["delimiter"], node.args["count"]
    if not (delimiter.is_string and len(delimiter.this) == 1 and count.sql() == "-1"):
        raise OnlySparkError(f"{node.sql('spark')}: on Arrow only the last part behind one character is known.")
    return _call("split_part", node.this, delimiter, exp.Literal.number(-1))


def _split(node: exp.Expr) -> exp.Expr:
    separator = node.expression
    if not (separator.is_string and _PLAIN_TEXT.fullmatch(separator.this)) or node.args.get("limit"):
        raise OnlySparkError(f"{node.sql('spark')}: on Arrow text is split at plain text only, and wherever it stands.")
    return _call("string_split", node.this, separator)


def _json_text(node: exp.Expr) -> exp.Expr:
    path = node.expression
    found = _PATH_OF_ONE_KEY.fullmatch(path.this) if path.is_string else None
    if not found:
        raise OnlySparkError("get_json_object: on Arrow only paths of one key are known, such as '$.key'.")
    return _call("text_under_key", node.this, exp.Literal.string(found[1]))


_REWRITES: dict[type, Callable[[Any], exp.Expr]] = {
    exp.Lower: _lower_case,
    exp.RegexpLike: _match_patterns,
    exp.SubstringIndex: _last_part,
    exp.RegexpSplit: _split,
    exp.JSONExtractScalar: _json_text,
}


def _lower(text: str) -> str:
    if _OTHER_LOWER_CASE.search(text):
        raise OnlySparkError("A letter has another lower case in Java.")
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
        raise OnlySparkError("A document is too long.")
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
    raise OnlySparkError("A JSON value has a text of Jackson's own making.")

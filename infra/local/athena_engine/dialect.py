"""Meaning: what Trino means, said in DuckDB, where the two differ and sqlglot does not say so."""

import re
from collections.abc import Callable
from typing import Any

import duckdb
from sqlglot import exp

from infra.local.athena_engine.failures import QueryFailed
from infra.local.athena_engine.hive_types import split_outside_brackets

_MACROS = (
    # No match is NULL in Trino and an empty string in DuckDB.
    "trino_regexp_extract(s, p, g) AS CASE WHEN regexp_matches(s, p) THEN regexp_extract(s, p, g) END",
    # Text that is not JSON is NULL in Trino and an error in DuckDB; a scalar of an object is NULL in Trino.
    "trino_json_extract(j, p) AS CASE WHEN json_valid(j) THEN json_extract(j, p) END",
    "trino_json_extract_scalar(j, p) AS CASE WHEN json_valid(j) AND json_type(json_extract(j, p)) "
    "NOT IN ('OBJECT', 'ARRAY') THEN json_extract_string(j, p) END",
    "at_timezone(t, z) AS timezone(z, t)",
    "to_iso8601(t) AS strftime(t, '%Y-%m-%dT%H:%M:%S.%gZ')",
    "map_agg(k, v) AS map(list(k), list(v))",
)
_JODA = {"yyyy": "%Y", "MM": "%m", "dd": "%d", "HH": "%H", "mm": "%M", "ss": "%S", "SSS": "%g", "EEE": "%a", "Z": "%z"}
_JODA_WORD = re.compile(r"'([^']*)'|([A-Za-z])\2*|[^A-Za-z']+")


def connected() -> duckdb.DuckDBPyConnection:
    """A database of its own in memory. Python names and files are out of reach for the statement."""
    settings: dict[str, Any] = {"threads": 2, "memory_limit": "2GB", "python_enable_replacements": False}
    connection = duckdb.connect(":memory:", config=settings)
    for macro in _MACROS:
        connection.execute(f"CREATE MACRO {macro}")
    connection.execute("SET TimeZone = 'UTC'")
    connection.execute("SET integer_division = true")
    connection.execute("SET enable_external_access = false")
    connection.execute("SET lock_configuration = true")
    return connection


def as_duckdb_means_it(node: exp.Expr) -> exp.Expr:
    """One node as DuckDB must see it, where the two differ in meaning and sqlglot does not say so."""
    change = _MEANINGS.get(type(node))
    return change(node) if change else node


def _call(name: str, *arguments: exp.Expr) -> exp.Expr:
    return exp.Anonymous(this=name, expressions=list(arguments))


def _regexp_extract(node: exp.Expr) -> exp.Expr:
    group = node.args.get("group") or exp.Literal.number(0)
    return _call("trino_regexp_extract", node.this, node.expression, group)


def _regexp_replace(node: exp.Expr) -> exp.Expr:
    replacement = node.args.get("replacement")
    if isinstance(replacement, exp.Literal):
        text = re.sub(r"\$(\d)", r"\\\1", replacement.this.replace("\\", "\\\\"))
        node.set("replacement", exp.Literal.string(text))
    return node


def _json_extract(node: exp.Expr) -> exp.Expr:
    name = "trino_json_extract_scalar" if isinstance(node, exp.JSONExtractScalar) else "trino_json_extract"
    path = node.expression
    if isinstance(path, exp.JSONPath):
        path = exp.Literal.string(path.sql("duckdb").strip("'"))
    return _call(name, node.this, path)


def _cast(node: exp.Cast) -> exp.Expr:
    """`cast(x as json)` makes JSON of a value; in DuckDB it would parse the text."""
    return _call("to_json", node.this) if node.to.this == exp.DataType.Type.JSON else node


def _date_diff(node: exp.Expr) -> exp.Expr:
    """Trino counts whole units; DuckDB's date_diff counts the boundaries that are crossed."""
    return _call("date_sub", exp.Literal.string(node.args["unit"].name.lower()), node.expression, node.this)


def _joda_function(node: exp.Expr) -> exp.Expr:
    name = {"format_datetime": "strftime", "parse_datetime": "strptime"}.get(node.name.lower())
    if name is None or len(node.expressions) != 2 or not node.expressions[1].is_string:
        return node
    return _call(name, node.expressions[0], exp.Literal.string(_strftime_of(node.expressions[1].this)))


def _strftime_of(joda: str) -> str:
    def word(found: re.Match[str]) -> str:
        text = found.group(0)
        return text.strip("'") if text.startswith("'") else _JODA.get(text, text)

    return _JODA_WORD.sub(word, joda)


_MEANINGS: dict[type, Callable[[Any], exp.Expr]] = {
    exp.RegexpExtract: _regexp_extract,
    exp.RegexpReplace: _regexp_replace,
    exp.JSONExtract: _json_extract,
    exp.JSONExtractScalar: _json_extract,
    exp.Cast: _cast,
    exp.TryCast: _cast,
    exp.DateDiff: _date_diff,
    exp.Anonymous: _joda_function,
}


def name_columns(tree: exp.Expr) -> None:
    """Trino calls a column without a name `_col` and its position, and a field by its own name."""
    for select in tree.find_all(exp.Select):
        for position, given in enumerate(select.expressions):
            if isinstance(given, (exp.Alias, exp.Column, exp.Star)):
                continue
            name = given.name if isinstance(given, exp.Dot) else f"_col{position}"
            given.replace(exp.alias_(given.copy(), name, quoted=True))


def unnest_like_trino(tree: exp.Expr, declared: dict[str, str]) -> None:
    """UNNEST of an array of rows gives one column a field in Trino; in DuckDB it must be asked for."""
    for unnest in list(tree.find_all(exp.Unnest)):
        kind = declared.get(unnest.expressions[0].name.lower(), "")
        if len(unnest.expressions) != 1 or unnest.args.get("offset") or kind.startswith(("array<array", "map")):
            continue
        _check_aliases(unnest, kind)
        depth = exp.PropertyEQ(this=exp.to_identifier("max_depth"), expression=exp.Literal.number(2))
        select = exp.Select(expressions=[exp.Explode(this=unnest.expressions[0], expressions=[depth])])
        unnest.replace(exp.Subquery(this=select, alias=unnest.args.get("alias")))


def _check_aliases(unnest: exp.Expr, kind: str) -> None:
    alias = unnest.args.get("alias")
    named = len(alias.columns) if alias else 0
    row_kind = kind[len("array<struct<") : -2] if kind.startswith("array<struct<") else ""
    fields = len(split_outside_brackets(row_kind, ",")) if row_kind else named
    if alias and named and named != fields:
        raise QueryFailed(
            f"MISMATCHED_COLUMN_ALIASES: line 1:1: Column alias list has {named} entries but '{alias.name}' has "
            f"{fields} columns available; UNNEST of an array of rows gives one column a field"
        )

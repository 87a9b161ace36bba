"""The engine: a DuckDB that reads nothing but what is registered, with functions that mean what they mean in Trino."""

from collections.abc import Callable
from typing import Any

import duckdb
from duckdb.func import FunctionNullHandling

from infra.emulator.athena_engine.addresses import address_bytes, is_in_network
from infra.emulator.athena_engine.json_paths import json_exists, json_number, json_query, json_value
from infra.emulator.athena_engine.results import double_text

# `t` as a value of its own type whatever it is: a macro's branches are bound for every type.
_AS_TIMESTAMP = "TRY_CAST(CAST(t AS VARCHAR) AS TIMESTAMP)"
_HAS_NULL = "len(list_filter(l, LAMBDA e: e IS NULL)) > 0"
_NO_VALUE = "'no such value'"
_MACROS = (
    # No match is NULL in Trino and an empty string in DuckDB.
    "trino_regexp_extract(s, p, g) AS CASE WHEN regexp_matches(s, p) THEN regexp_extract(s, p, g) END",
    # Text that is not JSON is NULL in Trino and an error in DuckDB; a scalar of an object is NULL in Trino.
    "trino_json_extract(j, p) AS CASE WHEN json_valid(j) THEN json_extract(j, p) END",
    "trino_json_extract_scalar(j, p) AS CASE WHEN NOT json_valid(j) THEN NULL "
    "WHEN json_type(json_extract(j, p)) IN ('OBJECT', 'ARRAY') THEN NULL "
    "WHEN json_type(json_extract(j, p)) IN ('DOUBLE', 'HUGEINT') THEN trino_json_number(CAST(j AS VARCHAR), p) "
    "ELSE json_extract_string(j, p) END",
    "json_array_length(j) AS CASE WHEN json_valid(j) AND json_type(j) = 'ARRAY' THEN len(json_extract(j, '$[*]')) END",
    "json_size(j, p) AS CASE WHEN NOT json_valid(j) THEN NULL "
    "WHEN json_type(json_extract(j, p)) = 'OBJECT' THEN len(json_keys(json_extract(j, p))) "
    "WHEN json_type(json_extract(j, p)) = 'ARRAY' THEN len(json_extract(json_extract(j, p), '$[*]')) "
    "WHEN json_extract(j, p) IS NULL THEN NULL ELSE 0 END",
    "is_json_scalar(j) AS json_type(j) NOT IN ('OBJECT', 'ARRAY')",
    "at_timezone(t, z) AS timezone(z, t)",
    f"to_iso8601(t) AS CASE typeof(t) WHEN 'DATE' THEN strftime({_AS_TIMESTAMP}, '%Y-%m-%d') "
    f"WHEN 'TIMESTAMP' THEN strftime({_AS_TIMESTAMP}, '%Y-%m-%dT%H:%M:%S.%g') "
    f"ELSE strftime({_AS_TIMESTAMP}, '%Y-%m-%dT%H:%M:%S.%gZ') END",
    "map_agg(k, v) AS CASE WHEN count(*) > 0 THEN map(list(k), list(v)) END",
    "codepoint(s) AS unicode(s)",
    "hamming_distance(a, b) AS hamming(a, b)",
    # Position 0 is nowhere in Trino, and so is one that lies before the first letter.
    "trino_substr(s, b) AS CASE WHEN b = 0 OR -b > length(s) THEN '' ELSE substring(s, b) END",
    "trino_substr_of(s, b, n) AS CASE WHEN b = 0 OR -b > length(s) OR n <= 0 THEN '' ELSE substring(s, b, n) END",
    "trino_split_part(s, d, i) AS CASE WHEN i <= len(string_split(s, d)) THEN split_part(s, d, i) END",
    "trino_url_decode(s) AS url_decode(replace(s, '+', '%20'))",
    f"trino_contains(l, v) AS CASE WHEN list_contains(l, v) THEN true WHEN v IS NULL OR {_HAS_NULL} THEN NULL "
    "ELSE list_contains(l, v) END",
    f"trino_array_max(l) AS CASE WHEN NOT {_HAS_NULL} THEN list_max(l) END",
    f"trino_array_min(l) AS CASE WHEN NOT {_HAS_NULL} THEN list_min(l) END",
    "trino_array_distinct(l) AS list_filter(l, LAMBDA e, i: list_position(l, e) = i)",
    "array_union(a, b) AS trino_array_distinct(list_concat(a, b))",
    "trino_array_position(l, v) AS CASE WHEN l IS NOT NULL AND v IS NOT NULL THEN coalesce(list_position(l, v), 0) END",
    "trino_slice(l, b, n) AS CASE WHEN b > 0 THEN list_slice(l, b, b + n - 1) "
    "ELSE list_slice(l, len(l) + b + 1, len(l) + b + n) END",
    "trino_element_at(l, i) AS CASE WHEN i = 0 THEN error('no such element') ELSE l[i] END",
    "trino_item(l, i) AS CASE WHEN i BETWEEN 1 AND len(l) THEN l[i] "
    "WHEN l IS NOT NULL AND i IS NOT NULL THEN error('no such element') END",
    "trino_value(m, k) AS CASE WHEN list_contains(map_keys(m), k) THEN m[k] "
    "WHEN m IS NOT NULL AND k IS NOT NULL THEN error('no such element') END",
    "trino_any(l) AS CASE WHEN list_contains(l, true) THEN true "
    f"WHEN {_HAS_NULL} THEN NULL ELSE list_contains(l, true) END",
    "trino_all(l) AS NOT trino_any(list_transform(l, LAMBDA x: NOT x))",
    "trino_address_of(t) AS CASE WHEN t IS NULL OR trino_address(t) IS NOT NULL THEN trino_address(t) "
    "ELSE error('no address') END",
    # Division of doubles never fails in Trino.
    "trino_divide(a, b) AS CASE WHEN b <> 0 THEN a / b WHEN a = 0 OR isnan(a) THEN CAST('nan' AS DOUBLE) "
    "WHEN b = 0 THEN CAST('inf' AS DOUBLE) * sign(a) END",
    # Text of a value, as cast gives it.
    f"trino_text(t) AS CASE typeof(t) WHEN 'TIMESTAMP' THEN strftime({_AS_TIMESTAMP}, '%Y-%m-%d %H:%M:%S.%g') "
    f"WHEN 'TIMESTAMP WITH TIME ZONE' THEN strftime({_AS_TIMESTAMP}, '%Y-%m-%d %H:%M:%S.%g UTC') "
    "WHEN 'DOUBLE' THEN trino_double_text(TRY_CAST(CAST(t AS VARCHAR) AS DOUBLE)) "
    "WHEN 'JSON' THEN json_extract_string(CAST(t AS VARCHAR), '$') ELSE CAST(t AS VARCHAR) END",
    # What a cast takes: whole numbers, dates and truth in few forms. The rest becomes text that no cast takes.
    "trino_whole(t) AS CASE WHEN typeof(t) IN ('DOUBLE', 'FLOAT') "
    "THEN CAST(TRY_CAST(round(TRY_CAST(CAST(t AS VARCHAR) AS DOUBLE)) AS HUGEINT) AS VARCHAR) "
    "WHEN typeof(t) = 'BOOLEAN' THEN CASE CAST(t AS VARCHAR) WHEN 'true' THEN '1' WHEN 'false' THEN '0' END "
    "WHEN typeof(t) = 'JSON' THEN json_extract_string(CAST(t AS VARCHAR), '$') "
    f"WHEN typeof(t) = 'VARCHAR' AND NOT regexp_full_match(CAST(t AS VARCHAR), '[+-]?[0-9]+') THEN {_NO_VALUE} "
    "ELSE CAST(t AS VARCHAR) END",
    "trino_truth(t) AS CASE WHEN typeof(t) NOT IN ('VARCHAR', 'JSON') THEN CAST(TRY_CAST(t AS BOOLEAN) AS VARCHAR) "
    "WHEN typeof(t) = 'JSON' THEN json_extract_string(CAST(t AS VARCHAR), '$') "
    f"WHEN lower(CAST(t AS VARCHAR)) NOT IN ('true', 'false', 't', 'f', '1', '0') THEN {_NO_VALUE} "
    "ELSE CAST(t AS VARCHAR) END",
    r"trino_day(t) AS CASE WHEN typeof(t) = 'VARCHAR' AND NOT "
    rf"regexp_full_match(CAST(t AS VARCHAR), '\s*\d{{4,}}-\d{{1,2}}-\d{{1,2}}\s*') THEN {_NO_VALUE} "
    "ELSE CAST(t AS VARCHAR) END",
    r"trino_moment(t) AS CASE WHEN typeof(t) = 'VARCHAR' AND NOT regexp_full_match(CAST(t AS VARCHAR), "
    r"'\d{4,}-\d{1,2}-\d{1,2}( \d{1,2}:\d{1,2}(:\d{1,2}(\.\d+)?)?)?') "
    f"THEN {_NO_VALUE} ELSE CAST(t AS VARCHAR) END",
    r"trino_zoned(t) AS CASE WHEN typeof(t) = 'VARCHAR' AND NOT regexp_full_match(CAST(t AS VARCHAR), "
    r"'\d{4,}-\d{1,2}-\d{1,2}( \d{1,2}:\d{1,2}(:\d{1,2}(\.\d+)?)?)?( ?([A-Z][A-Za-z_/]+|[+-]\d\d:\d\d))?') "
    f"THEN {_NO_VALUE} ELSE CAST(t AS VARCHAR) END",
)


def connect() -> duckdb.DuckDBPyConnection:
    """A database of its own in memory. Python names and files are out of reach for the statement."""
    settings: dict[str, Any] = {"threads": 2, "memory_limit": "2GB", "python_enable_replacements": False}
    connection = duckdb.connect(":memory:", config=settings)
    _add_functions(connection)
    for macro in _MACROS:
        connection.execute(f"CREATE MACRO {macro}")
    connection.execute("SET TimeZone = 'UTC'")
    connection.execute("SET integer_division = true")
    connection.execute("SET enable_external_access = false")
    connection.execute("SET lock_configuration = true")
    return connection


def _add_functions(connection: duckdb.DuckDBPyConnection) -> None:
    """What DuckDB has no words for."""
    functions: tuple[tuple[str, Callable[..., Any], list[str], str], ...] = (
        ("trino_json_value", json_value, ["VARCHAR", "VARCHAR"], "VARCHAR"),
        ("trino_json_query", json_query, ["VARCHAR", "VARCHAR"], "VARCHAR"),
        ("trino_json_exists", json_exists, ["VARCHAR", "VARCHAR"], "BOOLEAN"),
        ("trino_json_number", json_number, ["VARCHAR", "VARCHAR"], "VARCHAR"),
        ("trino_double_text", double_text, ["DOUBLE"], "VARCHAR"),
        ("trino_address", address_bytes, ["VARCHAR"], "BLOB"),
        ("trino_is_in_network", is_in_network, ["VARCHAR", "BLOB"], "BOOLEAN"),
    )
    for name, function, arguments, result in functions:
        strict = _of_one(function) if len(arguments) == 1 else _of_two(function)
        connection.create_function(name, strict, [*arguments], result, null_handling=FunctionNullHandling.SPECIAL)


def _of_one(function: Callable[..., Any]) -> Callable[[Any], Any]:
    """The function with NULL for NULL. DuckDB takes no function of a variable number of arguments."""
    return lambda value: None if value is None else function(value)


def _of_two(function: Callable[..., Any]) -> Callable[[Any, Any], Any]:
    return lambda one, other: None if one is None or other is None else function(one, other)

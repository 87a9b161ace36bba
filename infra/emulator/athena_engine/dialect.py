"""Meaning: what Trino means, said in DuckDB, where the two differ and sqlglot does not say so."""

import re
from collections.abc import Callable
from typing import Any

from sqlglot import exp

from infra.emulator.athena_engine.expression_types import INTEGERS, decimal_scale, kind_of
from infra.emulator.athena_engine.failures import QueryFailed, not_here
from infra.emulator.athena_engine.hive_types import split_outside_brackets
from infra.emulator.athena_engine.json_paths import PathError, path_steps

_JODA = {
    **{"yyyy": "%Y", "yy": "%y", "MM": "%m", "MMM": "%b", "MMMM": "%B", "dd": "%d", "d": "%-d", "HH": "%H"},
    **{"hh": "%I", "mm": "%M", "ss": "%S", "SSS": "%g", "EEE": "%a", "EEEE": "%A", "a": "%p"},
}
_JODA_WORD = re.compile(r"'([^']*)'|([A-Za-z])\2*|[^A-Za-z']+")
_TIME_FORMAT = re.compile(r"(?:[^%]|%(?:-?[mdHIj]|[YMSfyBbaApT%]))*")
_EXTRACTED = {
    **{unit: unit for unit in ("YEAR", "QUARTER", "MONTH", "WEEK", "DAY", "HOUR", "MINUTE", "SECOND")},
    **{"DOW": "ISODOW", "DAY_OF_WEEK": "ISODOW", "DOY": "DOY", "DAY_OF_YEAR": "DOY", "DAY_OF_MONTH": "DAY"},
}


def as_duckdb_means_it(tree: exp.Expr) -> None:
    """Every node as DuckDB must see it, where the two differ in meaning and sqlglot does not say so."""
    for node in reversed(list(tree.walk(bfs=False))):
        change = _MEANINGS.get(type(node))
        changed = change(node) if change else node
        if changed is not node:
            changed.type = node.type
            node.replace(changed)


def _call(name: str, *arguments: exp.Expr) -> exp.Expr:
    """A call with these arguments, which stay where they are until the call takes the place of their parent."""
    return exp.Anonymous(this=name, expressions=[argument.copy() for argument in arguments])


def _rename_function(name: str, *keys: str) -> Callable[[exp.Expr], exp.Expr]:
    return lambda node: _call(name, *(node.args[key] for key in keys))


def _regexp_extract(node: exp.Expr) -> exp.Expr:
    group = node.args.get("group") or exp.Literal.number(0)
    return _call("trino_regexp_extract", node.this, node.expression, group)


def _regexp_replace(node: exp.Expr) -> exp.Expr:
    replacement = node.args.get("replacement")
    if isinstance(replacement, exp.Literal):
        text = re.sub(r"\$(\d)", r"\\\1", replacement.this.replace("\\", "\\\\"))
        node.set("replacement", exp.Literal.string(text))
    elif isinstance(replacement, exp.Lambda):
        raise not_here("regexp_replace with a function")
    return node


def _json_extract(node: exp.Expr) -> exp.Expr:
    if node.args.get("json_query"):
        if any(node.args.get(name) for name in ("option", "quote", "on_condition")):
            raise not_here("json_query with a wrapper, QUOTES, ON EMPTY or ON ERROR")
        return _sql_json("trino_json_query", node.this, node.expression)
    name = "json_extract_scalar" if isinstance(node, exp.JSONExtractScalar) else "json_extract"
    return _call(f"trino_{name}", node.this, _engine_path(name, node.expression))


def _engine_path(name: str, path: exp.Expr) -> exp.Expr:
    """A JSON path of names and positions as DuckDB writes it."""
    plain = (exp.JSONPathRoot, exp.JSONPathKey, exp.JSONPathSubscript)
    if isinstance(path, exp.JSONPath):
        if not all(isinstance(step, plain) and not isinstance(step.this, exp.Expr) for step in path.expressions):
            raise not_here(f"{name} with a path of more than names and positions (`*`, `..` and filters)")
        if any(step.this == "*" for step in path.expressions):
            raise not_here(f"{name} with `*` in its path")
        return exp.Literal.string(path.sql("duckdb").strip("'"))
    if path.is_string:
        raise QueryFailed(f"INVALID_FUNCTION_ARGUMENT: Invalid JSON path for {name}: it begins with $")
    raise not_here(f"{name} with a path that is no literal")


def _json_value(node: exp.Expr) -> exp.Expr:
    if node.args.get("returning") and node.args["returning"].this not in (exp.DType.VARCHAR, exp.DType.TEXT):
        raise not_here("json_value with RETURNING; cast the value")
    if node.args.get("on_condition"):
        raise not_here("json_value with ON EMPTY or ON ERROR; NULL is what it gives")
    return _sql_json("trino_json_value", node.this, node.args["path"])


def _sql_json(name: str, document: exp.Expr, path: exp.Expr) -> exp.Expr:
    if not path.is_string or not re.match(r"\s*(?:lax|strict)\s", path.name, re.IGNORECASE):
        raise QueryFailed("INVALID_PATH: line 1:1: a JSON path here is a literal that begins with lax or strict")
    try:
        path_steps(path.name)
    except PathError as error:
        raise not_here(str(error)) from None
    text = exp.Cast(this=document.copy(), to=exp.DataType.build("VARCHAR"))
    return _call(name, text, path)


def _json_size(node: exp.Expr) -> exp.Expr:
    path = node.expressions[1]
    if not path.is_string or not re.fullmatch(r"\$(?:\.\w+|\[\d+\])*", path.name):
        raise not_here("json_size with a path of more than names and positions")
    return node


def _cast(node: exp.Cast) -> exp.Expr:
    """A cast takes and gives what Trino's does; `cast(x as json)` makes JSON of a value and does not parse it."""
    wanted, given, kind = node.to.this, node.this, kind_of(node.this)
    if kind == "ipaddress":
        raise not_here("a cast of an IP address; it can be compared, and stand in contains('10.0.0.0/8', address)")
    if wanted == exp.DType.JSON:
        return _call("to_json", given)
    if wanted == exp.DType.VARCHAR:
        text = given.copy() if kind == "varchar" else _call("trino_text", given)
        return _call("left", text, node.to.expressions[0].this) if node.to.expressions else _as_varchar(text)
    if wanted == exp.DType.IPADDRESS:
        return _call("trino_address" if isinstance(node, exp.TryCast) else "trino_address_of", given)
    if wanted == exp.DType.DECIMAL and not node.to.expressions:
        node.set("to", exp.DataType.build("DECIMAL(38, 0)"))
    if wanted == exp.DType.TIMESTAMP and node.to.expressions:
        _check_precision(node)
        node.set("to", exp.DataType.build("TIMESTAMP"))
    check = _CHECKED_CASTS.get(wanted)
    if check and kind not in check[1]:
        node.set("this", _call(check[0], given))
    return node


def _check_precision(node: exp.Cast) -> None:
    """A literal has the digits that are written; a cast to fewer than the catalog's three would round."""
    if not node.this.is_string and int(node.to.expressions[0].name) < 3:
        raise not_here("a cast to a timestamp of fewer than three digits; date_trunc cuts them")


def _as_varchar(text: exp.Expr) -> exp.Expr:
    return exp.Cast(this=text, to=exp.DataType.build("VARCHAR"))


_CHECKED_CASTS: dict[exp.DType, tuple[str, frozenset[str]]] = {
    **dict.fromkeys(
        (exp.DType.TINYINT, exp.DType.SMALLINT, exp.DType.INT, exp.DType.BIGINT),
        ("trino_whole", INTEGERS | {"decimal"}),
    ),
    exp.DType.BOOLEAN: ("trino_truth", frozenset({"boolean", "integer", "bigint"})),
    exp.DType.DATE: ("trino_day", frozenset({"date", "timestamp", "timestamp with time zone"})),
    exp.DType.TIMESTAMPTZ: ("trino_zoned", frozenset({"date", "timestamp", "timestamp with time zone"})),
    exp.DType.TIMESTAMP: ("trino_moment", frozenset({"date", "timestamp", "timestamp with time zone"})),
}
"""What looks at a value before a cast to the type, and the types whose values it need not look at."""


def _date_diff(node: exp.Expr) -> exp.Expr:
    """Trino counts whole units; DuckDB's date_diff counts the boundaries that are crossed."""
    return _call("date_sub", exp.Literal.string(node.args["unit"].name.lower()), node.expression, node.this)


def _stays_a_date(node: exp.Expr) -> exp.Expr:
    """A date with an interval, or cut to a unit, is a date in Trino and a timestamp in DuckDB."""
    if isinstance(node, exp.Sub) and kind_of(node.left) == kind_of(node.right) == "date":
        for side in ("this", "expression"):
            node.set(side, exp.Cast(this=node.args[side], to=exp.DataType.build("TIMESTAMP")))
        return node
    if kind_of(node.this) != "date":
        return node
    return exp.Cast(this=exp.Paren(this=node.copy()), to=exp.DataType.build("DATE"))


def _extract(node: exp.Expr) -> exp.Expr:
    unit = _EXTRACTED.get(node.name.upper())
    if unit is None:
        raise not_here(f"extract of {node.name.upper()}")
    return _call("date_part", exp.Literal.string(unit), node.expression)


def _at_time_zone(node: exp.Expr) -> exp.Expr:
    """The zone's own time. A timestamp without a zone is one in UTC, the zone of every session here."""
    if _MEANINGS.get(type(node.parent)) in (_compare, _date_diff):
        raise not_here("comparing a timestamp at another zone; the moment is the same without AT TIME ZONE")
    moment, zone = (node.this, node.args["zone"]) if isinstance(node, exp.AtTimeZone) else node.expressions
    return _call("timezone", zone, exp.Cast(this=moment.copy(), to=exp.DataType.build("TIMESTAMPTZ")))


def _time_format(node: exp.Expr) -> exp.Expr:
    form = node.args["format"]
    if not form.is_string or not _TIME_FORMAT.fullmatch(form.name):
        raise not_here(
            "a format of date_format or date_parse that is no literal, or has other letters than dates and times need"
        )
    return node


def _division(node: exp.Div) -> exp.Expr:
    """Decimals keep Trino's digits behind the point, and doubles do not fail at zero."""
    kinds = (kind_of(node.left), kind_of(node.right))
    if "double" in kinds or "real" in kinds:
        doubles = [exp.Cast(this=side.copy(), to=exp.DataType.build("DOUBLE")) for side in (node.left, node.right)]
        return _call("trino_divide", *doubles)
    if "decimal" not in kinds:
        return node
    scales = (decimal_scale(node.left), decimal_scale(node.right))
    if None in scales:
        raise not_here("a division of decimals whose digits behind the point are not known; cast one to double")
    return _decimal(node, max(scale for scale in scales if scale is not None))


def _decimal(node: exp.Expr, scale: int) -> exp.Expr:
    return exp.Cast(this=exp.Paren(this=node.copy()), to=exp.DataType.build(f"DECIMAL(38, {scale})"))


def _round(node: exp.Expr) -> exp.Expr:
    scale = decimal_scale(node) if kind_of(node.this) == "decimal" and node.args.get("decimals") else None
    return node if scale is None else _decimal(node, scale)


def _slice_text(node: exp.Expr) -> exp.Expr:
    length = node.args.get("length")
    if length is None:
        return _call("trino_substr", node.this, node.args["start"])
    return _call("trino_substr_of", node.this, node.args["start"], length)


def _contains(node: exp.Expr) -> exp.Expr:
    of_addresses = kind_of(node.expression) == "ipaddress"
    return _call("trino_is_in_network" if of_addresses else "trino_contains", node.this, node.expression)


def _subscript(node: exp.Expr) -> exp.Expr:
    """What is not there fails in Trino, unless element_at asks for it; DuckDB gives NULL."""
    kind, is_safe = kind_of(node.this), node.args.get("safe")
    if kind == "array":
        return _call("trino_element_at" if is_safe else "trino_item", node.this, *node.expressions)
    return _call("trino_value", node.this, *node.expressions) if kind == "map" and not is_safe else node


def _cardinality(node: exp.Expr) -> exp.Expr:
    return _call("cardinality", node.this) if kind_of(node.this) == "map" else node


def _reverse(node: exp.Expr) -> exp.Expr:
    return _call("list_reverse", node.this) if kind_of(node.this) == "array" else node


def _compare(node: exp.Expr) -> exp.Expr:
    """Literals with their types: DuckDB would take a literal for whatever it is compared with."""
    for name in ("this", "expression", "low", "high"):
        given = node.args.get(name)
        if isinstance(given, exp.Literal):
            node.set(name, _annotate_literal(given))
    if isinstance(node, exp.In):
        values = [_annotate_literal(v) if isinstance(v, exp.Literal) else v for v in node.expressions]
        node.set("expressions", values)
    return node


def _annotate_literal(literal: exp.Literal) -> exp.Expr:
    text = literal.this
    if literal.is_string:
        return exp.Cast(this=literal.copy(), to=exp.DataType.build("VARCHAR"))
    if not text.isdigit():
        return literal
    return exp.Cast(this=literal.copy(), to=exp.DataType.build("INT" if int(text) < 2**31 else "BIGINT"))


def _function_by_name(node: exp.Expr) -> exp.Expr:
    """A function that sqlglot has no class for."""
    change = _NAMED.get(node.name.lower())
    return change(node) if change else node


def _format_datetime(node: exp.Expr) -> exp.Expr:
    if len(node.expressions) != 2 or not node.expressions[1].is_string:
        raise not_here("format_datetime with a format that is no literal")
    return _call("strftime", node.expressions[0], exp.Literal.string(_strftime_of(node.expressions[1].this)))


def _strftime_of(joda: str) -> str:
    def word(found: re.Match[str]) -> str:
        text = found.group(0)
        if text.startswith("'"):
            return text.strip("'").replace("%", "%%")
        if text[0].isalpha() and text not in _JODA:
            raise not_here(f"format_datetime with '{text}' in its format")
        return _JODA.get(text, text.replace("%", "%%"))

    return _JODA_WORD.sub(word, joda)


def _map_agg(node: exp.Expr) -> exp.Expr:
    if isinstance(node.parent, (exp.Filter, exp.Window)):
        raise not_here("map_agg with FILTER or OVER")
    return node


def _matches(wrapped: Callable[[exp.Expr], exp.Expr]) -> Callable[[exp.Expr], exp.Expr]:
    return lambda node: wrapped(_call("list_transform", *node.expressions))


_NAMED: dict[str, Callable[[exp.Expr], exp.Expr]] = {
    "format_datetime": _format_datetime,
    "every": lambda node: exp.LogicalAnd(this=node.expressions[0].copy()),
    "map_agg": _map_agg,
    "at_timezone": _at_time_zone,
    "json_size": _json_size,
    "json_exists": lambda node: _sql_json("trino_json_exists", *node.expressions),
    "url_decode": lambda node: _call("trino_url_decode", *node.expressions),
    "any_match": _matches(lambda found: _call("trino_any", found)),
    "all_match": _matches(lambda found: _call("trino_all", found)),
    "none_match": _matches(lambda found: exp.Not(this=_call("trino_any", found))),
}
_MEANINGS: dict[type, Callable[[Any], exp.Expr]] = {
    **dict.fromkeys((exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE, exp.Between, exp.In), _compare),
    **dict.fromkeys((exp.DateAdd, exp.TimestampTrunc, exp.DateTrunc, exp.Add, exp.Sub), _stays_a_date),
    **dict.fromkeys((exp.TimeToStr, exp.StrToTime), _time_format),
    exp.RegexpExtract: _regexp_extract,
    exp.RegexpReplace: _regexp_replace,
    exp.JSONExtract: _json_extract,
    exp.JSONExtractScalar: _json_extract,
    exp.JSONValue: _json_value,
    exp.Cast: _cast,
    exp.TryCast: _cast,
    exp.DateDiff: _date_diff,
    exp.Extract: _extract,
    exp.AtTimeZone: _at_time_zone,
    exp.Div: _division,
    exp.Round: _round,
    exp.Substring: _slice_text,
    exp.SplitPart: _rename_function("trino_split_part", "this", "delimiter", "part_index"),
    exp.ArrayContains: _contains,
    exp.Reverse: _reverse,
    exp.Bracket: _subscript,
    exp.ArraySize: _cardinality,
    exp.ArrayMax: _rename_function("trino_array_max", "this"),
    exp.ArrayMin: _rename_function("trino_array_min", "this"),
    exp.ArrayDistinct: _rename_function("trino_array_distinct", "this"),
    exp.ArrayPosition: _rename_function("trino_array_position", "this", "expression"),
    exp.ArraySlice: _rename_function("trino_slice", "this", "start", "end"),
    exp.Anonymous: _function_by_name,
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
    """UNNEST of an array of rows gives one column a field in Trino, of a map two; in DuckDB it must be asked for."""
    for unnest in list(tree.find_all(exp.Unnest)):
        kind = declared.get(unnest.expressions[0].name.lower(), "")
        if kind_of(unnest.expressions[0]) == "map" or kind.startswith("map<"):
            unnest.set("expressions", [_call("map_entries", e) for e in unnest.expressions])
            kind = "array<struct<key,value>>"
        if len(unnest.expressions) != 1 or unnest.args.get("offset") or kind.startswith("array<array"):
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

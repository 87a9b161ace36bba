"""Hive's column types as Arrow's, and JSON values as the declared type."""

import json
from collections.abc import Callable
from datetime import date, datetime
from decimal import Decimal
from functools import cache
from typing import Any

import pyarrow as pa

from infra.emulator.athena_engine.failures import QueryFailed

_SCALARS = {
    "string": pa.string(), "varchar": pa.string(), "char": pa.string(), "binary": pa.binary(), "boolean": pa.bool_(),
    "tinyint": pa.int8(), "smallint": pa.int16(), "int": pa.int32(), "integer": pa.int32(), "bigint": pa.int64(),
    "float": pa.float32(), "real": pa.float32(), "double": pa.float64(), "date": pa.date32(),
    "timestamp": pa.timestamp("us"),
}  # fmt: skip


@cache
def arrow_type(hive: str) -> pa.DataType:
    """`array<struct<a:string,b:int>>` and the like as Arrow's type. Raises QueryFailed for any other text."""
    text = hive.strip().lower()
    head, _, inner = text.partition("<")
    if inner:
        return _nested_type(head, inner.removesuffix(">"))
    name, _, arguments = text.partition("(")
    if name == "decimal":
        precision, _, scale = arguments.removesuffix(")").partition(",")
        return pa.decimal128(int(precision or 10), int(scale or 0))
    if name not in _SCALARS:
        raise QueryFailed(f"HIVE_INVALID_METADATA: '{hive}' is no column type")
    return _SCALARS[name]


def _nested_type(head: str, inner: str) -> pa.DataType:
    if head == "array":
        return pa.list_(arrow_type(inner))
    if head == "map":
        key, value = split_outside_brackets(inner, ",")
        return pa.map_(arrow_type(key), arrow_type(value))
    named = [split_outside_brackets(part, ":", 1) for part in split_outside_brackets(inner, ",")]
    return pa.struct([(name.strip(), arrow_type(kind)) for name, kind in named])


def split_outside_brackets(text: str, separator: str, limit: int = -1) -> list[str]:
    """Split where no bracket is open, at most `limit` times."""
    parts: list[str] = []
    depth = begin = 0
    for position, letter in enumerate(text):
        depth += (letter in "<(") - (letter in ">)")
        if letter == separator and depth == 0 and len(parts) != limit:
            parts.append(text[begin:position])
            begin = position + 1
    return [*parts, text[begin:]]


def coerce(value: Any, wanted: pa.DataType) -> Any:
    """A JSON value as the declared type; nested values of a string column become JSON text. Raises ValueError."""
    if value is None:
        return None
    for fits, convert in _COERCIONS:
        if fits(wanted):
            return convert(value, wanted)
    raise TypeError(f"no JSON value is a {wanted}")


def _as_text(value: Any, wanted: pa.DataType) -> str:
    return value if isinstance(value, str) else json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def _as_struct(value: Any, wanted: pa.DataType) -> dict[str, Any]:
    row = fold(value)
    return {f.name: coerce(row.get(f.name), f.type) for f in wanted}


def fold(document: Any) -> dict[str, Any]:
    """A JSON object with its keys in lower case, as Hive sees them; anything else is an object without keys."""
    return {key.lower(): value for key, value in document.items()} if isinstance(document, dict) else {}


def _as_boolean(value: Any, wanted: pa.DataType) -> bool:
    text = _as_text(value, wanted).lower()
    if text not in ("true", "false"):
        raise ValueError("neither true nor false")
    return text == "true"


def _as_timestamp(value: Any, wanted: pa.DataType) -> datetime:
    return datetime.fromisoformat(value.removesuffix("Z"))


_COERCIONS: tuple[tuple[Callable[[pa.DataType], bool], Callable[[Any, Any], Any]], ...] = (
    (pa.types.is_string, _as_text),
    (pa.types.is_struct, _as_struct),
    (pa.types.is_map, lambda v, t: [(coerce(k, t.key_type), coerce(i, t.item_type)) for k, i in v.items()]),
    (pa.types.is_list, lambda v, t: [coerce(item, t.value_type) for item in v]),
    (pa.types.is_boolean, _as_boolean),
    (pa.types.is_integer, lambda v, t: int(v)),
    (pa.types.is_floating, lambda v, t: float(v)),
    (pa.types.is_decimal, lambda v, t: Decimal(str(v))),
    (pa.types.is_timestamp, _as_timestamp),
    (pa.types.is_date, lambda v, t: date.fromisoformat(v)),
)

"""A result: its columns with Athena's types, and its values as Athena prints them."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import duckdb

_ATHENA_TYPES = {
    "hugeint": "bigint", "ubigint": "bigint", "uinteger": "bigint", "utinyint": "integer", "usmallint": "integer",
    "blob": "varbinary", "list": "array", "struct": "row", "NULL": "unknown", "timestamp_ms": "timestamp",
    "timestamp_ns": "timestamp", "timestamp_s": "timestamp", "interval": "interval day to second",
}  # fmt: skip


@dataclass(frozen=True)
class QueryResult:
    """Columns as (name, Athena type), rows as Athena's text with None for NULL, and the bytes of the objects read."""

    columns: list[tuple[str, str]]
    rows: list[list[str | None]]
    bytes_scanned: int


def fetch(cursor: duckdb.DuckDBPyConnection, bytes_scanned: int) -> QueryResult:
    """The rows of a query that was executed."""
    columns = [(name, _athena_type(kind)) for name, kind, *_ in cursor.description or []]
    rows = [[_text(value) for value in row] for row in cursor.fetchall()]
    return QueryResult(columns, rows, bytes_scanned)


def _athena_type(kind: Any) -> str:
    if str(kind) == "JSON":
        return "json"
    name = str(kind).lower() if kind.id == "decimal" else str(kind.id)
    return _ATHENA_TYPES.get(name, _ATHENA_TYPES.get(name.upper(), name))


def _text(value: Any) -> str | None:
    """A value as Athena prints it."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        return _timestamp_text(value)
    if isinstance(value, timedelta):
        return _interval_text(value)
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(_inner_text(item) for item in value) + "]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_inner_text(k)}={_inner_text(v)}" for k, v in value.items()) + "}"
    if isinstance(value, bytes):
        return value.hex(" ")
    return double_text(value) if isinstance(value, float) else str(value)


def _inner_text(value: Any) -> str:
    text = _text(value)
    return "null" if text is None else text


def _timestamp_text(value: datetime) -> str:
    text = value.strftime("%Y-%m-%d %H:%M:%S.") + f"{value.microsecond // 1000:03d}"
    return text + " UTC" if value.tzinfo else text


def _interval_text(value: timedelta) -> str:
    """As Trino prints an interval of days and less: `1 02:03:04.005`."""
    whole = abs(value)
    hours, seconds = divmod(whole.seconds, 3600)
    sign = "-" if value < timedelta(0) else ""
    return f"{sign}{whole.days} {hours:02d}:{seconds // 60:02d}:{seconds % 60:02d}.{whole.microseconds // 1000:03d}"


def double_text(value: float) -> str:
    """As Java prints a double: 1.0E7 from ten million on and below a thousandth."""
    if value == 0 or 1e-3 <= abs(value) < 1e7:
        return repr(value)
    if value != value or abs(value) == float("inf"):
        return "NaN" if value != value else "Infinity" if value > 0 else "-Infinity"
    mantissa, _, power = f"{Decimal(repr(value)).normalize():E}".partition("E")
    return f"{mantissa if '.' in mantissa else mantissa + '.0'}E{int(power)}"

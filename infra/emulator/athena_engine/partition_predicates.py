"""Which partitions a statement can touch: the AND-ed predicates on partition keys, run over the key values."""

from collections.abc import Iterator

import duckdb
import pyarrow as pa
from sqlglot import exp

from infra.emulator.athena_engine.catalog import DeclaredTable, GluePartition, key_value
from infra.emulator.athena_engine.failures import QueryFailed, place_of_identifier
from infra.emulator.athena_engine.hive_types import arrow_type


def prune(
    table: exp.Table,
    declared: DeclaredTable,
    partitions: list[GluePartition],
    connection: duckdb.DuckDBPyConnection,
) -> list[GluePartition]:
    """Partitions left by the AND-ed predicates that speak of partition keys alone.

    The predicates are run over the key values themselves. The last row has NULL for every key: a predicate that
    holds there (`day is null` after an outer join) says something about missing rows and must not prune.
    """
    predicates = [p for p in _conjuncts(table) if _speaks_of_keys(p, table, declared)]
    if not predicates or not partitions:
        return partitions
    keys = {k: [key_value(p, i, declared) for p in partitions] + [None] for i, k in enumerate(declared.keys)}
    values = {k: pa.array(v, arrow_type(declared.keys[k])) for k, v in keys.items()}
    connection.register("_keys", pa.table({"_position": pa.array(range(len(partitions) + 1)), **values}))
    kept = set(range(len(partitions)))
    for predicate in predicates:
        rows = connection.execute(f"SELECT _position FROM _keys WHERE {_strip_qualifiers(predicate)}").fetchall()
        found = {position for (position,) in rows}
        kept &= kept if len(partitions) in found else found
    return [partitions[position] for position in sorted(kept)]


def _conjuncts(table: exp.Table) -> Iterator[exp.Expr]:
    """The AND-ed predicates a table's rows must pass: those of WHERE, and of its own join's ON."""
    join = table.parent if isinstance(table.parent, exp.Join) else None
    holder = table.parent.parent if isinstance(table.parent, (exp.From, exp.Join)) else None
    sources = [join.args.get("on")] if join is not None and join.side in ("", "LEFT") else []
    where = holder.args.get("where") if isinstance(holder, exp.Select) else None
    for source in [*sources, where.this if where else None]:
        yield from _split_and(source) if source is not None else ()


def _split_and(predicate: exp.Expr) -> Iterator[exp.Expr]:
    inner = predicate.unnest()
    if not isinstance(inner, exp.And):
        yield inner
        return
    yield from _split_and(inner.left)
    yield from _split_and(inner.right)


def _speaks_of_keys(predicate: exp.Expr, table: exp.Table, declared: DeclaredTable) -> bool:
    """Whether the predicate can be decided by partition values alone. A key compared with the wrong type fails here."""
    columns = list(predicate.find_all(exp.Column))
    names = {"", table.alias_or_name.lower()}
    if not columns or predicate.find(exp.Query, exp.Window, exp.Rand):
        return False
    if any(c.name.lower() not in declared.keys or c.table.lower() not in names or c.text("db") for c in columns):
        return False
    _check_key_type(predicate, declared)
    return True


_OPERATORS: dict[type[exp.Expr], str] = {
    exp.EQ: "=",
    exp.NEQ: "<>",
    exp.GT: ">",
    exp.GTE: ">=",
    exp.LT: "<",
    exp.LTE: "<=",
}


def _check_key_type(predicate: exp.Expr, declared: DeclaredTable) -> None:
    """`logcalendarday = '20240601'` on an int key fails in Athena, and would pass in DuckDB."""
    operator, side, literal = _OPERATORS.get(type(predicate)), predicate.this, predicate.args.get("expression")
    if operator is None or not isinstance(side, exp.Column) or not isinstance(literal, exp.Literal):
        return
    kind = declared.keys[side.name.lower()]
    if literal.is_string == pa.types.is_integer(arrow_type(kind)):
        given = f"varchar({len(literal.this)})" if literal.is_string else "integer"
        wanted = {"int": "integer", "string": "varchar"}.get(kind, kind)
        reason = f"Cannot apply operator: {wanted} {operator} {given}"
        raise QueryFailed(f"TYPE_MISMATCH: {place_of_identifier(side.this)}: {reason}")


def _strip_qualifiers(predicate: exp.Expr) -> str:
    bare = predicate.copy()
    for column in bare.find_all(exp.Column):
        column.set("table", None)
    return bare.sql("duckdb")

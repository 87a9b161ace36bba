"""SHOW PARTITIONS, SHOW TABLES, SHOW COLUMNS and DESCRIBE, answered by the catalog alone."""

import re
from typing import Any

from infra.local.athena_engine.catalog import Catalog
from infra.local.athena_engine.failures import QueryFailed
from infra.local.athena_engine.results import QueryResult

_SHOW_PARTITIONS = re.compile(r"^\s*SHOW\s+PARTITIONS\s+(?P<table>[\w.`\"]+)\s*;?\s*$", re.IGNORECASE)
_SHOW_TABLES = re.compile(r"^\s*SHOW\s+TABLES(?:\s+IN\s+(?P<database>[\w`\"]+))?\s*;?\s*$", re.IGNORECASE)
_DESCRIBE = re.compile(
    r"^\s*(?:DESCRIBE|DESC|SHOW\s+COLUMNS\s+(?:IN|FROM))\s+(?P<table>[\w.`\"]+)\s*;?\s*$", re.IGNORECASE
)


def shown(sql: str, database: str, catalog: Catalog) -> QueryResult | None:
    """The answer to a SHOW or DESCRIBE; None for every other statement."""
    if asked := _DESCRIBE.match(sql):
        schema, _, name = re.sub(r"[`\"]", "", asked["table"].lower()).rpartition(".")
        return _described(schema or database, name, catalog)
    if asked := _SHOW_PARTITIONS.match(sql):
        schema, _, name = re.sub(r"[`\"]", "", asked["table"].lower()).rpartition(".")
        return _show_partitions(schema or database, name, catalog)
    if asked := _SHOW_TABLES.match(sql):
        schema = re.sub(r"[`\"]", "", (asked["database"] or database).lower())
        return QueryResult([("tab_name", "string")], [[name] for name in sorted(catalog.tables(schema))], 0)
    return None


def _show_partitions(database: str, name: str, catalog: Catalog) -> QueryResult:
    table = _table(database, name, catalog)
    keys = [key["Name"] for key in table.get("PartitionKeys") or []]
    found = [dict(zip(keys, part["Values"], strict=True)) for part in catalog.partitions(database, name)]
    lines = sorted("/".join(f"{key}={value}" for key, value in values.items()) for values in found)
    return QueryResult([("partition", "string")], [[line] for line in lines], 0)


def _described(database: str, name: str, catalog: Catalog) -> QueryResult:
    """Columns and partition keys with types and comments: as in Athena, a row is one text with tabs."""
    table = _table(database, name, catalog)
    columns = [*table["StorageDescriptor"].get("Columns", ()), *(table.get("PartitionKeys") or ())]
    rows: list[list[str | None]] = [
        ["\t".join((c["Name"], c.get("Type") or "", c.get("Comment") or ""))] for c in columns
    ]
    return QueryResult([("col_name", "string"), ("data_type", "string"), ("comment", "string")], rows, 0)


def _table(database: str, name: str, catalog: Catalog) -> dict[str, Any]:
    table = catalog.table(database, name)
    if table is None:
        raise QueryFailed(f"TABLE_NOT_FOUND: line 1:1: Table '{database}.{name}' does not exist")
    return table

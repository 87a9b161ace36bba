"""SHOW and DESCRIBE, answered by the catalog alone."""

import re
from collections.abc import Callable
from typing import Any

from infra.emulator.athena_engine.catalog import Catalog
from infra.emulator.athena_engine.failures import QueryFailed, not_here
from infra.emulator.athena_engine.results import QueryResult
from infra.emulator.athena_engine.views import view_text

_NAME, _LIST = r"(?P<table>[\w.`\"$]+)", r"(?:\s+(?:IN|FROM)\s+(?P<database>[\w`\"]+))?"
_PATTERN, _LIKE = r"(?:\s+'(?P<pattern>[^']*)')?", r"(?:\s+LIKE\s+'(?P<pattern>[^']*)')?"


def show(sql: str, database: str, catalog: Catalog) -> QueryResult | None:
    """The answer to a SHOW or DESCRIBE; None for every other statement. Raises QueryFailed."""
    text = re.sub(r"(?:--[^\n]*(?:\n|$)|/\*.*?\*/)", " ", sql, flags=re.DOTALL).strip().rstrip(";").strip()
    if not re.match(r"(?:SHOW|DESCRIBE|DESC)\b", text, re.IGNORECASE):
        return None
    for pattern, answer in _STATEMENTS:
        if asked := re.fullmatch(pattern, text, re.IGNORECASE | re.DOTALL):
            return answer({k: v for k, v in asked.groupdict().items() if v is not None}, database, catalog)
    words = " ".join(re.findall(r"[A-Za-z]+", text)[:2]).upper()
    raise not_here(f"{words} in this form")


Clauses = dict[str, str]


def _show_partitions(asked: Clauses, database: str, catalog: Catalog) -> QueryResult:
    schema, name, table = _table(asked, database, catalog)
    keys = [key["Name"] for key in table.get("PartitionKeys") or []]
    found = [dict(zip(keys, part["Values"], strict=True)) for part in catalog.partitions(schema, name)]
    return _lines("partition", sorted("/".join(f"{key}={value}" for key, value in values.items()) for values in found))


def _show_tables(asked: Clauses, database: str, catalog: Catalog) -> QueryResult:
    return _lines("tab_name", _name(catalog.tables(_schema(asked, database)), asked))


def _show_views(asked: Clauses, database: str, catalog: Catalog) -> QueryResult:
    schema = _schema(asked, database)
    views = [n for n in catalog.tables(schema) if (catalog.table(schema, n) or {}).get("TableType") == "VIRTUAL_VIEW"]
    return _lines("views", _name(views, asked))


def _show_databases(asked: Clauses, database: str, catalog: Catalog) -> QueryResult:
    return _lines("database_name", _name(catalog.databases(), asked))


def _name(names: list[str], asked: Clauses) -> list[str]:
    """Names in order that fit the pattern, where one is given: `*` or `.*` is anything, `|` is or."""
    pattern = "|".join(
        ".*".join(re.escape(part) for part in re.split(r"\.?\*", either))
        for either in asked.get("pattern", "*").split("|")
    )
    return sorted(name for name in names if re.fullmatch(pattern, name, re.IGNORECASE))


def _describe(asked: Clauses, database: str, catalog: Catalog) -> QueryResult:
    """Columns and partition keys with types and comments: as in Athena, a row is one text with tabs."""
    _, _, table = _table(asked, database, catalog)
    columns = [*table["StorageDescriptor"].get("Columns", ()), *(table.get("PartitionKeys") or ())]
    rows: list[list[str | None]] = [
        ["\t".join((c["Name"], c.get("Type") or "", c.get("Comment") or ""))] for c in columns
    ]
    return QueryResult([("col_name", "string"), ("data_type", "string"), ("comment", "string")], rows, 0)


def _show_create_view(asked: Clauses, database: str, catalog: Catalog) -> QueryResult:
    schema, name, table = _table(asked, database, catalog)
    if table.get("TableType") != "VIRTUAL_VIEW":
        raise QueryFailed(f"NOT_SUPPORTED: line 1:1: Relation '{schema}.{name}' is a table, not a view")
    select, _ = view_text(table, schema)
    return _lines("Create View", [f"CREATE VIEW {schema}.{name} AS", *select.splitlines()])


def _show_create_table(asked: Clauses, database: str, catalog: Catalog) -> QueryResult:
    schema, name, table = _table(asked, database, catalog)
    if table.get("TableType") == "VIRTUAL_VIEW":
        raise QueryFailed(f"NOT_SUPPORTED: line 1:1: Relation '{schema}.{name}' is a view, not a table")
    storage = table.get("StorageDescriptor") or {}
    serde = storage.get("SerdeInfo") or {}
    lines = [f"CREATE EXTERNAL TABLE `{schema}.{name}`(", *_column_lines(storage.get("Columns") or [])]
    if table.get("PartitionKeys"):
        lines += ["PARTITIONED BY ( ", *_column_lines(table["PartitionKeys"])]
    lines += ["ROW FORMAT SERDE ", f"  '{serde.get('SerializationLibrary', '')}' "]
    lines += _properties("WITH SERDEPROPERTIES ( ", serde.get("Parameters"))
    lines += ["STORED AS INPUTFORMAT ", f"  '{storage.get('InputFormat', '')}' "]
    lines += ["OUTPUTFORMAT ", f"  '{storage.get('OutputFormat', '')}'"]
    lines += [
        "LOCATION",
        f"  '{storage.get('Location', '')}'",
        *_properties("TBLPROPERTIES (", table.get("Parameters")),
    ]
    return _lines("createtab_stmt", lines)


def _column_lines(columns: list[dict[str, Any]]) -> list[str]:
    comments = (f" COMMENT '{c['Comment']}'" if c.get("Comment") else "" for c in columns)
    named = [
        f"  `{c['Name']}` {c.get('Type', 'string')}{comment}" for c, comment in zip(columns, comments, strict=True)
    ]
    return [f"{line}, " for line in named[:-1]] + [f"{line})" for line in named[-1:]]


def _properties(begin: str, properties: dict[str, str] | None) -> list[str]:
    named = [f"  '{name}'='{value}'" for name, value in sorted((properties or {}).items())]
    return [begin, *(f"{line}, " for line in named[:-1]), f"{named[-1]})"] if named else []


def _lines(name: str, lines: list[str]) -> QueryResult:
    return QueryResult([(name, "string")], [[line] for line in lines], 0)


def _schema(asked: Clauses, database: str) -> str:
    return re.sub(r"[`\"]", "", asked.get("database", database).lower())


def _table(asked: Clauses, database: str, catalog: Catalog) -> tuple[str, str, dict[str, Any]]:
    schema, _, name = re.sub(r"[`\"]", "", asked["table"].lower()).rpartition(".")
    table = catalog.table(schema or database, name)
    if table is None:
        raise QueryFailed(f"TABLE_NOT_FOUND: line 1:1: Table '{schema or database}.{name}' does not exist")
    return schema or database, name, table


_STATEMENTS: tuple[tuple[str, Callable[[Clauses, str, Catalog], QueryResult]], ...] = (
    (rf"(?:DESCRIBE|DESC|SHOW\s+COLUMNS\s+(?:IN|FROM))\s+{_NAME}", _describe),
    (rf"SHOW\s+PARTITIONS\s+{_NAME}", _show_partitions),
    (rf"SHOW\s+TABLES{_LIST}{_PATTERN}", _show_tables),
    (rf"SHOW\s+VIEWS{_LIST}{_LIKE}", _show_views),
    (rf"SHOW\s+(?:DATABASES|SCHEMAS){_LIKE}", _show_databases),
    (rf"SHOW\s+CREATE\s+VIEW\s+{_NAME}", _show_create_view),
    (rf"SHOW\s+CREATE\s+TABLE\s+{_NAME}", _show_create_table),
)

"""Athena's SQL on one machine: a statement runs over exactly the partitions the Glue catalog holds.

Why it exists: the emulator reads whatever lies under a table's Location, so a day AddAPart never placed would still be
answered and a broken AddAPart would look healthy. Here the catalog decides, as on AWS. The work is sqlglot (Athena's
SQL to DuckDB's), pyarrow (ORC) and DuckDB (the query). No emulator is imported and no network is used: the catalog and
the objects come in as two small protocols. In the order of reading: statements, meaning (Trino to DuckDB), tables and
their partitions, formats, values. What it does not imitate: Trino's planner, its strict types beyond partition keys,
predicates pushed down through views, and bytes scanned by column (an object that is read counts whole).
"""

import base64
import gzip
import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from functools import cache
from typing import Any, Protocol

import duckdb
import pyarrow as pa
import sqlglot
from pyarrow import orc
from sqlglot import exp
from sqlglot.errors import ParseError, SqlglotError
from sqlglot.tokenizer_core import Token, TokenType

GluePartition = dict[str, Any]
GlueTable = dict[str, Any]
VIEW_DEPTH_LIMIT = 10


class QueryFailed(Exception):
    """A query that ends FAILED; the message is the StateChangeReason and never holds row contents."""


class Catalog(Protocol):
    """The part of the Glue catalog a query reads. Names arrive in lower case."""

    def table(self, database: str, name: str) -> GlueTable | None: ...

    def tables(self, database: str) -> list[str]: ...

    def partitions(self, database: str, name: str) -> list[GluePartition]: ...


class Objects(Protocol):
    """The part of S3 a query reads."""

    def list(self, bucket: str, prefix: str) -> "list[tuple[str, int]]": ...

    def read(self, bucket: str, key: str) -> bytes: ...


@dataclass(frozen=True)
class QueryResult:
    """Columns as (name, Athena type), rows as Athena's text with None for NULL, and the bytes of the objects read."""

    columns: list[tuple[str, str]]
    rows: list[list[str | None]]
    bytes_scanned: int


@dataclass(frozen=True)
class ViewChange:
    """CREATE [OR REPLACE] VIEW (`select` holds its SQL) or DROP VIEW (`select` is None)."""

    database: str
    name: str
    select: str | None
    forgiving: bool
    """OR REPLACE on a create, IF EXISTS on a drop."""


# ---- Statements ------------------------------------------------------------------------------------------------------

_SHOW_PARTITIONS = re.compile(r"^\s*SHOW\s+PARTITIONS\s+(?P<table>[\w.`\"]+)\s*;?\s*$", re.IGNORECASE)
_SHOW_TABLES = re.compile(r"^\s*SHOW\s+TABLES(?:\s+IN\s+(?P<database>[\w`\"]+))?\s*;?\s*$", re.IGNORECASE)


def run(
    sql: str,
    database: str,
    catalog: Catalog,
    objects: Objects,
    *,
    parameters: Sequence[str] = (),
    bytes_limit: int | None = None,
    started: Callable[[Callable[[], None]], None] = lambda interrupt: None,
) -> QueryResult:
    """Run one SELECT or SHOW. `started` is handed the call that interrupts the query. Raises QueryFailed."""
    if shown := _show(sql, database.lower(), catalog):
        return shown
    sql = _bound(sql, parameters)
    tree = _select(sql)
    connection = _connect()
    started(connection.interrupt)
    try:
        query = _Query(database.lower(), catalog, objects, connection, bytes_limit)
        return _fetch(query.prepare(tree), query)
    except duckdb.Error as error:
        raise QueryFailed(_reason(error, sql)) from None
    except SqlglotError:
        raise QueryFailed("NOT_SUPPORTED: the statement has no translation to the local engine") from None
    finally:
        connection.close()


def statement_type(sql: str) -> str:
    """DML, DDL or UTILITY, as GetQueryExecution reports it."""
    word = re.match(r"(?:\s|--[^\n]*\n|/\*.*?\*/)*(\w*)", sql, re.DOTALL)
    first = word.group(1).upper() if word else ""
    if first in ("SHOW", "DESCRIBE", "EXPLAIN"):
        return "UTILITY"
    return "DDL" if first in ("CREATE", "DROP", "ALTER", "MSCK") else "DML"


def view_change(sql: str, database: str) -> ViewChange | None:
    """What a CREATE VIEW or DROP VIEW asks for; None for every other statement."""
    if statement_type(sql) != "DDL":
        return None
    tree = _parse(sql)
    if not isinstance(tree, (exp.Create, exp.Drop)) or tree.args.get("kind") != "VIEW":
        return None
    dropped = isinstance(tree, exp.Drop)
    table = tree.find(exp.Table) if dropped else tree.this
    if not isinstance(table, exp.Table):
        raise QueryFailed("NOT_SUPPORTED: a view with a column list; name the columns inside its SELECT")
    select = None if dropped else tree.expression.sql("athena")
    forgiving = bool(tree.args.get("exists") if dropped else tree.args.get("replace"))
    return ViewChange((table.db or database).lower(), table.name.lower(), select, forgiving)


def columns_of(select: str, database: str, catalog: Catalog, objects: Objects) -> list[tuple[str, str]]:
    """The columns a SELECT would return, found without reading an object."""
    return run(select, database, _WithoutPartitions(catalog), objects).columns


def encode_view(select: str, database: str, columns: Sequence[tuple[str, str]]) -> str:
    """ViewOriginalText as Athena writes it: a comment with base64 of JSON."""
    described = [{"name": name, "type": kind} for name, kind in columns]
    document = {"originalSql": select, "catalog": "awsdatacatalog", "schema": database, "columns": described}
    return f"/* Presto View: {base64.b64encode(json.dumps(document).encode()).decode()} */"


class _WithoutPartitions:
    """A catalog with tables and nothing in them."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog

    def table(self, database: str, name: str) -> GlueTable | None:
        table = self._catalog.table(database, name)
        return table and {**table, "PartitionKeys": table.get("PartitionKeys") or [], "f_empty": True}

    def tables(self, database: str) -> list[str]:
        return self._catalog.tables(database)

    def partitions(self, database: str, name: str) -> list[GluePartition]:
        return []


def _parse(sql: str) -> exp.Expr:
    _tokens(sql)
    try:
        statements = [tree for tree in sqlglot.parse(sql, read="athena") if tree is not None]
    except ParseError as error:
        raise QueryFailed(_syntax_reason(error)) from None
    if len(statements) != 1:
        raise QueryFailed(f"SYNTAX_ERROR: exactly one statement is expected, {len(statements)} were given")
    return statements[0]


def _syntax_reason(error: ParseError) -> str:
    first = error.errors[0] if error.errors else {}
    place = f"line {first.get('line', 1)}:{first.get('col', 1)}"
    return f"SYNTAX_ERROR: {place}: mismatched input '{first.get('highlight', '')}'"


def _select(sql: str) -> exp.Expr:
    tree = _parse(sql)
    writes = tree.find(exp.Insert, exp.Update, exp.Delete, exp.Merge, exp.Create, exp.Drop, exp.Into, exp.Command)
    if writes or not isinstance(tree, (exp.Select, exp.SetOperation, exp.Subquery)):
        raise QueryFailed(
            "NOT_SUPPORTED: the local Athena runs SELECT, SHOW PARTITIONS, SHOW TABLES, CREATE VIEW and DROP VIEW, "
            f"not {(writes or tree).key.upper()}; partitions are placed by AddAPart, tables by the templates"
        )
    return tree


def _show(sql: str, database: str, catalog: Catalog) -> QueryResult | None:
    if asked := _SHOW_PARTITIONS.match(sql):
        schema, _, name = re.sub(r"[`\"]", "", asked["table"].lower()).rpartition(".")
        return _show_partitions(schema or database, name, catalog)
    if asked := _SHOW_TABLES.match(sql):
        schema = re.sub(r"[`\"]", "", (asked["database"] or database).lower())
        return QueryResult([("tab_name", "string")], [[name] for name in sorted(catalog.tables(schema))], 0)
    return None


def _show_partitions(database: str, name: str, catalog: Catalog) -> QueryResult:
    table = catalog.table(database, name)
    if table is None:
        raise QueryFailed(f"TABLE_NOT_FOUND: line 1:1: Table '{database}.{name}' does not exist")
    keys = [key["Name"] for key in table.get("PartitionKeys") or []]
    found = [dict(zip(keys, part["Values"], strict=True)) for part in catalog.partitions(database, name)]
    lines = sorted("/".join(f"{key}={value}" for key, value in values.items()) for values in found)
    return QueryResult([("partition", "string")], [[line] for line in lines], 0)


def _bound(sql: str, parameters: Sequence[str]) -> str:
    """The statement with ExecutionParameters where its `?` stand; each is the text of one literal."""
    places = [token for token in _tokens(sql) if token.token_type == TokenType.PLACEHOLDER]
    if len(places) != len(parameters):
        counts = f"expected {len(places)} but found {len(parameters)}"
        raise QueryFailed(f"INVALID_PARAMETER_USAGE: line 1:1: Incorrect number of parameters: {counts}")
    for place, text in reversed(list(zip(places, parameters, strict=True))):
        sql = sql[: place.start] + _literal(text) + sql[place.end + 1 :]
    return sql


def _tokens(sql: str) -> list[Token]:
    try:
        return sqlglot.tokenize(sql, read="athena")
    except SqlglotError:
        raise QueryFailed("SYNTAX_ERROR: the statement cannot be split into words; look for an open quote") from None


def _literal(text: str) -> str:
    values = _parse(f"SELECT {text}").expressions
    inner = values[0].this if isinstance(values[0], (exp.Neg, exp.Cast)) else values[0]
    if len(values) != 1 or not isinstance(inner, (exp.Literal, exp.Boolean, exp.Null)):
        raise QueryFailed("INVALID_PARAMETER_USAGE: an execution parameter is one literal; strings stand in quotes")
    return text


# ---- Meaning: what Trino means, said in DuckDB -----------------------------------------------------------------------

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


def _connect() -> duckdb.DuckDBPyConnection:
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


def _meaning(node: exp.Expr) -> exp.Expr:
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


def _name_columns(tree: exp.Expr) -> None:
    """Trino calls a column without a name `_col` and its position, and a field by its own name."""
    for select in tree.find_all(exp.Select):
        for position, given in enumerate(select.expressions):
            if isinstance(given, (exp.Alias, exp.Column, exp.Star)):
                continue
            name = given.name if isinstance(given, exp.Dot) else f"_col{position}"
            given.replace(exp.alias_(given.copy(), name, quoted=True))


def _unnest_like_trino(tree: exp.Expr, declared: dict[str, str]) -> None:
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
    fields = len(_split(kind[len("array<struct<") : -2], ",")) if kind.startswith("array<struct<") else named
    if alias and named and named != fields:
        raise QueryFailed(
            f"MISMATCHED_COLUMN_ALIASES: line 1:1: Column alias list has {named} entries but '{alias.name}' has "
            f"{fields} columns available; UNNEST of an array of rows gives one column a field"
        )


# ---- Tables and their partitions -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Declared:
    """A table as the catalog declares it, names in lower case."""

    database: str
    name: str
    glue: GlueTable

    @property
    def storage(self) -> dict[str, Any]:
        return self.glue.get("StorageDescriptor") or {}

    @property
    def columns(self) -> dict[str, str]:
        return {c["Name"].lower(): c.get("Type", "string").lower() for c in self.storage.get("Columns") or []}

    @property
    def keys(self) -> dict[str, str]:
        return {c["Name"].lower(): c.get("Type", "string").lower() for c in self.glue.get("PartitionKeys") or []}

    @property
    def is_view(self) -> bool:
        return self.glue.get("TableType") == "VIRTUAL_VIEW"

    def partitions(self, catalog: Catalog) -> list[GluePartition]:
        """The catalog's partitions; a table without keys is one partition, at its own Location."""
        if self.keys:
            return catalog.partitions(self.database, self.name)
        return [] if self.glue.get("f_empty") else [{"Values": [], "StorageDescriptor": self.storage}]


@dataclass
class _Query:
    """One statement on its way: what it reads from, and how much it has read."""

    database: str
    catalog: Catalog
    objects: Objects
    connection: duckdb.DuckDBPyConnection
    bytes_limit: int | None
    bytes_scanned: int = 0
    declared: dict[tuple[str, str], _Declared] = field(default_factory=dict)

    def prepare(self, tree: exp.Expr) -> str:
        """DuckDB's SQL for the statement, with every table it names loaded."""
        tree = self._resolved(tree, self.database, 0)
        _name_columns(tree)
        tree = tree.transform(_meaning)
        tables = [table for table in tree.find_all(exp.Table) if table.db]
        _unnest_like_trino(tree, self._column_types(tables))
        used = _Used.by(tree)
        for position, table in enumerate(tables):
            self._load(table, f"_table{position}", used)
        if used.path:
            _hide_path_from_stars(tree)
        return tree.sql("duckdb")

    def _column_types(self, tables: list[exp.Table]) -> dict[str, str]:
        return {name: kind for table in tables for name, kind in self._find(table).columns.items()}

    def _resolved(self, tree: exp.Expr, database: str, depth: int) -> exp.Expr:
        """Every table with its database, every view as its SELECT."""
        for table in [found for found in tree.find_all(exp.Table) if not _is_cte(found)]:
            if not isinstance(table.this, exp.Identifier) or table.args.get("when") or table.args.get("version"):
                raise QueryFailed("NOT_SUPPORTED: table functions and time travel are not known to the local Athena")
            _drop_database_from_columns(table)
            written = table.args.get("db") or table.this
            named = exp.to_identifier((table.db or database).lower(), quoted=True)
            named.meta.update(written.meta)
            table.set("db", named)
            if self._find(table).is_view:
                table.replace(self._view(table, depth))
        return tree

    def _find(self, table: exp.Table) -> _Declared:
        key = (table.db, table.name.lower())
        if key not in self.declared:
            glue = self.catalog.table(*key) if table.catalog.lower() in ("", "awsdatacatalog") else None
            if glue is None:
                reason = f"Table '{'.'.join(key)}' does not exist"
                raise QueryFailed(f"TABLE_NOT_FOUND: {_place(table.args['db'])}: {reason}")
            self.declared[key] = _Declared(*key, glue)
        return self.declared[key]

    def _view(self, table: exp.Table, depth: int) -> exp.Expr:
        if depth == VIEW_DEPTH_LIMIT:
            raise QueryFailed(f"VIEW_IS_RECURSIVE: line 1:1: View '{table.name}' leads back to itself")
        select, schema = _view_text(self._find(table).glue, table.db)
        inner = self._resolved(_select(select), schema, depth + 1)
        alias = table.args.get("alias") or exp.TableAlias(this=exp.to_identifier(table.name))
        return exp.Subquery(this=inner, alias=alias)

    def _load(self, table: exp.Table, name: str, used: "_Used") -> None:
        """Register the rows of the partitions the statement can touch, and point the table there."""
        declared = self._find(table)
        partitions = self._pruned(table, declared, declared.partitions(self.catalog))
        self.connection.register(name, self._rows(declared, partitions, used))
        if not table.args.get("alias"):
            table.set("alias", exp.TableAlias(this=exp.to_identifier(table.name)))
        table.set("this", exp.to_identifier(name))
        table.set("db", None)
        table.set("catalog", None)

    def _pruned(self, table: exp.Table, declared: _Declared, partitions: list[GluePartition]) -> list[GluePartition]:
        """Partitions left by the AND-ed predicates that speak of partition keys alone.

        The predicates are run over the key values themselves. The last row has NULL for every key: a predicate that
        holds there (`day is null` after an outer join) says something about missing rows and must not prune.
        """
        predicates = [p for p in _conjuncts(table) if _speaks_of_keys(p, table, declared)]
        if not predicates or not partitions:
            return partitions
        keys = {k: [_key_value(p, i, declared) for p in partitions] + [None] for i, k in enumerate(declared.keys)}
        values = {k: pa.array(v, arrow_type(declared.keys[k])) for k, v in keys.items()}
        self.connection.register("_keys", pa.table({"_position": pa.array(range(len(partitions) + 1)), **values}))
        kept = set(range(len(partitions)))
        for predicate in predicates:
            rows = self.connection.execute(f"SELECT _position FROM _keys WHERE {_unqualified(predicate)}").fetchall()
            found = {position for (position,) in rows}
            kept &= kept if len(partitions) in found else found
        return [partitions[position] for position in sorted(kept)]

    def _rows(self, declared: _Declared, partitions: list[GluePartition], used: "_Used") -> pa.Table:
        columns = {name: kind for name, kind in declared.columns.items() if used.has(name)}
        wanted = [pa.field(name, arrow_type(kind)) for name, kind in columns.items()]
        keys = [pa.field(name, arrow_type(kind)) for name, kind in declared.keys.items()]
        path = [pa.field("$path", pa.string())] if used.path else []
        spare = [] if wanted or keys or path else [pa.field("_spare", pa.bool_())]
        schema = pa.schema(wanted + keys + path + spare)
        loaded = [t for p in partitions for t in self._partition(declared, p, pa.schema(wanted), schema)]
        return pa.concat_tables(loaded) if loaded else schema.empty_table()

    def _partition(
        self, declared: _Declared, partition: GluePartition, wanted: pa.Schema, schema: pa.Schema
    ) -> Iterator[pa.Table]:
        """The rows of one partition: the objects below its Location, and nothing else."""
        storage = {**declared.storage, **_without_empty(partition.get("StorageDescriptor") or {})}
        read = _format_of(storage)
        keys = {name: _key_value(partition, i, declared) for i, name in enumerate(declared.keys)}
        for url, body in self._objects_at(_location(partition, declared)):
            rows = read(_Source(body, url, storage, declared.columns), wanted)
            same = {**keys, "$path": url, "_spare": None}
            beside = [pa.repeat(pa.scalar(same[f.name], f.type), rows.num_rows) for f in list(schema)[len(wanted) :]]
            yield pa.table([*rows.arrays, *beside], schema=schema)

    def _objects_at(self, location: str) -> Iterator[tuple[str, bytes]]:
        bucket, _, prefix = location.partition("://")[2].partition("/")
        prefix = prefix if not prefix or prefix.endswith("/") else prefix + "/"
        for key, size in self.objects.list(bucket, prefix):
            hidden = any(part.startswith(("_", ".")) for part in key[len(prefix) :].split("/"))
            if size and not hidden and not key.endswith("/"):
                self._count(size)
                yield f"s3://{bucket}/{key}", self.objects.read(bucket, key)

    def _count(self, size: int) -> None:
        self.bytes_scanned += size
        if self.bytes_limit is not None and self.bytes_scanned > self.bytes_limit:
            raise QueryFailed("Query exhausted resources: Bytes scanned limit was exceeded")


@dataclass(frozen=True)
class _Used:
    """Which columns a statement can mean: every name in it, or all of them where a star stands."""

    names: frozenset[str]
    everything: bool
    path: bool

    @classmethod
    def by(cls, tree: exp.Expr) -> "_Used":
        names = frozenset(node.name.lower() for node in tree.find_all(exp.Identifier))
        stars = [star for star in tree.find_all(exp.Star) if not isinstance(star.parent, exp.Count)]
        return cls(names, bool(stars), "$path" in names)

    def has(self, name: str) -> bool:
        return self.everything or name in self.names


def _hide_path_from_stars(tree: exp.Expr) -> None:
    for star in [s for s in tree.find_all(exp.Star) if not isinstance(s.parent, exp.Count)]:
        star.set("except_", [exp.to_identifier("$path", quoted=True)])


def _is_cte(table: exp.Table) -> bool:
    """Whether the name means a WITH query in scope. A query of a WITH sees those before it, not itself."""
    if table.db:
        return False
    node: exp.Expr | None = table
    while node is not None:
        parent = node.parent
        if isinstance(parent, exp.With):
            position = next(i for i, cte in enumerate(parent.expressions) if cte is node)
            visible = parent.expressions[: position + bool(parent.args.get("recursive"))]
        else:
            visible = parent.ctes if isinstance(parent, exp.Query) and not isinstance(node, exp.With) else []
        if any(cte.alias.lower() == table.name.lower() for cte in visible):
            return True
        node = parent
    return False


def _drop_database_from_columns(table: exp.Table) -> None:
    """`db.table.column` names the table as written; behind its alias the database is gone."""
    scope = table.find_ancestor(exp.Select)
    for column in list(scope.find_all(exp.Column)) if scope and table.db else []:
        if column.text("db").lower() == table.db.lower() and column.table.lower() == table.name.lower():
            column.set("db", None)


def _view_text(glue: GlueTable, database: str) -> tuple[str, str]:
    """A view's SELECT and the database its names mean."""
    text = glue.get("ViewOriginalText") or ""
    encoded = re.match(r"\s*/\*\s*Presto View:\s*(\S+)\s*\*/", text)
    if not encoded:
        return text, database
    document = json.loads(base64.b64decode(encoded.group(1)))
    return document["originalSql"], (document.get("schema") or database).lower()


def _conjuncts(table: exp.Table) -> Iterator[exp.Expr]:
    """The AND-ed predicates a table's rows must pass: those of WHERE, and of its own join's ON."""
    join = table.parent if isinstance(table.parent, exp.Join) else None
    holder = table.parent.parent if isinstance(table.parent, (exp.From, exp.Join)) else None
    sources = [join.args.get("on")] if join is not None and join.side in ("", "LEFT") else []
    where = holder.args.get("where") if isinstance(holder, exp.Select) else None
    for source in [*sources, where.this if where else None]:
        yield from _anded(source) if source is not None else ()


def _anded(predicate: exp.Expr) -> Iterator[exp.Expr]:
    inner = predicate.unnest()
    if not isinstance(inner, exp.And):
        yield inner
        return
    yield from _anded(inner.left)
    yield from _anded(inner.right)


def _speaks_of_keys(predicate: exp.Expr, table: exp.Table, declared: _Declared) -> bool:
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


def _check_key_type(predicate: exp.Expr, declared: _Declared) -> None:
    """`logcalendarday = '20240601'` on an int key fails in Athena, and would pass in DuckDB."""
    operator, side, literal = _OPERATORS.get(type(predicate)), predicate.this, predicate.args.get("expression")
    if operator is None or not isinstance(side, exp.Column) or not isinstance(literal, exp.Literal):
        return
    kind = declared.keys[side.name.lower()]
    if literal.is_string == pa.types.is_integer(arrow_type(kind)):
        given = f"varchar({len(literal.this)})" if literal.is_string else "integer"
        wanted = {"int": "integer", "string": "varchar"}.get(kind, kind)
        reason = f"Cannot apply operator: {wanted} {operator} {given}"
        raise QueryFailed(f"TYPE_MISMATCH: {_place(side.this)}: {reason}")


def _unqualified(predicate: exp.Expr) -> str:
    bare = predicate.copy()
    for column in bare.find_all(exp.Column):
        column.set("table", None)
    return bare.sql("duckdb")


def _location(partition: GluePartition, declared: _Declared) -> str:
    location = (partition.get("StorageDescriptor") or {}).get("Location") or ""
    if not re.match(r"s3[an]?://[^/]+", location):
        place = f"partition {partition['Values']} of " if partition["Values"] else ""
        raise QueryFailed(f"HIVE_INVALID_METADATA: {place}{declared.database}.{declared.name} has no s3:// Location")
    return location


def _key_value(partition: GluePartition, position: int, declared: _Declared) -> Any:
    name, kind = list(declared.keys.items())[position]
    values = partition.get("Values") or []
    if len(values) != len(declared.keys):
        reason = f"partition {values} of {declared.database}.{declared.name} does not fit keys {list(declared.keys)}"
        raise QueryFailed(f"HIVE_INVALID_METADATA: {reason}")
    if values[position] == "__HIVE_DEFAULT_PARTITION__":
        return None
    try:
        return _coerced(values[position], arrow_type(kind))
    except (ValueError, TypeError):
        reason = f"Invalid partition value '{values[position]}' for {kind} partition key: {name}"
        raise QueryFailed(f"HIVE_INVALID_PARTITION_VALUE: {reason}") from None


def _without_empty(storage: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in storage.items() if value}


# ---- Formats: the bytes of one object as rows ------------------------------------------------------------------------


@dataclass(frozen=True)
class _Rows:
    """Columns in the order wanted, and how many rows there are even where no column is wanted."""

    arrays: list[pa.Array | pa.ChunkedArray]
    num_rows: int


@dataclass(frozen=True)
class _Source:
    """One object with what the catalog says about its format. `columns` are all the table's, in order."""

    body: bytes
    url: str
    storage: dict[str, Any]
    columns: dict[str, str]

    @property
    def parameters(self) -> dict[str, str]:
        return (self.storage.get("SerdeInfo") or {}).get("Parameters") or {}

    def text(self) -> str:
        """The object as text; gzip is recognized by its first bytes, and all its members are read."""
        try:
            plain = gzip.decompress(self.body) if self.body[:2] == b"\x1f\x8b" else self.body
        except (OSError, EOFError):
            raise self.bad("is not whole gzip") from None
        return plain.decode("utf-8", "replace")

    def bad(self, what: str) -> QueryFailed:
        return QueryFailed(f"HIVE_BAD_DATA: {self.url} {what}")


def _format_of(storage: dict[str, Any]) -> Callable[[_Source, pa.Schema], _Rows]:
    serde = (storage.get("SerdeInfo") or {}).get("SerializationLibrary") or ""
    if "CloudTrailInputFormat" in (storage.get("InputFormat") or ""):
        return _from_cloudtrail
    for word, read in (("orc", _from_orc), ("regex", _from_regex), ("json", _from_json)):
        if word in serde.lower():
            return read
    raise QueryFailed(f"NOT_SUPPORTED: the local Athena reads ORC, JSON and RegexSerDe, not '{serde}'")


def _from_orc(source: _Source, wanted: pa.Schema) -> _Rows:
    """ORC by column name; a column that an older file lacks is NULL."""
    try:
        file = orc.ORCFile(pa.BufferReader(source.body))
        names = {name.lower(): name for name in file.schema.names}
        present = [names[name] for name in wanted.names if name in names]
        table = file.read(columns=present) if present else None
    except (pa.ArrowException, OSError):
        raise source.bad("cannot be read as ORC") from None
    columns = {name: table.column(name) for name in present} if table is not None else {}
    return _Rows([_orc_column(source, columns.get(names.get(f.name)), f, file.nrows) for f in wanted], file.nrows)


def _orc_column(source: _Source, column: pa.ChunkedArray | None, wanted: pa.Field, count: int) -> pa.ChunkedArray:
    if column is None:
        return pa.nulls(count, wanted.type)
    mismatch = f"has column '{wanted.name}' as {column.type}, the table declares {wanted.type}"
    if pa.types.is_string(column.type) != pa.types.is_string(wanted.type):
        raise source.bad(mismatch)
    try:
        return column.cast(wanted.type, safe=not pa.types.is_timestamp(wanted.type))
    except pa.ArrowException:
        raise source.bad(mismatch) from None


def _from_cloudtrail(source: _Source, wanted: pa.Schema) -> _Rows:
    """`{"Records": [...]}`: a row an object where the table has only the array, else a row a record."""
    try:
        document = json.loads(source.text())
    except ValueError:
        raise source.bad("is not one JSON document") from None
    if list(source.columns) == ["records"]:
        return _from_documents(source, [document], wanted)
    return _from_documents(source, _folded(document).get("records") or [], wanted)


def _from_json(source: _Source, wanted: pa.Schema) -> _Rows:
    """One document a line; as Hive does it, whatever follows a document on its line is not read."""
    decoder = json.JSONDecoder()
    try:
        documents = [decoder.raw_decode(line.lstrip())[0] for line in _lines(source.text()) if line.strip()]
    except ValueError:
        raise source.bad("holds a line that is not a JSON document") from None
    return _from_documents(source, documents, wanted)


def _from_documents(source: _Source, documents: Sequence[Any], wanted: pa.Schema) -> _Rows:
    rows = [_folded(document) for document in documents]
    return _Rows([_column(source, [row.get(f.name) for row in rows], f) for f in wanted], len(rows))


def _from_regex(source: _Source, wanted: pa.Schema) -> _Rows:
    """One row a line, one column a group; a line that does not match is a row of NULLs, as in Hive."""
    pattern = _java_regex(source.parameters.get("input.regex", ""))
    matches = [pattern.fullmatch(line) for line in _lines(source.text())]
    groups = {name: position for position, name in enumerate(source.columns, start=1)}
    if pattern.groups != len(groups):
        raise QueryFailed(f"HIVE_INVALID_METADATA: input.regex has {pattern.groups} groups for {len(groups)} columns")
    found = [[m.group(groups[f.name]) if m else None for m in matches] for f in wanted]
    return _Rows([_column(source, v, f) for v, f in zip(found, wanted, strict=True)], len(matches))


@cache
def _java_regex(text: str) -> re.Pattern[str]:
    try:
        return re.compile(re.sub(r"\(\?<(?=[A-Za-z])", "(?P<", text))
    except re.error as error:
        raise QueryFailed(f"HIVE_INVALID_METADATA: input.regex does not compile: {error}") from None


def _lines(text: str) -> list[str]:
    """Lines end at a line feed only: str.splitlines would also cut at U+2028, which keystrokes may hold."""
    lines = text.split("\n")
    return [line.removesuffix("\r") for line in (lines[:-1] if lines[-1] == "" else lines)]


def _folded(document: Any) -> dict[str, Any]:
    return {key.lower(): value for key, value in document.items()} if isinstance(document, dict) else {}


def _column(source: _Source, values: list[Any], wanted: pa.Field) -> pa.Array:
    try:
        return pa.array([_coerced(value, wanted.type) for value in values], wanted.type)
    except (ValueError, TypeError, ArithmeticError, pa.ArrowException):
        raise source.bad(f"has a value in '{wanted.name}' that is no {wanted.type}") from None


# ---- Values: Hive types to Arrow, JSON to values, values to Athena's text --------------------------------------------

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
        key, value = _split(inner, ",")
        return pa.map_(arrow_type(key), arrow_type(value))
    named = [_split(part, ":", 1) for part in _split(inner, ",")]
    return pa.struct([(name.strip(), arrow_type(kind)) for name, kind in named])


def _split(text: str, separator: str, limit: int = -1) -> list[str]:
    """Split where no bracket is open, at most `limit` times."""
    parts: list[str] = []
    depth = begin = 0
    for position, letter in enumerate(text):
        depth += (letter in "<(") - (letter in ">)")
        if letter == separator and depth == 0 and len(parts) != limit:
            parts.append(text[begin:position])
            begin = position + 1
    return [*parts, text[begin:]]


def _coerced(value: Any, wanted: pa.DataType) -> Any:
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
    row = _folded(value)
    return {f.name: _coerced(row.get(f.name), f.type) for f in wanted}


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
    (pa.types.is_map, lambda v, t: [(_coerced(k, t.key_type), _coerced(i, t.item_type)) for k, i in v.items()]),
    (pa.types.is_list, lambda v, t: [_coerced(item, t.value_type) for item in v]),
    (pa.types.is_boolean, _as_boolean),
    (pa.types.is_integer, lambda v, t: int(v)),
    (pa.types.is_floating, lambda v, t: float(v)),
    (pa.types.is_decimal, lambda v, t: Decimal(str(v))),
    (pa.types.is_timestamp, _as_timestamp),
    (pa.types.is_date, lambda v, t: date.fromisoformat(v)),
)

_ATHENA_TYPES = {
    "hugeint": "bigint", "ubigint": "bigint", "uinteger": "bigint", "utinyint": "integer", "usmallint": "integer",
    "blob": "varbinary", "list": "array", "struct": "row", "NULL": "unknown", "timestamp_ms": "timestamp",
    "timestamp_ns": "timestamp", "timestamp_s": "timestamp", "interval": "interval day to second",
}  # fmt: skip


def _fetch(sql: str, query: _Query) -> QueryResult:
    cursor = query.connection.execute(sql)
    columns = [(name, _athena_type(kind)) for name, kind, *_ in cursor.description or []]
    rows = [[_text(value) for value in row] for row in cursor.fetchall()]
    return QueryResult(columns, rows, query.bytes_scanned)


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
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(_inner_text(item) for item in value) + "]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_inner_text(k)}={_inner_text(v)}" for k, v in value.items()) + "}"
    if isinstance(value, bytes):
        return value.hex(" ")
    return _double_text(value) if isinstance(value, float) else str(value)


def _inner_text(value: Any) -> str:
    text = _text(value)
    return "null" if text is None else text


def _timestamp_text(value: datetime) -> str:
    text = value.strftime("%Y-%m-%d %H:%M:%S.") + f"{value.microsecond // 1000:03d}"
    return text + " UTC" if value.tzinfo else text


def _double_text(value: float) -> str:
    """As Java prints a double: 1.0E7 from ten million on and below a thousandth."""
    if value == 0 or 1e-3 <= abs(value) < 1e7:
        return repr(value)
    if value != value or abs(value) == float("inf"):
        return "NaN" if value != value else "Infinity" if value > 0 else "-Infinity"
    mantissa, _, power = f"{Decimal(repr(value)).normalize():E}".partition("E")
    return f"{mantissa if '.' in mantissa else mantissa + '.0'}E{int(power)}"


# ---- Failures --------------------------------------------------------------------------------------------------------

_ABSENT = re.compile(
    r'Referenced (?:column|table) "(?P<name>[^"]+)" not found|does not have a column named "(?P<named>[^"]+)"|'
    r'Could not find key "(?P<key>[^"]+)" in struct'
)
_NO_FUNCTION = re.compile(r"Function with name \"?(?P<name>\w+)\"? does not exist")


def _reason(error: duckdb.Error, sql: str) -> str:
    """DuckDB's error in Athena's words. Errors about values are told without the value: it is a row's content."""
    text = str(error)
    if absent := _ABSENT.search(text):
        name = next(word for word in absent.groups() if word)
        return f"COLUMN_NOT_FOUND: {_place_of(name, sql)}: Column '{name}' cannot be resolved"
    if unknown := _NO_FUNCTION.search(text):
        return f"FUNCTION_NOT_FOUND: line 1:1: Function '{unknown['name']}' not registered"
    if isinstance(error, duckdb.ParserException):
        return f"SYNTAX_ERROR: line 1:1: {_first_line(text)}"
    if isinstance(error, (duckdb.BinderException, duckdb.CatalogException)):
        return f"TYPE_MISMATCH: line 1:1: {_first_line(text)}"
    return _REASONS.get(type(error), f"GENERIC_INTERNAL_ERROR: the local engine stopped with {type(error).__name__}")


_REASONS: dict[type, str] = {
    duckdb.ConversionException: "INVALID_CAST_ARGUMENT: a value cannot be cast as asked; try_cast gives NULL",
    duckdb.InvalidInputException: "INVALID_FUNCTION_ARGUMENT: a function was given a value or pattern it does not take",
    duckdb.OutOfRangeException: "NUMERIC_VALUE_OUT_OF_RANGE: a value does not fit its type",
    duckdb.OutOfMemoryException: "Query exhausted resources at this scale factor",
    duckdb.PermissionException: "NOT_SUPPORTED: a statement reads tables of the catalog and nothing else",
    duckdb.InterruptException: "Query was cancelled by user",
}


def _first_line(text: str) -> str:
    return text.split("\n", 1)[0].partition("Error: ")[2][:300]


def _place_of(name: str, sql: str) -> str:
    found = (node for node in _parse(sql).find_all(exp.Identifier) if node.name.lower() == name.lower())
    first = next(found, None)
    return _place(first) if first is not None else "line 1:1"


def _place(identifier: exp.Expr) -> str:
    """`line L:C` of an identifier's first letter; sqlglot keeps the column of its last."""
    meta = identifier.meta
    width = meta.get("end", 0) - meta.get("start", 0)
    return f"line {meta.get('line', 1)}:{max(1, meta.get('col', 1) - width)}"

"""One statement on its way to DuckDB: tables found in the catalog, views opened, rows of its partitions loaded."""

from dataclasses import dataclass, field

import duckdb
from sqlglot import exp

from infra.emulator.athena_engine.catalog import Catalog, DeclaredTable
from infra.emulator.athena_engine.dialect import as_duckdb_means_it, name_columns, unnest_like_trino
from infra.emulator.athena_engine.expression_types import Reading, add_types, check_types, drop_types
from infra.emulator.athena_engine.failures import QueryFailed, place_of_identifier
from infra.emulator.athena_engine.metadata import Metadata, metadata_table
from infra.emulator.athena_engine.partition_predicates import prune
from infra.emulator.athena_engine.scan import Scan
from infra.emulator.athena_engine.scopes import (
    UsedColumns,
    drop_database_from_columns,
    hide_path_from_stars,
    means_a_with_query,
)
from infra.emulator.athena_engine.statements import read_statement
from infra.emulator.athena_engine.views import view_text

VIEW_DEPTH_LIMIT = 10


@dataclass
class Query:
    """One statement on its way: what it reads from, and the tables it names."""

    database: str
    catalog: Catalog
    connection: duckdb.DuckDBPyConnection
    scan: Scan
    declared: dict[tuple[str, str], DeclaredTable] = field(default_factory=dict)

    def prepare(self, tree: Reading) -> str:
        """DuckDB's SQL for the statement, with every table it names loaded."""
        self._resolve(tree, self.database, 0)
        tables = [table for table in tree.find_all(exp.Table) if table.db]
        name_columns(tree)
        add_types(tree, self._schema(tables))
        check_types(tree)
        as_duckdb_means_it(tree)
        tables = [table for table in tree.find_all(exp.Table) if table.db]
        unnest_like_trino(tree, self._column_types(tables))
        drop_types(tree)
        used = UsedColumns.by(tree)
        for position, table in enumerate(tables):
            self._load(table, f"_table{position}", used)
        if used.path:
            hide_path_from_stars(tree)
        return tree.sql("duckdb")

    def _column_types(self, tables: list[exp.Table]) -> dict[str, str]:
        return {name: kind for table in tables for name, kind in self._find(table).columns.items()}

    def _schema(self, tables: list[exp.Table]) -> dict[str, dict[str, dict[str, str]]]:
        schema: dict[str, dict[str, dict[str, str]]] = {}
        for found in map(self._find, tables):
            own = {**found.columns, **found.keys, "$path": "string"}
            schema.setdefault(found.database, {})[found.name] = own
        return schema

    def _resolve(self, tree: exp.Expr, database: str, depth: int) -> None:
        """Every table with its database, every view as its SELECT."""
        for table in [found for found in tree.find_all(exp.Table) if not means_a_with_query(found)]:
            written = table.args.get("db") or table.this
            named = exp.to_identifier((table.db or database).lower(), quoted=True)
            named.meta.update(written.meta)
            table.set("db", named)
            drop_database_from_columns(table)
            if self._find(table).is_view:
                table.replace(self._view(table, depth))

    def _find(self, table: exp.Table) -> DeclaredTable:
        key = (table.db, table.name.lower())
        if key not in self.declared:
            here = table.catalog.lower() in ("", "awsdatacatalog")
            glue = self.catalog.table(*key) if here else None
            metadata = metadata_table(*key, self.catalog) if here and glue is None else None
            if metadata is not None:
                self.declared[key] = metadata
            elif glue is None:
                reason = f"Table '{'.'.join(key)}' does not exist"
                raise QueryFailed(f"TABLE_NOT_FOUND: {place_of_identifier(table.args['db'])}: {reason}")
            else:
                self.declared[key] = DeclaredTable(*key, glue)
        return self.declared[key]

    def _view(self, table: exp.Table, depth: int) -> exp.Expr:
        if depth == VIEW_DEPTH_LIMIT:
            raise QueryFailed(f"VIEW_IS_RECURSIVE: line 1:1: View '{table.name}' leads back to itself")
        select, schema = view_text(self._find(table).glue, table.db)
        inner = read_statement(select)
        self._resolve(inner, schema, depth + 1)
        alias = table.args.get("alias") or exp.TableAlias(this=exp.to_identifier(table.name))
        return exp.Subquery(this=inner, alias=alias)

    def _load(self, table: exp.Table, name: str, used: UsedColumns) -> None:
        """Register the rows of the partitions the statement can touch, and point the table there."""
        declared = self._find(table)
        if isinstance(declared, Metadata):
            self.connection.register(name, declared.rows())
        else:
            partitions = prune(table, declared, declared.partitions(self.catalog), self.connection)
            self.connection.register(name, self.scan.rows(declared, partitions, used))
        if not table.args.get("alias"):
            table.set("alias", exp.TableAlias(this=exp.to_identifier(table.name)))
        table.set("this", exp.to_identifier(name))
        table.set("db", None)
        table.set("catalog", None)

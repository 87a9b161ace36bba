"""Athena's SQL on one machine: a statement runs over exactly the partitions the Glue catalog holds.

Why it exists: the emulator reads whatever lies under a table's Location, so a day AddAPart never placed would still be
answered and a broken AddAPart would look healthy. Here the catalog decides, as on AWS. The work is sqlglot (Athena's
SQL to DuckDB's), pyarrow (ORC) and DuckDB (the query). No emulator is imported and no network is used: the catalog and
the objects come in as two small protocols. In the order of reading: statements, grammar (what a SELECT may hold),
functions (which), shows, views, query, scopes, expression_types, dialect and macros (Trino to DuckDB), json_paths,
addresses, catalog, metadata, partition_predicates, scan, formats, hive_types, results, reasons.
docs/local-athena.md says what is accepted, refused and different.
"""

from collections.abc import Callable, Sequence

import duckdb
from sqlglot.errors import SqlglotError

from infra.emulator.athena_engine.catalog import Catalog, GluePartition, GlueTable, Objects, WithoutPartitions
from infra.emulator.athena_engine.failures import QueryFailed, not_here
from infra.emulator.athena_engine.macros import connect
from infra.emulator.athena_engine.query import Query
from infra.emulator.athena_engine.reasons import failure_reason
from infra.emulator.athena_engine.results import QueryResult, fetch
from infra.emulator.athena_engine.scan import Scan
from infra.emulator.athena_engine.shows import show
from infra.emulator.athena_engine.statements import read_statement, statement_type, with_parameters
from infra.emulator.athena_engine.views import ViewChange, encode_view, view_change

__all__ = [
    "Catalog",
    "GluePartition",
    "GlueTable",
    "Objects",
    "QueryFailed",
    "QueryResult",
    "ViewChange",
    "columns_of",
    "encode_view",
    "run",
    "statement_type",
    "view_change",
]


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
    if answer := show(sql, database.lower(), catalog):
        return answer
    sql = with_parameters(sql, parameters)
    tree = read_statement(sql)
    connection = connect()
    started(connection.interrupt)
    try:
        scan = Scan(objects, bytes_limit)
        prepared = Query(database.lower(), catalog, connection, scan).prepare(tree)
        return fetch(connection.execute(prepared), scan.bytes_scanned)
    except duckdb.Error as error:
        raise QueryFailed(failure_reason(error, sql)) from None
    except SqlglotError:
        raise not_here("a clause that its engine has no words for") from None
    finally:
        connection.close()


def columns_of(select: str, database: str, catalog: Catalog, objects: Objects) -> list[tuple[str, str]]:
    """The columns a SELECT would return, found without reading an object."""
    return run(select, database, WithoutPartitions(catalog), objects).columns

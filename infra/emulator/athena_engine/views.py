"""Views: the statements that make and drop them, and the text by which the catalog keeps one."""

import base64
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass

from sqlglot import exp

from infra.emulator.athena_engine.catalog import GlueTable
from infra.emulator.athena_engine.failures import not_here
from infra.emulator.athena_engine.statements import parse_statement, statement_type


@dataclass(frozen=True)
class ViewChange:
    """CREATE [OR REPLACE] VIEW (`select` holds its SQL) or DROP VIEW (`select` is None)."""

    database: str
    name: str
    select: str | None
    forgiving: bool
    """OR REPLACE on a create, IF EXISTS on a drop."""


def view_change(sql: str, database: str) -> ViewChange | None:
    """What a CREATE VIEW or DROP VIEW asks for; None for every other statement."""
    if statement_type(sql) != "DDL":
        return None
    tree = parse_statement(sql)
    if not isinstance(tree, (exp.Create, exp.Drop)) or tree.args.get("kind") != "VIEW":
        return None
    dropped = isinstance(tree, exp.Drop)
    table = tree.find(exp.Table) if dropped else tree.this
    if not isinstance(table, exp.Table):
        raise not_here("a view with a column list; name the columns inside its SELECT")
    select = None if dropped else tree.expression.sql("athena")
    forgiving = bool(tree.args.get("exists") if dropped else tree.args.get("replace"))
    return ViewChange((table.db or database).lower(), table.name.lower(), select, forgiving)


def encode_view(select: str, database: str, columns: Sequence[tuple[str, str]]) -> str:
    """ViewOriginalText as Athena writes it: a comment with base64 of JSON."""
    described = [{"name": name, "type": kind} for name, kind in columns]
    document = {"originalSql": select, "catalog": "awsdatacatalog", "schema": database, "columns": described}
    return f"/* Presto View: {base64.b64encode(json.dumps(document).encode()).decode()} */"


def view_text(glue: GlueTable, database: str) -> tuple[str, str]:
    """A view's SELECT and the database its names mean."""
    text = glue.get("ViewOriginalText") or ""
    encoded = re.match(r"\s*/\*\s*Presto View:\s*(\S+)\s*\*/", text)
    if not encoded:
        return text, database
    document = json.loads(base64.b64decode(encoded.group(1)))
    return document["originalSql"], (document.get("schema") or database).lower()

"""Statements as text: which kind one is, its parse, and its parameters."""

import re
from collections.abc import Sequence

import sqlglot
from sqlglot import exp
from sqlglot.errors import ParseError, SqlglotError
from sqlglot.tokenizer_core import Token, TokenType

from infra.local.athena_engine.failures import QueryFailed


def statement_type(sql: str) -> str:
    """DML, DDL or UTILITY, as GetQueryExecution reports it."""
    word = re.match(r"(?:\s|--[^\n]*\n|/\*.*?\*/)*(\w*)", sql, re.DOTALL)
    first = word.group(1).upper() if word else ""
    if first in ("SHOW", "DESCRIBE", "DESC", "EXPLAIN"):
        return "UTILITY"
    return "DDL" if first in ("CREATE", "DROP", "ALTER", "MSCK") else "DML"


def parsed(sql: str) -> exp.Expr:
    """The tree of exactly one statement of any kind. Raises QueryFailed."""
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


def read_statement(sql: str) -> exp.Expr:
    """The tree of one statement that only reads. Raises QueryFailed."""
    tree = parsed(sql)
    writes = tree.find(exp.Insert, exp.Update, exp.Delete, exp.Merge, exp.Create, exp.Drop, exp.Into, exp.Command)
    if writes or not isinstance(tree, (exp.Select, exp.SetOperation, exp.Subquery)):
        raise QueryFailed(
            "NOT_SUPPORTED: the local Athena runs SELECT, SHOW PARTITIONS, SHOW TABLES, DESCRIBE, CREATE VIEW and "
            f"DROP VIEW, not {(writes or tree).key.upper()}; partitions are placed by AddAPart, tables by the templates"
        )
    return tree


def with_parameters(sql: str, parameters: Sequence[str]) -> str:
    """The statement with ExecutionParameters where its `?` stand; each is the text of one literal."""
    places = [token for token in _tokens(sql) if token.token_type == TokenType.PLACEHOLDER]
    if len(places) != len(parameters):
        counts = f"expected {len(places)} but found {len(parameters)}"
        raise QueryFailed(f"INVALID_PARAMETER_USAGE: line 1:1: Incorrect number of parameters: {counts}")
    for place, text in reversed(list(zip(places, parameters, strict=True))):
        sql = sql[: place.start] + _literal(text) + sql[place.end + 1 :]
    return sql


def _literal(text: str) -> str:
    values = parsed(f"SELECT {text}").expressions
    inner = values[0].this if isinstance(values[0], (exp.Neg, exp.Cast)) else values[0]
    if len(values) != 1 or not isinstance(inner, (exp.Literal, exp.Boolean, exp.Null)):
        raise QueryFailed("INVALID_PARAMETER_USAGE: an execution parameter is one literal; strings stand in quotes")
    return text


def _tokens(sql: str) -> list[Token]:
    try:
        return sqlglot.tokenize(sql, read="athena")
    except SqlglotError:
        raise QueryFailed("SYNTAX_ERROR: the statement cannot be split into words; look for an open quote") from None

"""Statements as text: which kind one is, its parse, and its parameters."""

import re
from collections.abc import Sequence

import sqlglot
from sqlglot import exp
from sqlglot.errors import ParseError, SqlglotError
from sqlglot.expressions.builders import apply_index_offset
from sqlglot.tokenizer_core import Token, TokenType

from infra.emulator.athena_engine.expression_types import Reading
from infra.emulator.athena_engine.failures import QueryFailed, not_here
from infra.emulator.athena_engine.grammar import check_grammar

_SELECTS = frozenset({"SELECT", "WITH", "VALUES", "TABLE", "("})
_OTHER_STATEMENTS = frozenset(
    {"EXPLAIN", "PREPARE", "EXECUTE", "DEALLOCATE", "UNLOAD", "INSERT", "DELETE", "UPDATE", "MERGE", "ALTER", "MSCK"}
    | {"OPTIMIZE", "VACUUM", "TRUNCATE", "CREATE", "DROP"}
)
"""Statements of Athena that the local Athena does not run; of CREATE and DROP, those of views it does."""


def statement_type(sql: str) -> str:
    """DML, DDL or UTILITY, as GetQueryExecution reports it."""
    word = re.match(r"(?:\s|--[^\n]*\n|/\*.*?\*/)*(\w*)", sql, re.DOTALL)
    first = word.group(1).upper() if word else ""
    if first in ("SHOW", "DESCRIBE", "DESC", "EXPLAIN"):
        return "UTILITY"
    return "DDL" if first in ("CREATE", "DROP", "ALTER", "MSCK") else "DML"


def parse_statement(sql: str) -> exp.Expr:
    """The tree of exactly one statement of any kind. Raises QueryFailed."""
    words = tokens(sql)
    try:
        statements = [tree for tree in sqlglot.parse(sql, read="athena") if tree is not None]
    except ParseError as error:
        _check_clauses(words)
        raise QueryFailed(_syntax_reason(error)) from None
    if len(statements) != 1:
        raise QueryFailed(f"SYNTAX_ERROR: exactly one statement is expected, {len(statements)} were given")
    return statements[0]


def _check_clauses(words: list[Token]) -> None:
    """Clauses of Trino that sqlglot cannot read."""
    texts = " ".join(word.text.upper() for word in words)
    for clause in ("ON ERROR", "ON EMPTY", "PASSING", "MATCH_RECOGNIZE", "JSON_TABLE", "WITH FUNCTION"):
        if f" {clause} " in f" {texts} ":
            raise not_here(clause)


def _syntax_reason(error: ParseError) -> str:
    first = error.errors[0] if error.errors else {}
    place = f"line {first.get('line', 1)}:{first.get('col', 1)}"
    return f"SYNTAX_ERROR: {place}: mismatched input '{first.get('highlight', '')}'"


def read_statement(sql: str) -> Reading:
    """The tree of one statement that only reads. Raises QueryFailed."""
    words = [token for token in tokens(sql) if token.token_type != TokenType.HIVE_TOKEN_STREAM]
    if words and words[0].text.upper() not in _SELECTS:
        raise _no_select(words)
    tree = parse_statement(sql)
    if not isinstance(tree, (exp.Select, exp.SetOperation, exp.Subquery, exp.Values)):
        raise QueryFailed("SYNTAX_ERROR: line 1:1: the statement is no SELECT")
    check_grammar(words, tree)
    _keep_positions(tree)
    return tree


def _keep_positions(tree: Reading) -> None:
    """Positions in arrays as they are written: sqlglot counts those of brackets from zero, if it knows their type."""
    for bracket in tree.find_all(exp.Bracket):
        if not bracket.args.get("offset"):
            bracket.set("expressions", apply_index_offset(bracket.this, bracket.expressions, 1, dialect="athena"))
            bracket.set("offset", 1)


def _no_select(words: list[Token]) -> QueryFailed:
    """Why a statement that begins otherwise is not run."""
    first = words[0].text.upper().split()[0]
    if first not in _OTHER_STATEMENTS:
        return QueryFailed(f"SYNTAX_ERROR: line {words[0].line}:1: mismatched input '{words[0].text}'")
    second = words[1].text.upper() if first in ("CREATE", "DROP", "ALTER") and len(words) > 1 else ""
    by_query = first == "CREATE" and any(word.token_type == TokenType.SELECT for word in words)
    return not_here(
        f"{first} {second}".strip() + (" AS SELECT" if by_query else "") + "; it runs SELECT, SHOW, DESCRIBE, "
        "CREATE VIEW and DROP VIEW. Partitions are placed by AddAPart, tables by the templates"
    )


def with_parameters(sql: str, parameters: Sequence[str]) -> str:
    """The statement with ExecutionParameters where its `?` stand; each is the text of one literal."""
    places = [token for token in tokens(sql) if token.token_type == TokenType.PLACEHOLDER]
    if len(places) != len(parameters):
        counts = f"expected {len(places)} but found {len(parameters)}"
        raise QueryFailed(f"INVALID_PARAMETER_USAGE: line 1:1: Incorrect number of parameters: {counts}")
    for place, text in reversed(list(zip(places, parameters, strict=True))):
        sql = sql[: place.start] + _literal(text) + sql[place.end + 1 :]
    return sql


def _literal(text: str) -> str:
    values = parse_statement(f"SELECT {text}").expressions
    inner = values[0].this if isinstance(values[0], (exp.Neg, exp.Cast)) else values[0]
    if len(values) != 1 or not isinstance(inner, (exp.Literal, exp.Boolean, exp.Null)):
        raise QueryFailed("INVALID_PARAMETER_USAGE: an execution parameter is one literal; strings stand in quotes")
    return text


def tokens(sql: str) -> list[Token]:
    """The statement's words. Raises QueryFailed."""
    try:
        return sqlglot.tokenize(sql, read="athena")
    except SqlglotError:
        raise QueryFailed("SYNTAX_ERROR: the statement cannot be split into words; look for an open quote") from None

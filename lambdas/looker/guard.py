"""The SQL guard: what of a model's SQL may run, as a list of what is accepted.

What runs is sqlglot's own spelling of a tree that was checked, not the text that came in. Under this stand a workgroup
with a scan cutoff and a role that can read these tables only; the guard does not replace them.
"""

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import sqlglot
from sqlglot import exp
from sqlglot.errors import ErrorLevel, ParseError, SqlglotError
from sqlglot.parser import Parser
from sqlglot.tokenizer_core import Token, TokenType

from lambdas.looker.days import DayRule, days_of_select, sources
from lambdas.looker.functions import RefusedError, check_words, quote
from lambdas.looker.joins import check_kind, check_ties
from lambdas.looker.scope import can_have, in_scope

__all__ = ["Policy", "RefusedError", "SafeQuery", "check_statement"]

_MAX_OFFSET = 1_000
_MAX_BRACKETS = 60
_MAX_TYPED_BRACKETS = 4
"""`row(`, `array[` and other type names in each other: sqlglot's parser takes twice as long a level, 31 s for 20."""
_OPENING = {TokenType.L_PAREN, TokenType.L_BRACKET, TokenType.L_BRACE}
_CLOSING = {TokenType.R_PAREN, TokenType.R_BRACKET, TokenType.R_BRACE}


@dataclass(frozen=True)
class Policy:
    """What may be read: table names to their column names, lower case, in one database."""

    database: str
    tables: Mapping[str, frozenset[str]]
    day_column: str = "logcalendarday"
    max_days: int = 31
    row_limit: int = 200
    max_length: int = 20_000
    """Characters."""
    max_depth: int = 12
    """SELECTs in each other."""
    max_nodes: int = 2_000
    rows: str = ""
    """Condition over columns of every table here: no other row of it is read, whatever is asked. Empty for all rows."""


@dataclass(frozen=True)
class SafeQuery:
    """A statement that may run: its text, the tables it reads, and the days (yyyymmdd, ascending) of each."""

    sql: str
    tables: tuple[str, ...]
    days: Mapping[str, tuple[int, ...]]


def check_statement(sql: str, policy: Policy) -> SafeQuery:
    """The statement as it may run. Raises RefusedError, and nothing else, whatever the text."""
    try:
        with _quiet_sqlglot():
            return _guard(sql, policy)
    except RefusedError:
        raise
    except RecursionError:
        raise RefusedError("the statement is nested too deeply; flatten it with WITH queries") from None
    except SqlglotError:
        raise RefusedError("the statement cannot be written back as Athena's SQL; use plainer clauses") from None
    except Exception as error:  # sqlglot fails in many ways over odd text, and what is not understood must not run
        raise RefusedError(f"the statement cannot be understood ({type(error).__name__}); write it plainer") from None


def _guard(sql: str, policy: Policy) -> SafeQuery:
    given = _parse(sql, policy)
    days = _check(given, policy)
    _limit(given, policy.row_limit)
    tree = _parse(_render(given), policy)
    text = _render(tree)
    again = _parse(text, policy)
    if again != tree or _check(again, policy) != days:
        raise RefusedError("the statement reads differently when it is written back; use plainer clauses")
    return SafeQuery(_render(_only_rows(tree, policy)), tuple(sorted(days)), days)


def _only_rows(tree: exp.Expr, policy: Policy) -> exp.Expr:
    """The checked statement with each table replaced by those of its rows that may be read, under the same name.

    A WITH query never has a table's name, so a name that is a table's is one.
    """
    if not policy.rows:
        return tree
    for table in [one for one in tree.find_all(exp.Table) if one.name.lower() in policy.tables]:
        alias = table.alias_or_name
        rows = exp.select("*").from_(table.name).where(exp.condition(policy.rows, dialect="athena"))
        table.replace(rows.subquery(alias))
    return tree


@contextmanager
def _quiet_sqlglot() -> Iterator[None]:
    """sqlglot warns with pieces of the statement, and literals do not belong into the log."""

    def nothing(record: logging.LogRecord) -> bool:
        return False

    logger = logging.getLogger("sqlglot")
    logger.addFilter(nothing)
    try:
        yield
    finally:
        logger.removeFilter(nothing)


def _render(tree: exp.Expr) -> str:
    text: str = tree.sql(dialect="athena", comments=False, unsupported_level=ErrorLevel.RAISE)
    return text


def _parse(sql: str, policy: Policy) -> exp.Expr:
    """The tree of the one query in the text. What the text is measured for comes before what it is parsed for."""
    if not isinstance(sql, str) or not sql.strip():
        raise RefusedError("an empty statement is not accepted: one SELECT is")
    if len(sql) > policy.max_length:
        raise RefusedError(
            f"the statement is too long: {len(sql)} characters, at most {policy.max_length} are accepted"
        )
    _check_text(sql)
    try:
        found = sqlglot.parse(sql, read="athena", error_message_context=0, max_nodes=4 * policy.max_nodes)
    except ParseError as error:
        place = error.errors[0] if error.errors else {}
        where = f"line {place.get('line')}, column {place.get('col')}"
        raise RefusedError(f"the statement is no SQL that Athena reads: look at {where}") from None
    trees = [tree for tree in found if tree is not None and not isinstance(tree, exp.Semicolon)]
    if len(trees) != 1:
        raise RefusedError(f"{len(trees)} statements were given: exactly one SELECT is accepted")
    tree = _unwrap(trees[0])
    nodes = sum(1 for _ in tree.walk())
    if nodes > policy.max_nodes:
        raise RefusedError(f"the statement is too large: {nodes} parts, at most {policy.max_nodes} are accepted")
    return tree


def _unwrap(tree: exp.Expr) -> exp.Expr:
    """The query in brackets around the whole. What stands behind a bracket is not dropped: it is refused."""
    while isinstance(tree, exp.Subquery):
        if any(value for name, value in tree.args.items() if name != "this"):
            raise RefusedError(
                "a clause outside of the brackets around the whole query is not accepted: write it inside of them"
            )
        tree = tree.this
    return tree


def _check_text(sql: str) -> None:
    """What can be told from characters and words: the first word, one statement, odd characters, brackets."""
    try:
        sql.encode()
        tokens = [t for t in sqlglot.tokenize(sql, read="athena") if t.token_type != TokenType.HIVE_TOKEN_STREAM]
    except (UnicodeEncodeError, SqlglotError):
        raise RefusedError("the statement cannot be split into words: look for an open quote or comment") from None
    outside, end = "", 0
    for token in tokens:
        if token.token_type == TokenType.STRING:
            outside, end = outside + sql[end : token.start], token.end + 1
        elif not token.text.isascii():
            raise RefusedError(
                f"{quote(ascii(token.text)[1:-1])} is not ASCII: only string literals and comments may be other"
            )
    outside += sql[end:]
    if "\0" in sql or any(not (c.isprintable() or c.isspace()) or c in "\x0b\x0c\x1c\x1d\x1e\x1f\x85" for c in outside):
        raise RefusedError("control characters are not accepted outside of string literals, except tab and newline")
    word = tokens[0].text.upper() if tokens else ""
    if not tokens or tokens[0].token_type not in (TokenType.SELECT, TokenType.WITH, TokenType.L_PAREN):
        shown = f"{word[:30]} is" if word.isidentifier() and tokens[0].token_type != TokenType.STRING else "this is"
        raise RefusedError(f"{shown} not accepted as a statement: exactly one SELECT is, which may start with WITH")
    while tokens[-1].token_type == TokenType.SEMICOLON:
        tokens.pop()
    if any(token.token_type == TokenType.SEMICOLON for token in tokens):
        raise RefusedError("several statements were given: exactly one SELECT is accepted")
    _check_brackets(tokens)


def _check_brackets(tokens: list[Token]) -> None:
    opened: list[bool] = []
    for before, token in zip([None, *tokens], tokens, strict=False):
        if token.token_type in _OPENING:
            opened.append(before is not None and before.token_type in Parser.TYPE_TOKENS)
        elif token.token_type in _CLOSING and opened:
            opened.pop()
        if len(opened) > _MAX_BRACKETS or sum(opened) > _MAX_TYPED_BRACKETS:
            raise RefusedError("the statement is nested too deeply: brackets stand in too many others")


def _limit(tree: exp.Expr, row_limit: int) -> None:
    """At most `row_limit` rows at the outermost; fewer stay as asked."""
    limit, offset = tree.args.get("limit"), tree.args.get("offset")
    if offset and not 0 <= _literal(offset) <= _MAX_OFFSET:
        raise RefusedError(f"this OFFSET is not accepted: a literal up to {_MAX_OFFSET} is; page by a WHERE condition")
    is_all = limit is None or (isinstance(limit.expression, exp.Var) and limit.expression.name.upper() == "ALL")
    rows = row_limit if is_all else _literal(limit)
    if rows < 0:
        raise RefusedError(f"this LIMIT is not accepted: a literal up to {row_limit} is")
    tree.set("limit", exp.Limit(expression=exp.Literal.number(min(rows, row_limit))))


def _literal(clause: exp.Expr | None) -> int:
    """The number behind LIMIT or OFFSET; -1 where anything else than digits stands there."""
    given = clause.args["expression"] if clause else None
    return int(given.name) if isinstance(given, exp.Literal) and not given.is_string and given.name.isdigit() else -1


def _check(tree: exp.Expr, policy: Policy) -> dict[str, tuple[int, ...]]:
    """The days by table that the query reads. Raises RefusedError for all that is not accepted."""
    if not isinstance(tree, (exp.Select, exp.SetOperation)):
        raise RefusedError(f"{tree.key.upper()} is not accepted as a statement: exactly one SELECT is")
    _check_identifiers(tree)
    check_words(tree)
    _check_tables(tree, policy)
    read: dict[str, set[int]] = {}
    for select in tree.find_all(exp.Select):
        _check_depth(select, policy)
        for table, days in _table_days(select, policy):
            read.setdefault(table, set()).update(days)
            if len(read[table]) > policy.max_days:
                raise RefusedError(
                    f"too many days for {quote(table)}: all SELECTs of a statement together may read at most "
                    f"{policy.max_days} days of a table; ask for fewer, or for the others in another statement"
                )
    if not read:
        raise RefusedError("the statement reads no table: a SELECT from one of the allowed tables is accepted")
    return {table: tuple(sorted(days)) for table, days in read.items()}


def _check_depth(select: exp.Select, policy: Policy) -> None:
    depth, around = 1, select.find_ancestor(exp.Select)
    while around is not None:
        depth, around = depth + 1, around.find_ancestor(exp.Select)
    if depth > policy.max_depth:
        raise RefusedError(
            f"SELECTs are nested too deeply: {depth} in each other, at most {policy.max_depth} are accepted"
        )


def _check_identifiers(tree: exp.Expr) -> None:
    for identifier in tree.find_all(exp.Identifier):
        if "$" in identifier.name:
            raise RefusedError(f"{quote(identifier.name)} is not accepted: hidden columns and tables cannot be read")
        if not identifier.name or not identifier.name.isascii() or set(identifier.name) & set("\"`'\\;"):
            raise RefusedError(
                f"the name {quote(ascii(identifier.name)[1:-1])} is not accepted: plain ASCII without quotes is"
            )


def _check_tables(tree: exp.Expr, policy: Policy) -> None:
    """Every table is an allowed one or a WITH query in scope, whose names do not hide any other."""
    for cte in tree.find_all(exp.CTE):
        if cte.alias.lower() in policy.tables:
            raise RefusedError(f"the WITH name {quote(cte.alias)} is a table's: choose another name")
    for with_ in tree.find_all(exp.With):
        for cte in with_.expressions:
            if any(cte.alias.lower() == other.alias.lower() for other in in_scope(cte)):
                raise RefusedError(f"the WITH name {quote(cte.alias)} is taken: each WITH query has a name of its own")
    for table in tree.find_all(exp.Table):
        if not isinstance(table.this, exp.Identifier):
            raise RefusedError("table functions are not accepted: only tables and WITH queries can be read")
        if table.catalog or (table.db and table.db.lower() != policy.database.lower()):
            raise RefusedError(
                f"{quote(table.catalog or table.db)} is not accepted before a table: name the table alone"
            )
        is_query = not table.db and any(table.name.lower() == cte.alias.lower() for cte in in_scope(table))
        if table.name.lower() not in policy.tables and not is_query:
            allowed = ", ".join(sorted(policy.tables))
            raise RefusedError(f"the table {quote(table.name)} is not allowed; these are: {allowed}")
        if not isinstance(table.parent, (exp.From, exp.Join)) or not isinstance(table.parent.parent, exp.Select):
            raise RefusedError(
                f"{quote(table.name)} in brackets is not accepted: name tables after FROM and JOIN alone"
            )


def _table_days(select: exp.Select, policy: Policy) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Each allowed table that this SELECT itself reads, with its days."""
    found: dict[str, exp.Expr] = {}
    for source in sources(select):
        _check_source(source, policy)
        alias = source.alias_or_name.lower()
        if alias in found:
            raise RefusedError(f"the alias {quote(alias)} is given twice in one SELECT: each source needs its own")
        found[alias] = source
    for join in select.args.get("joins") or ():
        check_kind(join, policy.day_column)
    tables = {
        a: s.name.lower() for a, s in found.items() if isinstance(s, exp.Table) and s.name.lower() in policy.tables
    }
    with_day = frozenset(alias for alias, source in found.items() if can_have(source, policy.day_column, policy.tables))
    days = days_of_select(select, tables, with_day, DayRule(policy.day_column, policy.max_days))
    check_ties(select, found, policy.tables)
    yield from ((tables[alias], read) for alias, read in days.items())


def _check_source(source: exp.Expr, policy: Policy) -> None:
    columns = [column.name.lower() for column in source.args["alias"].columns] if source.args.get("alias") else []
    if isinstance(source, exp.Unnest):
        if not isinstance(source.parent, exp.Join) or source.parent.args.get("kind") != "CROSS" or not columns:
            raise RefusedError("UNNEST is accepted only as CROSS JOIN UNNEST(expression over columns) AS t(name)")
        if source.find(exp.Query) or not all(given.find(exp.Column) for given in source.expressions):
            raise RefusedError("UNNEST is accepted only of an expression over columns, without a query in it")
    elif isinstance(source, exp.Table) and source.name.lower() in policy.tables:
        if columns:
            raise RefusedError("a list of column names behind a table's alias is not accepted: name them in SELECT")
    elif not isinstance(source, (exp.Table, exp.Subquery)):
        raise RefusedError(f"{source.key.upper()} is not accepted in FROM: tables, WITH queries and subqueries are")

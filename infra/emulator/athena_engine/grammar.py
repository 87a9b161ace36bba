"""What a SELECT may be made of: the words and signs of Trino's grammar, the clauses, and the functions by name.

A list of what is accepted. sqlglot reads much that Trino does not, and some of it comes out as the same tree
(`a::integer`, `FROM t`, `list(x)`), so signs and the names of functions are looked at as they are written.
"""

from sqlglot import exp
from sqlglot.parser import Parser
from sqlglot.tokenizer_core import Token, TokenType

from infra.emulator.athena_engine.failures import QueryFailed, not_here, place_of
from infra.emulator.athena_engine.functions import MOST_ARGUMENTS, OTHERS, SAME

_SIGNS = frozenset(
    (*"()[],.;+-*/%<>=?", "<=", ">=", "<>", "!=", "||", "->"),
)
_NOT_OPERANDS = frozenset({TokenType.ILIKE, TokenType.GLOB, TokenType.RLIKE, TokenType.DIV, TokenType.SIMILAR_TO})
_NOT_FUNCTIONS = frozenset(
    name
    for names in (
        "select from where and or not on as in join using over filter exists any some all by when then else case",
        "values union except intersect having between like escape is distinct lateral rollup cube sets limit",
        "array row decimal varchar char timestamp time map interval group within offset",
        "with recursive partition order end null",
    )
    for name in names.split()
)
"""Words before a bracket that is not one of a function's arguments."""

_OF_A_QUERY = frozenset({"with_", "distinct", "order", "limit", "offset"})
_CLAUSES: dict[type[exp.Expr], frozenset[str]] = {
    exp.Select: _OF_A_QUERY | {"expressions", "from_", "joins", "where", "group", "having", "windows", "kind"},
    exp.Union: _OF_A_QUERY | {"this", "expression"},
    exp.Intersect: _OF_A_QUERY | {"this", "expression"},
    exp.Except: _OF_A_QUERY | {"this", "expression"},
    exp.Subquery: _OF_A_QUERY | {"this", "alias"},
    exp.Values: frozenset({"expressions", "alias"}),
    exp.With: frozenset({"expressions", "recursive"}),
    exp.CTE: frozenset({"this", "alias"}),
    exp.Table: frozenset({"this", "db", "catalog", "alias"}),
    exp.TableAlias: frozenset({"this", "columns"}),
    exp.Group: frozenset({"expressions", "grouping_sets", "cube", "rollup"}),
    exp.Unnest: frozenset({"expressions", "alias", "offset"}),
    exp.Column: frozenset({"this", "table", "db", "catalog"}),
    exp.Star: frozenset(),
    exp.Distinct: frozenset({"expressions"}),
    exp.Limit: frozenset({"expression"}),
    exp.Fetch: frozenset({"direction", "count", "limit_options"}),
    exp.Offset: frozenset({"expression"}),
    exp.In: frozenset({"this", "expressions", "query"}),
    exp.Between: frozenset({"this", "low", "high"}),
}
"""The parts of a statement with the clauses each may have; TABLESAMPLE, time travel, PIVOT and the like are others."""

_JOINS = {"side": ("", "LEFT", "RIGHT", "FULL"), "kind": ("", "INNER", "OUTER", "CROSS"), "method": ("",)}
_PARTS: tuple[type[exp.Expr], ...] = (
    *(exp.From, exp.Where, exp.Having, exp.Order, exp.Ordered, exp.GroupingSets, exp.Cube, exp.Rollup, exp.Join),
    *(exp.Window, exp.WindowSpec, exp.Filter, exp.WithinGroup, exp.IgnoreNulls, exp.RespectNulls, exp.LimitOptions),
    *(exp.Identifier, exp.Alias, exp.Literal, exp.Null, exp.Boolean, exp.Var, exp.Paren, exp.Tuple, exp.Interval),
    *(exp.And, exp.Or, exp.Not, exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE, exp.Is, exp.Like, exp.Escape),
    *(exp.NullSafeEQ, exp.NullSafeNEQ, exp.Exists, exp.Any, exp.All, exp.Case, exp.If, exp.AtTimeZone, exp.Lambda),
    *(exp.Add, exp.Sub, exp.Mul, exp.Div, exp.Mod, exp.Neg, exp.DPipe, exp.Array, exp.Bracket, exp.Dot, exp.HexString),
    *(exp.CurrentDate, exp.CurrentTimestamp, exp.Localtimestamp, exp.DataType, exp.DataTypeParam, exp.ColumnDef),
    *(exp.JSONPath, exp.JSONPathRoot, exp.JSONPathKey, exp.JSONPathSubscript, exp.JSONPathWildcard),
    *(exp.JSONPathRecursive, exp.JSONPathFilter, exp.JSONPathUnion, exp.JSONPathSlice, exp.OnCondition, exp.JSONValue),
    exp.JSONExtractQuote,
)
_NOT_ATHENAS = (exp.Star, exp.Distinct, exp.Group)
"""Parts whose further clauses (`* exclude`, DISTINCT ON, GROUP BY ALL) are not Athena's either."""
_WITHOUT_BRACKETS = frozenset(Parser.NO_PAREN_FUNCTIONS.values())
_TYPES = frozenset(
    {
        exp.DType.BOOLEAN,
        exp.DType.TINYINT,
        exp.DType.SMALLINT,
        exp.DType.INT,
        exp.DType.BIGINT,
        exp.DType.FLOAT,
        exp.DType.DOUBLE,
        exp.DType.DECIMAL,
    }
    | {
        exp.DType.VARCHAR,
        exp.DType.VARBINARY,
        exp.DType.DATE,
        exp.DType.TIMESTAMP,
        exp.DType.TIMESTAMPTZ,
        exp.DType.JSON,
        exp.DType.ARRAY,
    }
    | {exp.DType.MAP, exp.DType.STRUCT, exp.DType.IPADDRESS}
)
_ATHENAS_OTHER_TYPES = frozenset({exp.DType.CHAR, exp.DType.TIME, exp.DType.TIMETZ, exp.DType.UUID, exp.DType.IPPREFIX})


def check_grammar(tokens: list[Token], tree: exp.Expr) -> None:
    """Whether a SELECT is made of what Athena and the local Athena both know. Raises QueryFailed."""
    _check_signs(tokens)
    selects = sum(token.token_type == TokenType.SELECT or token.text.upper() == "TABLE" for token in tokens)
    if selects < sum(1 for _ in tree.find_all(exp.Select)):
        raise _syntax_error(next(token for token in tokens if token.token_type == TokenType.FROM))
    if sum(token.text == "->" for token in tokens) != sum(1 for _ in tree.find_all(exp.Lambda)):
        raise _syntax_error(next(token for token in tokens if token.text == "->"))
    _check_order_of_counts(tokens)
    for node in tree.walk():
        _check_part(node)
    _check_functions(tokens, _lists_by_name(tree))


def _syntax_error(token: Token) -> QueryFailed:
    return QueryFailed(f"SYNTAX_ERROR: {_place(token)}: mismatched input '{token.text}'")


def _place(token: Token) -> str:
    return f"line {token.line}:{max(1, token.col - (token.end - token.start))}"


def _check_signs(tokens: list[Token]) -> None:
    before: Token | None = None
    for token in tokens:
        kind, last = token.token_type, before.token_type if before else None
        written = token.text[:1].isalnum() or token.text[:1] in "_\"'" or kind in _QUOTED
        touches = before is not None and before.end + 1 == token.start
        if kind in _NOT_OPERANDS or not (written or token.text in _SIGNS):
            raise _syntax_error(token)
        if kind == TokenType.L_BRACKET and not _follows_a_value(before):
            raise _syntax_error(token)
        if kind == TokenType.STRING and last in (TokenType.STRING, TokenType.ALIAS):
            raise _syntax_error(token)
        if kind == TokenType.NUMBER and last == TokenType.INTERVAL:
            raise _syntax_error(token)
        if last == TokenType.NUMBER and touches and kind not in _QUOTED and token.text[:1] in _LETTERS:
            raise _syntax_error(token)
        if kind == TokenType.STRING and last == TokenType.DECIMAL:
            raise not_here("a literal of DECIMAL; cast the number", _place(token))
        before = token


def _check_order_of_counts(tokens: list[Token]) -> None:
    """OFFSET stands before LIMIT and FETCH in Trino; sqlglot reads both orders alike."""
    counted = False
    for token in tokens:
        if token.token_type == TokenType.OFFSET and counted:
            raise _syntax_error(token)
        if token.token_type in (TokenType.LIMIT, TokenType.FETCH):
            counted = True
        elif not (token.text.isdigit() or token.text.upper() in _OF_A_COUNT):
            counted = False


_OF_A_COUNT = frozenset({"ALL", "FIRST", "NEXT", "ROW", "ROWS", "ONLY", "WITH", "TIES"})
_QUOTED = (TokenType.STRING, TokenType.IDENTIFIER, TokenType.HEX_STRING)
_LETTERS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_")


def _follows_a_value(before: Token | None) -> bool:
    if before is None:
        return False
    named = before.token_type in (TokenType.VAR, TokenType.IDENTIFIER, TokenType.ARRAY)
    return named or before.text in (")", "]") or (before.text[:1].isalpha() and before.token_type not in _CLAUSE_WORDS)


_CLAUSE_WORDS = frozenset(
    {TokenType.SELECT, TokenType.WHERE, TokenType.AND, TokenType.OR, TokenType.NOT, TokenType.IN, TokenType.ON}
    | {TokenType.THEN, TokenType.ELSE, TokenType.WHEN, TokenType.DISTINCT, TokenType.HAVING, TokenType.BETWEEN}
    | {TokenType.ALIAS, TokenType.FROM, TokenType.LIKE, TokenType.VALUES, TokenType.CASE, TokenType.STRING}
    | {TokenType.GROUP_BY, TokenType.ORDER_BY, TokenType.LIMIT}
)


def _lists_by_name(tree: exp.Expr) -> set[int]:
    """Where a name stands before a list of its columns: `t (a, b)`."""
    aliases = (alias for alias in tree.find_all(exp.TableAlias) if alias.columns and alias.this is not None)
    return {alias.this.meta.get("start", -1) for alias in aliases}


def _check_functions(tokens: list[Token], named_lists: set[int]) -> None:
    for position, token in enumerate(tokens[:-1]):
        name = token.text.lower()
        word = token.token_type != TokenType.STRING and name[:1].isalpha()
        if not word or tokens[position + 1].token_type != TokenType.L_PAREN or token.start in named_lists:
            continue
        last = name.rpartition(" ")[2]
        if last in _NOT_FUNCTIONS:
            continue
        if name not in SAME:
            raise _no_function(token, tokens, position)
        count = _arguments(tokens, position + 2)
        if count > MOST_ARGUMENTS.get(name, count):
            raise not_here(f"{name} with {count} arguments", _place(token))


def _no_function(token: Token, tokens: list[Token], position: int) -> QueryFailed:
    name = token.text.lower()
    if name in OTHERS:
        return not_here(f"the function {name}", _place(token))
    return QueryFailed(f"FUNCTION_NOT_FOUND: {_place(token)}: Function '{name}' not registered")


def _arguments(tokens: list[Token], begin: int) -> int:
    depth, commas = 1, 0
    for token in tokens[begin:]:
        depth += (token.text in ("(", "[")) - (token.text in (")", "]"))
        if depth == 0:
            break
        commas += depth == 1 and token.token_type == TokenType.COMMA
    return commas + 1


def _check_part(node: exp.Expr) -> None:
    kind = type(node)
    known = kind in _CLAUSES or kind in _PARTS or (isinstance(node, exp.Func) and kind not in _WITHOUT_BRACKETS)
    others = [name for name, value in node.args.items() if value and name not in _CLAUSES.get(kind, node.args)]
    if (others and kind in _NOT_ATHENAS) or (isinstance(node, exp.UDTF) and not _makes_rows(node)):
        raise QueryFailed(f"SYNTAX_ERROR: {place_of(node)}: mismatched input behind {_speak(node.key)}")
    if not known:
        raise not_here(node.sql_name() if isinstance(node, exp.Func) else _speak(node.key), place_of(node))
    if others:
        raise not_here(f"{_speak(others[0])} at a {_speak(node.key)}", place_of(node))
    if isinstance(node, exp.Table) and not isinstance(node.this, exp.Identifier):
        raise not_here("table functions", place_of(node))
    if isinstance(node, exp.DataType):
        _check_type(node)
    if isinstance(node, exp.Struct) and not isinstance(node.parent, exp.Cast):
        raise not_here("ROW without names for its fields; cast it to a row type")
    if isinstance(node, exp.Join):
        _check_join(node)
    if isinstance(node, (exp.Limit, exp.Offset)):
        _check_count(node.expression)


def _check_count(count: exp.Expr) -> None:
    """What stands behind LIMIT and OFFSET: a whole number as it is written, or ALL."""
    is_whole = isinstance(count, exp.Literal) and not count.is_string and count.name.isdigit()
    if not is_whole and not (isinstance(count, exp.Var) and count.name == "ALL"):
        raise QueryFailed(f"SYNTAX_ERROR: {place_of(count)}: mismatched input '{count.sql('athena')}'")


def _makes_rows(node: exp.Expr) -> bool:
    """Whether UNNEST or VALUES stands where a table does."""
    return isinstance(node, exp.Values) or isinstance(node.parent, (exp.From, exp.Join))


def _check_type(node: exp.DataType) -> None:
    if node.this in _TYPES or isinstance(node.parent, exp.Interval):
        return
    name = "string or text; Athena's is varchar" if node.is_type("text") else node.sql("athena").lower()
    if node.this in _ATHENAS_OTHER_TYPES:
        raise not_here(f"the type {name}")
    raise QueryFailed(f"TYPE_NOT_FOUND: line 1:1: Unknown type: {name}")


def _check_join(node: exp.Join) -> None:
    select = node.parent
    if node.args.get("using") and isinstance(select, exp.Select) and any(s.is_star for s in select.selects):
        raise not_here("* with USING, whose columns are in another order here; name the columns", place_of(node))
    for part, accepted in _JOINS.items():
        if node.text(part).upper() not in accepted:
            raise QueryFailed(f"SYNTAX_ERROR: {place_of(node)}: mismatched input '{node.text(part)}'")


def _speak(key: str) -> str:
    return _SPOKEN.get(key, key.strip("_").replace("_", " ").upper())


_SPOKEN = {
    "sample": "TABLESAMPLE",
    "pivots": "PIVOT",
    "when": "time travel",
    "version": "time travel",
    "orderedby": "ORDER BY",
    "jsontable": "JSON_TABLE",
}

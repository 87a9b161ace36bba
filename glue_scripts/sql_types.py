"""Whether a view leaves a conversion between types to the engine: Spark and DuckDB convert by other rules.

In `n > '1.5'` Spark makes 1 of the text where n is an int, and DuckDB rounds it to 2. Spark takes no number for a
condition, DuckDB does. What mixes types is therefore Spark SQL's.
"""

from collections.abc import Iterator, Mapping, Sequence

from sqlglot import exp

from glue_scripts.sql_on_arrow import OnlySparkError, parse
from loglake_assets.sources.model import Column

TEXT, NUMBER, CONDITION = "text", "a number", "a condition"
_NULL = "NULL"
_OF_HIVE = {"string": TEXT, "int": NUMBER, "bigint": NUMBER, "boolean": CONDITION}
_COMPARISONS = (exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE)
_BIND_OTHERWISE = (exp.In, exp.Between, exp.RegexpLike, exp.Not, exp.Is)
"""As operands of a comparison, without parentheses, Spark and DuckDB bind them differently."""
_OF_TEXT = (exp.Lower, exp.SubstringIndex, exp.JSONExtractScalar, exp.RegexpSplit, exp.RegexpLike)
_OF_TEXTS = (exp.ConcatWs, exp.Contains, exp.StartsWith)
_GIVE_TEXT = (exp.Lower, exp.SubstringIndex, exp.JSONExtractScalar, exp.ConcatWs)
_GIVE_CONDITION = (exp.Predicate, exp.Connector, exp.Not, exp.Boolean, exp.Contains, exp.StartsWith)
KindByColumn = Mapping[str, str]


def kind_of_type(hive: str) -> str:
    """How types are told apart here: int and bigint are numbers, which both engines compare alike."""
    return _OF_HIVE.get(hive, hive)


def check_types(name: str, statement: str, kinds: KindByColumn) -> dict[str, str]:
    """The kinds of what view `name` computes, by column. `kinds` are those of the columns that it reads.

    Raises OnlySparkError where types are mixed, and for a column that is not there.
    """
    known, tree = dict(kinds), parse(name, statement)
    computed: dict[str, str] = {}
    for alias in reversed(list(tree.find_all(exp.Alias))):  # a subquery's before those of what reads it
        column = alias.alias.lower()
        kind = computed[column] = _kind(alias.this, known)
        if alias.parent is tree:
            continue
        if known.setdefault(column, kind) != kind:
            raise OnlySparkError(
                f"View {name} has {column} as {known[column]} and as {kind}, which is not known on Arrow."
            )
    for node in tree.walk():
        if isinstance(node, exp.Column) and not node.is_star and node.name.lower() not in known:
            raise OnlySparkError(f"View {name} reads a column {node.name}, which is not known on Arrow.")
        for found, wanted in _operands(node, known):
            if found not in (wanted, _NULL):
                raise OnlySparkError(
                    f"View {name} takes {found} for {wanted}, which is converted by other rules on Arrow: "
                    f"{node.sql('spark')}."
                )
    return computed


def check_column(name: str, statement: str, kinds: KindByColumn, column: Column) -> None:
    """Raises OnlySparkError where the one column that the statement computes is not of the type it is declared as."""
    (found,) = check_types(name, statement, kinds).values()
    if found not in (kind_of_type(column.type), _NULL):
        raise OnlySparkError(f"Column {column.name} is {found}, and declared as {column.type}.")


def _operands(node: exp.Expr, kinds: KindByColumn) -> Iterator[tuple[str, str]]:
    """(kind, the kind it must be) of what a part of a statement brings together."""
    if isinstance(node, (exp.And, exp.Or)):
        yield from ((_kind(part, kinds), CONDITION) for part in (node.this, node.expression))
    elif isinstance(node, (exp.Where, exp.Not)) or (isinstance(node, exp.If) and not _is_compared(node)):
        yield _kind(node.this, kinds), CONDITION
    elif isinstance(node, _OF_TEXT):
        yield _kind(node.this, kinds), TEXT
    elif isinstance(node, _OF_TEXTS):
        parts = [part for part in (node.this, node.expression, *node.expressions) if part]
        yield from ((_kind(part, kinds), TEXT) for part in parts)
    elif isinstance(node, exp.Is) and isinstance(node.expression, exp.Boolean):
        yield _kind(node.this, kinds), CONDITION
    elif isinstance(node, exp.Case) and node.this:
        yield from _alike([node.this, *(one.this for one in node.args["ifs"])], kinds)
    elif isinstance(node, _COMPARISONS) and any(isinstance(part, _BIND_OTHERWISE) for part in _parts(node)):
        yield "a condition without parentheses", "an operand"
    yield from _alike(_parts(node), kinds)


def _is_compared(node: exp.If) -> bool:
    """Whether it is of a `CASE a WHEN b`, which compares."""
    return _is_of_case(node) and bool(node.parent and node.parent.this)


def _is_of_case(node: exp.If) -> bool:
    return isinstance(node.parent, exp.Case) and node.arg_key == "ifs"


def _alike(parts: Sequence[exp.Expr], kinds: KindByColumn) -> Iterator[tuple[str, str]]:
    found = [kind for part in parts if (kind := _kind(part, kinds)) != _NULL]
    yield from ((kind, found[0]) for kind in found[1:])


def _parts(node: exp.Expr) -> Sequence[exp.Expr]:
    """The parts of which each must be of the type of the others."""
    if isinstance(node, (*_COMPARISONS, exp.Nullif)):
        return node.this, node.expression
    if isinstance(node, exp.Between):
        return node.this, node.args["low"], node.args["high"]
    if isinstance(node, (exp.In, exp.Coalesce)):
        return node.this, *node.expressions
    if isinstance(node, exp.Case):
        return [part for part in (*(one.args["true"] for one in node.args["ifs"]), node.args.get("default")) if part]
    if isinstance(node, exp.If) and not _is_of_case(node):
        return node.args["true"], node.args.get("false") or exp.Star()  # Spark has no `if` without an else
    return ()


def _kind(node: exp.Expr, kinds: KindByColumn) -> str:
    if isinstance(node, exp.Column):
        return kinds.get(node.name.lower(), "another type")
    if isinstance(node, exp.Null):
        return _NULL
    if isinstance(node, exp.Literal):
        return TEXT if node.is_string else NUMBER if node.is_int else "a fraction"
    if isinstance(node, _GIVE_TEXT):
        return TEXT
    if isinstance(node, exp.ArraySize):
        return NUMBER
    if isinstance(node, (exp.Paren, exp.Neg, exp.Alias)):
        return _kind(node.this, kinds)
    if isinstance(node, (exp.Coalesce, exp.Nullif, exp.Case, exp.If)):
        parts = [node.this] if isinstance(node, exp.Nullif) else _parts(node)
        return next((kind for part in parts if (kind := _kind(part, kinds)) != _NULL), _NULL)
    return CONDITION if isinstance(node, _GIVE_CONDITION) else "another type"

"""Whether a view leaves a conversion between types to the engine: Spark and DuckDB convert by other rules.

Spark SQL compares `n > '1.5'` as numbers, and takes no number for a condition; DuckDB does otherwise, without a word.
"""

from collections.abc import Iterator, Mapping

from sqlglot import exp

from glue_scripts.sql_on_arrow import OnlySparkError, parse
from loglake_assets.sources.model import Column

TEXT, NUMBER, CONDITION = "text", "a number", "a condition"
_OF_HIVE = {"string": TEXT, "int": NUMBER, "bigint": NUMBER, "boolean": CONDITION}
_COMPARISONS = (exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE, exp.Nullif)
_OF_TEXT = (exp.Lower, exp.SubstringIndex, exp.JSONExtractScalar, exp.RegexpSplit, exp.RegexpLike, exp.StartsWith)
_GIVE_TEXT = (exp.Lower, exp.SubstringIndex, exp.JSONExtractScalar, exp.ConcatWs)
Kinds = Mapping[str, str]


def kind_of_type(hive: str) -> str:
    """How types are told apart here; those that are not converted into each other by either engine are one."""
    return _OF_HIVE.get(hive, hive)


def check_types(name: str, statement: str, kinds: Kinds) -> dict[str, str]:
    """The kinds of what view `name` computes, by name. `kinds` are those of the columns that it reads.

    Raises OnlySparkError where types are mixed.
    """
    known, tree = dict(kinds), parse(name, statement)
    computed: dict[str, str] = {}
    for alias in reversed(list(tree.find_all(exp.Alias))):  # a subquery's before those of what reads it
        computed[alias.alias.lower()] = _kind(alias.this, known)
        if alias.parent is not tree:
            known[alias.alias.lower()] = computed[alias.alias.lower()]
    for node in tree.walk():
        for found, wanted in _operands(node, known):
            if found not in (wanted, exp.Null.key):
                raise OnlySparkError(
                    f"View {name} takes {found} for {wanted}, which on Arrow would be converted by other rules."
                )
    return computed


def check_column(name: str, statement: str, kinds: Kinds, column: Column) -> None:
    """Raises OnlySparkError where the one column that the statement computes is not of the type it is declared as."""
    (found,) = check_types(name, statement, kinds).values()
    if found not in (kind_of_type(column.type), exp.Null.key):
        raise OnlySparkError(f"Column {column.name} is {found}, and declared as {column.type}.")


def _operands(node: exp.Expr, kinds: Kinds) -> Iterator[tuple[str, str]]:
    """(kind, the kind it must be) of what a part of a statement brings together."""
    if isinstance(node, (exp.Where, exp.Not, exp.And, exp.Or)):
        parts = [node.this, node.expression] if isinstance(node, (exp.And, exp.Or)) else [node.this]
        yield from ((_kind(part, kinds), CONDITION) for part in parts)
    elif isinstance(node, exp.If) and not _is_compared(node):
        yield _kind(node.this, kinds), CONDITION
    elif isinstance(node, _OF_TEXT):
        yield _kind(node.this, kinds), TEXT
    elif isinstance(node, (exp.ConcatWs, exp.Contains)):
        yield from ((_kind(part, kinds), TEXT) for part in [node.this, node.expression, *node.expressions] if part)
    elif isinstance(node, exp.Is) and isinstance(node.expression, exp.Boolean):
        yield _kind(node.this, kinds), CONDITION
    elif isinstance(node, exp.Case) and node.this:
        yield from _alike([node.this, *(one.this for one in node.args["ifs"])], kinds)
    yield from _alike(_parts(node), kinds)


def _is_compared(node: exp.If) -> bool:
    """Whether it is of a `CASE a WHEN b`, which compares."""
    return isinstance(node.parent, exp.Case) and bool(node.parent.this)


def _alike(parts: list[exp.Expr], kinds: Kinds) -> Iterator[tuple[str, str]]:
    found = [kind for part in parts if (kind := _kind(part, kinds)) != exp.Null.key]
    yield from ((kind, found[0]) for kind in found[1:])


def _parts(node: exp.Expr) -> list[exp.Expr]:
    """The parts of which each must be of the type of the others."""
    if isinstance(node, _COMPARISONS):
        return [node.this, node.expression]
    if isinstance(node, exp.Between):
        return [node.this, node.args["low"], node.args["high"]]
    if isinstance(node, (exp.In, exp.Coalesce)):
        return [node.this, *node.expressions]
    if isinstance(node, exp.Case):
        return [part for part in (*(one.args["true"] for one in node.args["ifs"]), node.args.get("default")) if part]
    if isinstance(node, exp.If) and not isinstance(node.parent, exp.Case):
        return [node.args["true"], node.args["false"]] if node.args.get("false") else []
    return []


def _kind(node: exp.Expr, kinds: Kinds) -> str:
    if isinstance(node, exp.Column):
        return kinds.get(node.name.lower(), f"{node.name}, whose type is not known,")
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
        return next((kind for part in parts if (kind := _kind(part, kinds)) != exp.Null.key), exp.Null.key)
    if isinstance(node, (exp.Predicate, exp.Connector, exp.Not, exp.Boolean, exp.Contains, exp.StartsWith)):
        return CONDITION
    return str(node.key)

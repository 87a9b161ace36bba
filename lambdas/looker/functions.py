"""What Looker's statements may be made of: the functions by name, the types, and the clauses of the grammar.

Lists of what is accepted, never of what is not: a word that nobody thought of is refused.
"""

from collections.abc import Iterator
from functools import cache

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

FUNCTIONS = frozenset(
    name
    for names in (
        # aggregates
        "count count_if sum avg min max min_by max_by arbitrary any_value approx_distinct approx_percentile",
        "array_agg listagg map_agg histogram bool_and bool_or every stddev stddev_pop stddev_samp variance",
        "var_pop var_samp corr geometric_mean grouping",
        # window functions
        "row_number rank dense_rank percent_rank cume_dist ntile lag lead first_value last_value nth_value",
        # text
        "length lower upper trim ltrim rtrim substr substring strpos position replace reverse split",
        "split_part concat concat_ws starts_with chr codepoint translate levenshtein_distance",
        "hamming_distance regexp_like regexp_extract regexp_extract_all regexp_replace regexp_count",
        "regexp_position regexp_split url_decode url_extract_host url_extract_path url_extract_port",
        "url_extract_protocol url_extract_query url_extract_parameter to_hex from_hex to_utf8 from_utf8",
        "to_base64 from_base64 md5 sha256 sha512",
        # dates and times
        "date year quarter month week day hour minute second day_of_week day_of_month day_of_year date_trunc",
        "date_add date_diff date_format date_parse format_datetime parse_datetime from_unixtime to_unixtime",
        "from_iso8601_timestamp from_iso8601_date to_iso8601 at_timezone with_timezone last_day_of_month",
        "to_milliseconds parse_duration now",
        # JSON, arrays and maps
        "json_extract json_extract_scalar json_array_length json_array_contains json_array_get json_size",
        "json_parse json_format is_json_scalar cardinality contains element_at array_join array_distinct",
        "array_sort array_max array_min array_position array_intersect array_except array_union",
        "arrays_overlap slice flatten map_keys map_values",
        # numbers
        "abs ceil ceiling floor round truncate sign mod power pow sqrt cbrt exp ln log log2 log10 greatest",
        "least is_nan is_finite is_infinite width_bucket from_base to_base",
        # conditions
        "coalesce nullif if try typeof",
    )
    for name in names.split()
)
"""Functions by the names Athena gives them. None reads elsewhere, names the account or session, or makes rows."""

TYPES = frozenset(
    {"BOOLEAN", "TINYINT", "SMALLINT", "INT", "BIGINT", "FLOAT", "DOUBLE", "DECIMAL", "CHAR", "VARCHAR", "TEXT"}
    | {"VARBINARY", "DATE", "TIME", "TIMESTAMP", "TIMESTAMPTZ", "JSON", "ARRAY", "MAP"}
)
"""What `cast` may make: scalars, JSON, and arrays and maps of these."""

_OF_A_QUERY = frozenset({"with_", "distinct", "order", "limit", "offset"})
CLAUSES: dict[type[exp.Expr], frozenset[str]] = {
    exp.Select: _OF_A_QUERY | {"expressions", "from_", "joins", "where", "group", "having", "windows"},
    exp.Union: _OF_A_QUERY | {"this", "expression"},
    exp.Intersect: _OF_A_QUERY | {"this", "expression"},
    exp.Except: _OF_A_QUERY | {"this", "expression"},
    exp.Subquery: frozenset({"this", "alias"}),
    exp.With: frozenset({"expressions"}),
    exp.CTE: frozenset({"this", "alias"}),
    exp.Table: frozenset({"this", "db", "catalog", "alias"}),
    exp.TableAlias: frozenset({"this", "columns"}),
    exp.Join: frozenset({"this", "on", "using", "side", "kind"}),
    exp.Unnest: frozenset({"expressions", "alias", "offset"}),
    exp.Column: frozenset({"this", "table"}),
    exp.Star: frozenset(),
    exp.Distinct: frozenset({"expressions"}),
    exp.Limit: frozenset({"expression"}),
    exp.Offset: frozenset({"expression"}),
    exp.In: frozenset({"this", "expressions", "query"}),
    exp.Between: frozenset({"this", "low", "high"}),
    exp.Cast: frozenset({"this", "to"}),
    exp.TryCast: frozenset({"this", "to", "safe"}),
    exp.DataType: frozenset({"this", "expressions", "nested"}),
}
"""The parts of a statement with the clauses each may have; TABLESAMPLE, time travel, PIVOT and the like are others."""

MAX_TEXT, MAX_INSERTED = 1_000, 50
"""Characters of a literal, and of one that replaces or joins: it can stand in the result as often as there is text."""
_INSERTED: dict[type[exp.Expr], str] = {
    exp.Replace: "replacement",
    exp.RegexpReplace: "replacement",
    exp.ArrayToString: "expression",
}

PARTS: tuple[type[exp.Expr], ...] = (
    *(exp.From, exp.Where, exp.Group, exp.Having, exp.Order, exp.Ordered, exp.GroupingSets, exp.Cube, exp.Rollup),
    *(exp.Window, exp.WindowSpec, exp.Filter, exp.WithinGroup, exp.IgnoreNulls, exp.RespectNulls),
    *(exp.Identifier, exp.Alias, exp.Literal, exp.Null, exp.Boolean, exp.Var, exp.Paren, exp.Tuple, exp.Interval),
    *(exp.And, exp.Or, exp.Not, exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE, exp.Is, exp.Like, exp.ILike),
    *(exp.Escape, exp.NullSafeEQ, exp.NullSafeNEQ, exp.Exists, exp.Case, exp.If, exp.Extract, exp.AtTimeZone),
    *(exp.Add, exp.Sub, exp.Mul, exp.Div, exp.Mod, exp.Neg, exp.DPipe, exp.Array, exp.Bracket),
    *(exp.CurrentDate, exp.CurrentTimestamp, exp.Localtimestamp, exp.DataTypeParam),
    *(exp.JSONPath, exp.JSONPathRoot, exp.JSONPathKey, exp.JSONPathSubscript),
)
"""The parts whose clauses all mean something harmless."""


class RefusedError(ValueError):
    """A statement that does not run. `reason` is a sentence for the model and for people, without its literals."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def quote(name: str) -> str:
    """An identifier of the statement as a reason may hold it: printable, at most 60 characters."""
    shown = "".join(c for c in name if c.isprintable())
    return f'"{shown[:57]}..."' if len(shown) > 60 else f'"{shown}"'


def check_words(tree: exp.Expr) -> None:
    """Whether every node is of an accepted kind, with accepted clauses only. Raises RefusedError."""
    for node in tree.walk():
        kind = type(node)
        if kind is exp.Anonymous:
            _check_function(node.name)
        elif kind not in CLAUSES and kind not in PARTS and kind not in _annotate_functions():
            _check_function(node.sql_name() if isinstance(node, exp.Func) else "")
            raise RefusedError(f"{_speak(node.key)} is not accepted: only reading with plain SELECT clauses is")
        others = [name for name, value in node.args.items() if value and name not in CLAUSES.get(kind, node.args)]
        if others:
            words = f"{_speak(others[0])} at a {_speak(node.key)}"
            raise RefusedError(f"{words} is not accepted: only plain SELECT clauses are")
        _check_size(node)
        if isinstance(node, exp.DataType) and getattr(node.this, "name", "") not in TYPES:
            raise RefusedError(
                "a cast to this type is not accepted: cast to scalar types, JSON, or arrays and maps of them"
            )


def _check_size(node: exp.Expr) -> None:
    if isinstance(node, exp.Literal) and len(node.name) > MAX_TEXT:
        raise RefusedError(f"a literal of {len(node.name)} characters is not accepted: at most {MAX_TEXT} are")
    inserted = node.args.get(_INSERTED.get(type(node), ""))
    if inserted is not None and not (isinstance(inserted, exp.Literal) and len(inserted.name) <= MAX_INSERTED):
        raise RefusedError(
            f"what replaces or joins text must be a literal of at most {MAX_INSERTED} characters, which this is not"
        )


def _check_function(name: str) -> None:
    if name and name.lower() not in FUNCTIONS:
        raise RefusedError(
            f"the function {quote(name.lower())} is not accepted: only the listed functions for aggregates, windows, "
            "text, times, JSON, arrays, numbers and conditions are"
        )


def _speak(key: str) -> str:
    return key.strip("_").replace("_", " ").upper()


@cache
def _annotate_functions() -> frozenset[type[exp.Expr]]:
    """The classes that sqlglot has for the accepted functions. It has none for some: these it calls Anonymous."""
    return frozenset(kind for name in FUNCTIONS for kind in _classes(name)) - {exp.Anonymous, exp.Column}


def _classes(name: str) -> Iterator[type[exp.Expr]]:
    for count in range(5):
        try:
            yield type(sqlglot.parse_one(f"{name}({', '.join('abcd'[:count])})", read="athena"))
        except SqlglotError:
            continue

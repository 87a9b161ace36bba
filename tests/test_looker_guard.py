"""Looker's SQL guard: the statements of looker_statements.toml, mutations of these, and good ones run in Athena."""

import logging
import random
import re
import tomllib
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import sqlglot
from sqlglot import exp

from lambdas.looker.guard import Policy, RefusedError, SafeQuery, check_statement
from loglake_assets.reviews import load_review, review_views
from loglake_assets.sources import load_source
from resources.athena import AthenaError
from tests.conftest import ReviewedLake, ToolLake

_HERE = Path(__file__).resolve().parent
_CORPUS: dict[str, list[dict[str, Any]]] = tomllib.loads((_HERE / "looker_statements.toml").read_text())
_REFUSED, _ACCEPTED = _CORPUS["refused"], _CORPUS["accepted"]
_DAYS = "logcalendarday BETWEEN 20261101 AND 20261103"


def _readready(source: str) -> frozenset[str]:
    table = load_source(source).readready
    return frozenset({*(c.name for c in (*table.columns, *table.evidence)), "logcalendarday"})


def _view(review: str) -> frozenset[str]:
    return frozenset(column.name for column in review_views(load_review(review))[0].columns)


POLICY = Policy(
    "security_lake",
    {
        "from_cloudtrail_readready": _readready("cloudtrail"),
        "from_cloudwatch_readready": _readready("cloudwatch"),
        "from_bedrock_readready": _readready("bedrock"),
        "session_activity": _view("session_activity"),
        "agent_tool_use": _view("agent_tool_use"),
    },
)


@pytest.mark.parametrize("case", _REFUSED, ids=[f"{i}-{c['kind']}" for i, c in enumerate(_REFUSED)])
@pytest.mark.fault(51, "the corpus of hostile SQL", "refused with a reason")
def test_a_statement_that_must_not_run_is_refused_with_its_reason(case: dict[str, Any]) -> None:
    with pytest.raises(RefusedError) as refused:
        check_statement(case["sql"], POLICY)
    assert re.search(case["why"], refused.value.reason), refused.value.reason


@pytest.mark.parametrize("case", _ACCEPTED, ids=range(len(_ACCEPTED)))
def test_a_good_statement_may_run_without_comments_with_a_limit_and_is_stable(case: dict[str, Any]) -> None:
    accepted = check_statement(case["sql"], POLICY)
    tree = sqlglot.parse_one(accepted.sql, read="athena")
    assert accepted.tables == tuple(case["tables"]) == tuple(sorted(accepted.days))
    assert not any(node.comments for node in tree.walk())
    assert not re.search(r"--|/\*", re.sub(r"'[^']*'", "", accepted.sql))
    assert int(tree.args["limit"].expression.name) <= POLICY.row_limit
    assert check_statement(accepted.sql, POLICY) == accepted


def test_the_corpus_has_many_kinds() -> None:
    assert len(_REFUSED) >= 80
    assert len({case["kind"] for case in _REFUSED}) >= 40
    assert len(_ACCEPTED) >= 30
    assert len({case["sql"] for case in (*_REFUSED, *_ACCEPTED)}) == len(_REFUSED) + len(_ACCEPTED)


@pytest.mark.parametrize(
    ("clause", "limit"),
    [("", 200), ("LIMIT 5000", 200), ("LIMIT ALL", 200), ("LIMIT 7", 7), ("OFFSET 10 LIMIT 7", 7)],
)
def test_the_outermost_limit_is_lowered_and_never_raised(clause: str, limit: int) -> None:
    inner = f"SELECT eventname FROM from_cloudtrail_readready WHERE {_DAYS}"
    assert check_statement(f"{inner} {clause}", POLICY).sql.endswith(f" LIMIT {limit}")
    assert check_statement(f"{inner} UNION ALL {inner} {clause}", POLICY).sql.endswith(f" LIMIT {limit}")
    nested = check_statement(f"SELECT count(*) FROM ({inner} LIMIT 100000) x", POLICY).sql
    assert "LIMIT 100000" in nested
    assert nested.endswith("LIMIT 200")


@pytest.mark.parametrize(
    ("joined", "days"),
    [
        ("JOIN {b} ON a.logcalendarday = b.logcalendarday WHERE b.logcalendarday = 20261101", (1, 1)),
        (
            "JOIN {b} ON a.logcalendarday BETWEEN 20261101 AND 20261103 AND b.logcalendarday = 20261102 "
            "AND a.f_sessionid = b.f_sessionid",
            (1, 3),
        ),
        ("LEFT JOIN {b} ON b.logcalendarday = a.logcalendarday WHERE a.logcalendarday = 20261103", (3, 3)),
        (
            "RIGHT JOIN {b} ON a.logcalendarday = 20261101 AND a.f_sessionid = b.f_sessionid "
            "WHERE b.logcalendarday = 20261102",
            (1, 1),
        ),
        ("FULL JOIN {b} USING (f_sessionid) WHERE a.logcalendarday = 20261102 AND b.logcalendarday = 20261102", (2, 2)),
    ],
)
def test_days_follow_the_joins(joined: str, days: tuple[int, int]) -> None:
    sql = "SELECT a.eventname FROM from_cloudtrail_readready a " + joined.format(b="session_activity b")
    read = check_statement(sql, POLICY).days["from_cloudtrail_readready"]
    assert read == tuple(range(20261100 + days[0], 20261101 + days[1]))


def _month(month: str, table: str = "from_cloudtrail_readready") -> str:
    return f"SELECT count(*) FROM {table} WHERE logcalendarday BETWEEN {month}01 AND {month}28"


def test_the_days_of_all_selects_together_are_bounded_by_table() -> None:
    year = " UNION ALL ".join(_month(f"2026{month:02}") for month in range(1, 13))
    ends = " UNION ALL ".join(
        f"SELECT eventname FROM from_cloudtrail_readready WHERE logcalendarday = {day}" for day in (19700101, 29991231)
    )
    with pytest.raises(RefusedError, match=r"too many days for .*at most 31 days of a table"):
        check_statement(year, POLICY)
    assert check_statement(ends, POLICY).days == {"from_cloudtrail_readready": (19700101, 29991231)}
    same = check_statement(" UNION ALL ".join([_month("202611")] * 40), POLICY)
    assert same.days == {"from_cloudtrail_readready": tuple(range(20261101, 20261129))}
    other = check_statement(f"{_month('202611')} UNION ALL {_month('202610', 'session_activity')}", POLICY)
    assert {table: len(days) for table, days in other.days.items()} == {
        "from_cloudtrail_readready": 28,
        "session_activity": 28,
    }


@pytest.mark.parametrize(("sql", "limit"), [("({0} LIMIT 5)", 5), ("(({0} ORDER BY 1 LIMIT 5))", 5), ("(({0}))", 200)])
def test_brackets_around_the_whole_query_change_nothing(sql: str, limit: int) -> None:
    accepted = check_statement(sql.format(f"SELECT eventname FROM from_cloudtrail_readready WHERE {_DAYS}"), POLICY)
    assert accepted.sql.endswith(f"LIMIT {limit}")
    assert ("ORDER BY" in accepted.sql) is ("ORDER BY" in sql)


@pytest.mark.long
def test_reasons_and_logs_hold_no_literal(caplog: pytest.LogCaptureFixture) -> None:
    canary = "canary-4711"
    with caplog.at_level(logging.DEBUG):
        for sql in _with_canary(canary):
            assert canary not in _reason(sql)
    assert canary not in caplog.text


def _reason(sql: str) -> str:
    try:
        check_statement(sql, POLICY)
    except RefusedError as refused:
        return f"{refused.reason} {refused.__cause__}"
    return ""


def _with_canary(canary: str) -> Iterator[str]:
    for case in (*_REFUSED, *_ACCEPTED):
        yield re.sub(r"'[^']*'", f"'{canary}'", case["sql"])
        yield f"SELECT '{canary}', {case['sql']}"
        yield f"{case['sql']} AND x = '{canary}' '"
    yield f"SELECT json_extract(eventname, '$.[{canary}') FROM session_activity WHERE {_DAYS}"
    yield f"EXECUTE IMMEDIATE '{canary}'"
    yield f"'{canary}'"


@pytest.mark.parametrize("odd", [None, 7, b"SELECT 1", "\ud800", "SELECT '\ud800'", "(" * 20_000, "'" * 9_999, "\0"])
def test_odd_input_is_refused_and_nothing_else_happens(odd: Any) -> None:
    with pytest.raises(RefusedError):
        check_statement(odd, POLICY)


def test_a_name_in_a_reason_is_short_and_printable() -> None:
    with pytest.raises(RefusedError) as refused:
        check_statement(f'SELECT * FROM "{"x" * 300}"', POLICY)
    assert "x" * 58 not in refused.value.reason


@pytest.mark.long
@pytest.mark.fault(51, "mutated statements", "refused, or of allowed tables only")
def test_mutations_are_refused_or_read_allowed_tables_only() -> None:
    chance = random.Random(4)
    statements = [case["sql"] for case in (*_REFUSED, *_ACCEPTED * 4) if len(case["sql"]) < 2_000]
    passed = 0
    for _ in range(3_000):
        sql = _mutate(chance, statements)
        try:
            accepted = check_statement(sql, POLICY)
        except RefusedError:
            continue
        passed += 1
        assert _independently_safe(accepted), sql
    assert passed >= 100


def _mutate(chance: random.Random, statements: list[str]) -> str:
    one, other = chance.choice(statements), chance.choice(statements)
    words, others = re.split(r"(\W)", one), re.split(r"(\W)", other)
    at, to = chance.randrange(len(words)), chance.randrange(len(others))
    length = chance.randint(1, 6)
    return chance.choice(
        [
            "".join(words[:at] + words[at + length :]),
            "".join(words[:at] + others[to : to + length] + words[at:]),
            "".join(words[:at] + others[to:]),
            "".join([*words[:at], chance.choice(others), *words[at + 1 :]]),
            f"{one} {chance.choice(('UNION ALL', 'EXCEPT', ';', ',', 'OR', '--'))} {other}",
            f"SELECT * FROM ({one}) a CROSS JOIN ({other}) b",
            f"WITH x AS ({one}) {other}",
        ]
    )


def _independently_safe(accepted: SafeQuery) -> bool:
    """Another look at what runs, which knows no more than names: it must not share a mistake with the guard."""
    (tree,) = sqlglot.parse(accepted.sql, read="trino")
    assert isinstance(tree, (exp.Select, exp.SetOperation))
    queries = {cte.alias.lower() for cte in tree.find_all(exp.CTE)}
    assert not queries & set(POLICY.tables)
    names = [table.name.lower() for table in tree.find_all(exp.Table)]
    days = [date.fromisoformat(str(day)) for read in accepted.days.values() for day in read]
    writes = (exp.DDL, exp.DML, exp.Command, exp.Into, exp.Lateral, exp.Placeholder, exp.Parameter)
    return (
        set(names) <= set(POLICY.tables) | queries
        and {name for name in names if name in POLICY.tables} == set(accepted.tables)
        and all(table.db.lower() in ("", POLICY.database) and not table.catalog for table in tree.find_all(exp.Table))
        and not any(isinstance(node, writes) and not isinstance(node, exp.Query) for node in tree.walk())
        and "$" not in re.sub(r"'[^']*'", "", accepted.sql)
        and int(tree.args["limit"].expression.name) <= POLICY.row_limit
        and bool(days)
        and all(0 < len(read) <= POLICY.max_days for read in accepted.days.values())
    )


def test_the_good_statements_run_in_athena(reviewed: ReviewedLake, tools: ToolLake) -> None:
    athena = reviewed.lake.resource.athena
    policy = replace(POLICY, database=athena.database)
    rows: dict[str, int] = {}
    failed: dict[str, str] = {}
    for case in _ACCEPTED:
        sql = check_statement(case["sql"].replace("security_lake.", f"{athena.database}."), policy).sql
        try:
            rows[sql] = len(athena.ask(sql).rows)
        except AthenaError as error:
            failed[sql] = str(error)
    assert failed == {}
    assert len(rows) == len(_ACCEPTED)
    assert max(rows.values()) <= POLICY.row_limit
    assert sum(1 for count in rows.values() if count) >= len(rows) * 2 // 3


# --- a reviewer's own rows --------------------------------------------------------------------------------------------

MINE = replace(POLICY, tables={"session_activity": _view("session_activity")}, rows="useridentity_arn LIKE 'a%'")


@pytest.mark.parametrize(
    "sql",
    [
        f"SELECT state FROM session_activity WHERE {_DAYS}",
        f"SELECT s.state FROM security_lake.session_activity AS s WHERE s.{_DAYS} AND (s.state = 'lost' OR 1 = 1)",
        f"WITH w AS (SELECT state FROM session_activity WHERE {_DAYS}) SELECT * FROM w",
        f"SELECT a.state FROM session_activity a JOIN session_activity b ON a.session_key = b.session_key "
        f"WHERE a.{_DAYS} AND b.{_DAYS}",
        f"SELECT state FROM session_activity WHERE {_DAYS} UNION SELECT target FROM session_activity WHERE {_DAYS}",
    ],
)
def test_of_every_table_only_the_rows_that_may_be_read_are_read(sql: str) -> None:
    accepted = check_statement(sql, MINE).sql
    tree = sqlglot.parse_one(accepted, read="athena")
    tables = [one for one in tree.find_all(exp.Table) if one.name == "session_activity"]
    assert tables
    for table in tables:
        select = table.find_ancestor(exp.Select)
        assert select
        assert select.args["where"].this.sql("athena") == MINE.rows
    assert check_statement(sql, replace(MINE, rows="")).sql != accepted

"""Questions: each says what it is for, has bounded days, and finds something on the sample lake."""

import json
import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from infra.cli.build import build_range
from infra.cli.day_argument import BuildError, days_of, parse_days
from infra.cli.evidence import print_evidence
from infra.cli.load import await_partitions, put_objects, samples_to_put
from infra.cli.local_lake import LocalLake, local_lake
from infra.cli.main import main
from infra.cli.query import ask
from infra.cli.questions import answers_page, questions_page, values_of
from infra.cli.review import build_review_range
from infra.emulator.athena_engine.statements import read_statement, with_parameters
from lambdas.looker.guard import Policy, check_statement
from lambdas.looker.prompt import table_cards
from loglake_assets.lake.checks.evidence import Evidence
from loglake_assets.questions import (
    Question,
    QuestionValueError,
    UnknownQuestionError,
    parse_question,
    question,
    questions,
)
from loglake_assets.reviews import load_review, review_names
from loglake_assets.sources import load_source, source_names
from loglake_assets.sources.sample_deliveries import generate
from tests.conftest import FIRST, LAST, quiet

QUESTIONS = questions()
TECHNIQUE = re.compile(r"T\d{4}(\.\d{3})?")


def full_name(one: Question) -> str:
    return f"{one.subject}/{one.name}"


def test_there_are_sixty_and_each_says_what_it_is_for() -> None:
    assert len(QUESTIONS) >= 60
    for one in QUESTIONS:
        assert one.title.endswith("?"), one.name
        assert not one.technique or TECHNIQUE.fullmatch(one.technique), one.name
        assert one.text.count("{first_day}") >= 1, one.name
    assert len({(one.subject, one.name) for one in QUESTIONS}) == len(QUESTIONS)
    assert {one.asked_by for one in QUESTIONS} == {"compliance", "security", "operations"}


@pytest.fixture(scope="module")
def sample_lake(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalLake]:
    """A lake of the samples that `loglake demo --events 5000` has, of its own: nothing else happens to its days."""
    with local_lake(tmp_path_factory.mktemp("asked"), quiet) as lake:
        for source in map(load_source, source_names()):
            loaded = put_objects(lake, source, samples_to_put(generate(source.name, FIRST, 3, 5_000).objects()), quiet)
            assert not await_partitions(lake, source, loaded.partitions, quiet, 60)
            assert [day.error for day in build_range(lake, source, FIRST, LAST, quiet)] == [None] * 3
        for review in map(load_review, review_names()):
            assert [day.error for day in build_review_range(lake, review, FIRST, LAST, quiet)] == [None] * 3
        yield lake


@pytest.mark.parametrize("one", QUESTIONS, ids=full_name)
def test_rows_come_in_an_order_that_no_two_share(one: Question) -> None:
    """Else the same question has another answer each time it is asked, and its LIMIT takes other rows."""
    tree = read_statement(one.statement(FIRST, LAST))
    names = [select.alias_or_name for select in tree.selects]
    ordered = {by.this.name for by in tree.args["order"].expressions}
    by_group = tree.args.get("group")
    grouped = {names[int(by.name) - 1] if by.is_int else by.name for by in by_group.expressions} if by_group else {""}
    whole = set(names) if tree.args.get("distinct") else grouped
    assert ordered >= whole or ordered & {"eventid", "session_key", "tool_key"}, f"{one.name} is ordered by {ordered}"


def test_an_agent_may_ask_each() -> None:
    policy = Policy("security_lake", {card.name: card.column_names for card in table_cards()})
    for one in QUESTIONS:
        check_statement(one.statement(FIRST, LAST), policy)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("SELECT 1", "must begin with its title"),
        ("-- Who?\n-- Why: because\nSELECT {first_day}, {last_day}", "must begin with its title"),
        (
            "-- Who?\n-- Why: because\n-- Asked by: me\nSELECT {first_day}, {last_day}",
            "compliance, security, operations",
        ),
        ("-- Who?\n-- Why: because\n-- Asked by: security\nSELECT 1", "it would scan all days"),
        ("-- Who?\n-- Why: so\n-- Asked by: security\nSELECT {first_day}, {last_day}, {who}", "each of its parameters"),
    ],
)
def test_a_question_that_does_not_say_what_it_must_is_refused(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        parse_question("any", "anylog", text)


def test_an_unknown_question_names_those_that_are_near_and_one_of_two_is_named_whole() -> None:
    with pytest.raises(UnknownQuestionError, match="console_logins"):
        question("console_login_failures")
    with pytest.raises(UnknownQuestionError, match="cloudtrail/events_by_hour"):
        question("events_by_hour")
    assert question("cloudwatch/events_by_hour").subject == "cloudwatch"


def test_a_question_is_asked_up_to_another_number_of_rows_than_its_own() -> None:
    assert all(one.limit for one in QUESTIONS), "each has an end for people"
    text = question("root_use").statement(FIRST, LAST, 1_001)
    assert (text.count("LIMIT"), text.splitlines()[-1]) == (1, "LIMIT 1001")
    without = parse_question("any", "anylog", "-- Who?\n-- Why: so\n-- Asked by: security\n{first_day}{last_day}")
    assert (without.limit, without.statement(FIRST, LAST, 3).splitlines()[-1]) == (None, "LIMIT 3")


def test_the_page_of_the_documentation_is_theirs(repository: Path) -> None:
    assert (repository / "docs" / "questions.md").read_text() == questions_page(), "loglake questions --page"


def test_they_are_listed_and_searched(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["questions", "mfa"]) == 0
    said = capsys.readouterr().out
    assert "console_logins_without_mfa" in said
    assert "root_use" not in said
    assert main(["questions", "nothing", "like", "this"]) == 1


@pytest.mark.stack
def test_every_question_finds_something_on_the_sample_lake_and_the_page_of_answers_is_theirs(
    sample_lake: LocalLake, repository: Path
) -> None:
    page = "\n".join(answers_page(sample_lake, FIRST, LAST))
    empty = [part.split("\n")[0] for part in page.split("\n## ")[1:] if " 0 rows." in part]
    assert empty == []
    assert page.count("\n## ") == len(QUESTIONS)
    kept = (repository / "docs" / "sample-answers.md").read_text()
    assert page.split("\n## ") == kept.split("\n## "), "its first lines say how it is made"


@pytest.mark.stack
def test_every_saved_query_finds_something_on_the_day_after_the_last_that_is_built(sample_lake: LocalLake) -> None:
    """As it is saved on AWS, and there only days that are over are built: a query of today finds nothing."""
    athena, workgroup = sample_lake.client("athena"), sample_lake.settings.workgroup
    pages = athena.get_paginator("list_named_queries").paginate(WorkGroup=workgroup)
    saved = {
        found["Name"]: found["QueryString"]
        for query in (one for page in pages for one in page["NamedQueryIds"])
        for found in [athena.get_named_query(NamedQueryId=query)["NamedQuery"]]
    }
    assert set(saved) == set(map(full_name, QUESTIONS))
    empty = []
    for name, sql in saved.items():
        assert "current_date" in sql, name
        on_that_day = sql.replace("current_date", f"DATE '{LAST + timedelta(days=1)}'")
        if not ask(sample_lake, with_parameters(on_that_day, ["''"] * len(question(name).parameters))).texts:
            empty.append(name)
    assert empty == []


@pytest.mark.stack
def test_a_question_is_asked_about_what_it_takes_and_no_value_becomes_sql(sample_lake: LocalLake) -> None:
    of_team = question("team_session_activity")

    def rows(**values: str) -> list[tuple[str | None, ...]]:
        return [tuple(row) for row in ask(sample_lake, of_team.statement(FIRST, LAST, 10_000, values)).texts]

    everything = rows()
    assert 0 < len(rows(principal="dave@example.com")) < len(everything)
    narrow = rows(principal="Dave@example.com", role="Administrator", account="444455556666")
    assert 0 < len(narrow) < len(rows(principal="dave@example.com"))
    assert rows(principal="dave@example.co") == [], "a name that begins so is somebody else's"
    window = [str(row[3]) for row in rows(begins="2026-11-02T12:00:00", ends="2026-11-02T16:00:00+02:00")]
    assert window
    assert "2026-11-02 12:00" <= min(window) <= max(window) <= "2026-11-02 14:00:00.000"
    for hostile in ("' OR '1' = '1", "%", "_", "x') OR ('1' = '1", "{account}", "--", "\\' OR 1=1"):
        assert rows(principal=hostile) == [], hostile


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"person": "x"}, "takes begins, ends, principal, role, account"),
        ({"begins": "yesterday"}, "a time such as"),
        ({"begins": "2026-11-01' OR '1'='1"}, "a time such as"),
        ({"role": "x" * 201}, "longer than 200"),
        ({"role": "x\ny"}, "cannot be printed"),
    ],
)
def test_what_a_question_does_not_take_is_refused_and_not_repeated(values: dict[str, str], said: str) -> None:
    with pytest.raises(QuestionValueError, match=said):
        question("team_session_activity").statement(FIRST, LAST, values=values)
    with pytest.raises(QuestionValueError, match="days only"):
        question("root_use").statement(FIRST, LAST, values=values)


def test_days_are_said_once_and_values_have_names() -> None:
    assert parse_days(None, "2026-11-01", "2026-11-03") == parse_days("2026-11-01..2026-11-03", None, None)
    for wrong in ((None, None, None), (None, "2026-11-01", None), ("2026-11-01", "2026-11-01", "2026-11-01")):
        with pytest.raises(BuildError, match="Say the days once"):
            parse_days(*wrong)
    assert values_of(["role=a=b", "account="]) == {"role": "a=b", "account": ""}
    with pytest.raises(QuestionValueError, match="is not <name>=<value>"):
        values_of(["role"])


@pytest.mark.stack
def test_one_is_asked_by_the_command_with_the_coverage_of_its_days(
    sample_lake: LocalLake, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LOGLAKE_HOME", str(sample_lake.home))
    days = f"{FIRST}..{LAST}"
    assert days_of(days) == (FIRST, LAST)
    assert main(["ask-sql", "root_use", "--days", days, "--format", "jsonl"]) == 0
    said = capsys.readouterr()
    assert json.loads(said.out.splitlines()[0])["eventname"]
    assert "not whole" in said.err, "one object of the samples is damaged"
    assert "there may be more" not in said.err
    span = ["--from", f"{FIRST}", "--to", f"{LAST}"]
    given = ["--set", "principal=dave@example.com", "--set", "role=Administrator"]
    assert main(["ask-sql", "team_session_activity", *span, *given, "--format", "jsonl"]) == 0
    assert list(json.loads(capsys.readouterr().out.splitlines()[0])) == [
        *("eventid", "eventname", "eventsource", "eventtime"),
    ]
    assert main(["ask-sql", "who_started_sessions", "--days", days, "--format", "jsonl"]) == 0
    said = capsys.readouterr()
    assert len(said.out.splitlines()) == question("who_started_sessions").limit
    assert "These are the first 12 rows, at which this question ends: there may be more." in said.err


@pytest.mark.parametrize("count", [19, 20])
def test_evidence_of_many_rows_says_where_it_ends(count: int, capsys: pytest.CaptureFixture[str]) -> None:
    one = Evidence("cloudtrail", "from_cloudtrail_readready", 20261101, {}, None, None, None, ())
    print_evidence([one] * count, "json")
    said = capsys.readouterr()
    assert len(json.loads(said.out)) == count
    assert ("the first 20 rows with this id are shown; there may be more" in said.err) is (count == 20)

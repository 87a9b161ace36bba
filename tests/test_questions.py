"""Questions: each says what it is for, has bounded days, and finds something on the sample lake."""

import json
import re
from pathlib import Path

import pytest

from infra.cli.day_argument import days_of
from infra.cli.evidence import print_evidence
from infra.cli.main import main
from infra.cli.questions import questions_page
from infra.emulator.athena_engine.statements import read_statement
from loglake_assets.lake.checks.evidence import Evidence
from loglake_assets.questions import UnknownQuestionError, parse_question, question, questions
from tests.conftest import FIRST, LAST, ReviewedLake, ToolLake

QUESTIONS = questions()
TECHNIQUE = re.compile(r"T\d{4}(\.\d{3})?")


def test_there_are_sixty_and_each_says_what_it_is_for() -> None:
    assert len(QUESTIONS) >= 60
    for one in QUESTIONS:
        assert one.title.endswith("?"), one.name
        assert not one.technique or TECHNIQUE.fullmatch(one.technique), one.name
        assert one.text.count("{first_day}") >= 1, one.name
    assert len({(one.subject, one.name) for one in QUESTIONS}) == len(QUESTIONS)
    assert {one.asked_by for one in QUESTIONS} == {"compliance", "security", "operations"}


@pytest.mark.parametrize("one", QUESTIONS, ids=lambda one: f"{one.subject}/{one.name}")
def test_a_saved_query_is_read_too(one: object) -> None:
    assert read_statement(one.last_week())  # type: ignore[attr-defined]


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
    asked = question("root_use").statement(FIRST, LAST, 1_001)
    assert (asked.count("LIMIT"), asked.splitlines()[-1]) == (1, "LIMIT 1001")
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
def test_every_question_finds_something_on_the_sample_lake_and_has_a_sample_answer(
    reviewed: ReviewedLake, tools: ToolLake, repository: Path
) -> None:
    answers = {one: reviewed.lake.resource.athena.ask(one.statement(FIRST, LAST)) for one in QUESTIONS}
    assert [f"{one.subject}/{one.name}" for one, answer in answers.items() if not answer.texts] == []
    page = (repository / "docs" / "sample-answers.md").read_text()
    for one, answer in answers.items():
        section = page.split(f"## {one.subject}: {one.name}\n")[1].split("\n## ")[0]
        assert f"| {' | '.join(answer.columns)} |" in section, "make demo, then loglake questions --answers"
        assert section.count("\n|") >= 3 or one.name == "first_seen_addresses", "on a larger lake all were seen before"
    assert len(re.findall("^## ", page, re.M)) == len(QUESTIONS)


@pytest.mark.stack
def test_one_is_asked_by_the_command_with_the_coverage_of_its_days(
    reviewed: ReviewedLake, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LOGLAKE_HOME", str(reviewed.lake.home))
    days = f"{FIRST}..{LAST}"
    assert days_of(days) == (FIRST, LAST)
    assert main(["ask-sql", "root_use", "--days", days, "--format", "jsonl"]) == 0
    said = capsys.readouterr()
    assert json.loads(said.out.splitlines()[0])["eventname"]
    assert "not whole" in said.err, "one object of the samples is damaged"
    assert "there may be more" not in said.err
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

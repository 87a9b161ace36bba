"""Looker measured: a right answer is told from a wrong one by its rows, on a real lake, with a scripted model."""

import json
from typing import Any

import pytest

from infra.cli.local_ask import ask_locally
from infra.cli.looker_measure import (
    MeasureQuestion,
    QuestionResult,
    holds,
    measure,
    measure_questions,
    print_results,
    summary,
)
from infra.cli.main import main
from infra.cli.query import ask
from infra.emulator.scripted_converse import Says, ToolCall
from lambdas.looker.guard import Policy, check_statement
from lambdas.looker.prompt import table_cards
from tests.conftest import FIRST, LAST, ReviewedLake, ToolLake, quiet

QUESTIONS = measure_questions()


@pytest.mark.parametrize(
    ("rows", "right", "is_right"),
    [
        ([["3"]], [["3"]], True),
        ([["3.0", "beside"]], [["3"]], True),
        ([["b", "2"], ["a", "1"]], [["a", "1"], ["b", "2"]], True),
        ([["2026-11-01 10:00:00.000"]], [["2026-11-01 10:00:00"]], True),
        ([[None]], [["null"]], True),
        ([["4"]], [["3"]], False),
        ([["3"], ["3"]], [["3"]], False),
        ([["a", "2"], ["b", "1"]], [["a", "1"], ["b", "2"]], False),
        ([["1"]], [["1", "1"]], False),
        ([], [["3"]], False),
    ],
)
def test_rows_are_right_in_any_order_and_with_more_columns_and_not_otherwise(
    rows: list[list[str | None]], right: list[list[str | None]], is_right: bool
) -> None:
    assert holds(rows, right) is is_right


def test_there_are_forty_questions_each_asked_once() -> None:
    assert len({one.ask for one in QUESTIONS}) == len(QUESTIONS) == 40
    assert sum(one.right is None for one in QUESTIONS) == 3


@pytest.mark.stack
def test_a_model_is_judged_by_the_rows_of_its_queries(reviewed: ReviewedLake, tools: ToolLake) -> None:
    lake = tools.lake
    policy = Policy("security_lake", {card.name: card.column_names for card in table_cards()})
    for one in QUESTIONS:
        if one.right:
            sql = one.statement(FIRST, LAST)
            check_statement(sql, policy)  # the guard lets a model ask it
            rows = ask(lake, sql).texts
            assert any(cell not in {None, "0"} for row in rows for cell in row), f"nothing to find: {one.ask}"

    asked = {one.words(FIRST, LAST): one for one in QUESTIONS}
    wrong = {QUESTIONS[1].ask, QUESTIONS[-1].ask}

    def model(body: dict[str, Any]) -> Says:
        """Knows the right SQL, but for two questions, of which it asks something else."""
        if len(body["messages"]) > 1:
            return Says("That is what the lake holds.")
        (words,) = (one for text in body["messages"][0]["content"] for one in asked if one in text.get("text", ""))
        one = asked[words]
        if one.ask in wrong:
            return Says(calls=(ToolCall("1", {"sql": QUESTIONS[0].statement(FIRST, LAST)}),))
        return (
            Says(calls=(ToolCall("1", {"sql": one.statement(FIRST, LAST)}),)) if one.right else Says("Not from logs.")
        )

    found = list(
        measure(lake, lambda words: ask_locally(lake, words, None, quiet, model), FIRST, LAST, QUESTIONS, quiet)
    )
    assert [one.question for one in found] == [one.ask for one in QUESTIONS], "each is asked, and none is left out"
    assert {one.question for one in found if not one.is_right} == wrong
    assert all(one.seconds > 0 and one.input_tokens and one.output_tokens for one in found)
    assert summary(found)["right_pct"] == 95.0


def test_the_report_says_what_share_is_right_how_long_it_took_and_what_it_used(
    capsys: pytest.CaptureFixture[str],
) -> None:
    found = [QuestionResult("a", True, 10.0, 100, 10, 1, 0), QuestionResult("b", False, 70.0, 50, 5, 0, 2, "turns")]
    said: list[str] = []
    print_results(found, "some-model", "table", said.append)
    assert said == [
        "some-model: 1 of 2 right (50.0 %); 50.0 % within 60 seconds, half within 70.0; 150 tokens in, 15 out; "
        "2 queries refused by the guard."
    ]
    capsys.readouterr()
    print_results(found, "some-model", "json", said.append)
    document = json.loads(capsys.readouterr().out)
    assert (document["model"], document["right"], len(document["questions"])) == ("some-model", 1, 2)


def test_a_lake_without_a_model_has_nothing_to_be_measured(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("BEDROCK_MODEL_ID", raising=False)
    assert main(["measure-looker", "--days", "2026-11-01"]) == 2
    assert "set BEDROCK_MODEL_ID" in capsys.readouterr().err
    assert MeasureQuestion("x").words(FIRST, LAST) == "x"

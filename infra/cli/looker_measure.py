"""How well a model answers: questions in plain language, each with the SQL whose rows are the right answer.

An answer is right by its result: some query that Looker ran gave these rows, whatever its SQL says and whatever columns
stand beside. A question that the lake must not be asked is answered right where no query ran.
"""

import importlib.resources
import json
import re
import time
import tomllib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from infra.cli.ask import AskError
from infra.cli.command_lake import CommandLake
from infra.cli.query import QueryError, ask
from infra.cli.terminal_output import print_table
from loglake_assets.sources.calendar_days import day_number

GOAL_SECONDS = 60
"""The original answers more than half of its questions within it."""
_TIME = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d")
Say = Callable[[str], None]
Looker = Callable[[str], dict[str, Any]]
"""A question in, the document of Looker's answer out."""


@dataclass(frozen=True)
class MeasureQuestion:
    """A question and the SQL of its right answer; None where the lake must not be asked."""

    ask: str
    right: str | None = None

    def words(self, first: date, last: date) -> str:
        """The question as a person would ask it, with its days."""
        return f"{self.ask} The days are {first} to {last}." if self.right else self.ask

    def statement(self, first: date, last: date) -> str:
        """The SQL of the right answer over its days."""
        assert self.right, "a question that is not to be asked has none"
        return self.right.format(first=day_number(first), last=day_number(last))


@dataclass(frozen=True)
class QuestionResult:
    """What became of one question. `seconds` are from the question to the answer's last word."""

    question: str
    is_right: bool
    seconds: float
    input_tokens: int = 0
    output_tokens: int = 0
    queries: int = 0
    refused: int = 0
    stopped_by: str | None = None


def measure_questions() -> list[MeasureQuestion]:
    """The questions, from `looker_questions.toml` beside this module."""
    text = (importlib.resources.files(__package__) / "looker_questions.toml").read_text(encoding="utf-8")
    return [MeasureQuestion(**entry) for entry in tomllib.loads(text)["question"]]


def measure(
    lake: CommandLake, looker: Looker, first: date, last: date, questions: Sequence[MeasureQuestion], say: Say
) -> Iterator[QuestionResult]:
    """Ask each question, one after another. Raises QueryError where the lake cannot give the right answer itself."""
    for number, one in enumerate(questions, 1):
        right = None if one.right is None else _rows(lake, one.statement(first, last))
        if right == []:
            say(f"{number} of {len(questions)}: left out, as the lake has no rows for it: {one.ask}")
            continue
        began = time.monotonic()
        try:
            found = _result(lake, one, looker(one.words(first, last)), right, began)
        except (AskError, QueryError, ClientError, BotoCoreError) as error:  # the others are paid for
            found = QuestionResult(one.ask, False, time.monotonic() - began, stopped_by=type(error).__name__)
        say(f"{number} of {len(questions)}, {found.seconds:.1f} s: {'right' if found.is_right else 'WRONG'}: {one.ask}")
        yield found


def _result(
    lake: CommandLake,
    question: MeasureQuestion,
    answer: dict[str, Any],
    right: list[list[str | None]] | None,
    began: float,
) -> QuestionResult:
    seconds, queries = time.monotonic() - began, answer["queries"]
    is_right = not queries if right is None else any(holds(_rows(lake, query["sql"]), right) for query in queries)
    return QuestionResult(
        question.ask,
        is_right and answer["stopped_by"] is None,
        seconds,
        answer["input_tokens"],
        answer["output_tokens"],
        len(queries),
        len(answer["refused"]),
        answer["stopped_by"],
    )


def _rows(lake: CommandLake, sql: str) -> list[list[str | None]]:
    return [list(row) for row in ask(lake, sql).texts]


def holds(rows: Sequence[Sequence[str | None]], right: Sequence[Sequence[str | None]]) -> bool:
    """Whether rows are the right ones in any order, each with all values of a right row and whatever stands beside."""
    if len(rows) != len(right):
        return False
    left = [list(map(_value, row)) for row in rows]
    # The most particular first, so that no row is taken by a right one that another could have met.
    for wanted in sorted((list(map(_value, row)) for row in right), key=len, reverse=True):
        match = next((row for row in left if _has(row, wanted)), None)
        if match is None:
            return False
        left.remove(match)
    return True


def _has(row: Sequence[str], wanted: Sequence[str]) -> bool:
    rest = list(row)
    for value in wanted:
        if value not in rest:
            return False
        rest.remove(value)
    return True


def _value(text: str | None) -> str:
    """A cell as it is compared: 3 and 3.0 are one number, and a time has as many zeros as it likes."""
    if text is None:
        return "null"
    if _TIME.match(text):
        return datetime.fromisoformat(text.removesuffix(" UTC")).isoformat()
    try:
        return repr(float(text))
    except ValueError:
        return text.strip()


def print_results(found: Sequence[QuestionResult], model: str, form: str, say: Say) -> None:
    """A line a question and what they come to; as JSON for programs."""
    if form == "json":
        print(json.dumps({"model": model, **summary(found), "questions": [asdict(one) for one in found]}, indent=1))
        return
    rows = [
        [
            "right" if one.is_right else "WRONG",
            f"{one.seconds:.1f}",
            one.input_tokens,
            one.output_tokens,
            one.queries,
            one.refused,
            one.question,
        ]
        for one in found
    ]
    print_table("", ("answer", "seconds", "tokens in", "tokens out", "queries", "refused", "question"), rows)
    total = summary(found)
    say(
        f"{model}: {total['right']} of {len(found)} right ({total['right_pct']} %); {total['within_goal_pct']} % "
        f"within {GOAL_SECONDS} seconds, half within {total['median_seconds']}; {total['input_tokens']:,} tokens in, "
        f"{total['output_tokens']:,} out; {total['refused']} queries refused by the guard."
    )


def summary(found: Sequence[QuestionResult]) -> dict[str, Any]:
    """What the questions come to; percentages of all questions."""
    seconds = sorted(one.seconds for one in found)

    def pct(count: int) -> float:
        return round(100 * count / max(1, len(found)), 1)

    right = sum(one.is_right for one in found)
    return {
        "right": right,
        "right_pct": pct(right),
        "within_goal_pct": pct(sum(one <= GOAL_SECONDS for one in seconds)),
        "median_seconds": round(seconds[len(seconds) // 2], 1) if seconds else 0.0,
        "input_tokens": sum(one.input_tokens for one in found),
        "output_tokens": sum(one.output_tokens for one in found),
        "refused": sum(one.refused for one in found),
    }

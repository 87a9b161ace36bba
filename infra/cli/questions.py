"""Questions from the command line: listed, searched, asked, and written as a page of the documentation."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date

from infra.cli.command_lake import CommandLake, warn
from infra.cli.day_range import warn_of_days
from infra.cli.query import ask, print_answer
from infra.cli.terminal_output import escape, print_table
from loglake_assets.questions import Question, QuestionValueError, question, questions
from loglake_assets.sources.words import tally
from resources.settings import loglake

PAGE_HEAD = """# Questions

Made by `loglake questions --page`. Each is asked with `loglake ask-sql NAME --days 2026-11-01..2026-11-07`, or with
`--from 2026-11-01 --to 2026-11-07`, which says under the answer which of the days it read are not whole. On AWS it is a
saved query of the lake's workgroup, over the seven days that ended yesterday by UTC. Yesterday is built at night: until
then nothing in it is seen for the first time.

What a question takes beside its days is given as `--set name=value`, and may be left out. In the saved query it is a
`?`, for which Athena's console asks: a text in single quotes, `''` to leave it out.
"""


ANSWERS_HEAD = """# Sample answers

Made by `loglake --home .loglake-demo questions --answers 2026-11-01..2026-11-03` after `loglake demo --events 5000`:
the first rows that each of the [questions](questions.md) has on the sample lake, whose people, accounts and attacks are
invented. A test asks them all again and compares the whole page.
"""
_ROWS_SHOWN, _CELL_SHOWN = 2, 60


def list_questions(words: Sequence[str], say: Callable[[str], None]) -> bool:
    """A line for each question that has all the words; False where none has."""
    found = [one for one in questions() if one.has(words)]
    rows = [[one.name, one.subject, one.asked_by, one.technique or None, one.title] for one in found]
    if rows:
        print_table("", ("name", "of", "asked by", "ATT&CK", "question"), rows)
    say(
        f"{len(found)} of {tally(len(questions()), 'question')}; "
        f"`{loglake('ask-sql NAME --days 2026-11-01..2026-11-07')}` asks one"
    )
    return bool(found)


def values_of(texts: Sequence[str]) -> dict[str, str]:
    """`name=value` each, as given to --set. Raises QuestionValueError."""
    if wrong := [text for text in texts if not text.partition("=")[1]]:
        raise QuestionValueError(f"--set {wrong[0]!r} is not <name>=<value>. Nothing was asked.")
    return {name: value for name, _, value in (text.partition("=") for text in texts)}


def ask_question(
    lake: CommandLake,
    name: str,
    days: tuple[date, date],
    values: Mapping[str, str],
    form: str,
    say: Callable[[str], None],
) -> None:
    """Ask one question over its first to its last day, and say which of them are not whole.

    Raises UnknownQuestionError, QuestionValueError, QueryError.
    """
    chosen, (first, last) = question(name), days
    sql = chosen.statement(first, last, values=values)
    if form == "table":
        say(f"{chosen.title} ({first} to {last})")
    answer, tell = ask(lake, sql), say if form == "table" else warn
    print_answer(answer, form)
    if len(answer.texts) == chosen.limit:
        tell(
            f"These are the first {chosen.limit:,} rows, at which this question ends: there may be more. Ask for fewer "
            f"days, or ask its SQL with another LIMIT by `{loglake('query')}`."
        )
    warn_of_days(lake, sql, tell)


def answers_page(lake: CommandLake, first: date, last: date) -> Iterator[str]:
    """The first rows of every question's answer over days, as Markdown, a part for each question. Raises QueryError."""
    yield ANSWERS_HEAD
    for one in questions():
        answer = ask(lake, one.statement(first, last))
        lines = [answer.columns, ["---"] * len(answer.columns), *([_code(c) for c in r] for r in answer.texts)]
        table = "\n".join(f"| {' | '.join(line)} |" for line in lines[: 2 + _ROWS_SHOWN])
        yield f"## {one.subject}: {one.name}\n\n{one.title} {_count(one, len(answer.texts))}.\n\n{table}\n"


def _count(one: Question, count: int) -> str:
    """How many rows an answer has; one that reached its question's end may have more."""
    return f"{count:,} row{'' if count == 1 else 's'}{' or more' if count == one.limit else ''}"


def _code(cell: str | None) -> str:
    """A cell of a Markdown table as code, in which nothing is interpreted; empty where there is no value."""
    if not cell:
        return ""
    text = escape(cell if len(cell) <= _CELL_SHOWN else f"{cell[:_CELL_SHOWN]}…")
    return f"`{text.replace('`', chr(39)).replace('|', '¦')}`"


def questions_page() -> str:
    """All questions as Markdown."""
    by_subject: dict[str, list[Question]] = {}
    for one in questions():
        by_subject.setdefault(one.subject, []).append(one)
    parts = [PAGE_HEAD]
    for subject, found in by_subject.items():
        rows = [f"| `{q.name}` | {q.title} | {q.why} | {q.asked_by} | {q.technique} |" for q in found]
        parts.append(
            f"## {subject}\n\n| name | question | why | asked by | ATT&CK |\n|---|---|---|---|---|\n"
            + "\n".join(rows)
            + "\n"
        )
        takes = [f"- `{q.name}` takes `{one.name}`, a {one.kind}: {one.what}" for q in found for one in q.parameters]
        if takes:
            parts.append("\n".join(takes) + "\n")
    return "\n".join(parts)

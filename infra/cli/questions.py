"""Questions from the command line: listed, searched, asked, and written as a page of the documentation."""

from collections.abc import Callable, Sequence
from datetime import date

from infra.cli.day_range import warn_of_days
from infra.cli.lake import CommandLake, warn
from infra.cli.query import ask, print_answer
from infra.cli.terminal import print_table
from loglake_assets.questions import Question, question, questions

PAGE_HEAD = """# Questions

Made by `loglake questions --page`. Each is asked with `loglake ask-sql <name> --days 2026-11-01..2026-11-07`, which
says under the answer which of the days it read are not whole; on AWS it is a saved query of the lake's workgroup, over
the last week.
"""


def list_questions(words: Sequence[str], say: Callable[[str], None]) -> bool:
    """A line for each question that has all the words; False where none has."""
    found = [one for one in questions() if one.has(words)]
    rows = [[one.name, one.subject, one.asked_by, one.technique or None, one.title] for one in found]
    if rows:
        print_table("", ("name", "of", "asked by", "ATT&CK", "question"), rows)
    say(
        f"{len(found)} of {len(questions())} questions; `loglake ask-sql <name> --days 2026-11-01..2026-11-07` asks one"
    )
    return bool(found)


def ask_question(lake: CommandLake, name: str, first: date, last: date, form: str, say: Callable[[str], None]) -> None:
    """Ask one question over days, and say which of them are not whole. Raises UnknownQuestionError, QueryError."""
    chosen = question(name)
    sql = chosen.statement(first, last)
    if form == "table":
        say(f"{chosen.title} ({first} to {last})")
    print_answer(ask(lake, sql), form)
    warn_of_days(lake, sql, say if form == "table" else warn)


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
    return "\n".join(parts)

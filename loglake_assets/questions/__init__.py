"""Questions that are asked of the lake again and again: one `.sql` file each, in the folder of their log or review.

A file begins with comments: the question itself, `Why:`, `Asked by:` (compliance, security or operations) and, where
there is one, `ATT&CK:` with the number of the technique. Its days are `{first_day}` and `{last_day}` (yyyymmdd), so
that no question scans everything. What else it can be asked about is a line `Takes: <name> (text or time): <what>`
each, and `{<name>}` once in the SQL: a text in quotes, which is empty where nothing is given and must then leave
nothing out. Rows come in an order that tells each from the next, so that an answer can be had again.
"""

import importlib.resources
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime

from loglake_assets.reviews import review_names
from loglake_assets.sources import source_names
from loglake_assets.sources.calendar_days import day_number
from resources.athena import sql_literal

ASKERS = ("compliance", "security", "operations")
_FIELDS = re.compile(r"^-- (?P<field>Why|Asked by|ATT&CK): (?P<value>.+)$")
_TAKES = re.compile(r"^-- Takes: (?P<name>[a-z_]+) \((?P<kind>text|time)\): (?P<what>.+)$", re.M)
_PLACES = re.compile(r"(?<!\{)\{([a-z_]+)\}")
_LONGEST_VALUE = 200
_LIMIT = re.compile(r"\nLIMIT (?P<rows>[0-9]+)\s*$")
_LAST_WEEK = {
    "first_day": "CAST(date_format(current_date - INTERVAL '7' DAY, '%Y%m%d') AS integer)",
    "last_day": "CAST(date_format(current_date - INTERVAL '1' DAY, '%Y%m%d') AS integer)",
}
"""The seven days before today, by UTC: a day is built when it is over, so the last of them is the last there can be."""


class UnknownQuestionError(LookupError):
    """There is no question of this name; the message names those that are near."""


class QuestionValueError(ValueError):
    """A question was given something it does not take; the message says what it takes."""


@dataclass(frozen=True)
class Parameter:
    """What a question can be asked about beside its days. `kind` is text or time."""

    name: str
    kind: str
    what: str

    def literal(self, value: str) -> str:
        """The value in SQL, in quotes; an empty one leaves nothing out. Raises QuestionValueError."""
        if len(value) > _LONGEST_VALUE or not value.isprintable():
            raise QuestionValueError(
                f"What was given for {self.name} is longer than {_LONGEST_VALUE} characters or has some that cannot be "
                "printed. Nothing was asked; give a shorter or plain one."
            )
        return sql_literal(_utc(self.name, value) if value and self.kind == "time" else value)


def _utc(name: str, value: str) -> str:
    """A moment as Athena reads it; without a zone it is UTC already."""
    try:
        moment = datetime.fromisoformat(value)
        moment = moment.astimezone(UTC) if moment.tzinfo else moment
    except (ValueError, OverflowError):
        raise QuestionValueError(
            f"{name} must be a time such as 2026-11-01T10:00:00, which is UTC, or one with a zone. Nothing was asked."
        ) from None
    return moment.replace(tzinfo=None).isoformat(" ", "milliseconds")


@dataclass(frozen=True)
class Question:
    """One question. `subject` is the log or review whose folder it is in; `technique` is empty where there is none."""

    name: str
    subject: str
    title: str
    why: str
    asked_by: str
    technique: str
    text: str
    parameters: tuple[Parameter, ...] = ()

    @property
    def limit(self) -> int | None:
        """The rows at which its answer ends; None where it has no such end."""
        found = _LIMIT.search(self.text)
        return int(found["rows"]) if found else None

    def statement(
        self, first: date, last: date, most: int | None = None, values: Mapping[str, str] | None = None
    ) -> str:
        """The SQL over the days from first to last; with `most`, up to that many rows and not those of its own end.

        `values` are its parameters by name. Raises QuestionValueError.
        """
        given = values or {}
        if unknown := sorted(set(given) - {one.name for one in self.parameters}):
            takes = ", ".join(one.name for one in self.parameters) or "days only"
            raise QuestionValueError(
                f"{self.name} does not take {', '.join(map(repr, unknown))}; it takes {takes}. Nothing was asked."
            )
        text = self.text if most is None else f"{_LIMIT.sub('', self.text).rstrip()}\nLIMIT {most}\n"
        literals = {one.name: one.literal(given.get(one.name, "")) for one in self.parameters}
        return text.format(first_day=day_number(first), last_day=day_number(last), **literals)

    def last_week(self) -> str:
        """The SQL over the seven days before the one it is asked on, for Athena to keep as a saved query.

        Its parameters are `?`, for which the console asks: each a text in single quotes.
        """
        return self.text.format(**_LAST_WEEK, **{one.name: "?" for one in self.parameters})

    def has(self, words: Sequence[str]) -> bool:
        """Whether every word stands somewhere in what is said of it."""
        said = " ".join((self.name, self.subject, self.title, self.why, self.asked_by, self.technique)).casefold()
        return all(word.casefold() in said for word in words)


def questions() -> list[Question]:
    """All questions, by subject and name. Raises ValueError where a file does not say what it must."""
    folders = [
        *(("loglake_assets.sources", name) for name in source_names()),
        *(("loglake_assets.reviews", name) for name in review_names()),
    ]
    return [one for package, subject in folders for one in sorted(_of(package, subject), key=lambda q: q.name)]


def question(name: str) -> Question:
    """The question of this name; `<subject>/<name>` where several have it. Raises UnknownQuestionError."""
    found = [one for one in questions() if name in (one.name, f"{one.subject}/{one.name}")]
    if len(found) == 1:
        return found[0]
    if found:
        names = ", ".join(f"{one.subject}/{one.name}" for one in found)
        raise UnknownQuestionError(f"Several questions are called {name!r}: {names}. Name one of these.")
    near = [one.name for one in questions() if set(name.split("_")) & set(one.name.split("_"))][:5]
    hint = f" Near are: {', '.join(near)}." if near else ""
    raise UnknownQuestionError(f"There is no question {name!r}.{hint} `loglake questions` lists all.")


def _of(package: str, subject: str) -> Iterator[Question]:
    folder = importlib.resources.files(package) / subject / "questions"
    if not folder.is_dir():
        return
    for file in folder.iterdir():
        if file.name.endswith(".sql"):
            yield parse_question(file.name.removesuffix(".sql"), subject, file.read_text(encoding="utf-8"))


def parse_question(name: str, subject: str, text: str) -> Question:
    """From the text of a file. Raises ValueError naming what is absent."""
    lines = text.splitlines()
    fields = {found["field"]: found["value"] for line in lines if (found := _FIELDS.match(line))}
    title = lines[0].removeprefix("-- ") if lines and lines[0].startswith("-- ") else ""
    if not title or not {"Why", "Asked by"} <= fields.keys() or fields["Asked by"] not in ASKERS:
        raise ValueError(
            f"The question {subject}/{name} must begin with its title, `-- Why:` and `-- Asked by:` one of "
            f"{', '.join(ASKERS)}, each a comment of one line."
        )
    if "{first_day}" not in text or "{last_day}" not in text:
        raise ValueError(
            f"The question {subject}/{name} has no {{first_day}} and {{last_day}}: it would scan all days."
        )
    parameters = tuple(Parameter(found["name"], found["kind"], found["what"]) for found in _TAKES.finditer(text))
    if [one.name for one in parameters] != [name for name in _PLACES.findall(text) if name not in _LAST_WEEK]:
        raise ValueError(
            f"The question {subject}/{name} must say each of its parameters in a line `-- Takes: <name> (text): "
            "<what>`, or (time), and have each once in its SQL, in the same order."
        )
    return Question(name, subject, title, fields["Why"], fields["Asked by"], fields.get("ATT&CK", ""), text, parameters)

"""Questions that are asked of the lake again and again: one `.sql` file each, in the folder of their log or review.

A file begins with comments: the question itself, `Why:`, `Asked by:` (compliance, security or operations) and, where
there is one, `ATT&CK:` with the number of the technique. Its days are `{first_day}` and `{last_day}` (yyyymmdd), so
that no question scans everything.
"""

import importlib.resources
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date

from loglake_assets.reviews import review_names
from loglake_assets.sources import source_names
from loglake_assets.sources.placement import day_number

ASKERS = ("compliance", "security", "operations")
_FIELDS = re.compile(r"^-- (?P<field>Why|Asked by|ATT&CK): (?P<value>.+)$")
_LIMIT = re.compile(r"\nLIMIT (?P<rows>[0-9]+)\s*$")
_LAST_WEEK = {
    "first_day": "CAST(date_format(current_date - INTERVAL '7' DAY, '%Y%m%d') AS integer)",
    "last_day": "CAST(date_format(current_date, '%Y%m%d') AS integer)",
}


class UnknownQuestionError(LookupError):
    """There is no question of this name; the message names those that are near."""


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

    @property
    def limit(self) -> int | None:
        """The rows at which its answer ends; None where it has no such end."""
        found = _LIMIT.search(self.text)
        return int(found["rows"]) if found else None

    def statement(self, first: date, last: date, most: int | None = None) -> str:
        """The SQL over the days from first to last; with `most`, up to that many rows and not those of its own end."""
        text = self.text if most is None else f"{_LIMIT.sub('', self.text).rstrip()}\nLIMIT {most}\n"
        return text.format(first_day=day_number(first), last_day=day_number(last))

    def last_week(self) -> str:
        """The SQL over the last seven days and today, whenever it is asked: what Athena keeps as a saved query."""
        return self.text.format(**_LAST_WEEK)

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
    return Question(name, subject, title, fields["Why"], fields["Asked by"], fields.get("ATT&CK", ""), text)

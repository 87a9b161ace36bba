"""Who may review whose sessions, from `reviewers.toml`, and the same as a condition for a view or row filter on AWS."""

import argparse
import importlib.resources
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from loglake_assets.reviews.session_activity import REVIEW
from resources.athena import sql_literal

DAYS_TO_REVIEW = 7
_NAME = re.compile("[a-z0-9_]+")


class ReviewersError(ValueError):
    """reviewers.toml says something that cannot be meant, or no such reviewer; the message names what is accepted."""


@dataclass(frozen=True)
class Reviewer:
    """One reviewer's people. `others` are the source identities that somebody else reviews."""

    name: str
    source_identities: frozenset[str]
    arns: tuple[str, ...]
    others: frozenset[str] = frozenset()

    def reviews(self, source_identity: str | None, arn: str | None) -> bool:
        """Whether a session of this identity is this reviewer's to see."""
        if source_identity in self.source_identities:
            return True
        if source_identity is not None and source_identity in self.others:
            return False
        return any(matches(pattern, arn) for pattern in self.arns)

    def condition(self) -> str:
        """The same over the columns of the table: the WHERE of a view, or a row filter's expression."""
        by_identity = _in("useridentity_sourceidentity", self.source_identities)
        by_arn = " OR ".join(map(_arn_condition, self.arns))
        if by_arn and self.others:
            others = _in("useridentity_sourceidentity", self.others)
            by_arn = f"(useridentity_sourceidentity IS NULL OR NOT {others}) AND ({by_arn})"
        return " OR ".join(f"({part})" for part in (by_identity, by_arn) if part) or "1 = 0"

    def view_sql(self) -> str:
        """The view that this reviewer's role is given instead of the table."""
        return (
            f"CREATE OR REPLACE VIEW {REVIEW.name}_of_{self.name} AS\n"
            f"SELECT * FROM {REVIEW.name}\nWHERE {self.condition()}"
        )


def matches(pattern: str, text: str | None) -> bool:
    """Whether a text is what a pattern says, * standing for anything. No other character is special.

    * alone is everybody, also who has no name: nobody knows who an orphan was.
    """
    if text is None:
        return pattern == "*"
    return re.fullmatch(".*".join(map(re.escape, pattern.split("*"))), text, re.DOTALL) is not None


def load_reviewers(path: Path | None = None) -> dict[str, Reviewer]:
    """The reviewers by name, of a file or of the project's own. Raises ReviewersError."""
    given = _document(path).get("reviewer", [])
    if not isinstance(given, list) or not all(isinstance(entry, dict) for entry in given):
        raise ReviewersError(f"reviewer in {reviewers_file(path)} is no list of tables. {entry_to_add('dana')}")
    entries = [_entry(entry) for entry in given]
    if len({name for name, _, _ in entries}) < len(entries):
        raise ReviewersError(f"{reviewers_file(path)} names a reviewer twice; put all of their people into one entry.")
    everybody = frozenset(identity for _, identities, _ in entries for identity in identities)
    return {name: Reviewer(name, ids, arns, everybody - ids) for name, ids, arns in entries}


def days_to_review(path: Path | None = None) -> int:
    """Days after its first in which a session is to be judged: `days_to_review` of the file. Raises ReviewersError."""
    days = _document(path).get("days_to_review", DAYS_TO_REVIEW)
    if not isinstance(days, int) or isinstance(days, bool) or days < 1:
        raise ReviewersError(f"days_to_review is {days!r}: expected a number of days, 1 or more.")
    return days


def find_reviewer(name: str, path: Path | None = None) -> Reviewer:
    """One reviewer. Raises ReviewersError naming those there are."""
    reviewers = load_reviewers(path)
    if name not in reviewers:
        known = ", ".join(sorted(reviewers)) or "none"
        raise ReviewersError(
            f"There is no reviewer {name!r}; {reviewers_file(path)} has {known}. Nothing was written. "
            f"{entry_to_add(name)}"
        )
    return reviewers[name]


def reviewers_file(path: Path | None = None) -> str:
    """The path of the file that names reviewers: the one that is given, or the project's own."""
    return str(path or importlib.resources.files("loglake_assets") / "reviewers.toml")


def entry_to_add(name: str) -> str:
    """What to write into the file so that somebody reviews, by an example."""
    shown = name if _NAME.fullmatch(name) else "dana"
    return (
        "Add these lines to it, with the source identities of whom they review, or to a file of your own that "
        "--reviewers of `review`, `verdicts`, `verdict` and `mcp` names:\n\n"
        f'    [[reviewer]]\n    name = "{shown}"\n    source_identities = ["alice", "bob"]\n\n'
        'With arns = ["*"] as the third line it is everybody whom no other reviews.'
    )


def _document(path: Path | None) -> dict[str, Any]:
    """What the file says, of the path or of the project's own."""
    file = path or importlib.resources.files("loglake_assets") / "reviewers.toml"
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise ReviewersError(f"{reviewers_file(path)} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise ReviewersError(f"{reviewers_file(path)} is not written in UTF-8.") from error
    except tomllib.TOMLDecodeError as error:
        raise ReviewersError(f"{reviewers_file(path)} is not TOML: {error}.") from error


def _entry(entry: Mapping[str, object]) -> tuple[str, frozenset[str], tuple[str, ...]]:
    name = entry.get("name")
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise ReviewersError(f"A reviewer's name is {name!r}; it becomes part of a view's name: a-z, 0-9 and _ only.")
    if unknown := sorted(set(entry) - {"name", "source_identities", "arns"}):
        raise ReviewersError(f"Reviewer {name} says {unknown}; accepted: name, source_identities, arns.")
    return name, frozenset(_texts(entry, "source_identities")), tuple(_texts(entry, "arns"))


def _texts(entry: Mapping[str, object], field: str) -> list[str]:
    values = entry.get(field, [])
    if not isinstance(values, list) or not all(isinstance(value, str) and value for value in values):
        raise ReviewersError(f"{field} of reviewer {entry['name']} is {values!r}: expected a list of texts.")
    return values


def _in(column: str, values: frozenset[str]) -> str:
    return f"{column} IN ({', '.join(sql_literal(v) for v in sorted(values))})" if values else ""


def _arn_condition(pattern: str) -> str:
    if pattern == "*":
        return "1 = 1"
    escaped = re.sub(r"([!%_])", r"!\1", pattern).replace("*", "%")
    return f"useridentity_arn LIKE {sql_literal(escaped)}" + (" ESCAPE '!'" if "!" in escaped else "")


def main(argv: Sequence[str] | None = None) -> None:
    """Print the view of each reviewer, for Athena."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--reviewers", type=Path, help="another file than the project's reviewers.toml")
    for reviewer in load_reviewers(parser.parse_args(argv).reviewers).values():
        print(f"{reviewer.view_sql()};\n")


if __name__ == "__main__":
    main()

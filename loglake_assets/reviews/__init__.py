"""Every review is a folder here: a small table joined from readready tables, for people who judge what was done.

A review's folder names the logs it joins; nothing else in the lake does.
"""

import importlib
import importlib.resources
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from loglake_assets.reviews.review_model import Review
from loglake_assets.sources.model import Column, ReadreadyTable

__all__ = [
    "Review",
    "UnknownReviewError",
    "View",
    "load_review",
    "review_names",
    "review_views",
    "tables_of",
    "views_of",
]

_HERE = Path(__file__).parent


class UnknownReviewError(LookupError):
    """No folder of that name; the message lists those there are."""


def review_names() -> tuple[str, ...]:
    """The names of all declared reviews, sorted: every folder here that is a package. Not from within a zip."""
    return tuple(sorted(p.parent.name for p in _HERE.glob("*/__init__.py")))


def load_review(name: str) -> Review:
    """The declaration of review `name`. Raises UnknownReviewError."""
    if name not in review_names():
        raise UnknownReviewError(f"There is no review {name!r}. Declared reviews: {', '.join(review_names())}.")
    declared = importlib.import_module(f"loglake_assets.reviews.{name}").REVIEW
    assert isinstance(declared, Review)
    return declared


@dataclass(frozen=True)
class View:
    """An Athena view that readers of a review query: its SELECT over one of the review's tables."""

    name: str
    description: str
    table: ReadreadyTable
    statement: str

    @property
    def columns(self) -> tuple[Column, ...]:
        """The columns that the SELECT names, one a line."""
        declared = (*self.table.all_columns, self.table.partition_key)
        return tuple(c for c in declared if re.search(rf"^  {c.name},?$", self.statement, re.MULTILINE))


def tables_of(reviews: Iterable[Review]) -> Iterator[ReadreadyTable]:
    """Every table that the days of some reviews are kept in."""
    return (table for review in reviews for table in review.tables)


def views_of(reviews: Iterable[Review]) -> Iterator[View]:
    """Every Athena view over the tables of some reviews."""
    return (view for review in reviews for view in review_views(review))


def review_views(review: Review) -> tuple[View, ...]:
    """The review's own view, whose SELECT stands in its folder, and one over each detail table without its evidence."""
    folder = importlib.resources.files(f"loglake_assets.reviews.{review.name}")
    own = (folder / review.view).read_text(encoding="utf-8")
    return (
        View(review.name, f"{review.title}. {review.description}", review.table, own),
        *(View(one.name, one.description, one.table, _select(one.table)) for one in review.details),
    )


def _select(table: ReadreadyTable) -> str:
    names = ",\n".join(f"  {column.name}" for column in (*table.columns, table.partition_key))
    return f"SELECT\n{names}\nFROM {table.name}\n"

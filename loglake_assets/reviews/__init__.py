"""Every review is a folder here: a small table joined from readready tables, for people who judge what was done.

A review's folder names the logs it joins; nothing else in the lake does.
"""

import importlib
import importlib.resources
from pathlib import Path

from loglake_assets.reviews.model import Review

__all__ = ["Review", "UnknownReviewError", "load_review", "review_names", "view_statement"]

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


def view_statement(review: Review) -> str:
    """The SELECT of the Athena view that readers of the review query."""
    folder = importlib.resources.files(f"loglake_assets.reviews.{review.name}")
    return (folder / review.view).read_text(encoding="utf-8")

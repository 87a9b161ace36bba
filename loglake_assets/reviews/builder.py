"""What a review's own builder gives for a day: its rows, its files, its checks. The rest is the same for all."""

import importlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Protocol, cast, runtime_checkable

from loglake_assets.lake.lake import Lake
from loglake_assets.reviews.inputs import Input
from loglake_assets.reviews.review_model import Review

Progress = Callable[[str], None]


@dataclass(frozen=True)
class DayCheck:
    """The result of one check of one day. A check that did not pass warns, or is an error.

    `summary` is what was found, in one sentence with its counts, also where all is well; `remedy` is what to do about
    it, empty where it passed.
    """

    name: str
    passed: bool
    is_error: bool
    metadata: Mapping[str, Any]
    summary: str
    remedy: str
    names: Sequence[str] = ()
    """Everything that the check names; shown in part, kept whole beside the day."""

    @property
    def description(self) -> str:
        """One line for whoever sees that it is red: what was found, and what to do."""
        return self.summary if self.passed else f"{self.summary}; {self.remedy}"


@dataclass(frozen=True)
class ReviewFile:
    """A file beside the rows, such as a packet for one session; `name` is relative to the day's own prefix."""

    name: str
    body: bytes
    content_type: str


@dataclass(frozen=True)
class ReviewDay:
    """One day of a review. `rows` hold the table's columns but `f_run`; `files` are made as they are written."""

    day: date
    rows: Sequence[Mapping[str, Any]]
    inputs: Sequence[Input]
    files: Iterator[ReviewFile]
    checks: Sequence[DayCheck]
    counts: Mapping[str, int] = field(default_factory=dict)
    """What people read of the day first, in this order: by state, by kind."""
    metadata: Mapping[str, Any] = field(default_factory=dict)
    pages: Mapping[str, str] = field(default_factory=dict)
    """Those of its files that people open first, by what they are: s3:// addresses."""
    details: Mapping[str, Iterable[Mapping[str, Any]]] = field(default_factory=dict)
    """Rows of the review's detail tables by their names, in the tables' order, with their columns but `f_run`.

    They are made as they are written.
    """


@runtime_checkable
class ReviewBuilder(Protocol):
    """The module that a review declares as its builder."""

    CHECKS: Mapping[str, str]
    """Name and description of each check that a day gets."""

    def build(
        self,
        lake: Lake,
        days: Sequence[date],
        options: Mapping[str, Any],
        address: Callable[[date], str],
        progress: Progress,
    ) -> Iterator[ReviewDay]:
        """The days in order. `address(day)` is the s3:// prefix that the day's files will have."""


def load_builder(review: Review) -> ReviewBuilder:
    """The module that makes the review's days."""
    return cast(ReviewBuilder, importlib.import_module(review.builder))

"""Words that people read: counts beside their nouns, and sentences."""

import re
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import dagster as dg
import pytest

from glue_scripts.progress import Progress
from infra.cli.terminal_output import pct_text
from loglake_assets.lake.checks.coverage import Coverage
from loglake_assets.lake.checks.object_lock import BucketLock, LockResult, LockTerms
from loglake_assets.orchestration.check_metadata import REMEDY
from loglake_assets.orchestration.comparison import check_result
from loglake_assets.orchestration.coverage_words import coverage_description
from loglake_assets.orchestration.digest_checks import digest_result
from loglake_assets.orchestration.lake_housekeeping import failed_days_result, review_placement_result
from loglake_assets.orchestration.object_lock_check import object_lock_outcome
from loglake_assets.reviews.agent_tool_use import tool_use_builder
from loglake_assets.reviews.session_activity import lake_queries
from loglake_assets.sources import load_source
from loglake_assets.sources.words import floor_pct, inflect, join_clauses, plain_argument, sentence, tally
from resources.settings import LakeSettings
from tests.reports import coverage

NO_BUCKET_LOCK = BucketLock("Suspended", False, "none")
A_SENTENCE = re.compile(r"(?:[A-Z]|\d{4}-\d\d-\d\d: ).*[^.]\.", re.DOTALL)
"""It begins with a capital letter or with a day, and ends with one full stop."""
DAY = coverage(20261125, 1, 1_928, 1_928)


@pytest.mark.parametrize(
    ("part", "whole", "pct", "text"),
    [
        (3, 3, 100.0, "100.0000"),
        (9_999_999, 10_000_000, 99.9999, "99.9999"),
        (3, 1_000_000, 0.0003, "0.0003"),  # a second rounding of the same number has made it 0.0002
        (2, 3, 66.6666, "66.6666"),
        (0, 0, None, "n/a"),
    ],
)
def test_only_all_is_100_percent(part: int, whole: int, pct: float | None, text: str) -> None:
    assert floor_pct(part, whole) == pct
    assert pct_text(pct) == text


@pytest.mark.parametrize(
    ("pct", "text"),
    [(99.99999, "99.9999"), (99.99999999999, "99.9999"), (66.66669, "66.6666"), (0.00039, "0.0003")],
)
def test_a_percentage_of_more_decimals_is_not_rounded_up(pct: float, text: str) -> None:
    assert pct_text(pct) == text


def test_a_count_agrees_with_its_noun_and_verb() -> None:
    assert [tally(n, "object") for n in (0, 1, 2, 1_450)] == ["0 objects", "1 object", "2 objects", "1,450 objects"]
    assert [tally(n, "prefix", "prefixes") for n in (1, 2)] == ["1 prefix", "2 prefixes"]
    assert [inflect(n, "is", "are") for n in (0, 1, 2)] == ["are", "is", "are"]


def test_clauses_are_joined_into_one_sentence() -> None:
    assert [join_clauses(list("abc"[:n])) for n in range(4)] == ["", "a", "a and b", "a, b and c"]
    assert sentence("three are gone", "restore them.") == "Three are gone; restore them."
    assert sentence("2026-11-25: no events that day", "") == "2026-11-25: no events that day."
    assert sentence("") == ""


@pytest.mark.parametrize(
    "found",
    [
        DAY,
        coverage(20261125, 1, 1, 1),
        coverage(20261125, 1, 0, 0),
        replace(DAY, unreadable={"s3://raw/a": "corrupt_gzip"}),
        replace(DAY, unreadable={"s3://raw/a": "archived", "s3://raw/b": "zip"}, unplaceable_records=1),
        replace(DAY, found=1_926, missing=2, missing_by_object={"s3://raw/a": 2}, altered={"s3://ready/x": "gone"}),
        replace(DAY, set_aside={"s3://raw/a": "gone"}, set_aside_events=1),
    ],
)
def test_what_a_coverage_check_says_is_a_sentence_that_begins_with_the_day(found: Coverage) -> None:
    said = coverage_description(found)
    assert said.startswith("2026-11-25: ")
    assert A_SENTENCE.fullmatch(said), said
    assert not re.search(r"\b1 (?:objects|events|records|files|days|rows)\b", said)


def test_what_other_checks_say_is_a_sentence_whether_they_are_green_or_not() -> None:
    key, cloudtrail = dg.AssetKey("a"), load_source("cloudtrail")
    unlocked = LockResult("raw", LockTerms("COMPLIANCE", 10), NO_BUCKET_LOCK)
    results = [
        check_result(
            key, "x", wrong="found 1 object", right="", remedy="loglake reconcile", columns=(), names=(), figures={}
        ),
        check_result(key, "x", wrong="", right="nothing is found", remedy="", columns=(), names=(), figures={}),
        failed_days_result({key: ["2026-11-25"]}),
        failed_days_result({key: []}),
        review_placement_result({}),
        digest_result(cloudtrail, [], LakeSettings("loglake", "1" * 12, "eu-west-1")),
        object_lock_outcome(unlocked, unlocked),
        object_lock_outcome(
            LockResult("raw", LockTerms(), NO_BUCKET_LOCK), LockResult("r", LockTerms(), NO_BUCKET_LOCK)
        ),
    ]
    said = [str(result.description) for result in results]
    assert [text for text in said if not A_SENTENCE.fullmatch(text)] == []
    for result in results:
        assert min(result.metadata or ()) == REMEDY, "Dagster shows metadata in the order of its keys"
    assert said[2].startswith("Failed and not made since: 1 day, the first is 2026-11-25 of a; ")


def test_progress_tells_of_what_is_done_and_not_of_nothing() -> None:
    said: list[str] = []
    progress = Progress(lambda text, numbers: said.append(text), "slices of objects read", 8, every_seconds=0)
    for done in (0, 0, 3):
        progress.at(done)
    assert [text.split(", ")[0] for text in said] == ["slices of objects read: 3 of 8"]


@pytest.mark.parametrize("builder", [lake_queries, tool_use_builder])
def test_the_rows_of_every_query_of_a_review_have_a_name_for_people(builder: ModuleType) -> None:
    queries = Path(str(builder.__file__)).parent / "queries"
    assert {path.stem for path in queries.glob("*.sql")} == builder._ROWS_OF.keys()


@pytest.mark.parametrize("text", ["", "--help", "a b", "a;b", "$(id)", "`id`", "a'b", "a\nb", "a\u202eb", "x" * 201])
def test_a_command_to_paste_holds_no_text_of_a_log_that_a_shell_reads(text: str) -> None:
    assert plain_argument(text, "EVENT") == "EVENT"
    assert plain_argument("0b0c3a8a-0000-4000-8000-000000000001", "EVENT").startswith("0b0c3a8a")

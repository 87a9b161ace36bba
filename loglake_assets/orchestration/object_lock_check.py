"""Object Lock as Dagster sees it: once a day, a sample of raw objects and commits against what `defs.yaml` promises.

How a lock is read and judged does not belong here (see lake/checks/object_lock.py).
"""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import dagster as dg

from loglake_assets.lake.checks.coverage import NAMES_SHOWN
from loglake_assets.lake.checks.day_report import LOOK_BACK_DAYS
from loglake_assets.lake.checks.object_lock import BEYOND, LockResult, LockTerms, bucket_lock, lock_result
from loglake_assets.lake.checks.sample import spread
from loglake_assets.lake.lake import Lake
from loglake_assets.lake.storage.keys import COMMITS_PREFIX, parse_commit_key
from loglake_assets.lake.storage.raw_objects import raw_objects
from loglake_assets.lake.storage.table import Table
from loglake_assets.orchestration.check_metadata import WHAT_NAME_DETAIL, check_metadata
from loglake_assets.orchestration.metadata_tables import NUMBER, TEXT, metadata_table
from loglake_assets.orchestration.source_config import SourceConfig
from loglake_assets.s3.pages import entries
from loglake_assets.sources.words import inflect, join_clauses, sentence, tally

if TYPE_CHECKING:
    from mypy_boto3_s3.type_defs import ObjectTypeDef

CHECK = "object_lock"
SAMPLE_COUNT = 30  # of raw objects and of commits each: 60 to 120 small requests a day
_DAYS_LISTED = 24  # of the look-back: the hourly checks list 36
_REMEDY = "see docs/worm.md: what to do when the check is red"
_NO_LOCK = "no lock is configured, so none is looked for"


def locked_days(config: SourceConfig, terms: LockTerms, today: date) -> list[date]:
    """The days whose objects must still be locked, at least the last 35; none before the lake's first."""
    first = min(today, max(config.start_day, today - timedelta(days=max(terms.days, LOOK_BACK_DAYS))))
    return [first + timedelta(days=n) for n in range((today - first).days + 1)]


def raw_lock_result(config: SourceConfig, lake: Lake, today: date) -> LockResult:
    """A sample of the raw objects of days spread over the look-back, which are listed whole."""
    s3, bucket, terms = lake.s3, lake.settings.raw_bucket(config.source.name), config.raw_lock
    days = spread(locked_days(config, terms, today), _DAYS_LISTED, str(today), date.toordinal, str)
    found = bucket_lock(s3, bucket)
    sample = []
    if terms or found.enabled:
        objects = raw_objects(lake.raw_bucket(config.source), days)
        sample = spread(objects, SAMPLE_COUNT, str(today), lambda o: o.last_modified, lambda o: o.key)
    return lock_result(s3, bucket, found, terms, [o.key for o in sample])


def commit_lock_result(config: SourceConfig, lake: Lake, today: date) -> LockResult:
    """A sample of the source's commit records written within the look-back."""
    s3, bucket, terms = lake.s3, lake.settings.readready_bucket, config.commit_lock
    found = bucket_lock(s3, bucket)
    sample = []
    if terms or found.enabled:
        commits = _commits(lake.table(config.source.readready.name), locked_days(config, terms, today)[0])
        sample = spread(
            commits, SAMPLE_COUNT, str(today), lambda c: c["LastModified"].timestamp(), lambda c: str(c["Key"])
        )
    return lock_result(s3, bucket, found, terms, [c["Key"] for c in sample])


def _commits(table: Table, since: date) -> Iterator["ObjectTypeDef"]:
    for entry in entries(table.s3, table.bucket, f"{COMMITS_PREFIX}{table.name}/"):
        if parse_commit_key(entry["Key"]) and entry["LastModified"].date() >= since:
            yield entry


def object_lock_check(config: SourceConfig) -> dg.AssetChecksDefinition:
    """The check of a source that reads locks from S3."""

    @dg.asset_check(
        asset=config.checks_key,
        name=CHECK,
        description="Sampled raw objects and commit records are locked by S3 Object Lock as the configuration says.",
    )
    def object_lock(lake: dg.ResourceParam[Lake]) -> dg.AssetCheckResult:
        today = datetime.now(UTC).date()
        return object_lock_outcome(raw_lock_result(config, lake, today), commit_lock_result(config, lake, today))

    return object_lock


def object_lock_outcome(raw: LockResult, commits: LockResult) -> dg.AssetCheckResult:
    """Red when a bucket or a sampled object is less than promised; more than promised is told only."""
    passed = raw.is_conforming and commits.is_conforming
    return dg.AssetCheckResult(
        passed=passed,
        severity=dg.AssetCheckSeverity.ERROR,
        description=_description(raw, commits),
        metadata=check_metadata(
            "" if passed else _REMEDY,
            WHAT_NAME_DETAIL,
            [*_odd_rows(raw), *_odd_rows(commits)],
            {**_figures("raw", raw), **_figures("commits", commits)},
        ),
    )


def _description(raw: LockResult, commits: LockResult) -> str:
    """Of both buckets, how many sampled objects are less than promised, and what the buckets themselves lack."""
    sampled = tally(len(raw.sampled) + len(commits.sampled), "sampled object")
    if raw.is_conforming and commits.is_conforming:
        return sentence(f"the locks of {sampled} are as configured" if raw.terms or commits.terms else _NO_LOCK)
    lacking = [f"{found.bucket}: {', '.join(found.bucket_faults)}" for found in (raw, commits) if found.bucket_faults]
    faulty = len(raw.faulty) + len(commits.faulty)
    return sentence(
        join_clauses([f"of {sampled} {faulty:,} {inflect(faulty, 'is', 'are')} locked less than configured", *lacking]),
        _REMEDY,
    )


def _odd_rows(result: LockResult) -> Iterator[tuple[str, str, str]]:
    """What is less than promised, and what is more, as far as a page shows it."""
    yield from (("bucket", result.bucket, fault) for fault in result.bucket_faults)
    for key, faults in list(result.faulty.items())[:NAMES_SHOWN]:
        yield "object locked less", f"s3://{result.bucket}/{key}", ", ".join(faults)
    yield from (("object locked more", f"s3://{result.bucket}/{key}", BEYOND) for key in result.beyond[:NAMES_SHOWN])


def _figures(layer: str, result: LockResult) -> dict[str, Any]:
    """Counts and bucket settings: never content of a log."""
    return {
        f"{layer}_conforming_pct": _pct(result),
        f"{layer}_configured": str(result.terms),
        f"{layer}_bucket_has": str(result.bucket_lock),
        f"{layer}_sampled": len(result.sampled),
        f"{layer}_not_conforming": len(result.faulty),
        f"{layer}_verdicts": metadata_table({"verdict": TEXT, "objects": NUMBER}, result.verdict_counts.items()),
        f"{layer}_legal_holds": result.legal_hold_count,
        f"{layer}_vanished": result.vanished_count,
        f"{layer}_sample": _sample_in_words(result),
    }


def _pct(result: LockResult) -> float | str:
    if not result.terms:
        return "n/a: no lock is configured"
    return "n/a: no object to sample" if result.conforming_pct is None else result.conforming_pct


def _sample_in_words(result: LockResult) -> str:
    if not result.sampled:
        return "nothing was sampled"
    written = [o.last_modified for o in result.sampled]
    return (
        f"{len(written)} current versions written {min(written):%Y-%m-%d} to {max(written):%Y-%m-%d}: a third the "
        "newest and a third the oldest of the look-back, the rest drawn, others each day"
    )

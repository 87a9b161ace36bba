"""A window of a review's days: each written, verified, committed, placed and told to Dagster with its checks."""

import json
import traceback
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import dagster as dg
from botocore.exceptions import BotoCoreError, ClientError

from loglake_assets.lake.checks.coverage import NAMES_SHOWN
from loglake_assets.lake.lake import Lake
from loglake_assets.lake.storage.keys import check_key, packets_prefix
from loglake_assets.lake.versions.commits import Commit, SupersededError, head
from loglake_assets.lake.versions.manifests import Manifest
from loglake_assets.lake.versions.publish import Publisher
from loglake_assets.orchestration.check_metadata import check_metadata
from loglake_assets.orchestration.console_links import file_page
from loglake_assets.orchestration.day_checks import newest_materializations
from loglake_assets.orchestration.day_events import check_outputs, day_materializations, tag_run
from loglake_assets.orchestration.review_config import ReviewConfig
from loglake_assets.reviews import Review
from loglake_assets.reviews.builder import DayCheck, ReviewDay
from loglake_assets.reviews.day_writer import put_review_day
from loglake_assets.reviews.inputs import BUILT, read_inputs
from loglake_assets.sources import load_source
from loglake_assets.sources.calendar_days import day_from_number, day_number
from resources.settings import LakeSettings, loglake


class InputNotBuiltError(LookupError):
    """A day's leading table is not built, so nothing can be said of the day."""


@dataclass(frozen=True)
class _BuiltDay:
    found: ReviewDay
    commit: Commit

    @property
    def partition(self) -> str:
        return self.found.day.isoformat()


def build_review_days(context: dg.AssetExecutionContext, config: ReviewConfig, lake: Lake) -> Iterator[Any]:
    """The events of building the run's days: materializations and checks of the good ones; bad ones fail by name."""
    days = [date.fromisoformat(key) for key in context.partition_keys]
    tag_run(context, "review", config.review.name, days)
    errors = _unbuilt_days(config.review, lake, days)
    built = list(_build(context, config, lake, [day for day in days if day not in errors], errors))
    metadata = {b.partition: _metadata(b, lake.settings) for b in built}
    yield from day_materializations(context, config.key, metadata, len(built) == len(days))
    yield from _evaluations(context, config, lake, built)
    if errors:
        raise dg.Failure("; ".join(f"{day}: {_tell(e)}" for day, e in sorted(errors.items())), allow_retries=False)
    yield from check_outputs(context, list(config.builder.CHECKS))


def _tell(error: Exception) -> str:
    """An error as people get to read it: of others than our own and AWS's only the kind and the place, as their texts
    may quote what was read."""
    if isinstance(error, ClientError | BotoCoreError) or type(error).__module__.startswith(
        ("loglake_assets.", "resources.")
    ):
        return str(error)
    place = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__} at {Path(place.filename).name}:{place.lineno}"


def _unbuilt_days(review: Review, lake: Lake, days: Sequence[date]) -> dict[date, Exception]:
    inputs = read_inputs(lake, load_source(review.leading_source), days)
    return {
        day: InputNotBuiltError(
            f"{entry.sentence()}. Nothing can be said of the day before it is built: "
            f"{loglake(f'build {review.leading_source} {day}')}"
        )
        for day, entry in inputs.items()
        if entry.status != BUILT
    }


def _build(
    context: dg.AssetExecutionContext,
    config: ReviewConfig,
    lake: Lake,
    days: Sequence[date],
    errors: dict[date, Exception],
) -> Iterator[_BuiltDay]:
    """Write, verify, commit and place each day. A day's error is noted, so that it does not hide the days beside it."""
    if not days:
        return
    review, settings, run_id = config.review, lake.settings, _run_id(context)
    bucket, publisher = settings.readready_bucket, lake.publisher()
    bases = {day: {table.name: _newest_seq(lake, table.name, day) for table in review.tables} for day in days}

    def address(day: date) -> str:
        return f"s3://{bucket}/{packets_prefix(review.name, day_number(day), run_id)}"

    done: set[date] = set()
    try:
        for found in config.builder.build(lake, days, config.options, address, context.log.info):
            done.add(found.day)
            try:
                manifests = put_review_day(lake.s3, bucket, review, found, run_id, bases[found.day])
                *_, commit = [_publish(context, publisher, manifest) for manifest in manifests]
            except Exception as error:  # whatever it is, the days beside it are committed and must be told
                errors[found.day] = error
            else:
                if commit:  # else the run that made it tells of it
                    yield _BuiltDay(found, commit)
    except Exception as error:
        errors.update({day: error for day in days if day not in done})


def _publish(context: dg.AssetExecutionContext, publisher: Publisher, manifest: Manifest) -> Commit | None:
    """Commit one table of a day; None where another run has done so meanwhile, which is no failure."""
    try:
        return publisher.publish(manifest)
    except SupersededError as superseded:
        publisher.await_placement(superseded.commit)
        context.log.info(f"{day_from_number(manifest.day)}: {superseded}")
        return None


def _newest_seq(lake: Lake, table: str, day: date) -> int:
    newest = head(lake.table(table), day_number(day))
    return newest.seq if newest else 0


def _run_id(context: dg.AssetExecutionContext) -> str:
    """The Dagster run's id; a retry of the step gets a directory of its own, since nothing is ever overwritten."""
    retry = context.op_execution_context.retry_number
    return f"{context.run_id}-{retry}" if retry else context.run_id


def _metadata(built: _BuiltDay, settings: LakeSettings) -> dict[str, Any]:
    commit = built.commit
    pages = {name: file_page(settings, address) for name, address in built.found.pages.items()}
    return {
        "dagster/row_count": commit.rows,
        **built.found.counts,
        "counted": list(built.found.counts),
        **built.found.metadata,
        **pages,
        **{name: value for check in built.found.checks for name, value in check.metadata.items()},
        "orc_bytes": commit.bytes,
        "commit": commit.seq,
        "content_hash": commit.content_hash,
        "location": commit.location,
    }


def _evaluations(
    context: dg.AssetExecutionContext, config: ReviewConfig, lake: Lake, built: Sequence[_BuiltDay]
) -> Iterator[dg.AssetCheckEvaluation]:
    targets = newest_materializations(context.instance, config.key, [b.partition for b in built])
    for day in built:
        for check in day.found.checks:
            key = _put_names(lake, config.review, day, check)
            yield dg.AssetCheckEvaluation(
                asset_key=config.key,
                check_name=check.name,
                partition=day.partition,
                passed=check.passed,
                severity=dg.AssetCheckSeverity.ERROR if check.is_error else dg.AssetCheckSeverity.WARN,
                description=f"{day.partition}: {check.description}",
                metadata=check_metadata(
                    "" if check.passed else check.remedy,
                    ("name",),
                    ([name] for name in check.names[:NAMES_SHOWN]),
                    check.metadata,
                    file_page(lake.settings, f"s3://{lake.settings.readready_bucket}/{key}"),
                ),
                target_materialization_data=targets.get(day.partition),
            )


def _put_names(lake: Lake, review: Review, day: _BuiltDay, check: DayCheck) -> str:
    """Keep the check's newest result with every name in it; returns its key."""
    key = check_key(review.table.name, day_number(day.found.day), check.name)
    document = {
        "check": check.name,
        "day": day_number(day.found.day),
        "passed": check.passed,
        **check.metadata,
        "names": list(check.names),
        "commit_seq": day.commit.seq,
        "checked_at": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    lake.s3.put_object(Bucket=lake.settings.readready_bucket, Key=key, Body=json.dumps(document).encode())
    return key

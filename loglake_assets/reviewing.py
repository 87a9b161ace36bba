"""From a review's configuration to its Dagster definitions, and how a window of its days is built."""

import hashlib
import importlib
import json
import traceback
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from types import ModuleType
from typing import Any

import dagster as dg
from botocore.exceptions import BotoCoreError, ClientError

from loglake_assets.checks import newest_materializations
from loglake_assets.config import windows
from loglake_assets.lake.commits import Commit, head
from loglake_assets.lake.coverage import NAMES_SHOWN
from loglake_assets.lake.layout import check_key, packets_prefix
from loglake_assets.lake.manifests import ManifestMissingError, read_manifest
from loglake_assets.reconcile import send_unplaced_commits
from loglake_assets.recording import closed_checks, recorded_days
from loglake_assets.reviews import Review, load_review
from loglake_assets.reviews.building import DayCheck, ReviewDay
from loglake_assets.reviews.inputs import BUILT, read_inputs
from loglake_assets.reviews.storing import input_name, input_version, put_review_day
from loglake_assets.sources import load_source
from loglake_assets.sources.placement import day_number
from resources.lake import LakeResource


class InputNotBuiltError(LookupError):
    """A day's leading table is not built, so nothing can be said of the day."""


@dataclass(frozen=True)
class ReviewConfig:
    """How one review is orchestrated. Days are UTC."""

    review: Review
    start_day: date
    days_per_run: int = 7
    schedule_hour: int = 3
    heal_days: int = 35
    leading_coverage_floor_pct: float = 90.0
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def key(self) -> dg.AssetKey:
        return dg.AssetKey(["review", self.review.name])

    @property
    def days(self) -> dg.DailyPartitionsDefinition:
        """Closed days, as of the tables it joins."""
        return dg.DailyPartitionsDefinition(start_date=str(self.start_day))

    @property
    def builder(self) -> ModuleType:
        return importlib.import_module(self.review.builder)


def review_config(name: str, **settings: Any) -> ReviewConfig:
    """The configuration of review `name`. Raises UnknownReviewError, or ValueError for a setting out of bounds."""
    config = ReviewConfig(load_review(name), **settings)
    if not 1 <= config.days_per_run <= 31:
        raise ValueError(f"days_per_run of {name} is {config.days_per_run}; accepted: 1 to 31 days in one run.")
    return config


def build_review(config: ReviewConfig) -> dg.Definitions:
    """All definitions of one review. Touches nothing: no network, no environment."""
    job = dg.define_asset_job(
        config.review.name,
        selection=dg.AssetSelection.assets(config.key),
        description=f"Builds days of {config.review.title}.",
    )
    reconcile = _reconcile_job(config.review)
    return dg.Definitions(
        assets=[review_asset(config)],
        jobs=[job, reconcile],
        schedules=[
            dg.ScheduleDefinition(
                name=f"{config.review.name}_reconcile_hourly",
                job=reconcile,
                cron_schedule="40 * * * *",
                default_status=dg.DefaultScheduleStatus.RUNNING,
            ),
            dg.build_schedule_from_partitioned_job(
                job,
                name=f"{config.review.name}_daily",
                hour_of_day=config.schedule_hour,
                default_status=dg.DefaultScheduleStatus.RUNNING,
            ),
        ],
        sensors=[changed_inputs_sensor(config, job)],
    )


def _reconcile_job(review: Review) -> dg.JobDefinition:
    @dg.op(name=f"send_what_the_catalog_misses_of_{review.name}")
    def send(context: dg.OpExecutionContext, lake: LakeResource) -> None:
        sent = send_unplaced_commits(lake, review.table.name)
        context.log.info(f"Sent AddAPart {sent} commits that the catalog did not show.")

    @dg.job(name=f"{review.name}_reconcile", description="Commits that have no partition are sent again.")
    def job() -> None:
        send()

    return job


def review_asset(config: ReviewConfig) -> dg.AssetsDefinition:
    """The review's table: rows joined through Athena, kept and committed like a readready day."""
    review = config.review
    columns = [dg.TableColumn(c.name, c.type, c.comment or None) for c in review.table.all_columns]

    @dg.asset(
        key=config.key,
        deps=_deps(review),
        description=f"{review.description} Read it as the Athena view `{review.name}`.",
        partitions_def=config.days,
        backfill_policy=dg.BackfillPolicy.multi_run(max_partitions_per_run=config.days_per_run),
        group_name="review",
        kinds={"athena", "orc"},
        check_specs=[
            dg.AssetCheckSpec(name, asset=config.key, partitions_def=config.days, description=description)
            for name, description in config.builder.CHECKS.items()
        ],
        metadata={"dagster/table_name": review.table.name, "dagster/column_schema": dg.TableSchema(columns)},
        output_required=False,
    )
    def reviewed(context: dg.AssetExecutionContext, lake: LakeResource) -> Iterator[Any]:
        yield from build_review_days(context, config, lake)

    return reviewed


def _deps(review: Review) -> list[dg.AssetDep]:
    """The tables it joins, with the days around: what began on a day goes on after it, or is told of before."""
    around = dg.TimeWindowPartitionMapping(
        start_offset=-review.look_back_days,
        end_offset=review.look_ahead_days,
        allow_nonexistent_upstream_partitions=True,
    )
    return [dg.AssetDep(_readready_key(name), partition_mapping=around) for name in review.sources]


def _readready_key(source_name: str) -> dg.AssetKey:
    return dg.AssetKey(["readready", load_source(source_name).readready.name])


# --- which days are asked for -----------------------------------------------------------------------------------------


def changed_inputs_sensor(config: ReviewConfig, job: Any) -> dg.SensorDefinition:
    """Hourly: days within the look-back that are missing, or whose tables readers now see otherwise than when built.

    What a day was built from stands in its manifest, so nothing that is built while a run goes on can be overlooked.
    A day that fails is asked for again the next day, or when its tables change: it cannot make runs without end.
    """

    @dg.sensor(
        name=f"{config.review.name}_changed_inputs",
        job=job,
        minimum_interval_seconds=3600,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description=f"Asks for days of {config.review.name} whose tables changed.",
    )
    def sensor(context: dg.SensorEvaluationContext, lake: LakeResource) -> Iterator[dg.RunRequest | dg.SkipReason]:
        today = datetime.now(UTC).date()
        changed = changed_days(config, lake, today)
        for window in windows(sorted(changed), config.days_per_run):
            versions = hashlib.sha256("".join(changed[day] for day in window).encode()).hexdigest()[:16]
            yield dg.RunRequest(
                run_key=f"{window[0]}/{window[-1]}/{versions}/{today}",
                tags={
                    "dagster/asset_partition_range_start": window[0].isoformat(),
                    "dagster/asset_partition_range_end": window[-1].isoformat(),
                },
            )
        if not changed:
            yield dg.SkipReason("Every day of the look-back reads its tables as they are.")

    return sensor


def changed_days(config: ReviewConfig, lake: LakeResource, today: date) -> dict[date, str]:
    """Closed days of the look-back to build, with the version of what they would read now.

    Only the leading table gates a day, by being built and by its coverage: that another log has gaps is what a review
    has to show, and no reason to keep it back.
    """
    review, bucket = config.review, lake.settings.readready_bucket
    days = [today - timedelta(days=n) for n in range(config.heal_days, 0, -1)]
    days = [day for day in days if day >= config.start_day]
    around = [day + timedelta(days=n) for day in days[:1] for n in range(-review.look_back_days, 0)] + days
    around += [days[-1] + timedelta(days=n) for n in range(1, review.look_ahead_days + 1)] if days else []
    inputs = {name: read_inputs(lake, load_source(name), around) if around else {} for name in review.sources}
    found = {}
    for day in days:
        leading = inputs[review.leading_source][day]
        floor = config.leading_coverage_floor_pct
        if leading.status != BUILT or (leading.coverage_pct is not None and leading.coverage_pct < floor):
            continue
        near = [i for of in inputs.values() for i in of.values() if _is_near(review, day, i.day)]
        read = {input_name(i): input_version(i) for i in near if i.status == BUILT}
        if read != _read_by_commit(lake, bucket, review, day):
            found[day] = "".join(sorted(i.version for i in near))
    return found


def _is_near(review: Review, day: date, other: date) -> bool:
    return -review.look_back_days <= (other - day).days <= review.look_ahead_days


def _read_by_commit(lake: LakeResource, bucket: str, review: Review, day: date) -> dict[str, str] | None:
    """What the day's newest commit read, by table and day; None where there is no commit."""
    commit = head(lake.s3, bucket, review.table.name, day_number(day))
    if commit is None:
        return None
    try:
        manifest = read_manifest(lake.s3, bucket, review.table.name, day_number(day), commit.run_id)
    except ManifestMissingError:
        return None
    return {entry.key: entry.etag for entry in manifest.objects}


# --- a window of days -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _BuiltDay:
    found: ReviewDay
    commit: Commit

    @property
    def partition(self) -> str:
        return self.found.day.isoformat()


def build_review_days(context: dg.AssetExecutionContext, config: ReviewConfig, lake: LakeResource) -> Iterator[Any]:
    """The events of building the run's days: materializations and checks of the good ones; bad ones fail by name."""
    days = [date.fromisoformat(key) for key in context.partition_keys]
    errors = _unbuilt(config.review, lake, days)
    built = list(_built(context, config, lake, [day for day in days if day not in errors], errors))
    metadata = {b.partition: _metadata(b) for b in built}
    yield from recorded_days(context, config.key, metadata, len(built) == len(days))
    yield from _evaluations(context, config, lake, built)
    if errors:
        raise dg.Failure("; ".join(f"{day}: {_told(e)}" for day, e in sorted(errors.items())), allow_retries=False)
    yield from closed_checks(context, list(config.builder.CHECKS))


def _told(error: Exception) -> str:
    """An error as people get to read it: of others than our own and AWS's only the kind and the place, as their texts
    may quote what was read."""
    if isinstance(error, ClientError | BotoCoreError) or type(error).__module__.startswith(
        ("loglake_assets.", "resources.")
    ):
        return str(error)
    place = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__} at {Path(place.filename).name}:{place.lineno}"


def _unbuilt(review: Review, lake: LakeResource, days: Sequence[date]) -> dict[date, Exception]:
    inputs = read_inputs(lake, load_source(review.leading_source), days)
    return {
        day: InputNotBuiltError(
            f"{entry.sentence()}. Nothing can be said of the day before it is built: "
            f"make build SOURCE={review.leading_source} FROM={day} TO={day}"
        )
        for day, entry in inputs.items()
        if entry.status != BUILT
    }


def _built(
    context: dg.AssetExecutionContext,
    config: ReviewConfig,
    lake: LakeResource,
    days: Sequence[date],
    errors: dict[date, Exception],
) -> Iterator[_BuiltDay]:
    """Write, verify, commit and place each day. A day's error is noted, so that it does not hide the days beside it."""
    if not days:
        return
    review, settings, run_id = config.review, lake.settings, _run_id(context)
    bucket, publisher = settings.readready_bucket, lake.publisher()
    bases = {day: head(lake.s3, bucket, review.table.name, day_number(day)) for day in days}

    def address(day: date) -> str:
        return f"s3://{bucket}/{packets_prefix(review.name, day_number(day), run_id)}"

    done: set[date] = set()
    try:
        for found in config.builder.build(lake, days, config.options, address, context.log.info):
            done.add(found.day)
            try:
                base = bases[found.day]
                manifest = put_review_day(
                    lake.s3, bucket, review.table, review.name, found, run_id, base.seq if base else 0
                )
                commit = publisher.publish(manifest)
            except Exception as error:  # whatever it is, the days beside it are committed and must be told
                errors[found.day] = error
            else:
                yield _BuiltDay(found, commit)
    except Exception as error:
        errors.update({day: error for day in days if day not in done})


def _run_id(context: dg.AssetExecutionContext) -> str:
    """The Dagster run's id; a retry of the step gets a directory of its own, since nothing is ever overwritten."""
    retry = context.op_execution_context.retry_number
    return f"{context.run_id}-{retry}" if retry else context.run_id


def _metadata(built: _BuiltDay) -> dict[str, Any]:
    commit = built.commit
    return {
        "dagster/row_count": commit.rows,
        **built.found.counts,
        "counted": list(built.found.counts),
        **built.found.metadata,
        **{name: value for check in built.found.checks for name, value in check.metadata.items()},
        "orc_bytes": commit.bytes,
        "commit": commit.seq,
        "content_hash": commit.content_hash,
        "location": commit.location,
    }


def _evaluations(
    context: dg.AssetExecutionContext, config: ReviewConfig, lake: LakeResource, built: Sequence[_BuiltDay]
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
                metadata={
                    **check.metadata,
                    "named": dg.MetadataValue.json(list(check.names[:NAMES_SHOWN])),
                    "all_names": f"s3://{lake.settings.readready_bucket}/{key}",
                },
                target_materialization_data=targets.get(day.partition),
            )


def _put_names(lake: LakeResource, review: Review, day: _BuiltDay, check: DayCheck) -> str:
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

"""A window of readready days: one Glue run, then each day verified, committed, placed and recounted."""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import dagster as dg
from botocore.exceptions import BotoCoreError, ClientError

from loglake_assets.lake.checks.coverage import Coverage, put_coverage
from loglake_assets.lake.checks.drift import DRIFT, Drift, drift, put_drift
from loglake_assets.lake.checks.ledger import ledger_day, put_ledger_day
from loglake_assets.lake.lake import Lake
from loglake_assets.lake.versions.commits import Commit, CommitError, SupersededError
from loglake_assets.lake.versions.late_ledger import record_late
from loglake_assets.lake.versions.manifests import Manifest, ManifestMissingError, read_manifest
from loglake_assets.lake.versions.publish import LostInputError, PlacementError, Publisher, VerificationError
from loglake_assets.orchestration.console_links import day_links
from loglake_assets.orchestration.coverage_words import coverage_value
from loglake_assets.orchestration.day_checks import COVERAGE, GRAIN, drift_evaluations, evaluations
from loglake_assets.orchestration.day_events import check_outputs, day_materializations, tag_run
from loglake_assets.orchestration.dpu_cost import usd_of_dpu_seconds
from loglake_assets.orchestration.metadata_tables import TEXT, metadata_table
from loglake_assets.orchestration.planned_days import plan_beside_actual, plans_of
from loglake_assets.orchestration.source_config import SourceConfig, engine
from loglake_assets.orchestration.stage_log import stage
from loglake_assets.s3.json_records import BrokenRecordError
from loglake_assets.sources.calendar_days import day_from_number, day_number
from loglake_assets.sources.words import inflect, tally
from resources.glue_jobs import GlueJobs, GlueRun, Window

QUARANTINE_SHOWN = 20
ACCEPT_LOSS_TAG = "loglake/accept_loss"
"""A run's tag: "true" commits days even where raw objects that were read before are gone or unreadable now."""
LATE_DAYS_RECOUNTED = 7  # a run turns so many late days red at once, the newest; `changed_since_built` names all


@dataclass(frozen=True)
class BuiltDay:
    """A committed day, or the error that kept it from being one. `note` says what is odd about a committed one."""

    day: date
    manifest: Manifest | None = None
    commit: Commit | None = None
    error: Exception | None = None
    note: str = ""

    @property
    def partition(self) -> str:
        return self.day.isoformat()

    def outcome(self) -> str:
        """What became of the day, for the run's log; an error's text is told when the run ends."""
        if self.commit is None:
            return f"not committed ({type(self.error).__name__})"
        rows, files = tally(self.commit.rows, "row"), tally(self.commit.files, "file")
        return f"commit {self.commit.seq} stands, with {rows} in {files}"


def build_days(
    context: dg.AssetExecutionContext, config: SourceConfig, lake: Lake, glue_jobs: GlueJobs
) -> Iterator[Any]:
    """The events of building the run's days: materializations and checks of the good ones; bad ones fail by name."""
    days = [date.fromisoformat(key) for key in context.partition_keys]
    window = Window(config.source.name, days[0], days[-1])
    how = config.look_ahead_days, config.days_per_run, config.compression, engine()
    tag_run(context, "log", config.source.name, days)
    run = glue_jobs.run_window(context, window, *how)
    plans = plans_of(context.instance, config, context.partition_keys)
    with stage(context, f"Commit and placement of {tally(len(days), 'day')}, after {run.seconds:.0f} s of Glue,"):
        built = list(_publish_days(context, config, lake, days, run))
    committed = [b for b in built if b.commit]
    late = record_late(lake.s3, lake.settings.readready_bucket, [b.manifest for b in committed if b.manifest])
    late_days = sorted({day_from_number(entry.day) for entry in late} - set(days))[-LATE_DAYS_RECOUNTED:]
    if late:
        named = ", ".join(day.isoformat() for day in late_days)
        context.log.warning(
            f"{tally(len(late), 'object')} {inflect(len(late), 'holds', 'hold')} events of days that did not read "
            f"{inflect(len(late), 'it', 'them')}; recounted: {named}"
        )
    for day in committed:
        if day.note:
            context.log.info(day.note)
    recounted = [*(b.day for b in committed), *late_days]
    with stage(context, f"Recount of {tally(len(recounted), 'day')} from storage"):
        coverages, problem = _recount_or_reason(context, config, lake, recounted)
    problem += _keep_ledger_or_reason(lake, committed, run)
    metadata = {
        b.partition: {
            **day_metadata(b, run, coverages.get(b.partition), len(committed), plans.get(b.partition)),
            **(day_links(lake.settings, run.job_run_id, b.commit.location) if b.commit else {}),
        }
        for b in committed
    }
    yield from day_materializations(context, config.readready_key, metadata, len(committed) == len(built))
    yield from evaluations(
        context.instance,
        config.readready_key,
        coverages,
        config.coverage_error_below_pct,
        lake.settings,
    )
    with stage(context, f"Drift of {tally(len(committed), 'day')}"):
        drifted, odd = _drift_or_why_not(config, lake, [b.day for b in committed])
    problem += odd
    yield from drift_evaluations(context.instance, config.readready_key, drifted, lake.settings)
    if bad := [*(f"{b.day}: {b.error}" for b in built if b.error), *problem]:
        raise dg.Failure("; ".join(bad), allow_retries=False)
    yield from check_outputs(context, (COVERAGE, GRAIN, DRIFT))


def _keep_ledger_or_reason(lake: Lake, committed: Sequence[BuiltDay], run: GlueRun) -> list[str]:
    """Keep what each day read and cost. As with the recount: that it cannot be kept must not hide the days."""
    try:
        for built in committed:
            if built.manifest and built.commit and built.commit.run_id == run.run_id:
                share = (run.seconds / len(committed), run.dpu_seconds / len(committed))
                found = ledger_day(built.manifest, built.commit.seq, *share, usd_of_dpu_seconds(share[1]))
                put_ledger_day(lake.table(built.commit.table), found)
    except (ClientError, BotoCoreError, OSError) as error:
        return [
            f"The days are built and readers see them, but what they cost could not be kept ({type(error).__name__}), "
            "so reports and plans leave it out. Building them again keeps it."
        ]
    return []


def _recount_or_reason(
    context: dg.AssetExecutionContext, config: SourceConfig, lake: Lake, days: Sequence[date]
) -> tuple[dict[str, Coverage], list[str]]:
    """Coverage by partition key. The days are committed by now: that they cannot be recounted must not hide them."""
    try:
        return recount_days(context, config, lake, days), []
    except (ClientError, BotoCoreError, OSError) as error:
        return {}, [
            f"The days are built and readers see them, but recounting them failed ({type(error).__name__}: {error}). "
            f"Materialize {config.audit_key.to_user_string()} for them to check them."
        ]


def _publish_days(
    context: dg.AssetExecutionContext, config: SourceConfig, lake: Lake, days: Sequence[date], run: GlueRun
) -> Iterator[BuiltDay]:
    """Commit days one by one, and say of each in the run's log what became of it."""
    publisher, accepts_loss = lake.publisher(), context.run.tags.get(ACCEPT_LOSS_TAG) == "true"
    for number, day in enumerate(days, 1):
        started = time.monotonic()
        built = _publish(lake, publisher, config, day, run, accepts_loss)
        place = f"{number} of {len(days)}, {time.monotonic() - started:.1f} s"
        context.log.info(f"{day} ({place}): {built.outcome()}")
        yield built


def _publish(
    lake: Lake, publisher: Publisher, config: SourceConfig, day: date, run: GlueRun, accepts_loss: bool
) -> BuiltDay:
    """Commit one day. Its error is kept, so that a bad day does not hide the good ones beside it."""
    table = lake.table(config.source.readready.name)
    try:
        manifest = read_manifest(table, day_number(day), run.run_id)
        commit = publisher.publish(manifest, accepts_loss)
        note = "" if manifest.has_source else f"{day}: nothing was delivered; the day is built, and empty."
        return BuiltDay(day, manifest, commit, note=note)
    except SupersededError as error:
        return _keep_commit_that_stands(lake, publisher, day, error)
    except (
        ManifestMissingError,
        LostInputError,
        VerificationError,
        PlacementError,
        BrokenRecordError,
        CommitError,
        ClientError,
        BotoCoreError,
        OSError,
    ) as error:
        return BuiltDay(day, error=error)


def _keep_commit_that_stands(lake: Lake, publisher: Publisher, day: date, superseded: SupersededError) -> BuiltDay:
    """The day as of the commit that another run made meanwhile: that is what readers see, and it is no failure."""
    commit = superseded.commit
    try:
        manifest = read_manifest(lake.table(commit.table), commit.day, commit.run_id)
        publisher.await_placement(commit)
    except (ManifestMissingError, BrokenRecordError, PlacementError, ClientError, BotoCoreError, OSError) as error:
        return BuiltDay(day, error=error)
    return BuiltDay(day, manifest, commit, note=f"{day}: {superseded}")


def recount_days(
    context: dg.AssetExecutionContext, config: SourceConfig, lake: Lake, days: Sequence[date]
) -> dict[str, Coverage]:
    """The coverage of days by partition key, recounted from storage and kept there with all its names."""
    if not days:
        return {}
    recount = lake.recount(config.source, config.look_ahead_days)
    coverages = {}
    for day, coverage in zip(sorted(days), recount.days(days, context.log.info), strict=True):
        put_coverage(lake.table(config.source.readready.name), coverage)
        coverages[day.isoformat()] = coverage
    return coverages


def _drift_or_why_not(config: SourceConfig, lake: Lake, days: Sequence[date]) -> tuple[dict[str, Drift], list[str]]:
    """Drift by partition key. As with the recount: that it cannot be measured must not hide the days."""
    try:
        return measure_drift(config, lake, days), []
    except (ClientError, BotoCoreError, OSError) as error:
        return {}, [
            f"The days are built and readers see them, but their drift could not be measured ({type(error).__name__}). "
            f"Materialize {config.audit_key.to_user_string()} for them."
        ]


def measure_drift(config: SourceConfig, lake: Lake, days: Sequence[date]) -> dict[str, Drift]:
    """The drift of days by partition key, read off what readers see, and kept there with all its names."""
    found = {}
    for day in days:
        if location := lake.served_day(config.source.readready.name, day).location:
            found[day.isoformat()] = drift(lake.s3, config.source, day_number(day), location)
            put_drift(lake.table(config.source.readready.name), found[day.isoformat()])
    return found


def day_metadata(
    built: BuiltDay,
    run: GlueRun,
    coverage: Coverage | None,
    days_in_run: int,
    plan: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """What the UI shows and plots of a day: counts, bytes, cost, keys. Never content of a log."""
    assert built.manifest, "only committed days have metadata"
    assert built.commit, "only committed days have metadata"
    t, commit = built.manifest.totals, built.commit
    return {
        "dagster/row_count": commit.rows,
        "coverage_pct": coverage_value(coverage, built.manifest.has_source),
        "records_read": t["records_read"],
        "duplicates": t["duplicates"],
        "excluded": t["excluded"],
        "quarantined_records": t["quarantined_records"],
        "quarantined_objects": t["quarantined_objects"],
        "delivered_later": t["delivered_later"],
        "objects_read": t["object_count"],
        "raw_bytes": t["content_bytes"],
        "orc_bytes": commit.bytes,
        "orc_files": commit.files,
        "commit": commit.seq,
        "commit_reason": commit.reason,
        "content_hash": commit.content_hash,
        "location": commit.location,
        "query": f"SELECT * FROM {commit.table} WHERE logcalendarday = {commit.day} LIMIT 100",
        "glue_run": run.job_run_id,
        "days_in_glue_run": days_in_run,
        # The day's share of the run, so that sums over days are right.
        "glue_seconds": round(run.seconds / days_in_run, 3),
        "dpu_seconds": round(run.dpu_seconds / days_in_run, 3),
        "estimated_cost_usd": usd_of_dpu_seconds(run.dpu_seconds / days_in_run),
        **plan_beside_actual(plan, built.manifest, run.dpu_seconds / days_in_run),
        **({"quarantine": _quarantine_table(built.manifest)} if built.manifest.quarantine else {}),
    }


def _quarantine_table(manifest: Manifest) -> dg.TableMetadataValue:
    shown = manifest.quarantine[:QUARANTINE_SHOWN]
    rows = [(f"s3://{q['bucket']}/{q['key']}", str(q["ordinal"]), q["reason"]) for q in shown]
    return metadata_table({"object": TEXT, "record": TEXT, "reason": TEXT}, rows)

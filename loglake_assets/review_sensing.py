"""Which days of a review are to be built: missing ones, and those whose tables readers now see otherwise."""

import hashlib
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import dagster as dg

from loglake_assets.config import window_tags, windows
from loglake_assets.lake.commits import head
from loglake_assets.lake.manifests import manifest_if_any
from loglake_assets.review_config import ReviewConfig
from loglake_assets.reviews import Review
from loglake_assets.reviews.inputs import BUILT, read_inputs
from loglake_assets.reviews.storing import input_name, input_version
from loglake_assets.sources import load_source
from loglake_assets.sources.placement import day_number
from resources.lake import LakeResource


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
                tags=window_tags(window),
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
    manifest = manifest_if_any(lake.s3, bucket, review.table.name, day_number(day), commit.run_id)
    return {entry.key: entry.etag for entry in manifest.objects} if manifest else None

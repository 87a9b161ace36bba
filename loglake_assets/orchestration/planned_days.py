"""What a plan said of single days, kept with the plan, and shown beside what building them then took."""

from collections.abc import Mapping, Sequence
from typing import Any

import dagster as dg

from loglake_assets.lake.checks.build_plan import BuildPlan, PlannedDay
from loglake_assets.lake.versions.manifests import Manifest
from loglake_assets.orchestration.day_checks import newest_records
from loglake_assets.orchestration.dpu_cost import usd_of_dpu_seconds
from loglake_assets.orchestration.metadata_tables import TEXT, metadata_table
from loglake_assets.orchestration.source_config import SourceConfig

_OBJECTS, _DPU_SECONDS = "planned_objects", "planned_dpu_seconds"
PLAN_AND_ACTUAL = "plan_and_actual"


def day_plan(found: BuildPlan, day: PlannedDay) -> dict[str, Any]:
    """One day of a plan as metadata of the plan's day. The plan's DPU-seconds are shared out by objects."""
    seconds, objects = found.dpu_seconds, found.objects
    known = {} if seconds is None or not objects else {_DPU_SECONDS: round(seconds * day.objects / objects, 3)}
    return {_OBJECTS: day.objects if day.brings != "nothing" else 0, **known}


def plans_of(instance: dg.DagsterInstance, config: SourceConfig, days: Sequence[str]) -> dict[str, Mapping[str, Any]]:
    """What was planned for days that are being built, by partition key.

    A plan that is older than the day's last build was of that build, and says nothing of this one.
    """
    plans = newest_records(instance, config.plan_key, days)
    built = newest_records(instance, config.readready_key, days)
    found: dict[str, Mapping[str, Any]] = {}
    for day, record in plans.items():
        is_newer = day not in built or record.storage_id > built[day].storage_id
        if is_newer and record.asset_materialization:
            values = {name: value.value for name, value in record.asset_materialization.metadata.items()}
            if values.get(_OBJECTS):
                found[day] = values
    return found


def plan_beside_actual(plan: Mapping[str, Any] | None, manifest: Manifest, dpu_seconds: float) -> dict[str, Any]:
    """A small table as metadata of a day; nothing where nobody planned it. Objects are those of the day's own prefix.

    Bytes are not compared: a plan knows them as stored, a build as content.
    """
    if plan is None:
        return {}
    objects = sum(one.prefix_day == manifest.day for one in manifest.objects)
    rows = [("objects", f"{plan[_OBJECTS]:,}", f"{objects:,}")]
    if (seconds := plan.get(_DPU_SECONDS)) is not None:
        rows += [
            ("DPU-hours", f"{seconds / 3600:.4f}", f"{dpu_seconds / 3600:.4f}"),
            ("USD", f"{usd_of_dpu_seconds(seconds):.4f}", f"{usd_of_dpu_seconds(dpu_seconds):.4f}"),
        ]
    return {PLAN_AND_ACTUAL: metadata_table({"of the day": TEXT, "planned": TEXT, "actual": TEXT}, rows)}

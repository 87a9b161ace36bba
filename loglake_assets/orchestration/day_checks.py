"""Per-day check results from runs that cover many days. Isolated here: Dagster drops the day of an AssetCheckResult.

In a run over a range of partitions, dagster 1.13 records a check result without its partition, so every day would stay
unchecked. An AssetCheckEvaluation that names its partition and its target materialization is kept; a test notices when
upstream makes this unnecessary.
"""

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import dagster as dg
from dagster._core.definitions.asset_checks.asset_check_evaluation import (
    AssetCheckEvaluationTargetMaterializationData,
)

from loglake_assets.lake.checks.coverage import NAMES_SHOWN, WITHHELD, Coverage, Measure
from loglake_assets.lake.checks.day_report import remedy as finding_remedy
from loglake_assets.lake.checks.drift import DOES_NOT_FIT, DRIFT, UNKNOWN_VERSION, UNSEEN_KEY, Drift
from loglake_assets.lake.storage.keys import check_key, coverage_key
from loglake_assets.sources import load_source
from loglake_assets.sources.placement import day_from_number
from loglake_assets.sources.reasons import advice
from resources.settings import program

COVERAGE = "coverage"
GRAIN = "grain"
_PLAIN_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.]{0,60}|[0-9.]{1,10}")
WATCHED_DAYS = 35  # the look-back of the hourly checks


def check_specs(key: dg.AssetKey, partitions_def: dg.PartitionsDefinition[str]) -> list[dg.AssetCheckSpec]:
    """The checks of a readready table, by day."""
    return [
        dg.AssetCheckSpec(
            COVERAGE,
            asset=key,
            partitions_def=partitions_def,
            description="Source to target: what percentage of the day's events readready holds, and which it misses.",
        ),
        dg.AssetCheckSpec(
            GRAIN,
            asset=key,
            partitions_def=partitions_def,
            description="Every event once, no row without its event in the raw objects, no two contents under one id.",
        ),
        dg.AssetCheckSpec(
            DRIFT,
            asset=key,
            partitions_def=partitions_def,
            description="Records are as the lake knows this log: no unknown version, no unseen key, no other type.",
        ),
    ]


def evaluations(
    instance: dg.DagsterInstance, key: dg.AssetKey, coverages: Mapping[str, Coverage], error_below: float, bucket: str
) -> Iterator[dg.AssetCheckEvaluation]:
    """Coverage and grain of each day (by partition key). Days without a materialization have nothing to be checked."""
    targets = newest_materializations(instance, key, list(coverages))
    for partition, coverage in coverages.items():
        if target := targets.get(partition):
            yield _coverage_evaluation(key, partition, coverage, error_below, bucket, target)
            yield _grain_evaluation(key, partition, coverage, target)


def _coverage_evaluation(
    key: dg.AssetKey, partition: str, coverage: Coverage, error_below: float, bucket: str, target: Any
) -> dg.AssetCheckEvaluation:
    pct = coverage.pct
    severity = dg.AssetCheckSeverity.ERROR if pct is not None and pct < error_below else dg.AssetCheckSeverity.WARN
    return dg.AssetCheckEvaluation(
        asset_key=key,
        check_name=COVERAGE,
        partition=partition,
        passed=(pct is None or pct >= 100) and not is_unwatched(coverage),
        severity=severity,
        metadata=coverage_metadata(coverage, bucket),
        target_materialization_data=target,
    )


def is_unwatched(coverage: Coverage) -> bool:
    """Whether objects were set aside of which no other check of the day tells.

    Within the look-back `changed_since_built` is red for them, hourly. Of an older day, and of one of which nothing is
    left to count, this check is.
    """
    if not coverage.set_aside:
        return False
    today = datetime.fromisoformat(coverage.checked_at).date()
    return coverage.pct is None or day_from_number(coverage.day) < today - timedelta(days=WATCHED_DAYS)


def coverage_metadata(coverage: Coverage, bucket: str) -> dict[str, Any]:
    """Counts, keys and ids: never content of a log."""
    return {
        "coverage_pct": coverage_value(coverage),
        "events_in_raw": coverage.expected,
        "events_in_readready": coverage.found,
        "missing": coverage.missing,
        "excluded_by_rule": coverage.excluded,
        "denied_objects_by_rule": dg.MetadataValue.json(dict(coverage.denied)),
        "unreadable_objects": len(coverage.unreadable),
        "objects_set_aside": len(coverage.set_aside),
        "events_of_objects_set_aside": coverage.set_aside_events,
        "set_aside": dg.MetadataValue.json(_first(coverage.set_aside)),
        "files_altered": dg.MetadataValue.json(_first(coverage.altered)),
        "rows_of_altered_files": coverage.altered_rows,
        "records_without_a_day": coverage.unplaceable_records,
        "records_without_a_day_in": dg.MetadataValue.json(_first(coverage.unplaceable_by_object)),
        "missing_from": dg.MetadataValue.json(_first(coverage.missing_by_object)),
        "unreadable": dg.MetadataValue.json(_first(coverage.unreadable)),
        "missing_event_ids": dg.MetadataValue.json(list(coverage.missing_events[:NAMES_SHOWN])),
        "objects_read_by_the_build": coverage.objects_read,
        "objects_recounted": coverage.object_count,
        "bytes_recounted": coverage.bytes_read,
        "all_names": f"s3://{bucket}/{coverage_key(load_source(coverage.source).readready.name, coverage.day)}",
        "remedy": remedy(coverage),
    }


def coverage_value(coverage: Coverage | None, has_source: bool = True) -> float | str:
    """A percentage that plots, or why there is none."""
    if coverage is None:
        return "unchecked: the recount failed"
    if coverage.pct is not None:
        return coverage.pct
    return "n/a: no events that day" if has_source else "n/a: nothing was delivered"


def remedy(coverage: Coverage) -> str:
    """What mends a day of which something is missing or wrong: a sentence for each finding."""
    day, found = day_from_number(coverage.day), coverage.findings
    said = [
        finding_remedy(finding, coverage.source, day)
        for finding in found
        if finding is not Measure.WITHHELD and not (finding is Measure.MISSING and Measure.ALTERED in found)
    ]
    withheld = sorted(set(coverage.unreadable.values()) & WITHHELD)
    said += [f"objects named as {why}: {advice(why, program(), coverage.source, day, day)}" for why in withheld]
    return "; ".join(said) or "nothing to mend"


def _grain_evaluation(key: dg.AssetKey, partition: str, coverage: Coverage, target: Any) -> dg.AssetCheckEvaluation:
    return dg.AssetCheckEvaluation(
        asset_key=key,
        check_name=GRAIN,
        partition=partition,
        passed=not (coverage.repeated or coverage.surplus or coverage.differing or coverage.altered),
        severity=dg.AssetCheckSeverity.ERROR,
        metadata={
            "rows_repeated": coverage.repeated,
            "rows_without_raw_event": coverage.surplus,
            "copies_with_other_content": len(coverage.differing),
            "objects_of_such_copies": dg.MetadataValue.json(_first(coverage.differing)),
            "surplus_event_ids": dg.MetadataValue.json(list(coverage.surplus_events[:NAMES_SHOWN])),
        },
        target_materialization_data=target,
    )


def drift_evaluations(
    instance: dg.DagsterInstance, key: dg.AssetKey, found: Mapping[str, Drift], bucket: str
) -> Iterator[dg.AssetCheckEvaluation]:
    """Drift of each day (by partition key): a warning, since what has no column is kept beside the columns."""
    targets = newest_materializations(instance, key, list(found))
    for partition, drift in found.items():
        if target := targets.get(partition):
            yield dg.AssetCheckEvaluation(
                asset_key=key,
                check_name=DRIFT,
                partition=partition,
                passed=not drift.found,
                severity=dg.AssetCheckSeverity.WARN,
                metadata=drift_metadata(drift, bucket),
                target_materialization_data=target,
            )


def drift_metadata(drift: Drift, bucket: str) -> dict[str, Any]:
    """Counts, names of keys (escaped and bounded), and ids of examples: never a value of a record."""
    kinds = (UNKNOWN_VERSION, UNSEEN_KEY, DOES_NOT_FIT)
    shown = {kind: list(drift.of_kind(kind).items())[:NAMES_SHOWN] for kind in kinds}
    records = [
        dg.TableRecord({"kind": kind, "name": plain_name(name), "rows": one.count, "example": one.example})
        for kind, named in shown.items()
        for name, one in named
    ]
    columns = [dg.TableColumn(name, "string") for name in ("kind", "name", "rows", "example")]
    return {
        "rows": drift.row_count,
        **{kind: len(drift.of_kind(kind)) for kind in kinds},
        "names": dg.MetadataValue.table(records, dg.TableSchema(columns)),
        "all_names": f"s3://{bucket}/{check_key(load_source(drift.source).readready.name, drift.day, DRIFT)}",
        "remedy": "give what is new a column in the source's folder, or make it known there; build the days again"
        if drift.found
        else "none needed",
    }


def plain_name(name: str) -> str:
    """A key or a version as it is where it looks like one, else its digest: what stands there may be anybody's text."""
    if _PLAIN_NAME.fullmatch(name):
        return name
    return f"sha256:{hashlib.sha256(name.encode()).hexdigest()[:12]} (as in all_names)"


def _first(names: Mapping[str, Any]) -> dict[str, Any]:
    return dict(list(names.items())[:NAMES_SHOWN])


def newest_materializations(instance: dg.DagsterInstance, key: dg.AssetKey, days: Sequence[str]) -> dict[str, Any]:
    """The newest materialization of each day, which a check result must point to or the day does not count."""
    records = instance.fetch_materializations(
        dg.AssetRecordsFilter(asset_key=key, asset_partitions=list(days)), limit=1000
    ).records
    newest: dict[str, Any] = {}
    for record in records:  # newest first
        materialization = record.asset_materialization
        if materialization and materialization.partition:
            newest.setdefault(
                materialization.partition,
                AssetCheckEvaluationTargetMaterializationData(
                    storage_id=record.storage_id, run_id=record.run_id, timestamp=record.timestamp
                ),
            )
    return newest

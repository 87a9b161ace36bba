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

from loglake_assets.lake.checks.coverage import NAMES_SHOWN, Coverage, Measure
from loglake_assets.lake.checks.day_report import LOOK_BACK_DAYS
from loglake_assets.lake.checks.day_report import remedy as finding_remedy
from loglake_assets.lake.checks.drift import DOES_NOT_FIT, DRIFT, UNKNOWN_VERSION, UNSEEN_KEY, Drift
from loglake_assets.lake.storage.keys import check_key
from loglake_assets.orchestration.check_metadata import ALL_NAMES, WHAT_NAME_DETAIL, check_metadata
from loglake_assets.orchestration.console_links import file_page
from loglake_assets.orchestration.coverage_words import coverage_description, coverage_metadata
from loglake_assets.sources import load_source
from loglake_assets.sources.calendar_days import day_from_number
from loglake_assets.sources.words import inflect, join_clauses, sentence, tally
from resources.settings import LakeSettings, loglake

COVERAGE = "coverage"
GRAIN = "grain"
_PLAIN_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.]{0,60}|[0-9.]{1,10}")


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
    instance: dg.DagsterInstance,
    key: dg.AssetKey,
    coverages: Mapping[str, Coverage],
    error_below: float,
    settings: LakeSettings,
) -> Iterator[dg.AssetCheckEvaluation]:
    """Coverage and grain of each day (by partition key). Days without a materialization have nothing to be checked."""
    targets = newest_materializations(instance, key, list(coverages))
    for partition, coverage in coverages.items():
        if target := targets.get(partition):
            yield _coverage_evaluation(key, partition, coverage, error_below, settings, target)
            yield _grain_evaluation(key, partition, coverage, target)


def _coverage_evaluation(
    key: dg.AssetKey, partition: str, coverage: Coverage, error_below: float, settings: LakeSettings, target: Any
) -> dg.AssetCheckEvaluation:
    pct = coverage.pct
    severity = dg.AssetCheckSeverity.ERROR if pct is not None and pct < error_below else dg.AssetCheckSeverity.WARN
    return dg.AssetCheckEvaluation(
        asset_key=key,
        check_name=COVERAGE,
        partition=partition,
        passed=(pct is None or pct >= 100) and not is_unwatched(coverage),
        severity=severity,
        description=coverage_description(coverage),
        metadata=coverage_metadata(coverage, settings),
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
    return coverage.pct is None or day_from_number(coverage.day) < today - timedelta(days=LOOK_BACK_DAYS)


def _grain_evaluation(key: dg.AssetKey, partition: str, coverage: Coverage, target: Any) -> dg.AssetCheckEvaluation:
    counts = {
        Measure.REPEATED: coverage.repeated,
        Measure.SURPLUS: coverage.surplus,
        Measure.DIFFERING: len(coverage.differing),
        Measure.ALTERED: len(coverage.altered),
    }
    wrong = [measure for measure, count in counts.items() if count]
    day = day_from_number(coverage.day)
    remedy = "; ".join(finding_remedy(measure, coverage.source, day, coverage=coverage) for measure in wrong)
    said = join_clauses([_odd(counts[measure], *_GRAIN_WORDS[measure]) for measure in wrong])
    return dg.AssetCheckEvaluation(
        asset_key=key,
        check_name=GRAIN,
        partition=partition,
        passed=not wrong,
        severity=dg.AssetCheckSeverity.ERROR,
        description=sentence(f"{day}: {said}", remedy)
        if wrong
        else f"{day}: every event is there once, and each row is from a raw record.",
        metadata=check_metadata(
            remedy,
            WHAT_NAME_DETAIL,
            _names_of_grain(coverage),
            {
                "rows": coverage.found + coverage.surplus + coverage.repeated,
                **{_GRAIN_NAMES[measure]: counts[measure] for measure in wrong},
            },
        ),
        target_materialization_data=target,
    )


def _odd(count: int, noun: str, singular: str, plural: str) -> str:
    return f"{tally(count, noun)} {inflect(count, singular, plural)}"


_GRAIN_WORDS = {
    Measure.REPEATED: ("row", "is there twice", "are there twice"),
    Measure.SURPLUS: ("row", "is of no raw record", "are of no raw record"),
    Measure.DIFFERING: ("event", "has a copy of other content", "have a copy of other content"),
    Measure.ALTERED: ("file", "is not as committed", "are not as committed"),
}
_GRAIN_NAMES = {
    Measure.REPEATED: "rows_repeated",
    Measure.SURPLUS: "rows_without_raw_event",
    Measure.DIFFERING: "copies_with_other_content",
    Measure.ALTERED: "files_altered",
}


def _names_of_grain(coverage: Coverage) -> Iterator[tuple[str, str, str]]:
    yield from (("row of no raw record", event, "") for event in coverage.surplus_events[:NAMES_SHOWN])
    copies = list(coverage.differing.items())[:NAMES_SHOWN]
    yield from (("copy of other content", event, where) for event, where in copies)
    yield from (("file not as committed", file, why) for file, why in list(coverage.altered.items())[:NAMES_SHOWN])


def drift_evaluations(
    instance: dg.DagsterInstance, key: dg.AssetKey, found: Mapping[str, Drift], settings: LakeSettings
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
                description=_drift_description(partition, drift),
                metadata=drift_metadata(drift, settings),
                target_materialization_data=target,
            )


_DRIFT_KINDS = {
    UNKNOWN_VERSION: ("version", "is unknown", "are unknown"),
    UNSEEN_KEY: ("key", "was not seen before", "were not seen before"),
    DOES_NOT_FIT: ("value", "is of another type", "are of another type"),
}


def _drift_remedy(drift: Drift) -> str:
    build = loglake(f"build {drift.source} {day_from_number(drift.day)}")
    return f"give what is new a column in the source's folder, or make it known there; then {build}"


def _drift_description(partition: str, drift: Drift) -> str:
    said = [_odd(len(found), *words) for kind, words in _DRIFT_KINDS.items() if (found := drift.of_kind(kind))]
    if said:
        return sentence(f"{partition}: {join_clauses(said)}", f"nothing is lost by it: {_drift_remedy(drift)}")
    all_of = f"{inflect(drift.row_count, 'the', 'every one of')} {tally(drift.row_count, 'row')}"
    return f"{partition}: {all_of} is as the lake knows this log."


def drift_metadata(drift: Drift, settings: LakeSettings) -> dict[str, Any]:
    """Counts, names of keys (escaped and bounded), and ids of examples: never a value of a record."""
    shown = {kind: list(drift.of_kind(kind).items())[:NAMES_SHOWN] for kind in _DRIFT_KINDS}
    rows = [(kind, plain_name(name), one.count, one.example) for kind, named in shown.items() for name, one in named]
    kinds = {kind: count for kind in _DRIFT_KINDS if (count := len(drift.of_kind(kind)))}
    key = check_key(load_source(drift.source).readready.name, drift.day, DRIFT)
    return check_metadata(
        _drift_remedy(drift) if drift.found else "",
        ("kind", "name", "rows", "example"),
        rows,
        {"rows": drift.row_count, **kinds},
        file_page(settings, f"s3://{settings.readready_bucket}/{key}"),
    )


def plain_name(name: str) -> str:
    """A key or a version as it is where it looks like one, else its digest: what stands there may be anybody's text."""
    if _PLAIN_NAME.fullmatch(name):
        return name
    return f"sha256:{hashlib.sha256(name.encode()).hexdigest()[:12]} (as in {ALL_NAMES})"


def newest_materializations(instance: dg.DagsterInstance, key: dg.AssetKey, days: Sequence[str]) -> dict[str, Any]:
    """The newest materialization of each day, which a check result must point to or the day does not count."""
    return {
        day: AssetCheckEvaluationTargetMaterializationData(
            storage_id=record.storage_id, run_id=record.run_id, timestamp=record.timestamp
        )
        for day, record in newest_records(instance, key, days).items()
    }


def newest_records(instance: dg.DagsterInstance, key: dg.AssetKey, days: Sequence[str]) -> dict[str, dg.EventLogRecord]:
    """The newest materialization of each day as the event log has it, by partition key."""
    records = instance.fetch_materializations(
        dg.AssetRecordsFilter(asset_key=key, asset_partitions=list(days)), limit=1000
    ).records
    newest: dict[str, dg.EventLogRecord] = {}
    for record in records:  # newest first
        materialization = record.asset_materialization
        if materialization and materialization.partition:
            newest.setdefault(materialization.partition, record)
    return newest

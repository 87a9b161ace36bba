"""Days of a source compared by listing: storage, catalog and builds. What checks and the reconciliation asset share."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any

import dagster as dg

from loglake_assets.lake.checks.coverage import COMPARISON, NAMES_SHOWN
from loglake_assets.lake.checks.day_report import LOOK_BACK_DAYS, DayReport, Verdict
from loglake_assets.lake.checks.reconciliation import put_report
from loglake_assets.lake.lake import Lake
from loglake_assets.lake.storage.keys import check_key
from loglake_assets.orchestration.check_metadata import WHAT_NAME_DETAIL, check_metadata
from loglake_assets.orchestration.console_links import file_pages
from loglake_assets.orchestration.day_checks import COVERAGE, newest_materializations
from loglake_assets.orchestration.source_config import SourceConfig
from loglake_assets.sources.calendar_days import day_number
from loglake_assets.sources.words import inflect, sentence, tally


def hourly_days(now: datetime, days: int = LOOK_BACK_DAYS) -> list[date]:
    """The delivery days that the hourly checks compare, today among them."""
    return [now.date() - timedelta(days=n) for n in range(days, -1, -1)]


def report_result(
    config: SourceConfig,
    lake: Lake,
    days: Sequence[date],
    first_open: date,
    unknown: list[str] | None = None,
) -> list[DayReport]:
    """Days compared, and kept by name; keys that no pattern places are added to `unknown`."""
    found = []
    for day in lake.reconciler(config.source, config.look_ahead_days).days(days, first_open, unknown):
        put_report(lake.table(config.source.readready.name), day)
        found.append(day)
    return found


def all_names(lake: Lake, config: SourceConfig, days: Sequence[date]) -> dg.MetadataValue[Any] | None:
    """Where every name of these days stands; None where there is no day."""
    bucket, table = lake.settings.readready_bucket, config.source.readready.name
    keys = (check_key(table, day_number(day), COMPARISON) for day in days[:NAMES_SHOWN])
    return file_pages(lake.settings, [f"s3://{bucket}/{key}" for key in keys])


def cost(found: Sequence[DayReport]) -> dict[str, Any]:
    """What the comparison itself took: objects listed, none of them opened."""
    return {"objects_listed": sum(day.listed_count for day in found)}


def short_days(
    instance: dg.DagsterInstance, config: SourceConfig, found: Sequence[DayReport]
) -> Iterator[dg.AssetCheckEvaluation]:
    """Coverage turned red for days of which a file is not as it was written: no recount is needed to know it.

    They must be yielded in a run. Dagster stores one evaluation of a check and day that was reported without a run,
    and fails on the second.
    """
    short = {day.day.isoformat(): day for day in found if day.select(Verdict.SHORT)}
    targets = newest_materializations(instance, config.readready_key, list(short))
    for partition, day in short.items():
        if target := targets.get(partition):
            files = day.select(Verdict.SHORT)
            first = f"{files[0].name}: {files[0].detail}"
            remedy = day.remedy(Verdict.SHORT)
            yield dg.AssetCheckEvaluation(
                asset_key=config.readready_key,
                check_name=COVERAGE,
                partition=partition,
                passed=False,
                severity=dg.AssetCheckSeverity.ERROR,
                description=sentence(f"{partition}: {_short_files(day)}, the first is {first}", remedy),
                metadata=check_metadata(
                    remedy,
                    WHAT_NAME_DETAIL,
                    [("file not as written", file.name, file.detail) for file in files[:NAMES_SHOWN]],
                    {"mode": "cheap: files against manifest", "files_not_as_written": len(files)},
                ),
                target_materialization_data=target,
            )


def _short_files(day: DayReport) -> str:
    count = len(day.select(Verdict.SHORT))
    return f"{tally(count, 'file')} of the build {inflect(count, 'is', 'are')} not as written"


def check_result(
    key: dg.AssetKey,
    name: str,
    wrong: str,
    right: str,
    remedy: str,
    columns: Sequence[str],
    names: Iterable[Sequence[Any]],
    figures: Mapping[str, Any],
    all_names: dg.MetadataValue[Any] | None = None,
    severity: dg.AssetCheckSeverity = dg.AssetCheckSeverity.ERROR,
) -> dg.AssetCheckResult:
    """The result of a check: red with what is `wrong` and its remedy; green with what is `right` where nothing is."""
    return dg.AssetCheckResult(
        asset_key=key,
        check_name=name,
        passed=not wrong,
        severity=severity,
        description=sentence(wrong, remedy) if wrong else sentence(right),
        metadata=check_metadata(remedy if wrong else "", columns, [*names][:NAMES_SHOWN], figures, all_names),
    )

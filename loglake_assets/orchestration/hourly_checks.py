"""The hourly checks of a source: storage, catalog and builds compared by listing, over the days of the look-back.

What counts events again is the coverage check's, and has a schedule of its own. They stand on an asset that nothing
materializes: on the raw table, the next raw day that is reported would make Dagster show them as not evaluated.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

import dagster as dg

from loglake_assets.lake.checks.coverage import NAMES_SHOWN
from loglake_assets.lake.checks.day_report import LOOK_BACK_DAYS, DayReport, Verdict, first_open_day, remedies
from loglake_assets.lake.lake import Lake
from loglake_assets.lake.versions.commits import sequences
from loglake_assets.lake.versions.served_day import IN_ORDER
from loglake_assets.orchestration.check_metadata import check_metadata
from loglake_assets.orchestration.comparison import (
    all_names,
    check_result,
    cost,
    hourly_days,
    report_result,
    short_days,
)
from loglake_assets.orchestration.metadata_tables import NUMBER, TEXT, metadata_table
from loglake_assets.orchestration.older_days import OLDER_DAYS, check_older_days
from loglake_assets.orchestration.raw_days import news_of
from loglake_assets.orchestration.reconcile_job import send_gaps
from loglake_assets.orchestration.source_config import SourceConfig
from loglake_assets.sources.words import floor_pct, inflect, sentence, tally
from resources.settings import loglake

DELIVERED, PLACEMENT, UNKNOWN_KEYS = "delivered", "placement", "unknown_keys"


@dataclass(frozen=True)
class VerdictCheck:
    """One check of a log: red while an object has one of the verdicts."""

    name: str
    description: str
    wrong: str
    """What is wrong with objects that have one of the verdicts, behind their number."""
    verdicts: tuple[Verdict, ...]
    severity: dg.AssetCheckSeverity
    shown: tuple[Verdict, ...] = ()
    """Verdicts that it counts and names as well without turning red."""
    noun: str = "object"


VERDICT_CHECKS = (
    VerdictCheck(
        "catalog_lag",
        f"Every delivery prefix of the last {LOOK_BACK_DAYS} days that holds objects has its partition.",
        "under a prefix without a partition",
        (Verdict.UNREGISTERED,),
        dg.AssetCheckSeverity.ERROR,
        shown=(Verdict.EXCLUDED,),
    ),
    VerdictCheck(
        "unbuilt",
        f"Every object of the last {LOOK_BACK_DAYS} closed days was read by its day's build.",
        "not read by a build of the day",
        (Verdict.UNBUILT, Verdict.LATE),
        dg.AssetCheckSeverity.WARN,
    ),
    VerdictCheck(
        "changed_since_built",
        f"Every object that a build of the last {LOOK_BACK_DAYS} days read is there, and is as it was read.",
        "gone or otherwise than a build read it",
        (Verdict.OLDER_VERSION, Verdict.GONE),
        dg.AssetCheckSeverity.ERROR,
    ),
    VerdictCheck(
        "outdated",
        f"Every day of the last {LOOK_BACK_DAYS} was built under the exclude rules, columns and code there are now.",
        "under other rules, columns or code than there are now",
        (Verdict.OUTDATED,),
        dg.AssetCheckSeverity.WARN,
        noun="build",
    ),
    VerdictCheck(
        "records",
        f"Commit records, manifests and the late ledger of the last {LOOK_BACK_DAYS} days can be read and agree.",
        "unreadable, or at odds with others",
        (Verdict.ALTERED, Verdict.UNREADABLE_RECORD),
        dg.AssetCheckSeverity.ERROR,
        noun="record",
    ),
)


class HourlyChecksConfig(dg.Config):
    """Whether what the checks find is mended as well, as far as it mends without a person: the hourly job does."""

    mend: bool = False


def checks_asset(config: SourceConfig) -> dg.AssetSpec:
    """What the checks without a day stand on."""
    source = config.source
    return dg.AssetSpec(
        config.checks_key,
        deps=[config.raw_key, config.readready_key],
        description=f"The checks of {source.title} that are about no single day. Nothing materializes this asset, so "
        "a check that is red stays red until it is evaluated again.",
        group_name=source.name,
        kinds={"s3"},
        owners=config.owners,
        tags=config.tags("audit"),
    )


def hourly_check_specs(config: SourceConfig) -> list[dg.AssetCheckSpec]:
    """The checks that one listing answers."""
    descriptions = {
        **{check.name: check.description for check in VERDICT_CHECKS},
        DELIVERED: f"Objects arrived on every closed day of the last {LOOK_BACK_DAYS}, from the first that has any.",
        PLACEMENT: "The catalog's partition of every day leads to its newest commit, and no commit record is gone.",
        UNKNOWN_KEYS: "Every object of the raw bucket has a key of this log's form. One that has not is in no table.",
        OLDER_DAYS: f"Days before the last {LOOK_BACK_DAYS} are built, up to date and undamaged, and none lies before "
        "the lake's first day. Each run looks at a week of them for each hour since the run before.",
    }
    return [
        dg.AssetCheckSpec(name, asset=config.checks_key, description=description)
        for name, description in descriptions.items()
    ]


def hourly_checks_name(source_name: str) -> str:
    """The name of the step that evaluates a source's hourly checks."""
    return f"{source_name}_hourly_checks"


def _now() -> datetime:
    return datetime.now(UTC)


def hourly_checks(source_config: SourceConfig, clock: Callable[[], datetime] = _now) -> dg.AssetChecksDefinition:
    """All cheap checks of a source in one listing. Each of them can be run alone."""

    @dg.multi_asset_check(
        specs=hourly_check_specs(source_config), name=hourly_checks_name(source_config.source.name), can_subset=True
    )
    def checks(
        context: dg.AssetCheckExecutionContext, config: HourlyChecksConfig, lake: dg.ResourceParam[Lake]
    ) -> Iterator[Any]:
        asked = {key.name for key in context.selected_asset_check_keys}
        now = clock()
        older: list[DayReport] = []
        if OLDER_DAYS in asked:
            result, older = check_older_days(source_config, lake, now)
            yield result
        if not asked - {OLDER_DAYS}:
            return
        first_open = first_open_day(now, source_config.schedule_hour)
        days = [day for day in hourly_days(now) if day >= source_config.start_day]
        unknown: list[str] = []
        found = report_result(source_config, lake, days, first_open, unknown)
        made = results(source_config, lake, found, days, first_open, unknown)
        yield from (result for result in made if result.check_name in asked)
        yield from short_days(context.instance, source_config, found)
        if config.mend:
            yield from _mend(context, source_config, lake, [*older, *found], now.date())

    return checks


def _mend(
    context: dg.AssetCheckExecutionContext,
    config: SourceConfig,
    lake: Lake,
    found: Sequence[DayReport],
    today: date,
) -> Iterator[dg.AssetMaterialization]:
    """Give AddAPart what the catalog misses; report raw days that a build did not reflect, if that is news."""
    prefixes, commits = send_gaps(config.source, lake, found)
    context.log.info(
        f"Sent AddAPart {tally(prefixes, 'raw prefix', 'raw prefixes')} and {tally(commits, 'commit')} that "
        "the catalog did not show."
    )
    yield from news_of(context.instance, config, lake, [day.day for day in found if day.is_stale], today)


def hourly_results(
    config: SourceConfig, lake: Lake, days: Sequence[date], first_open: date
) -> Iterator[dg.AssetCheckResult]:
    """The results of the hourly checks over `days`; every day's names are kept in the readready bucket."""
    unknown: list[str] = []
    found = report_result(config, lake, days, first_open, unknown)
    yield from results(config, lake, found, days, first_open, unknown)


def results(
    config: SourceConfig,
    lake: Lake,
    found: Sequence[DayReport],
    days: Sequence[date],
    first_open: date,
    unknown: Sequence[str],
) -> Iterator[dg.AssetCheckResult]:
    """What was found of `days`, and the keys that no pattern places, as the results of their checks."""
    for check in VERDICT_CHECKS:
        yield _verdict_result(config, lake, check, found)
    yield _delivery_result(config, lake, found, days, first_open)
    yield _placement_result(config, found)
    yield _unknown_keys_result(config, lake, unknown)


def _unknown_keys_result(config: SourceConfig, lake: Lake, unknown: Sequence[str]) -> dg.AssetCheckResult:
    """Objects that are delivered and in no table, by name: a prefix of a form that the log's key patterns lack."""
    remedy = (
        f"see the source's key patterns for the prefixes that {config.source.title} may have: deliver under one of "
        f"them, or add a pattern or an ignore reason to the source's declaration; then {loglake('reconcile')}"
    )
    bucket = lake.settings.raw_bucket(config.source.name)
    shown = [f"s3://{bucket}/{key}" for key in unknown[:NAMES_SHOWN]]
    return check_result(
        config.checks_key,
        UNKNOWN_KEYS,
        wrong=f"at least {tally(len(unknown), 'object')} {inflect(len(unknown), 'is', 'are')} in no table, the "
        f"first is {shown[0]}"
        if unknown
        else "",
        right="Every key is known.",
        remedy=remedy,
        columns=("object",),
        names=((name,) for name in shown),
        figures={"objects_at_least": len(unknown)},
    )


def _verdict_result(
    config: SourceConfig, lake: Lake, check: VerdictCheck, found: Sequence[DayReport]
) -> dg.AssetCheckResult:
    bad = [(day, judged) for day in found for judged in day.wrong if judged.verdict in check.verdicts]
    count = len({judged.name for _, judged in bad})
    days = list(dict.fromkeys(day.day for day, _ in bad))
    remedy = "; ".join(remedies((day, j.verdict) for day, j in bad)[:NAMES_SHOWN])
    listed = sum(day.listed_count for day in found)
    return check_result(
        config.checks_key,
        check.name,
        wrong=f"{tally(count, check.noun)} of {tally(len(days), 'day')} {inflect(count, 'is', 'are')} "
        f"{check.wrong}, the first is {bad[0][1].text}"
        if bad
        else "",
        right=f"All is in order: {tally(listed, 'object')} of {tally(len(found), 'day')}.",
        remedy=remedy,
        columns=("day", "object"),
        names=((day.day, judged.text) for day, judged in bad),
        figures={
            "objects": count,
            "objects_pct": objects_pct(found, check.verdicts),
            "days": len(days),
            "by_day": _by_day(found, (*check.verdicts, *check.shown)),
            **cost(found),
        },
        all_names=all_names(lake, config, days),
        severity=check.severity,
    )


def objects_pct(found: Sequence[DayReport], verdicts: Sequence[Verdict]) -> float | str:
    """Percentage of the landed objects that have none of the verdicts, rounded down."""
    landed = sum(day.built + len(day.verdicts) for day in found)
    bad = sum(len(day.select(*verdicts)) for day in found)
    pct = floor_pct(landed - bad, landed)
    return "n/a: nothing landed" if pct is None else pct


def _by_day(found: Sequence[DayReport], verdicts: Sequence[Verdict]) -> dg.TableMetadataValue:
    """The days that have one of the verdicts."""
    rows = [
        (day.day.isoformat(), str(v), len(objects), objects[0].detail)
        for day in found
        for v in verdicts
        if (objects := day.select(v))
    ]
    return metadata_table({"day": TEXT, "verdict": TEXT, "objects": NUMBER, "detail": TEXT}, rows)


def _delivery_result(
    config: SourceConfig,
    lake: Lake,
    found: Sequence[DayReport],
    days: Sequence[date],
    first_open: date,
) -> dg.AssetCheckResult:
    """A day without any object has nothing that could be missing from it, which is not the same as being complete.

    Whether it is worth a warning is the source's setting: some logs are quiet on some days.
    """
    landed = {day.day for day in found if day.listed_count}
    # Where nothing landed at all, a log that was built before has stopped; one that never was has not begun.
    first = min(landed) if landed else (days[0] if days and _was_built(config, lake) else None)
    absent = [day for day in days if first and first <= day < first_open and day not in landed]
    is_odd = bool(absent) and config.expect_every_day
    remedy = (
        "ask who delivers this log whether it was switched off on these days; if days without deliveries are usual, "
        f"set expect_every_day: false in the defs.yaml of {config.source.name}"
    )
    first_of = f"the first is {absent[0]}" if absent else ""
    expected = "every day is expected to have some" if config.expect_every_day else "which is usual for this log"
    return dg.AssetCheckResult(
        asset_key=config.checks_key,
        check_name=DELIVERED,
        passed=not is_odd,
        severity=dg.AssetCheckSeverity.WARN,
        description=sentence(f"no objects are there of {tally(len(absent), 'closed day')}, {first_of}", expected)
        if absent
        else f"All closed days from the first with objects have some: {tally(len(landed), 'day')}.",
        metadata=check_metadata(
            remedy if is_odd else "",
            ("day",),
            ([day] for day in absent[:NAMES_SHOWN]),
            {
                "days": len(absent),
                "days_with_objects": len(landed),
                "expect_every_day": config.expect_every_day,
            },
        ),
    )


def _was_built(config: SourceConfig, lake: Lake) -> bool:
    """Whether any day of the log has a commit."""
    return bool(sequences(lake.table(config.source.readready.name)))


def _placement_result(config: SourceConfig, found: Sequence[DayReport]) -> dg.AssetCheckResult:
    odd = [day for day in found if day.placing not in IN_ORDER]
    remedy = "; ".join(remedies((day, day.placing) for day in odd)[:NAMES_SHOWN])
    back = [d.day.isoformat() for d in found if d.is_rolled_back]
    return check_result(
        config.checks_key,
        PLACEMENT,
        wrong=f"readers are not sent to the newest commit of {tally(len(odd), 'day')}, the first is "
        f"{_placement_text(odd[0])}"
        if odd
        else "",
        right=f"Readers are sent to the newest commit of each of {tally(len(found), 'day')}.",
        remedy=remedy,
        columns=("day", "placing", "commit", "partition"),
        names=((day.day, day.placing, day.commit_seq, day.partition_seq) for day in odd),
        figures={"days": len(odd), "rolled_back_days": metadata_table({"day": TEXT}, ([day] for day in back))},
    )


def _placement_text(day: DayReport) -> str:
    return f"{day.day}: {day.placing} (commit {day.commit_seq}, partition {day.partition_seq})"

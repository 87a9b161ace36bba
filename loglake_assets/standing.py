"""The standing checks: storage, catalog and builds compared by listing, hourly, over the days of the look-back.

What counts events again is the coverage check's, and has a schedule of its own.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

import dagster as dg

from loglake_assets.checks import WATCHED_DAYS
from loglake_assets.config import SourceConfig
from loglake_assets.lake.reconciliation import put_reconciliation
from loglake_assets.lake.serving import IN_ORDER, Placing
from loglake_assets.lake.verdicts import DayReconciliation, Judged, Verdict
from loglake_assets.sweeping import OLDER_DAYS, hour_of, known_wrong, put_known_wrong, short_days, swept, swept_days
from resources.lake import LakeResource

LOOK_BACK_DAYS = WATCHED_DAYS
NAMES_SHOWN = 20
DELIVERED, PLACEMENT = "delivered", "placement"
_GRACE_HOURS = 2  # after the hour in which the day just closed is built
_PLACEMENT_REMEDIES = {
    Placing.PARTITION_MISSING: "make reconcile",
    Placing.PARTITION_BEHIND: "make reconcile",
    Placing.LOCATION_DIFFERS: "find out who moved the partition; then make reconcile",
    Placing.COMMIT_MISSING: "find out who removed the record; then make rollback SOURCE={source} DAY={day} RUN={run}",
}


@dataclass(frozen=True)
class StandingCheck:
    """One check of the raw table: red while an object has one of the verdicts."""

    name: str
    description: str
    verdicts: tuple[Verdict, ...]
    severity: dg.AssetCheckSeverity
    shown: tuple[Verdict, ...] = ()
    """Verdicts that it counts and names as well without turning red."""


STANDING = (
    StandingCheck(
        "catalog_lag",
        "Every delivery prefix of the look-back that holds objects has its partition.",
        (Verdict.UNREGISTERED,),
        dg.AssetCheckSeverity.ERROR,
        shown=(Verdict.EXCLUDED,),
    ),
    StandingCheck(
        "unbuilt",
        "Every object of the look-back's closed days was read by its day's build.",
        (Verdict.UNBUILT, Verdict.LATE),
        dg.AssetCheckSeverity.WARN,
    ),
    StandingCheck(
        "changed_since_built",
        "Every object that a build of the look-back read is there, and is as it was read.",
        (Verdict.OLDER_VERSION, Verdict.GONE),
        dg.AssetCheckSeverity.ERROR,
    ),
)


def look_back(now: datetime, days: int = LOOK_BACK_DAYS) -> list[date]:
    """The delivery days that standing checks compare, today among them."""
    return [now.date() - timedelta(days=n) for n in range(days, -1, -1)]


def first_open_day(now: datetime, schedule_hour: int) -> date:
    """The first day that need not be built yet: closed days get until their schedule's hour, and two hours more."""
    return (now - timedelta(hours=schedule_hour + _GRACE_HOURS)).date()


def standing_checks(config: SourceConfig) -> dg.AssetChecksDefinition:
    """All cheap checks of a source in one listing."""
    specs = [dg.AssetCheckSpec(c.name, asset=config.raw_key, description=c.description) for c in STANDING]
    placement = dg.AssetCheckSpec(  # of readready days, and here, since a run that makes an asset runs its checks too
        PLACEMENT,
        asset=config.raw_key,
        description="Readers of every day are sent to its newest commit, and the sequence of commits is whole.",
    )

    delivered = dg.AssetCheckSpec(
        DELIVERED,
        asset=config.raw_key,
        description="Every closed day of the look-back, from the first that has any, has objects.",
    )

    older = dg.AssetCheckSpec(
        OLDER_DAYS,
        asset=config.raw_key,
        description="The same of all days before the look-back, a week of them an hour: none is known to be otherwise.",
    )

    @dg.multi_asset_check(specs=[*specs, delivered, placement, older], name=f"{config.source.name}_standing_checks")
    def checks(context: dg.AssetCheckExecutionContext, lake: LakeResource) -> Iterator[dg.AssetCheckResult]:
        now = datetime.now(UTC)
        first_open = first_open_day(now, config.schedule_hour)
        days = [day for day in look_back(now) if day >= config.start_day]
        found = reconciled(config, lake, days, first_open)
        yield from results(config, found, days, first_open)
        yield older_days_result(config, lake, now)
        for evaluation in short_days(context.instance, config, found):
            context.instance.report_runless_asset_event(evaluation)

    return checks


def standing_results(
    config: SourceConfig, lake: LakeResource, days: Sequence[date], first_open: date
) -> Iterator[dg.AssetCheckResult]:
    """The results of the standing checks over `days`; every day's names are kept in the readready bucket."""
    yield from results(config, reconciled(config, lake, days, first_open), days, first_open)


def results(
    config: SourceConfig, found: Sequence[DayReconciliation], days: Sequence[date], first_open: date
) -> Iterator[dg.AssetCheckResult]:
    """What was found of `days`, as the results of their checks."""
    for check in STANDING:
        yield _verdict_result(config, check, found)
    yield _delivered_result(config, found, days, first_open)
    yield _placement_result(config, found)


def reconciled(
    config: SourceConfig, lake: LakeResource, days: Sequence[date], first_open: date
) -> list[DayReconciliation]:
    """Days compared, and kept by name."""
    found = []
    for day in lake.reconciler(config.source, config.look_ahead_days).days(days, first_open):
        put_reconciliation(lake.s3, lake.settings.readready_bucket, config.source.readready.name, day)
        found.append(day)
    return found


def _verdict_result(
    config: SourceConfig, check: StandingCheck, found: Sequence[DayReconciliation]
) -> dg.AssetCheckResult:
    bad = [(day, judged) for day in found for judged in day.named(*check.verdicts)]
    return dg.AssetCheckResult(
        asset_key=config.raw_key,
        check_name=check.name,
        passed=not bad,
        severity=check.severity,
        metadata={
            "objects": len(bad),
            "objects_pct": objects_pct(found, check.verdicts),
            "days": len({day.day for day, _ in bad}),
            "names": dg.MetadataValue.json([name_text(judged) for _, judged in bad[:NAMES_SHOWN]]),
            "by_day": _by_day(found, (*check.verdicts, *check.shown)),
            "remedy": "; ".join(dict.fromkeys(day.remedy(j.verdict) for day, j in bad[:NAMES_SHOWN])) or "none needed",
            **_cost(found),
        },
    )


def name_text(judged: Judged) -> str:
    """A verdict with its object and what is known of it: keys, ETags and names of rules, never content."""
    return f"{judged.verdict}: {judged.name}" + (f" ({judged.detail})" if judged.detail else "")


def objects_pct(found: Sequence[DayReconciliation], verdicts: Sequence[Verdict]) -> float | str:
    """Percentage of the landed objects that have none of the verdicts, rounded down."""
    landed = sum(day.built + len(day.judged) for day in found)
    bad = sum(len(day.named(*verdicts)) for day in found)
    return int(1_000_000 * (landed - bad) / landed) / 10_000 if landed else "n/a: nothing landed"


def _cost(found: Sequence[DayReconciliation]) -> dict[str, Any]:
    """What the check itself took: it opens no object."""
    return {"objects_listed": sum(day.listed_count for day in found), "bytes_read_of_objects": 0}


def _by_day(found: Sequence[DayReconciliation], verdicts: Sequence[Verdict]) -> dg.TableMetadataValue:
    records = [
        dg.TableRecord(
            {"day": day.day.isoformat(), "verdict": str(v), "objects": len(named), "detail": named[0].detail}
        )
        for day in found
        for v in verdicts
        if (named := day.named(v))
    ]
    columns = [dg.TableColumn("day", "string"), dg.TableColumn("verdict", "string"), dg.TableColumn("objects", "int")]
    return dg.MetadataValue.table(records, dg.TableSchema([*columns, dg.TableColumn("detail", "string")]))


def _delivered_result(
    config: SourceConfig, found: Sequence[DayReconciliation], days: Sequence[date], first_open: date
) -> dg.AssetCheckResult:
    """A day without any object has nothing that could be missing from it, which is not the same as being complete."""
    landed = {day.day for day in found if day.listed_count}
    absent = [day for day in days if landed and min(landed) < day < first_open and day not in landed]
    return dg.AssetCheckResult(
        asset_key=config.raw_key,
        check_name=DELIVERED,
        passed=not absent,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={
            "days": len(absent),
            "days_with_objects": len(landed),
            "names": dg.MetadataValue.json([day.isoformat() for day in absent[:NAMES_SHOWN]]),
            "remedy": "ask who delivers this log whether it was switched off on these days"
            if absent
            else "none needed",
        },
    )


def older_days_result(config: SourceConfig, lake: LakeResource, now: datetime) -> dg.AssetCheckResult:
    """A week of the days before the look-back compared; red while one of them is known not to be as it must."""
    before = now.date() - timedelta(days=LOOK_BACK_DAYS)
    days = swept_days(config.start_day, before, hour_of(now))
    found = reconciled(config, lake, days, before) if days else []
    known = swept(known_wrong(lake, config), days, found)
    put_known_wrong(lake, config, known)
    return dg.AssetCheckResult(
        asset_key=config.raw_key,
        check_name=OLDER_DAYS,
        passed=not known,
        severity=dg.AssetCheckSeverity.ERROR,
        metadata={
            "days": len(known),
            "names": dg.MetadataValue.json(dict(sorted(known.items())[:NAMES_SHOWN])),
            "looked_at_now": f"{days[0]} to {days[-1]}" if days else "no day is older than the look-back",
            "remedy": f"backfill {config.reconciliation_key.to_user_string()} for these days: it says what mends each",
            **_cost(found),
        },
    )


def _placement_result(config: SourceConfig, found: Sequence[DayReconciliation]) -> dg.AssetCheckResult:
    odd = [day for day in found if day.placing not in IN_ORDER]
    return dg.AssetCheckResult(
        asset_key=config.raw_key,
        check_name=PLACEMENT,
        passed=not odd,
        severity=dg.AssetCheckSeverity.ERROR,
        metadata={
            "days": len(odd),
            "names": dg.MetadataValue.json([_placing_text(day) for day in odd[:NAMES_SHOWN]]),
            "rolled_back_days": dg.MetadataValue.json([d.day.isoformat() for d in found if d.is_rolled_back]),
            "remedy": "; ".join(dict.fromkeys(placement_remedy(day) for day in odd[:NAMES_SHOWN])) or "none needed",
        },
    )


def _placing_text(day: DayReconciliation) -> str:
    return f"{day.day}: {day.placing} (commit {day.commit_seq}, partition {day.partition_seq})"


def placement_remedy(day: DayReconciliation) -> str:
    """What mends the placement of a day."""
    remedy = _PLACEMENT_REMEDIES.get(day.placing, "none needed")
    return remedy.format(source=day.source, day=day.day, run=day.run_id)

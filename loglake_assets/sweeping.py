"""What listings tell beyond the standing checks of the last days: older days, a week an hour, and files that are short.

An hourly check over all days would list the whole bucket. So a week of the days before the look-back is compared each
hour, in turn, and what is wrong is kept until it is found mended: the check stays red for it meanwhile.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any

import dagster as dg

from loglake_assets.checks import COVERAGE, newest_materializations
from loglake_assets.config import SourceConfig
from loglake_assets.lake.layout import check_key
from loglake_assets.lake.serving import IN_ORDER
from loglake_assets.lake.verdicts import DayReconciliation, Verdict
from resources.lake import LakeResource

OLDER_DAYS = "older_days"
WEEK = 7
NAMES_SHOWN = 20
_RIGHT = frozenset({Verdict.BUILT, Verdict.QUARANTINED, Verdict.EXCLUDED, Verdict.OPEN})
_ALL_DAYS = 0  # the place among a table's results of what is about no single day


def swept_days(first: date, before: date, hour: int) -> list[date]:
    """The week of `first` to the day before `before` that is due in an hour (hours since 1970): each in its turn."""
    weeks = max(0, -(-(before - first).days // WEEK))
    if not weeks:
        return []
    start = first + timedelta(days=WEEK * (hour % weeks))
    return [day for n in range(WEEK) if (day := start + timedelta(days=n)) < before]


def swept(
    known: Mapping[str, Mapping[str, Any]], days: Sequence[date], found: Sequence[DayReconciliation]
) -> dict[str, Any]:
    """What is known to be wrong by day, after `days` were compared again."""
    looked_at = {day.isoformat() for day in days}
    wrong = {day.day.isoformat(): summary for day in found if (summary := _summary(day))}
    return {day: said for day, said in known.items() if day not in looked_at} | wrong


def _summary(day: DayReconciliation) -> dict[str, Any]:
    """Counts by verdict and the placing of a day that is not as it must be; empty for one that is."""
    wrong = {verdict: n for verdict, n in day.counts.items() if Verdict(verdict) not in _RIGHT}
    placing = {} if day.placing in IN_ORDER else {"placing": str(day.placing)}
    return {**wrong, **placing}


def known_wrong(lake: LakeResource, config: SourceConfig) -> dict[str, Any]:
    """What earlier hours found wrong and no later one found mended."""
    try:
        body = lake.s3.get_object(Bucket=lake.settings.readready_bucket, Key=_known_key(config))["Body"].read()
    except lake.s3.exceptions.NoSuchKey:
        return {}
    known: dict[str, Any] = json.loads(body)
    return known


def put_known_wrong(lake: LakeResource, config: SourceConfig, known: Mapping[str, Any]) -> None:
    body = json.dumps(known, sort_keys=True).encode()
    lake.s3.put_object(Bucket=lake.settings.readready_bucket, Key=_known_key(config), Body=body)


def _known_key(config: SourceConfig) -> str:
    return check_key(config.source.readready.name, _ALL_DAYS, OLDER_DAYS)


def hour_of(moment: datetime) -> int:
    """Hours since 1970."""
    return int(moment.timestamp() // 3600)


def short_days(
    instance: dg.DagsterInstance, config: SourceConfig, found: Sequence[DayReconciliation]
) -> Iterator[dg.AssetCheckEvaluation]:
    """Coverage turned red for days of which a file is not as it was written: no recount is needed to know it."""
    short = {day.day.isoformat(): day for day in found if day.named(Verdict.SHORT)}
    targets = newest_materializations(instance, config.readready_key, list(short))
    for partition, day in short.items():
        if target := targets.get(partition):
            yield dg.AssetCheckEvaluation(
                asset_key=config.readready_key,
                check_name=COVERAGE,
                partition=partition,
                passed=False,
                severity=dg.AssetCheckSeverity.ERROR,
                metadata={
                    "mode": "cheap: files against manifest",
                    "files": dg.MetadataValue.json(
                        [f"{j.name}: {j.detail}" for j in day.named(Verdict.SHORT)[:NAMES_SHOWN]]
                    ),
                    "remedy": day.remedy(Verdict.SHORT),
                },
                target_materialization_data=target,
            )

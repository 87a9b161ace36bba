"""A log's own digests as Dagster sees them: an audit by day, and a check of the last days that looks afresh every day.

Only for sources that declare `digests`. What a digest is, the source's folder knows.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

import dagster as dg

from loglake_assets.lake.checks.coverage import NAMES_SHOWN
from loglake_assets.lake.digest_audit import DIGESTS, keep_reports, validate_digests
from loglake_assets.lake.lake import Lake
from loglake_assets.lake.storage.keys import check_key
from loglake_assets.orchestration.check_metadata import check_metadata
from loglake_assets.orchestration.console_links import file_pages
from loglake_assets.orchestration.metadata_tables import NUMBER, TEXT, metadata_table
from loglake_assets.orchestration.source_config import SourceConfig
from loglake_assets.sources import LogSource
from loglake_assets.sources.calendar_days import day_from_number
from loglake_assets.sources.digest_report import KINDS, DigestReport
from loglake_assets.sources.words import inflect, sentence, tally
from resources.settings import LakeSettings

CHECKED_DAYS = 2


def audit_digests(
    source: LogSource,
    lake: Lake,
    days: Collection[date],
    now: datetime,
    progress: Callable[[str], None] = lambda text: None,
) -> list[DigestReport]:
    """Reports of delivery days, in order, each kept with all its names in the readready bucket."""
    found = validate_digests(source, lake, days, now, progress)
    keep_reports(lake, source, found, now)
    return found


def digest_audit_key(config: SourceConfig) -> dg.AssetKey:
    return dg.AssetKey(["audit", f"{config.source.name}_{DIGESTS}"])


def digest_audit_asset(config: SourceConfig) -> dg.AssetsDefinition:
    """Validates days again from storage: proving a range of days is a backfill a person can click."""
    key = digest_audit_key(config)

    @dg.asset(
        key=key,
        deps=[config.raw_key],
        description=f"The signed digests of {config.source.title} against what is stored: what was changed, removed or "
        "put there since it was delivered, by name.",
        partitions_def=config.closed_days,
        backfill_policy=dg.BackfillPolicy.multi_run(max_partitions_per_run=31),
        group_name=config.source.name,
        kinds={"s3"},
        owners=config.owners,
        tags=config.tags("audit"),
    )
    def audit(context: dg.AssetExecutionContext, lake: dg.ResourceParam[Lake]) -> Iterator[Any]:
        days = [date.fromisoformat(partition) for partition in context.partition_keys]
        for report in audit_digests(config.source, lake, days, datetime.now(UTC), context.log.info):
            context.add_asset_metadata(
                report_metadata(config.source, [report], lake.settings),
                asset_key=key,
                partition_key=day_from_number(report.day).isoformat(),
            )
        yield dg.MaterializeResult(asset_key=key)

    return audit


def digest_check(config: SourceConfig) -> dg.AssetChecksDefinition:
    """Red where the log's own digests contradict what is stored."""

    @dg.asset_check(
        asset=config.checks_key,
        name=DIGESTS,
        description=f"The last {CHECKED_DAYS} closed delivery days are as the log's own signed digests say: every "
        "delivered file is there and unchanged, none was added, no digest is missing.",
    )
    def digests(lake: dg.ResourceParam[Lake]) -> dg.AssetCheckResult:
        now = datetime.now(UTC)
        days = [now.date() - timedelta(days=n) for n in range(CHECKED_DAYS, 0, -1)]
        reports = audit_digests(config.source, lake, days, now)
        return digest_result(config.source, reports, lake.settings)

    return digests


def digest_result(source: LogSource, reports: Sequence[DigestReport], settings: LakeSettings) -> dg.AssetCheckResult:
    """Red for any finding. Days without digests pass with a note: they prove nothing, and nothing is seen wrong."""
    return dg.AssetCheckResult(
        passed=not any(report.findings for report in reports),
        severity=dg.AssetCheckSeverity.ERROR,
        description=_description(reports),
        metadata=report_metadata(source, reports, settings),
    )


def _description(reports: Sequence[DigestReport]) -> str:
    findings = [finding for report in reports for finding in report.findings]
    counts = Counter(kind for report in reports for kind in report.counts)
    if findings:
        wrong = f"the digests of {tally(len(reports), 'day')} give {tally(len(findings), 'finding')}, the first is"
        return sentence(f"{wrong} {findings[0].sentence}", digest_remedy(counts, {}))
    named = sum(report.files_named for report in reports)
    if not named:
        return sentence(f"no digest names a file of {tally(len(reports), 'day')}", "nothing is proved or seen wrong")
    matching = sum(report.files_matching for report in reports)
    return sentence(
        f"of {tally(named, 'file')} that digests name {matching:,} {inflect(matching, 'is', 'are')} unchanged"
    )


def report_metadata(source: LogSource, reports: Sequence[DigestReport], settings: LakeSettings) -> dict[str, Any]:
    """Counts, keys and kinds: never content of a log."""
    findings = [finding for report in reports for finding in report.findings]
    counts: Counter[str] = sum((Counter(report.counts) for report in reports), Counter())
    unproved: Counter[str] = sum((Counter(report.unproved) for report in reports), Counter())
    figures = {
        "valid_pct": _pct(reports),
        "files_proved_pct": min((r.proved_pct for r in reports if r.proved_pct is not None), default="n/a: no files"),
        "findings": len(findings),
        **{f"{kind}_findings": count for kind, count in sorted(counts.items())},
        **_totals(reports),
        "groups_without_digests": len(unproved),
        "unproved": metadata_table({"group": TEXT, "files": NUMBER}, unproved.most_common(NAMES_SHOWN)),
    }
    keys = (check_key(source.raw.name, report.day, DIGESTS) for report in reports)
    return check_metadata(
        digest_remedy(counts, unproved),
        ("day", "what", "name", "detail"),
        ((day_from_number(f.day), f.kind, f.name, f.detail or KINDS[f.kind]) for f in findings[:NAMES_SHOWN]),
        figures,
        file_pages(settings, [f"s3://{settings.readready_bucket}/{key}" for key in keys]),
    )


def _totals(reports: Sequence[DigestReport]) -> dict[str, int]:
    return {
        "digests": sum(r.digests_found + r.backfills_found for r in reports),
        "digests_expected": sum(r.digests_expected for r in reports),
        "digests_valid": sum(r.digests_valid + r.backfills_valid for r in reports),
        "files": sum(r.files for r in reports),
        "files_named": sum(r.files_named for r in reports),
        "files_matching": sum(r.files_matching for r in reports),
        "files_unvouched": sum(r.files_unvouched for r in reports),
        "files_undecided": sum(r.files_undecided for r in reports),
        "files_on_days_without_digests": sum(sum(r.unproved.values()) for r in reports),
        "objects_read": sum(r.object_count for r in reports),
        "bytes_read": sum(r.bytes_read for r in reports),
    }


def _pct(reports: Sequence[DigestReport]) -> float | str:
    """The least of the days: a percentage that plots, or why there is none."""
    known = [report.pct for report in reports if report.pct is not None]
    return min(known) if known else "n/a: no digests, so nothing is proved"


def digest_remedy(counts: Mapping[str, int], unproved: Mapping[str, int]) -> str:
    """What to do about findings; empty where there is nothing to do."""
    if set(counts) & {"unknown_public_key", "signature_lost"}:
        return (
            "Give the keys: let the orchestrator list them (its policy says how), or name a file of keys with "
            "LOGLAKE_DIGEST_KEYS; a copy should keep the metadata of its objects."
        )
    if counts:
        return (
            "Take it as tampering until it is explained: change nothing, and read docs/runbooks/digest.md; then "
            "restore what is named from the bucket's versions, and build its days again."
        )
    if unproved:
        return "Nothing is wrong that could be seen. Turn on log file validation where there are no digests."
    return ""

"""What the job leaves of each day beside its rows: the manifest, written once and last, and the quarantine."""

import json
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from glue_scripts.arguments import JobArguments
from glue_scripts.day_accounts import DayAccount, ObjectAccount, QuarantineEntry
from loglake_assets.lake.storage.keys import day_prefix, quarantine_prefix
from loglake_assets.lake.versions.manifests import Manifest, ManifestObject, put_manifest, put_of_run
from loglake_assets.lake.versions.stored_rows import content_hash
from loglake_assets.sources import LogSource
from loglake_assets.sources.calendar_days import day_number
from loglake_assets.sources.definition import definition_digest
from loglake_assets.sources.rules import load_rules

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


def put_manifests(
    s3: "S3Client",
    source: LogSource,
    arguments: JobArguments,
    accounts: Iterable[DayAccount],
    bases: Mapping[int, int],
    listed_at: float,
) -> None:
    """Write one manifest a day under `manifests/`; S3 refuses a second one of the same run."""
    for account in accounts:
        _put_quarantine(s3, source, arguments, account)
        manifest = day_manifest(source, arguments, account, bases[account.day], listed_at)
        put_manifest(s3, arguments.readready_bucket, manifest)


def day_manifest(
    source: LogSource, arguments: JobArguments, account: DayAccount, base_seq: int, listed_at: float
) -> Manifest:
    """The manifest of one day of this run; `base_seq` is the newest commit when the run listed, 0 for none."""
    rules, written = load_rules(source.name), account.written
    prefix = day_prefix(source.readready.name, arguments.run_id, account.day)
    return Manifest(
        source=source.name,
        table=source.readready.name,
        day=account.day,
        run_id=arguments.run_id,
        base_seq=base_seq,
        first_day=day_number(arguments.first_day),
        last_day=day_number(arguments.last_day),
        look_ahead=arguments.look_ahead,
        look_behind=arguments.reach.behind,
        listed_at=listed_at,
        rules_version=rules.version,
        code_version=arguments.code_version,
        definition=definition_digest(source),
        exclusions=rules.exclusion_digest,
        columns=tuple(column.name for column in source.readready.all_columns),
        has_source=account.has_source,
        location=f"s3://{arguments.readready_bucket}/{prefix}",
        totals=account.totals(),
        excluded_by=dict(account.excluded_by),
        content_hash=written.content_hash if written else content_hash(0, 0),
        files=tuple({"key": f.key, "bytes": f.size, "rows": f.rows} for f in written.files) if written else (),
        objects=tuple(map(_object, account.objects)),
        quarantine=tuple(map(_quarantine, account.quarantine)),
    )


def _put_quarantine(s3: "S3Client", source: LogSource, arguments: JobArguments, account: DayAccount) -> None:
    """What was not loaded, as JSON lines: the day's part of the quarantine table."""
    versions = {o.ref.number: o for o in account.objects}
    lines = [json.dumps(_quarantine_row(q, versions.get(q.ref.number))) for q in account.quarantine]
    if lines:
        prefix = f"{quarantine_prefix(source.readready.name, arguments.run_id)}logcalendarday={account.day}/"
        put_of_run(s3, arguments.readready_bucket, f"{prefix}quarantine.json", "\n".join(lines).encode())


def _quarantine_row(entry: QuarantineEntry, version: ObjectAccount | None) -> dict[str, Any]:
    return {
        "raw_bucket": entry.ref.bucket,
        "raw_key": entry.ref.key,
        "raw_etag": version.etag if version else None,
        "raw_versionid": version.version_id if version else None,
        "raw_ordinal": entry.ordinal,
        "reason": entry.reason,
    }


def _object(account: ObjectAccount) -> ManifestObject:
    return ManifestObject(
        bucket=account.ref.bucket,
        key=account.ref.key,
        etag=account.etag,
        version_id=account.version_id,
        last_modified=account.last_modified,
        prefix_day=account.ref.prefix_day,
        records=account.records,
        reason=account.reason,
        days=account.days,
        excluded=account.excluded,
        duplicates=account.duplicates,
    )


def _quarantine(entry: QuarantineEntry) -> dict[str, Any]:
    return {"bucket": entry.ref.bucket, "key": entry.ref.key, "ordinal": entry.ordinal, "reason": entry.reason}

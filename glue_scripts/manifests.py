"""The manifest of each day: what the run read, counted and wrote. Written once, last, and never overwritten."""

import gzip
import json
from collections.abc import Iterable, Mapping
from typing import Any

from botocore.exceptions import ClientError

from glue_scripts.accounts import DayAccount, ObjectAccount, Quarantined
from glue_scripts.arguments import JobArguments
from glue_scripts.window import WindowObjects
from loglake_assets.lake.storage.keys import day_prefix, manifest_key, quarantine_prefix
from loglake_assets.lake.versions.stored_rows import content_hash
from loglake_assets.s3.objects import whole_object
from loglake_assets.sources import LogSource
from loglake_assets.sources.definition import definition_digest
from loglake_assets.sources.placement import day_number
from loglake_assets.sources.rules import load_rules

FORMAT = 1


class ManifestRefusedError(RuntimeError):
    """S3 did not take what a run wrote; the message names its key and what came back. The day cannot be committed."""


def put_manifests(
    s3: Any,
    source: LogSource,
    arguments: JobArguments,
    objects: WindowObjects,
    accounts: Iterable[DayAccount],
    bases: Mapping[int, int],
    listed_at: float,
) -> None:
    """Write one manifest a day under `manifests/`; S3 refuses a second one of the same run."""
    run = {
        "format": FORMAT,
        "source": source.name,
        "table": source.readready.name,
        "run_id": arguments.run_id,
        "first_day": day_number(arguments.first_day),
        "last_day": day_number(arguments.last_day),
        "look_ahead": arguments.look_ahead,
        "look_behind": arguments.reach.behind,
        "listed_at": listed_at,
        "rules_version": load_rules(source.name).version,
        "code_version": arguments.code_version,
        "definition": definition_digest(source),
        "exclusions": load_rules(source.name).exclusion_digest,
        "columns": [column.name for column in source.readready.all_columns],
    }
    for account in accounts:
        body = json.dumps({**run, "base_seq": bases[account.day], **_day(source, arguments, account)}).encode()
        _put_quarantine(s3, source, arguments, account)
        key = manifest_key(source.readready.name, account.day, arguments.run_id)
        put_once(s3, arguments.readready_bucket, key, gzip.compress(body, mtime=0))


def _put_quarantine(s3: Any, source: LogSource, arguments: JobArguments, account: DayAccount) -> None:
    """What was not loaded, as JSON lines: the day's part of the quarantine table."""
    versions = {o.ref.number: o for o in account.objects}
    lines = [json.dumps(_quarantine_row(q, versions.get(q.ref.number))) for q in account.quarantine]
    if lines:
        prefix = f"{quarantine_prefix(source.readready.name, arguments.run_id)}logcalendarday={account.day}/"
        put_once(s3, arguments.readready_bucket, f"{prefix}quarantine.json", "\n".join(lines).encode())


def _quarantine_row(entry: Quarantined, version: ObjectAccount | None) -> dict[str, Any]:
    return {
        "raw_bucket": entry.ref.bucket,
        "raw_key": entry.ref.key,
        "raw_etag": version.etag if version else None,
        "raw_versionid": version.version_id if version else None,
        "raw_ordinal": entry.ordinal,
        "reason": entry.reason,
    }


def put_once(s3: Any, bucket: str, key: str, body: bytes, content_type: str = "application/json") -> None:
    """Write, unless it is there. There with the same bytes: the answer to an earlier try was lost."""
    try:
        s3.put_object(Bucket=bucket, Key=key, Body=body, ContentType=content_type, IfNoneMatch="*")
    except ClientError as error:
        if error.response["Error"]["Code"] not in {"PreconditionFailed", "412"}:
            raise ManifestRefusedError(_refused(bucket, key, error)) from error
        if whole_object(s3, bucket, key)["Body"] != body:
            raise


def _refused(bucket: str, key: str, error: ClientError) -> str:
    said = error.response["Error"]
    return (
        f"S3 did not take s3://{bucket}/{key}: {said['Code']}. {said.get('Message', '')} Its day is not "
        "committed. What a grant to the job's role or new credentials mend, mend; then build the day again."
    )


def _day(source: LogSource, arguments: JobArguments, account: DayAccount) -> dict[str, Any]:
    prefix = day_prefix(source.readready.name, arguments.run_id, account.day)
    written = account.written
    return {
        "day": account.day,
        "has_source": account.has_source,
        "location": f"s3://{arguments.readready_bucket}/{prefix}",
        "totals": account.totals(),
        "excluded_by": dict(account.excluded_by),
        "content_hash": written.content_hash if written else content_hash(0, 0),
        "files": [{"key": f.key, "bytes": f.size, "rows": f.rows} for f in written.files] if written else [],
        "objects": [_object(o) for o in account.objects],
        "quarantine": [_quarantined(q) for q in account.quarantine],
    }


def _object(account: ObjectAccount) -> dict[str, Any]:
    return {
        "bucket": account.ref.bucket,
        "key": account.ref.key,
        "etag": account.etag,
        "version_id": account.version_id,
        "last_modified": account.last_modified,
        "prefix_day": account.ref.prefix_day,
        "records": account.records,
        "reason": account.reason,
        "days": {str(day): count for day, count in account.days.items()},
        "excluded": account.excluded,
        "duplicates": account.duplicates,
    }


def _quarantined(entry: Quarantined) -> dict[str, Any]:
    return {"bucket": entry.ref.bucket, "key": entry.ref.key, "ordinal": entry.ordinal, "reason": entry.reason}

"""Pages of the AWS console about what a run made, for the metadata of its days. A local lake has no such pages."""

from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

import dagster as dg

from loglake_assets.orchestration.tables import TEXT, metadata_table
from loglake_assets.s3.urls import bucket_and_key
from resources.settings import LakeSettings

_DOMAINS = {"aws-cn": "console.amazonaws.cn", "aws-us-gov": "console.amazonaws-us-gov.com"}


def _console(settings: LakeSettings, service: str) -> str:
    domain = _DOMAINS.get(settings.partition, f"{settings.region}.console.aws.amazon.com")
    return f"https://{domain}/{service}"


def day_links(settings: LakeSettings, job_run_id: str, location: str) -> dict[str, Any]:
    """The Glue run, what it printed, the day's files, and Athena, as links by name; none for a local lake."""
    if settings.endpoint_url:
        return {}
    bucket, prefix = bucket_and_key(location)
    job = settings.readready_job
    group = quote(settings.job_error_log_group, safe="").replace("%", "$25")  # as CloudWatch's own addresses spell it
    home = f"/home?region={settings.region}"
    pages = {
        "glue_run_page": f"{_console(settings, 'gluestudio')}{home}#/job/{quote(job)}/run/{quote(job_run_id)}",
        "glue_logs_page": f"{_console(settings, 'cloudwatch')}{home}#logsV2:log-groups/log-group/{group}",
        "files_page": f"{_console(settings, 's3')}/buckets/{bucket}?region={settings.region}&prefix={quote(prefix)}",
        "athena_page": f"{_console(settings, 'athena')}{home}#/query-editor",
    }
    return {name: dg.MetadataValue.url(page) for name, page in pages.items()}


def file_page(settings: LakeSettings, address: str) -> dg.MetadataValue[Any]:
    """One object as a link; for a local lake its s3:// address, which it is given by."""
    if settings.endpoint_url:
        return dg.MetadataValue.text(address)
    bucket, key = bucket_and_key(address)
    return dg.MetadataValue.url(
        f"{_console(settings, 's3')}/object/{bucket}?region={settings.region}&prefix={quote(key)}"
    )


def file_pages(settings: LakeSettings, addresses: Sequence[str]) -> dg.MetadataValue[Any] | None:
    """One object as a link, several as a table of their addresses (a table holds no links), none as None."""
    if len(addresses) == 1:
        return file_page(settings, addresses[0])
    return metadata_table({"file": TEXT}, ([address] for address in addresses)) if addresses else None

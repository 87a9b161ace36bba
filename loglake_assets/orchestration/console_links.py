"""Pages of the AWS console about what a run made, for the metadata of its days. A local lake has no such pages."""

from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

import dagster as dg

from loglake_assets.orchestration.metadata_tables import TEXT, metadata_table
from loglake_assets.s3.urls import bucket_and_key
from resources.console import console_page, glue_log_page, glue_run_page
from resources.settings import LakeSettings


def day_links(settings: LakeSettings, job_run_id: str, location: str) -> dict[str, Any]:
    """The Glue run, what it printed, the day's files, and Athena, as links by name; none for a local lake.

    Athena's editor opens empty, as an address cannot hold a query: the day's `query` is beside it.
    """
    bucket, prefix = bucket_and_key(location)
    pages = {
        "glue_run_page": glue_run_page(settings, job_run_id),
        "glue_logs_page": glue_log_page(settings, job_run_id),
        "files_page": console_page(settings, f"s3/buckets/{bucket}", f"&prefix={quote(prefix)}"),
        "athena_page": console_page(settings, "athena/home", "#/query-editor"),
    }
    return {name: dg.MetadataValue.url(page) for name, page in pages.items() if page}


def file_page(settings: LakeSettings, address: str) -> dg.MetadataValue[Any]:
    """One object as a link; for a local lake its s3:// address, which it is given by."""
    bucket, key = bucket_and_key(address)
    page = console_page(settings, f"s3/object/{bucket}", f"&prefix={quote(key)}")
    return dg.MetadataValue.url(page) if page else dg.MetadataValue.text(address)


def file_pages(settings: LakeSettings, addresses: Sequence[str]) -> dg.MetadataValue[Any] | None:
    """One object as a link, several as a table of their addresses (a table holds no links), none as None."""
    if len(addresses) == 1:
        return file_page(settings, addresses[0])
    return metadata_table({"file": TEXT}, ([address] for address in addresses)) if addresses else None

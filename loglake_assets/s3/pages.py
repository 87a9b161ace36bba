"""Listings of S3, whole: every page. Standard library only; clients are passed in."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from loglake_assets.s3.urls import bucket_and_prefix

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import ObjectTypeDef


def entries(s3: "S3Client", bucket: str, prefix: str = "") -> Iterator["ObjectTypeDef"]:
    """Every object under a prefix as ListObjectsV2 gives it (`Key`, `Size`, `ETag`, `LastModified`), in key order."""
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
        yield from page.get("Contents", ())


def files(s3: "S3Client", location: str) -> dict[str, tuple[int, str]]:
    """Size and ETag by key of what lies in an s3:// directory. Connectors leave folder markers, which are no files."""
    bucket, prefix = bucket_and_prefix(location)
    found = (e for e in entries(s3, bucket, prefix) if not e["Key"].endswith("/"))
    return {e["Key"]: (e["Size"], e["ETag"].strip('"')) for e in found}


def keys(s3: "S3Client", bucket: str, prefix: str = "") -> Iterator[str]:
    """Every key under a prefix, in order."""
    return (entry["Key"] for entry in entries(s3, bucket, prefix))

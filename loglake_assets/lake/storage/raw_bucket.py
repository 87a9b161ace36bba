"""The raw bucket of a log as a value. Standard library only."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from loglake_assets.sources import LogSource

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


@dataclass(frozen=True)
class RawBucket:
    """Where the objects of a log are delivered."""

    s3: "S3Client"
    source: LogSource
    name: str

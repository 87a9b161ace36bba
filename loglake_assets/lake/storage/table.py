"""One table of a lake as a value: the clients and names by which its days are found. Standard library only."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


@dataclass(frozen=True)
class Table:
    """A readready or review table. `bucket` holds its files, commits, manifests and the results of its checks."""

    name: str
    s3: "S3Client"
    bucket: str

"""The Glue catalog of a lake as a value. Standard library only."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mypy_boto3_glue import GlueClient


@dataclass(frozen=True)
class Catalog:
    """Where a lake's tables and partitions are known."""

    glue: "GlueClient"
    database: str

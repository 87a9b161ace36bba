"""What the metadata of a check names, read off its table."""

from collections.abc import Mapping
from typing import Any

import dagster as dg

from loglake_assets.orchestration.check_metadata import NAMES


def names_of(metadata: Mapping[str, Any] | None, column: str = "name") -> list[str]:
    """A column of the table of names; empty where there is no table."""
    table = (metadata or {}).get(NAMES)
    assert table is None or isinstance(table, dg.TableMetadataValue)
    return [str(record.data[column]) for record in table.records] if table else []

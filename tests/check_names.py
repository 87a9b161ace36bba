"""What the metadata of a check names, read off its table."""

from collections.abc import Mapping, Sequence
from typing import Any

import dagster as dg

from loglake_assets.orchestration.check_metadata import NAMES


def names_of(metadata: Mapping[str, Any] | None, column: str = "name") -> list[str]:
    """A column of the table of names; empty where there is no table."""
    return [str(record.data[column]) for record in _records(metadata)]


def rows_of(metadata: Mapping[str, Any] | None) -> list[str]:
    """Each row of the table of names, its cells with a colon between."""
    return [": ".join(map(str, record.data.values())) for record in _records(metadata)]


def _records(metadata: Mapping[str, Any] | None) -> Sequence[dg.TableRecord]:
    table = (metadata or {}).get(NAMES)
    assert table is None or isinstance(table, dg.TableMetadataValue)
    return table.records if table else []

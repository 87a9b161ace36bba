"""The metadata of a check: what mends it, what it names as a table, where every name stands, then figures.

Dagster keeps and shows metadata in the order of the keys' characters, whatever order it is given in. Digits come before
letters: the numbers in these keys are what puts the remedy first on the page.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import dagster as dg

from loglake_assets.orchestration.metadata_tables import TEXT, metadata_table

REMEDY, NAMES, ALL_NAMES = "1_remedy", "2_names", "3_all_names"
NOTHING_TO_MEND = "nothing to mend"
WHAT_NAME_DETAIL = ("what", "name", "detail")


def check_metadata(
    remedy: str,
    columns: Sequence[str],
    names: Iterable[Sequence[Any]],
    figures: Mapping[str, Any],
    all_names: dg.MetadataValue[Any] | None = None,
) -> dict[str, Any]:
    """Metadata of one result. `names` are rows under `columns`, as many as a page shows; `all_names` leads to all.

    An empty `remedy` is that there is nothing to mend. Tables and lists that hold nothing are left out.
    """
    table = metadata_table(dict.fromkeys(columns, TEXT), ([str(cell) for cell in row] for row in names))
    found = {REMEDY: remedy or NOTHING_TO_MEND, NAMES: table, ALL_NAMES: all_names, **figures}
    return {name: value for name, value in found.items() if not _is_empty(value)}


def _is_empty(value: Any) -> bool:
    if isinstance(value, dg.TableMetadataValue):
        return not value.records
    return value is None or (isinstance(value, list | tuple | dict) and not value)

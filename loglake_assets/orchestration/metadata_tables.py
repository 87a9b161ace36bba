"""Tables in the metadata of days and checks: the UI shows one without a further click."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import dagster as dg

TEXT, NUMBER = "string", "int"


def metadata_table(columns: Mapping[str, str], rows: Iterable[Sequence[Any]]) -> dg.TableMetadataValue:
    """Rows of values in the order of `columns`, which are names with their types, TEXT or NUMBER."""
    records = [dg.TableRecord(dict(zip(columns, row, strict=True))) for row in rows]
    return dg.MetadataValue.table(records, dg.TableSchema([dg.TableColumn(*column) for column in columns.items()]))

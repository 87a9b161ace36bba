"""Columns of tables as the UI shows them: their types and comments, and from which columns they are made."""

from collections.abc import Iterable

import dagster as dg

from loglake_assets.reviews import Review
from loglake_assets.sources import load_source
from loglake_assets.sources.model import Column, LogSource


def column_schema(columns: Iterable[Column]) -> dg.TableSchema:
    """Names, Hive types and comments, as the declaration has them."""
    return dg.TableSchema([dg.TableColumn(c.name, c.type, c.comment or None) for c in columns])


def readready_lineage(source: LogSource, raw_key: dg.AssetKey) -> dg.TableColumnLineage:
    """Which raw columns each readready column is read from. The columns of evidence are of the object itself."""
    raw = [c.name for c in (*source.raw.columns, *source.raw.partition_keys)]
    only = raw[0] if len(source.raw.columns) == 1 else ""
    found = {c.name: _raw_column(c.name, raw) or only for c in source.readready.columns}
    return _lineage((name, raw_key, column) for name, column in found.items() if column)


def _raw_column(name: str, raw: Iterable[str]) -> str:
    """The raw column of this name, or the longest that it begins with: useridentity_arn is of useridentity."""
    return max((c for c in raw if name == c or name.startswith(f"{c}_")), key=len, default="")


def review_lineage(review: Review) -> dg.TableColumnLineage:
    """Which readready columns a review's columns of one name are taken from: the leading log's, else another's."""
    sources = [load_source(name) for name in (review.leading_source, *review.sources)]
    return _lineage(
        (column.name, dg.AssetKey(["readready", source.readready.name]), column.name)
        for column in review.table.all_columns
        if (source := next((s for s in sources if column.name in {c.name for c in s.readready.all_columns}), None))
    )


def _lineage(found: Iterable[tuple[str, dg.AssetKey, str]]) -> dg.TableColumnLineage:
    return dg.TableColumnLineage({name: [dg.TableColumnDep(key, column)] for name, key, column in found})

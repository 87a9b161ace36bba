"""Results of the local Athena where Athena puts them, in S3 at the output location, and pages of them read there."""

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from ministack.services import athena, s3

from infra.emulator.athena_engine import QueryFailed, QueryResult

Execution = dict[str, Any]
_CELL = re.compile(r'("(?:[^"]|"")*")?([,\n])')


def write_result(execution: Execution, result: QueryResult) -> None:
    """The result as Athena writes it: a SELECT's as CSV, every value in quotes and NULL as nothing; else bare lines."""
    if execution["StatementType"] == "DML":
        lines: list[list[str | None]] = [[name for name, _ in result.columns], *result.rows]
        text = "".join(",".join(map(_quote, line)) + "\n" for line in lines)
    else:
        text = "".join("\t".join(cell or "" for cell in row) + "\n" for row in result.rows)
    body, (bucket, key) = text.encode(), _place(execution)
    answer = s3._put_object(bucket, key, body, {"content-type": "text/csv", "content-length": str(len(body))})
    if answer[0] >= 300:
        reason = "the bucket does not exist" if s3._buckets.get(bucket) is None else f"S3 answered {answer[0]}"
        raise QueryFailed(f"The result cannot be written to s3://{bucket}/{key}: {reason}")


def _quote(text: str | None) -> str:
    return "" if text is None else '"' + text.replace('"', '""') + '"'


def stored_rows(execution: Execution) -> Sequence[Sequence[str | None]] | None:
    """The result's rows as its file has them; None where the file is gone."""
    body: bytes | None = s3._get_object_data(*_place(execution))
    if body is None:
        return None
    return _parse(body) if execution["StatementType"] == "DML" else [[line] for line in body.decode().splitlines()]


@lru_cache(maxsize=8)
def _parse(body: bytes) -> Sequence[Sequence[str | None]]:
    """CSV with NULL apart from the empty string, which the csv module cannot tell. Kept for the pages that follow."""
    rows: list[list[str | None]] = [[]]
    for quoted, end in _CELL.findall(body.decode()):
        rows[-1].append(quoted[1:-1].replace('""', '"') if quoted else None)
        if end == "\n":
            rows.append([])
    return rows[:-1]


def _place(execution: Execution) -> tuple[str, str]:
    bucket, _, key = execution["ResultConfiguration"]["OutputLocation"].removeprefix("s3://").partition("/")
    return bucket, key


def page(rows: Sequence[Sequence[str | None]], execution: Execution) -> dict[str, Any]:
    """What GetQueryResults answers for these rows."""
    data = [{"Data": [{} if text is None else {"VarCharValue": text} for text in row]} for row in rows]
    described = [_column_info(name, kind) for name, kind in execution.get("_columns") or []]
    return {"UpdateCount": 0, "ResultSet": {"Rows": data, "ResultSetMetadata": {"ColumnInfo": described}}}


def _column_info(name: str, kind: str) -> dict[str, Any]:
    base, _, arguments = kind.partition("(")
    sizes = {"varchar": (2147483647, 0), "string": (2147483647, 0), "timestamp": (3, 0)}
    precision, scale = sizes.get(base) or athena._type_precision_scale(base)
    if base == "decimal" and arguments:
        precision, scale = (int(number) for number in arguments.rstrip(")").split(","))
    return {
        **{"CatalogName": "hive", "SchemaName": "", "TableName": "", "Name": name, "Label": name, "Type": base},
        **{"Precision": precision, "Scale": scale, "Nullable": "UNKNOWN"},
        "CaseSensitive": base in ("varchar", "string"),
    }

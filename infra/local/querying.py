"""A statement through the Athena API, as a user of the lake would run it."""

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from infra.local.opened import OpenedLake
from infra.local.shown import print_table


class QueryError(RuntimeError):
    """Athena did not run the statement; the message is Athena's own."""


@dataclass(frozen=True)
class Answer:
    """Columns and rows of a query, all text or None, and what it scanned."""

    columns: tuple[str, ...]
    rows: list[list[str | None]]
    bytes_scanned: int
    seconds: float


def ask(lake: OpenedLake, sql: str) -> Answer:
    """Run one statement in the lake's database and workgroup. Raises QueryError."""
    athena, started = lake.client("athena"), time.monotonic()
    query_id = athena.start_query_execution(
        QueryString=sql,
        QueryExecutionContext={"Database": lake.settings.database},
        WorkGroup=lake.settings.workgroup,
    )["QueryExecutionId"]
    while True:
        execution = athena.get_query_execution(QueryExecutionId=query_id)["QueryExecution"]
        if execution["Status"]["State"] not in {"QUEUED", "RUNNING"}:
            break
        time.sleep(0.05)
    if execution["Status"]["State"] != "SUCCEEDED":
        raise QueryError(f"Athena: {execution['Status'].get('StateChangeReason', execution['Status']['State'])}")
    columns, rows = _results(athena, query_id)
    scanned = execution.get("Statistics", {}).get("DataScannedInBytes", 0)
    return Answer(columns, rows, scanned, time.monotonic() - started)


def _results(athena: Any, query_id: str) -> tuple[tuple[str, ...], list[list[str | None]]]:
    pages = list(athena.get_paginator("get_query_results").paginate(QueryExecutionId=query_id))
    columns = tuple(c["Name"] for c in pages[0]["ResultSet"]["ResultSetMetadata"]["ColumnInfo"])
    rows = [[d.get("VarCharValue") for d in row["Data"]] for page in pages for row in page["ResultSet"]["Rows"]]
    if len(columns) > 1 and all(len(row) == 1 for row in rows):  # DESCRIBE: one text with tabs a row
        rows = [[cell or None for cell in (row[0] or "").split("\t")] for row in rows]
    return columns, rows[1:] if rows and rows[0] == list(columns) else rows


def print_answer(answer: Answer, form: str) -> None:
    """As a table for people, or as JSON lines for programs."""
    if form == "jsonl":
        for line in json_lines(answer):
            print(line)
        return
    print_table("", answer.columns, answer.rows)
    plural = "" if len(answer.rows) == 1 else "s"
    print(f"{len(answer.rows):,} row{plural}, {answer.bytes_scanned:,} bytes scanned, {answer.seconds:.2f} s")


def json_lines(answer: Answer) -> Iterator[str]:
    """One JSON object a row; ASCII only, so nothing in it acts on a terminal."""
    return (json.dumps(dict(zip(answer.columns, row, strict=True))) for row in answer.rows)

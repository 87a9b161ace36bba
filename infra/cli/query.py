"""A statement through the Athena API, as a user of the lake would run it."""

import csv
import json
import math
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from infra.cli.lake import CommandLake
from infra.cli.terminal import escaped, print_table

FORMATS = ("table", "csv", "json", "jsonl")
_WHOLE = {"tinyint", "smallint", "integer", "int", "bigint"}
_FRACTIONS = {"real", "float", "double", "decimal"}


class QueryError(RuntimeError):
    """Athena did not run the statement; the message is Athena's own."""


@dataclass(frozen=True)
class Answer:
    """Columns and rows of a query, all text or None, and what it scanned."""

    columns: tuple[str, ...]
    rows: list[list[str | None]]
    bytes_scanned: int
    seconds: float
    types: tuple[str, ...] = ()
    """Of the columns, as the protocol says them."""


def statement(sql: str | None, file: Path | None) -> str:
    """The statement that was given: as an argument, in a file, or on standard input as `-`. Raises QueryError."""
    if bool(sql) == bool(file):
        raise QueryError('Give one statement: loglake query "select ...", --file path, or - for standard input.')
    if file:
        return file.read_text(encoding="utf-8")
    return sys.stdin.read() if sql == "-" else str(sql)


def ask(lake: CommandLake, sql: str) -> Answer:
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
    columns, types, rows = _results(athena, query_id)
    scanned = execution.get("Statistics", {}).get("DataScannedInBytes", 0)
    return Answer(columns, rows, scanned, time.monotonic() - started, types)


def _results(athena: Any, query_id: str) -> tuple[tuple[str, ...], tuple[str, ...], list[list[str | None]]]:
    pages = list(athena.get_paginator("get_query_results").paginate(QueryExecutionId=query_id))
    described = pages[0]["ResultSet"]["ResultSetMetadata"]["ColumnInfo"]
    columns, types = tuple(c["Name"] for c in described), tuple(c["Type"] for c in described)
    rows = [[d.get("VarCharValue") for d in row["Data"]] for page in pages for row in page["ResultSet"]["Rows"]]
    if len(columns) > 1 and all(len(row) == 1 for row in rows):  # DESCRIBE: one text with tabs a row
        rows = [[cell or None for cell in (row[0] or "").split("\t")] for row in rows]
    return columns, types, rows[1:] if rows and rows[0] == list(columns) else rows


def print_answer(answer: Answer, form: str) -> None:
    """As a table for people, whose cells are cut to fit, or whole for programs: csv, json or jsonl."""
    if form == "csv":
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerow(answer.columns)
        writer.writerows([None if cell is None else escaped(cell) for cell in row] for row in answer.rows)
    elif form == "jsonl":
        for line in json_lines(answer):
            print(line)
    elif form == "json":
        print("[" + ",\n ".join(json_lines(answer)) + "]")
    else:
        print_table("", answer.columns, answer.rows)
        plural = "" if len(answer.rows) == 1 else "s"
        print(f"{len(answer.rows):,} row{plural}, {answer.bytes_scanned:,} bytes scanned, {answer.seconds:.2f} s")


def json_lines(answer: Answer) -> Iterator[str]:
    """One JSON object a row, with booleans and numbers as such; ASCII only, so nothing in it acts on a terminal."""
    types = answer.types or ("varchar",) * len(answer.columns)
    for row in answer.rows:
        values = [_value(kind, cell) for kind, cell in zip(types, row, strict=True)]
        yield json.dumps(dict(zip(answer.columns, values, strict=True)), allow_nan=False)


def _value(kind: str, text: str | None) -> Any:
    """A cell by its column's type. A number that JSON or a double cannot hold exactly stays text."""
    if text is None:
        return None
    if kind == "boolean":
        return text == "true"
    try:
        if kind in _WHOLE:
            return int(text)
        if kind in _FRACTIONS and math.isfinite(number := float(text)):
            return number if kind != "decimal" or Decimal(repr(number)) == Decimal(text) else text
    except ValueError:
        return text
    return text

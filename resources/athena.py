"""Statements through the Athena API, with typed rows. The client is passed in."""

import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

_GOING = {"QUEUED", "RUNNING"}


class AthenaError(RuntimeError):
    """Athena did not run a statement; the message says which, what it answered and whether a retry can help."""


@dataclass(frozen=True)
class Answer:
    """Columns and rows of a statement, typed where the column's type says how, and what it scanned."""

    query_id: str
    columns: tuple[str, ...]
    rows: list[dict[str, Any]]
    bytes_scanned: int


@dataclass(frozen=True)
class Athena:
    """Queries of one lake: its database and its workgroup, whose cutoff bounds what a statement may scan."""

    client: Any
    database: str
    workgroup: str
    wait_seconds: float = 1800.0
    poll_seconds: float = 0.1

    def ask(self, sql: str) -> Answer:
        """Run one statement and read its whole result. Raises AthenaError."""
        query_id = self.client.start_query_execution(
            QueryString=sql, QueryExecutionContext={"Database": self.database}, WorkGroup=self.workgroup
        )["QueryExecutionId"]
        execution = self._ended(query_id)
        state = execution["Status"]["State"]
        if state != "SUCCEEDED":
            code = _code(execution["Status"].get("StateChangeReason", ""))
            raise AthenaError(
                f"Athena ended query {query_id} in workgroup {self.workgroup} as {state} with {code}. Its whole reason "
                "stands with the query in Athena, as it may quote rows. Asking again helps only if it is one of load."
            )
        columns, rows = self._result(query_id)
        scanned = execution.get("Statistics", {}).get("DataScannedInBytes", 0)
        return Answer(query_id, columns, rows, scanned)

    def _ended(self, query_id: str) -> dict[str, Any]:
        started, pause = time.monotonic(), self.poll_seconds
        while True:
            execution: dict[str, Any] = self.client.get_query_execution(QueryExecutionId=query_id)["QueryExecution"]
            if execution["Status"]["State"] not in _GOING:
                return execution
            if time.monotonic() - started > self.wait_seconds:
                self.client.stop_query_execution(QueryExecutionId=query_id)
                raise AthenaError(
                    f"Athena query {query_id} was stopped after {self.wait_seconds:.0f} s. Ask for fewer days."
                )
            time.sleep(pause)
            pause = min(pause * 1.5, 5.0)

    def _result(self, query_id: str) -> tuple[tuple[str, ...], list[dict[str, Any]]]:
        columns: list[tuple[str, str]] = []
        rows: list[dict[str, Any]] = []
        for number, page in enumerate(
            self.client.get_paginator("get_query_results").paginate(QueryExecutionId=query_id)
        ):
            found = page["ResultSet"]
            columns = columns or [(c["Name"], c["Type"]) for c in found["ResultSetMetadata"]["ColumnInfo"]]
            for row in found["Rows"][1:] if number == 0 else found["Rows"]:  # the first row repeats the names
                rows.append(dict(_typed(columns, row["Data"])))
        return tuple(name for name, _ in columns), rows


def _code(reason: str) -> str:
    """The error code that a reason begins with; what follows it may hold values of rows."""
    found = re.match(r"[A-Z][A-Z0-9_]+", reason)
    return found[0] if found else "no error code"


def _typed(columns: list[tuple[str, str]], data: list[dict[str, str]]) -> Iterator[tuple[str, Any]]:
    for (name, kind), cell in zip(columns, data, strict=True):
        text = cell.get("VarCharValue")
        yield name, None if text is None else _value(kind, text)


def _value(kind: str, text: str) -> Any:
    if kind in {"tinyint", "smallint", "integer", "int", "bigint"}:
        return int(text)
    if kind == "boolean":
        return text == "true"
    if kind == "timestamp":
        return datetime.fromisoformat(text).replace(tzinfo=UTC)
    return text


def quoted(text: str) -> str:
    """A string as an SQL literal."""
    return "'" + text.replace("'", "''") + "'"

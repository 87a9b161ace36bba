"""Statements through the Athena API, with typed rows. The client is passed in."""

import contextlib
import re
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

_GOING = {"QUEUED", "RUNNING"}


class AthenaError(RuntimeError):
    """Athena did not run a statement; the message says which, what it answered and whether a retry can help.

    `reason` is Athena's own sentence, which may quote rows: for the eyes of who asked, and for no log.
    """

    def __init__(self, message: str, reason: str) -> None:
        super().__init__(message)
        self.reason = reason


@dataclass(frozen=True)
class Answer:
    """A statement's result: every cell as text or None, with the types of its columns, and what it scanned."""

    query_id: str
    columns: tuple[str, ...]
    types: tuple[str, ...]
    texts: list[list[str | None]]
    bytes_scanned: int = 0
    seconds: float = 0.0

    @property
    def rows(self) -> list[dict[str, Any]]:
        """By column, typed where the column's type says how."""
        return [
            {
                name: None if text is None else _value(kind, text)
                for name, kind, text in zip(self.columns, self.types, row, strict=True)
            }
            for row in self.texts
        ]


@dataclass(frozen=True)
class Athena:
    """Queries of one lake: its database and its workgroup, whose cutoff bounds what a statement may scan."""

    client: Any
    database: str
    workgroup: str
    wait_seconds: float = 1800.0
    poll_seconds: float = 0.05

    def ask(self, sql: str) -> Answer:
        """Run one statement and read its whole result; who is interrupted leaves none running. Raises AthenaError."""
        started = time.monotonic()
        query_id = self.client.start_query_execution(
            QueryString=sql, QueryExecutionContext={"Database": self.database}, WorkGroup=self.workgroup
        )["QueryExecutionId"]
        try:
            execution = self._wait_for_end(query_id, started)
        except BaseException:
            with contextlib.suppress(Exception):  # what ended the waiting is what has to be known
                self.client.stop_query_execution(QueryExecutionId=query_id)
            raise
        state = execution["Status"]["State"]
        if state != "SUCCEEDED":
            reason = execution["Status"].get("StateChangeReason", state)
            raise AthenaError(
                f"Athena ended query {query_id} in workgroup {self.workgroup} as {state} with {_code(reason)}. Its "
                "whole reason stands with the query in Athena, as it may quote rows. Asking again helps only if it is "
                "one of load.",
                reason,
            )
        scanned = execution.get("Statistics", {}).get("DataScannedInBytes", 0)
        columns, types, texts = self._result(query_id)
        return Answer(query_id, columns, types, texts, scanned, time.monotonic() - started)

    def _wait_for_end(self, query_id: str, started: float) -> dict[str, Any]:
        pause = self.poll_seconds
        while True:
            execution: dict[str, Any] = self.client.get_query_execution(QueryExecutionId=query_id)["QueryExecution"]
            if execution["Status"]["State"] not in _GOING:
                return execution
            if time.monotonic() - started > self.wait_seconds:
                said = f"Athena query {query_id} was stopped after {self.wait_seconds:.0f} s. Ask for fewer days."
                raise AthenaError(said, said)
            time.sleep(pause)
            pause = min(pause * 1.5, 5.0)

    def _result(self, query_id: str) -> tuple[tuple[str, ...], tuple[str, ...], list[list[str | None]]]:
        pages = list(self.client.get_paginator("get_query_results").paginate(QueryExecutionId=query_id))
        described = pages[0]["ResultSet"]["ResultSetMetadata"]["ColumnInfo"]
        columns, types = tuple(c["Name"] for c in described), tuple(c["Type"] for c in described)
        texts = [[d.get("VarCharValue") for d in row["Data"]] for page in pages for row in page["ResultSet"]["Rows"]]
        if len(columns) > 1 and all(len(row) == 1 for row in texts):  # DESCRIBE: one text with tabs a row
            texts = [[cell or None for cell in (row[0] or "").split("\t")] for row in texts]
        # The first row of a SELECT repeats the names; what other statements answer has no such row.
        return columns, types, texts[1:] if texts and texts[0] == list(columns) else texts


def _code(reason: str) -> str:
    """The error code that a reason begins with; what follows it may hold values of rows."""
    found = re.match(r"[A-Z][A-Z0-9_]+", reason)
    return found[0] if found else "no error code"


def _value(kind: str, text: str) -> Any:
    if kind in {"tinyint", "smallint", "integer", "int", "bigint"}:
        return int(text)
    if kind == "boolean":
        return text == "true"
    if kind == "timestamp":
        return datetime.fromisoformat(text).replace(tzinfo=UTC)
    return text


def sql_literal(text: str) -> str:
    """A string as an SQL literal."""
    return "'" + text.replace("'", "''") + "'"

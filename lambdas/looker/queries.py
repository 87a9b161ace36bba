"""One query of the lake: guarded, run in Looker's own workgroup within the time left, with the coverage of its days.

Not `resources.athena`: what a failed or stopped query scanned must count, and columns of one name must both be shown.
Clients are passed in. Prints ids, counts and hashes; SQL and rows are for the person who asked.
"""

import contextlib
import json
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING, Any, Protocol

from lambdas.looker.answer import (
    QueryFailedError,
    QueryRefusedError,
    QueryResult,
    QueryRun,
    text_hash,
)
from lambdas.looker.known_days import KnownDays
from lambdas.looker.looker_settings import LookerSettings
from lambdas.looker.prompt import TableCard
from loglake_assets.s3.urls import bucket_and_key

if TYPE_CHECKING:
    from mypy_boto3_athena import AthenaClient
    from mypy_boto3_s3 import S3Client

_GOING = frozenset({"QUEUED", "RUNNING"})
_ERROR_CODE = re.compile(r"[A-Z][A-Z_0-9]{2,}(?=:|$)")
_SAID_OF_NO_ROW = ("Bytes scanned limit was exceeded", "Query exhausted resources at this scale factor")
"""Reasons without a code that a person can act on."""
RESULT_BYTES = 20_000_000
POLL_SECONDS, LONGEST_POLL_SECONDS = 0.2, 2.0


class GuardedSql(Protocol):
    """What the guard makes of a statement that may run."""

    @property
    def sql(self) -> str: ...
    @property
    def tables(self) -> tuple[str, ...]: ...
    @property
    def days(self) -> Mapping[str, tuple[int, ...]]: ...


@dataclass
class LakeQueries:
    """Queries of one question. `guard` raises QueryRefusedError; coverage is read once per table and day."""

    settings: LookerSettings
    athena: "AthenaClient"
    s3: "S3Client"
    guard: Callable[[str], GuardedSql]
    cards: Sequence[TableCard]
    clock: Callable[[], float] = time.monotonic
    pause: Callable[[float], None] = time.sleep
    _known: KnownDays = field(init=False)

    def __post_init__(self) -> None:
        self._known = KnownDays(self.s3, self.settings.readready_bucket, self.cards)

    def __call__(self, sql: str, seconds_left: float) -> QueryResult:
        """Guard and run one statement. Raises QueryRefusedError or QueryFailedError."""
        deadline = self.clock() + seconds_left
        guarded = self.guard(sql)
        days = {table: [_day(number) for number in numbers] for table, numbers in guarded.days.items()}
        with _raise_as_query_error(guarded.sql):
            coverage = tuple(c for table, read in days.items() for c in self._known.coverage(table, read))
            query_id = self._start(guarded.sql)
        with _raise_as_query_error(guarded.sql, query_id):
            scanned, location = self._run(guarded.sql, query_id, deadline)
        with _raise_as_query_error(guarded.sql, query_id, scanned):
            self._check_size(guarded.sql, query_id, scanned, location)
            columns, rows, has_more = self._rows(query_id)
        run = QueryRun(
            sql=guarded.sql,
            query_id=query_id,
            row_count=len(rows),
            bytes_scanned=scanned,
            tables=tuple(guarded.tables),
            first_day=min((day for read in days.values() for day in read), default=None),
            last_day=max((day for read in days.values() for day in read), default=None),
        )
        return QueryResult(run, columns, rows, has_more or len(rows) >= self.settings.row_limit, coverage)

    # --- Athena -------------------------------------------------------------------------------------------------------

    def _start(self, sql: str) -> str:
        """Id of a query that was begun. Results of earlier queries are never used again: days are replaced."""
        query_id: str = self.athena.start_query_execution(
            QueryString=sql,
            QueryExecutionContext={"Database": self.settings.database},
            WorkGroup=self.settings.workgroup,
            ResultReuseConfiguration={"ResultReuseByAgeConfiguration": {"Enabled": False}},
        )["QueryExecutionId"]
        print(json.dumps({"looker": "query", "query_id": query_id, "sql_sha256": text_hash(sql)}))
        return query_id

    def _run(self, sql: str, query_id: str, deadline: float) -> tuple[int, str]:
        """Bytes scanned by a query that succeeded, and where its result lies."""
        execution = self._wait_for_end(query_id, deadline)
        state = execution["Status"]["State"]
        scanned = int(execution.get("Statistics", {}).get("DataScannedInBytes", 0))
        if state in _GOING:
            raise QueryFailedError("Athena was told to stop it: the time was over.", sql, query_id, scanned)
        if state != "SUCCEEDED":
            reason = _reason(execution["Status"].get("StateChangeReason", ""))
            raise QueryFailedError(f"Athena ended it as {state}: {reason}", sql, query_id, scanned)
        return scanned, execution.get("ResultConfiguration", {}).get("OutputLocation", "")

    def _wait_for_end(self, query_id: str, deadline: float) -> dict[str, Any]:
        """The execution once it has ended, or as it was when its time was over and it was told to stop."""
        wait = POLL_SECONDS
        while True:
            execution = self._execution(query_id)
            if execution["Status"]["State"] not in _GOING:
                return execution
            if self.clock() >= deadline:
                self.athena.stop_query_execution(QueryExecutionId=query_id)
                return execution
            self.pause(min(wait, max(deadline - self.clock(), 0)))
            wait = min(wait * 1.5, LONGEST_POLL_SECONDS)

    def _execution(self, query_id: str) -> dict[str, Any]:
        """A query as it is. One that cannot be looked at is stopped: nobody would notice what it does."""
        try:
            execution: dict[str, Any] = {**self.athena.get_query_execution(QueryExecutionId=query_id)["QueryExecution"]}
        except Exception:
            with contextlib.suppress(Exception):
                self.athena.stop_query_execution(QueryExecutionId=query_id)
            raise
        return execution

    def _check_size(self, sql: str, query_id: str, scanned: int, location: str) -> None:
        """Raises QueryFailedError where the rows are too much to hold. Who may not ask for the size reads on."""
        from botocore.exceptions import ClientError

        bucket, key = bucket_and_key(location)
        if not key:
            return
        try:
            size: int = self.s3.head_object(Bucket=bucket, Key=key)["ContentLength"]
        except ClientError:
            return
        if size > RESULT_BYTES:
            raise QueryFailedError(
                f"The result has {size:,} bytes; at most {RESULT_BYTES:,} are read. Select fewer or shorter columns.",
                sql,
                query_id,
                scanned,
            )

    def _rows(self, query_id: str) -> tuple[tuple[str, ...], list[list[str | None]], bool]:
        """Column names, at most `row_limit` rows as text, and whether there are more."""
        most = self.settings.row_limit
        page = self.athena.get_query_results(QueryExecutionId=query_id, MaxResults=most + 1)  # the first has the names
        found = page["ResultSet"]
        names = tuple(column["Name"] for column in found["ResultSetMetadata"]["ColumnInfo"])
        rows = [[cell.get("VarCharValue") for cell in row["Data"]] for row in found["Rows"][1:]]
        return names, rows[:most], bool(page.get("NextToken"))


@contextlib.contextmanager
def _raise_as_query_error(sql: str, query_id: str = "", bytes_scanned: int = 0) -> Iterator[None]:
    """What AWS refuses becomes a failed query with all that is known of it."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except ClientError as error:
        reason = f"{error.operation_name} was answered with {error.response['Error']['Code']}."
        raise QueryFailedError(reason, sql, query_id, bytes_scanned) from None
    except BotoCoreError as error:
        raise QueryFailedError(f"AWS gave no answer: {type(error).__name__}.", sql, query_id, bytes_scanned) from None


def _reason(said: str) -> str:
    """What of Athena's reason is its own: the error's code. The words after it may quote a row, which nobody marks."""
    known = next((known for known in _SAID_OF_NO_ROW if said.startswith(known)), None)
    code = _ERROR_CODE.match(said)
    shown = known or (code.group()[:60] if code else "no error code")
    return f"{shown}. Its other words may hold a row's and are left out; they stand beside the query id in Athena."


def _day(number: int) -> date:
    try:
        return date(number // 10_000, number // 100 % 100, number % 100)
    except ValueError:
        raise QueryRefusedError(f"{number} is no day: logcalendarday is yyyymmdd.") from None

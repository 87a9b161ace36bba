"""One query of the lake: guarded, run in Looker's own workgroup within the time left, with the coverage of its days.

Not `resources.athena`: what a failed or stopped query scanned must count, and columns of one name must both be shown.
Clients are passed in. Prints ids, counts and hashes; SQL and rows are for the person who asked.
"""

import contextlib
import hashlib
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any, Protocol

from lambdas.looker_answer import (
    BUILT,
    UNBUILT,
    DayCoverage,
    QueryFailedError,
    QueryRefusedError,
    QueryResult,
    QueryRun,
)
from lambdas.looker_prompt import TableCard
from lambdas.looker_settings import LookerSettings
from loglake_assets.lake.layout import COMMITS_PREFIX, commits_prefix, coverage_key, parse_commit_key

_GOING = frozenset({"QUEUED", "RUNNING"})
_ABSENT = frozenset({"NoSuchKey", "404"})
POLL_SECONDS, LONGEST_POLL_SECONDS = 0.2, 2.0


class GuardedSql(Protocol):
    """What the guard makes of a statement that may run."""

    @property
    def sql(self) -> str: ...
    @property
    def tables(self) -> tuple[str, ...]: ...
    @property
    def days(self) -> Mapping[str, tuple[int, int]]: ...


@dataclass
class LakeQueries:
    """Queries of one question. `guard` raises QueryRefusedError; coverage is read once per table and day."""

    settings: LookerSettings
    athena: Any
    s3: Any
    guard: Callable[[str], GuardedSql]
    cards: Sequence[TableCard]
    clock: Callable[[], float] = time.monotonic
    pause: Callable[[float], None] = time.sleep
    _known: dict[tuple[str, date], DayCoverage] = field(init=False, default_factory=dict)

    def __call__(self, sql: str, seconds_left: float) -> QueryResult:
        """Guard and run one statement. Raises QueryRefusedError or QueryFailedError."""
        deadline = self.clock() + seconds_left
        guarded = self.guard(sql)
        days = {table: (_day(first), _day(last)) for table, (first, last) in guarded.days.items()}
        with _failing_as(guarded.sql):
            coverage = tuple(c for table, (first, last) in days.items() for c in self._coverage(table, first, last))
            query_id = self._started(guarded.sql)
        with _failing_as(guarded.sql, query_id):
            scanned = self._run(guarded.sql, query_id, deadline)
        with _failing_as(guarded.sql, query_id, scanned):
            columns, rows, has_more = self._rows(query_id)
        run = QueryRun(
            sql=guarded.sql,
            query_id=query_id,
            row_count=len(rows),
            bytes_scanned=scanned,
            tables=tuple(guarded.tables),
            first_day=min((first for first, _ in days.values()), default=None),
            last_day=max((last for _, last in days.values()), default=None),
        )
        return QueryResult(run, columns, rows, has_more or len(rows) >= self.settings.row_limit, coverage)

    # --- Athena -------------------------------------------------------------------------------------------------------

    def _started(self, sql: str) -> str:
        """Id of a query that was begun. Results of earlier queries are never used again: days are replaced."""
        query_id: str = self.athena.start_query_execution(
            QueryString=sql,
            QueryExecutionContext={"Database": self.settings.database},
            WorkGroup=self.settings.workgroup,
            ResultReuseConfiguration={"ResultReuseByAgeConfiguration": {"Enabled": False}},
        )["QueryExecutionId"]
        print(json.dumps({"looker": "query", "query_id": query_id, "sql_sha256": sql_hash(sql)}))
        return query_id

    def _run(self, sql: str, query_id: str, deadline: float) -> int:
        """Bytes scanned by a query that succeeded."""
        execution = self._ended(query_id, deadline)
        state = execution["Status"]["State"]
        scanned = int(execution.get("Statistics", {}).get("DataScannedInBytes", 0))
        if state in _GOING:
            raise QueryFailedError("Athena was told to stop it: the time was over.", sql, query_id, scanned)
        if state != "SUCCEEDED":
            reason = execution["Status"].get("StateChangeReason", "no reason given")
            raise QueryFailedError(f"Athena ended it as {state}: {reason}", sql, query_id, scanned)
        return scanned

    def _ended(self, query_id: str, deadline: float) -> dict[str, Any]:
        """The execution once it has ended, or as it was when its time was over and it was told to stop."""
        wait = POLL_SECONDS
        while True:
            execution: dict[str, Any] = self.athena.get_query_execution(QueryExecutionId=query_id)["QueryExecution"]
            if execution["Status"]["State"] not in _GOING:
                return execution
            if self.clock() >= deadline:
                self.athena.stop_query_execution(QueryExecutionId=query_id)
                return execution
            self.pause(min(wait, max(deadline - self.clock(), 0)))
            wait = min(wait * 1.5, LONGEST_POLL_SECONDS)

    def _rows(self, query_id: str) -> tuple[tuple[str, ...], list[list[str | None]], bool]:
        """Column names, at most `row_limit` rows as text, and whether there are more."""
        most = self.settings.row_limit
        page = self.athena.get_query_results(QueryExecutionId=query_id, MaxResults=most + 1)  # the first has the names
        found = page["ResultSet"]
        names = tuple(column["Name"] for column in found["ResultSetMetadata"]["ColumnInfo"])
        rows = [[cell.get("VarCharValue") for cell in row["Data"]] for row in found["Rows"][1:]]
        return names, rows[:most], bool(page.get("NextToken"))

    # --- coverage -----------------------------------------------------------------------------------------------------

    def _coverage(self, table: str, first: date, last: date) -> Iterator[DayCoverage]:
        """Each day of a table or view, oldest first."""
        card = next(card for card in self.cards if card.name == table)
        days = [first + timedelta(days=n) for n in range((last - first).days + 1)]
        if any((table, day) not in self._known for day in days):
            commits = self._newest_commits(card.kept_in, first, last)
            self._known |= {(table, day): self._day_coverage(card, day, commits.get(_number(day))) for day in days}
        yield from (self._known[table, day] for day in days)

    def _newest_commits(self, table: str, first: date, last: date) -> dict[int, int]:
        """Sequence number of the newest commit of each built day in the range; keys come in order."""
        newest: dict[int, int] = {}
        pages = self.s3.get_paginator("list_objects_v2").paginate(
            Bucket=self.settings.readready_bucket,
            Prefix=f"{COMMITS_PREFIX}{table}/",
            StartAfter=commits_prefix(table, _number(first)),
        )
        for parts in (parse_commit_key(entry["Key"]) for page in pages for entry in page.get("Contents", ())):
            if parts and parts.day > _number(last):
                break
            if parts:
                newest[parts.day] = parts.seq
        return newest

    def _day_coverage(self, card: TableCard, day: date, commit_seq: int | None) -> DayCoverage:
        if commit_seq is None:
            return DayCoverage(card.name, day, UNBUILT, None)
        if not card.is_measured:
            return DayCoverage(card.name, day, BUILT, None)
        measured = self._document(coverage_key(card.kept_in, _number(day)))
        is_of_this_commit = measured.get("commit_seq") == commit_seq
        return DayCoverage(card.name, day, BUILT, measured.get("coverage_pct") if is_of_this_commit else None)

    def _document(self, key: str) -> dict[str, Any]:
        from botocore.exceptions import ClientError

        try:
            body = self.s3.get_object(Bucket=self.settings.readready_bucket, Key=key)["Body"].read()
        except ClientError as error:
            if error.response["Error"]["Code"] in _ABSENT:
                return {}
            raise
        found: dict[str, Any] = json.loads(body)
        return found


@contextlib.contextmanager
def _failing_as(sql: str, query_id: str = "", bytes_scanned: int = 0) -> Iterator[None]:
    """What AWS refuses becomes a failed query with all that is known of it."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except ClientError as error:
        reason = f"{error.operation_name} was answered with {error.response['Error']['Code']}."
        raise QueryFailedError(reason, sql, query_id, bytes_scanned) from None
    except BotoCoreError as error:
        raise QueryFailedError(f"AWS gave no answer: {type(error).__name__}.", sql, query_id, bytes_scanned) from None


def sql_hash(sql: str) -> str:
    """What stands for a statement where its text may not: in the function's own log."""
    return hashlib.sha256(sql.encode(errors="replace")).hexdigest()[:16]


def _number(day: date) -> int:
    return day.year * 10_000 + day.month * 100 + day.day


def _day(number: int) -> date:
    try:
        return date(number // 10_000, number // 100 % 100, number % 100)
    except ValueError:
        raise QueryRefusedError(f"{number} is no day: logcalendarday is yyyymmdd.") from None

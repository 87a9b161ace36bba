"""Athena on one machine: the query operations of ministack, replaced by ones that ask the Glue catalog.

ministack answers from whatever lies under a table's Location, in DuckDB's own dialect; see athena_engine for why that
will not do. Replaced are the four query operations. Work groups, named queries and lists of executions stay
ministack's, over the same store, so they persist as before. A query runs in a worker thread with the request's account
and Region; its result lives where Athena puts it, in S3 at the output location, and GetQueryResults reads it there.
"""

import asyncio
import contextvars
import json
import re
import time
import uuid
from bisect import bisect_left
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import Any

from ministack.core.responses import error_response_json, json_response
from ministack.services import athena, glue, s3

from infra.local import athena_engine
from infra.local.athena_engine import GluePartition, GlueTable, QueryFailed, QueryResult, ViewChange

CONCURRENT_QUERIES = 2
PAGE_LIMIT = 1000
ENDED = ("SUCCEEDED", "FAILED", "CANCELLED")
CANCELLED_REASON = "Query was cancelled by user"

Request = dict[str, Any]
Execution = dict[str, Any]
Response = tuple[int, dict[str, str], bytes]

_workers = ThreadPoolExecutor(CONCURRENT_QUERIES, "athena")
_interrupts: dict[str, Callable[[], None]] = {}
_tasks: dict[str, "asyncio.Task[None]"] = {}


def install() -> None:
    """Replace ministack's query operations. Its table of operations is made anew at each request, so this is enough."""
    athena._start_query_execution = start_query_execution
    athena._get_query_execution = get_query_execution
    athena._get_query_results = get_query_results
    athena._stop_query_execution = stop_query_execution


# ---- The catalog and the objects a query sees ------------------------------------------------------------------------


class GlueCatalog:
    """ministack's Glue catalog as a query reads it, through its operations, which lock and page."""

    def table(self, database: str, name: str) -> GlueTable | None:
        table: GlueTable | None = glue._tables.get(f"{database}/{name}")
        return table

    def tables(self, database: str) -> list[str]:
        return [key.partition("/")[2] for key in glue._tables if key.startswith(f"{database}/")]

    def partitions(self, database: str, name: str) -> list[GluePartition]:
        request: Request = {"DatabaseName": database, "TableName": name}
        found: list[GluePartition] = []
        while True:
            status, _, body = glue._get_partitions(request)
            page = json.loads(body) if status == 200 else {}
            found += page.get("Partitions", [])
            if not page.get("NextToken"):
                return found
            request["NextToken"] = page["NextToken"]


class S3Objects:
    """ministack's S3 for one query: a bucket's keys are sorted once, however many partitions are listed."""

    def __init__(self) -> None:
        self._keys: dict[str, list[str]] = {}

    def list(self, bucket: str, prefix: str) -> list[tuple[str, int]]:
        stored = self._stored(bucket)
        keys = self._keys.setdefault(bucket, sorted(stored))
        begin = bisect_left(keys, prefix)
        end = bisect_left(keys, prefix + "\U0010ffff")
        return [(key, int(stored[key]["size"])) for key in keys[begin:end] if key in stored]

    def read(self, bucket: str, key: str) -> bytes:
        body: bytes | None = s3._get_object_data(bucket, key)
        if body is None:
            raise QueryFailed(f"HIVE_CANNOT_OPEN_SPLIT: s3://{bucket}/{key} went away while the query ran")
        return body

    def _stored(self, bucket: str) -> dict[str, Any]:
        found = s3._buckets.get(bucket)
        if found is None:
            raise QueryFailed(f"HIVE_FILESYSTEM_ERROR: the bucket {bucket} does not exist")
        objects: dict[str, Any] = found["objects"]
        return objects


# ---- Operations ------------------------------------------------------------------------------------------------------


def start_query_execution(request: Request) -> Response:
    """StartQueryExecution. The same ClientRequestToken gives the same execution."""
    token = request.get("ClientRequestToken")
    if token and (known := next((e for e in athena._executions.values() if e.get("_token") == token), None)):
        return _answer({"QueryExecutionId": known["QueryExecutionId"]})
    group = athena._workgroups.get(request.get("WorkGroup") or "primary")
    refusal = _refusal(request, group)
    if refusal or group is None:
        return _invalid(refusal)
    execution = _new_execution(request, group)
    query_id = execution["QueryExecutionId"]
    athena._executions[query_id] = execution
    _tasks[query_id] = asyncio.get_running_loop().create_task(_carry_out(execution))
    return _answer({"QueryExecutionId": query_id})


def get_query_execution(request: Request) -> Response:
    """GetQueryExecution."""
    execution = _execution(request)
    if execution is None:
        return _not_found(request)
    return _answer({"QueryExecution": athena._execution_out(execution)})


def stop_query_execution(request: Request) -> Response:
    """StopQueryExecution. One that has ended stays as it ended."""
    execution = _execution(request)
    if execution is None:
        return _not_found(request)
    if execution["Status"]["State"] not in ENDED:
        _end(execution, "CANCELLED", CANCELLED_REASON)
        _interrupts.get(execution["QueryExecutionId"], lambda: None)()
    return _answer({})


def get_query_results(request: Request) -> Response:
    """GetQueryResults: up to 1,000 rows a page. The header of a SELECT is the first row and counts as one."""
    execution = _execution(request)
    if execution is None:
        return _not_found(request)
    refusal = _results_refusal(execution, request)
    if refusal:
        return _invalid(refusal)
    rows = _stored_rows(execution)
    if rows is None:
        where = execution["ResultConfiguration"]["OutputLocation"]
        return _invalid(f"Could not find results at {where}")
    begin = int(request.get("NextToken") or 0)
    end = begin + int(request.get("MaxResults") or PAGE_LIMIT)
    return _answer(_page(rows[begin:end], execution) | ({"NextToken": str(end)} if end < len(rows) else {}))


def _page(rows: Sequence[Sequence[str | None]], execution: Execution) -> dict[str, Any]:
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


def _execution(request: Request) -> Execution | None:
    """The execution asked for. One that a stopped server left unfinished has failed."""
    execution: Execution | None = athena._executions.get(request.get("QueryExecutionId"))
    if execution and execution["Status"]["State"] not in ENDED and execution["QueryExecutionId"] not in _tasks:
        _end(execution, "FAILED", "INTERNAL_ERROR: the local Athena was stopped while the query ran; start it again")
    return execution


def _not_found(request: Request) -> Response:
    return _invalid(f"QueryExecution {request.get('QueryExecutionId')} was not found")


def _answer(document: dict[str, Any]) -> Response:
    response: Response = json_response(document)
    return response


def _invalid(reason: str) -> Response:
    response: Response = error_response_json("InvalidRequestException", reason, 400)
    return response


def _refusal(request: Request, group: dict[str, Any] | None) -> str:
    """Why StartQueryExecution refuses, or nothing."""
    if group is None:
        return f"WorkGroup {request.get('WorkGroup')} is not found."
    if group.get("State") == "DISABLED":
        return f"WorkGroup {group['Name']} is disabled."
    if not (request.get("QueryString") or "").strip():
        return "queryString may not be empty"
    if not re.match(r"s3://[^/]+", _output_location(request, group)):
        return (
            "No output location provided. An output location is required either through the Workgroup result "
            "configuration setting or as an API input."
        )
    return ""


def _results_refusal(execution: Execution, request: Request) -> str:
    state, limit = execution["Status"]["State"], int(request.get("MaxResults") or PAGE_LIMIT)
    if state in ("FAILED", "CANCELLED"):
        return f"Query did not finish successfully. Final query state: {state}"
    if state != "SUCCEEDED":
        return f"Query has not yet finished. Current state: {state}"
    if not 1 <= limit <= PAGE_LIMIT:
        return f"MaxResults is {limit}; 1 to {PAGE_LIMIT} are accepted"
    return "" if (request.get("NextToken") or "0").isdigit() else "NextToken is not one that GetQueryResults gave"


# ---- An execution ----------------------------------------------------------------------------------------------------


def _output_location(request: Request, group: dict[str, Any]) -> str:
    """Where the result goes: an enforcing work group's location wins over the request's."""
    settings = group.get("Configuration") or {}
    own = (settings.get("ResultConfiguration") or {}).get("OutputLocation") or ""
    asked = (request.get("ResultConfiguration") or {}).get("OutputLocation") or ""
    enforced = str(settings.get("EnforceWorkGroupConfiguration", "false")).lower() == "true"
    return own if own and (enforced or not asked) else asked


def _new_execution(request: Request, group: dict[str, Any]) -> Execution:
    query_id = str(uuid.uuid4())
    context = request.get("QueryExecutionContext") or {}
    kind = athena_engine.statement_type(request["QueryString"])
    location = f"{_output_location(request, group).rstrip('/')}/{query_id}.{'csv' if kind == 'DML' else 'txt'}"
    version = "Athena engine version 3"
    return {
        "QueryExecutionId": query_id,
        "Query": request["QueryString"],
        "StatementType": kind,
        "ResultConfiguration": {"OutputLocation": location},
        "QueryExecutionContext": {"Database": context.get("Database") or "default", "Catalog": "AwsDataCatalog"},
        "Status": {"State": "QUEUED", "SubmissionDateTime": time.time()},
        "Statistics": {"EngineExecutionTimeInMillis": 0, "DataScannedInBytes": 0, "TotalExecutionTimeInMillis": 0},
        "WorkGroup": group["Name"],
        "EngineVersion": {"SelectedEngineVersion": "AUTO", "EffectiveEngineVersion": version},
        **({"ExecutionParameters": request["ExecutionParameters"]} if request.get("ExecutionParameters") else {}),
        "_token": request.get("ClientRequestToken"),
        "_bytes_limit": (group.get("Configuration") or {}).get("BytesScannedCutoffPerQuery"),
    }


async def _carry_out(execution: Execution) -> None:
    """QUEUED until a worker is free, then RUNNING; the result is written here, in the thread S3 is served from."""
    query_id = execution["QueryExecutionId"]
    try:
        context = contextvars.copy_context()
        result = await asyncio.get_running_loop().run_in_executor(_workers, context.run, _run, execution)
        _finish(execution, result)
    except QueryFailed as failure:
        _end(execution, "FAILED", str(failure))
    except Exception as error:
        athena.logger.exception("query %s", query_id)
        _end(execution, "FAILED", f"GENERIC_INTERNAL_ERROR: the local Athena stopped with {type(error).__name__}")
    finally:
        _interrupts.pop(query_id, None)
        _tasks.pop(query_id, None)


def _run(execution: Execution) -> QueryResult:
    """The statement's result, in a worker thread. Raises QueryFailed."""
    if execution["Status"]["State"] != "QUEUED":
        raise QueryFailed(CANCELLED_REASON)
    execution["Status"]["State"] = "RUNNING"
    begun = time.monotonic()
    try:
        return _result(execution)
    finally:
        execution["Statistics"]["EngineExecutionTimeInMillis"] = int((time.monotonic() - begun) * 1000)


def _result(execution: Execution) -> QueryResult:
    sql, database = execution["Query"], execution["QueryExecutionContext"]["Database"]
    change = athena_engine.view_change(sql, database)
    if change:
        _change_view(change)
        return QueryResult([], [], 0)
    limit = execution["_bytes_limit"]
    return athena_engine.run(
        sql,
        database,
        GlueCatalog(),
        S3Objects(),
        parameters=execution.get("ExecutionParameters") or (),
        bytes_limit=int(limit) if limit else None,
        started=lambda interrupt: _interrupts.update({execution["QueryExecutionId"]: interrupt}),
    )


def _finish(execution: Execution, result: QueryResult) -> None:
    if execution["Status"]["State"] in ENDED:
        return
    execution["Statistics"]["DataScannedInBytes"] = result.bytes_scanned
    execution["_columns"] = [list(column) for column in result.columns]
    _write(execution, result)
    _end(execution, "SUCCEEDED")


def _end(execution: Execution, state: str, reason: str = "") -> None:
    """The first end stands: a cancelled query does not become a failed one when its worker notices."""
    status = execution["Status"]
    if status["State"] in ENDED:
        return
    now = time.time()
    took = int((now - status["SubmissionDateTime"]) * 1000)
    execution["Statistics"]["TotalExecutionTimeInMillis"] = took
    status.update({"CompletionDateTime": now, "StateChangeReason": reason} if reason else {"CompletionDateTime": now})
    status["State"] = state


# ---- Views -----------------------------------------------------------------------------------------------------------


def _change_view(change: ViewChange) -> None:
    existing = GlueCatalog().table(change.database, change.name)
    place = f"{change.database}.{change.name}"
    if existing is not None and existing.get("TableType") != "VIRTUAL_VIEW":
        raise QueryFailed(f"NOT_SUPPORTED: line 1:1: '{place}' is a table, not a view")
    if change.select is not None:
        _create_view(change, change.select, existing)
    elif existing is not None:
        _accepted(glue._delete_table({"DatabaseName": change.database, "Name": change.name}))
    elif not change.forgiving:
        raise QueryFailed(f"TABLE_NOT_FOUND: line 1:1: View '{place}' does not exist")


def _create_view(change: ViewChange, select: str, existing: GlueTable | None) -> None:
    if existing is not None and not change.forgiving:
        raise QueryFailed(f"ALREADY_EXISTS: line 1:1: View already exists: '{change.database}.{change.name}'")
    columns = athena_engine.columns_of(select, change.database, GlueCatalog(), S3Objects())
    table = {
        "Name": change.name,
        "TableType": "VIRTUAL_VIEW",
        "Parameters": {"presto_view": "true", "comment": "Presto View"},
        "ViewOriginalText": athena_engine.encode_view(select, change.database, columns),
        "ViewExpandedText": "/* Presto View */",
        "PartitionKeys": [],
        "StorageDescriptor": {"Columns": [{"Name": n, "Type": _hive_type(kind)} for n, kind in columns]},
    }
    operation = glue._create_table if existing is None else glue._update_table
    _accepted(operation({"DatabaseName": change.database, "TableInput": table}))


def _hive_type(kind: str) -> str:
    names = {"varchar": "string", "integer": "int", "varbinary": "binary", "timestamp with time zone": "timestamp"}
    return names.get(kind, kind)


def _accepted(response: Response) -> None:
    """The view's change in the catalog, or QueryFailed with what Glue answered."""
    status, _, body = response
    if status != 200:
        raise QueryFailed(f"HIVE_METASTORE_ERROR: Glue refused the view: {json.loads(body).get('message', status)}")


# ---- Results in S3 ---------------------------------------------------------------------------------------------------


def _place(execution: Execution) -> tuple[str, str]:
    bucket, _, key = execution["ResultConfiguration"]["OutputLocation"].removeprefix("s3://").partition("/")
    return bucket, key


def _write(execution: Execution, result: QueryResult) -> None:
    """The result as Athena writes it: a SELECT's as CSV, every value in quotes and NULL as nothing; else bare lines."""
    if execution["StatementType"] == "DML":
        lines: list[list[str | None]] = [[name for name, _ in result.columns], *result.rows]
        text = "".join(",".join(map(_quoted, line)) + "\n" for line in lines)
    else:
        text = "".join("\t".join(cell or "" for cell in row) + "\n" for row in result.rows)
    body, (bucket, key) = text.encode(), _place(execution)
    answer = s3._put_object(bucket, key, body, {"content-type": "text/csv", "content-length": str(len(body))})
    if answer[0] >= 300:
        reason = "the bucket does not exist" if s3._buckets.get(bucket) is None else f"S3 answered {answer[0]}"
        raise QueryFailed(f"The result cannot be written to s3://{bucket}/{key}: {reason}")


def _quoted(text: str | None) -> str:
    return "" if text is None else '"' + text.replace('"', '""') + '"'


def _stored_rows(execution: Execution) -> Sequence[Sequence[str | None]] | None:
    """The result's rows as its file has them; None where the file is gone."""
    body: bytes | None = s3._get_object_data(*_place(execution))
    if body is None:
        return None
    return _parsed(body) if execution["StatementType"] == "DML" else [[line] for line in body.decode().splitlines()]


@lru_cache(maxsize=8)
def _parsed(body: bytes) -> Sequence[Sequence[str | None]]:
    """CSV with NULL apart from the empty string, which the csv module cannot tell. Kept for the pages that follow."""
    rows: list[list[str | None]] = [[]]
    for quoted, end in _CELL.findall(body.decode()):
        rows[-1].append(quoted[1:-1].replace('""', '"') if quoted else None)
        if end == "\n":
            rows.append([])
    return rows[:-1]


_CELL = re.compile(r'("(?:[^"]|"")*")?([,\n])')

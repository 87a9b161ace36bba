"""One execution of the local Athena, from QUEUED to its end: run in a worker thread, with the request's account and
Region, and kept in ministack's own store of executions."""

import asyncio
import contextvars
import time
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from ministack.services import athena

from infra.emulator import athena_engine
from infra.emulator.athena_catalog import GlueCatalog, S3Objects, change_view
from infra.emulator.athena_engine import QueryFailed, QueryResult
from infra.emulator.athena_results import Execution, write_result

CONCURRENT_QUERIES = 2
ENDED = ("SUCCEEDED", "FAILED", "CANCELLED")
CANCELLED_REASON = "Query was cancelled by user"
Request = dict[str, Any]

_workers = ThreadPoolExecutor(CONCURRENT_QUERIES, "athena")
_interrupts: dict[str, Callable[[], None]] = {}
_tasks: dict[str, "asyncio.Task[None]"] = {}


def begin(execution: Execution) -> None:
    """Keep the execution and start to carry it out."""
    query_id = execution["QueryExecutionId"]
    athena._executions[query_id] = execution
    _tasks[query_id] = asyncio.get_running_loop().create_task(_carry_out(execution))


def find(query_id: str | None) -> Execution | None:
    """The execution asked for. One that a stopped server left unfinished has failed."""
    execution: Execution | None = athena._executions.get(query_id)
    if execution and execution["Status"]["State"] not in ENDED and execution["QueryExecutionId"] not in _tasks:
        _end(execution, "FAILED", "INTERNAL_ERROR: the local Athena was stopped while the query ran; start it again")
    return execution


def cancel(execution: Execution) -> None:
    """Stop it. One that has ended stays as it ended."""
    if execution["Status"]["State"] not in ENDED:
        _end(execution, "CANCELLED", CANCELLED_REASON)
        _interrupts.get(execution["QueryExecutionId"], lambda: None)()


def output_location(request: Request, group: dict[str, Any]) -> str:
    """Where the result goes: an enforcing work group's location wins over the request's."""
    settings = group.get("Configuration") or {}
    own = (settings.get("ResultConfiguration") or {}).get("OutputLocation") or ""
    asked = (request.get("ResultConfiguration") or {}).get("OutputLocation") or ""
    enforced = str(settings.get("EnforceWorkGroupConfiguration", "false")).lower() == "true"
    return own if own and (enforced or not asked) else asked


def new_execution(request: Request, group: dict[str, Any]) -> Execution:
    """The execution that a StartQueryExecution asks for, in ministack's form of one."""
    query_id = str(uuid.uuid4())
    context = request.get("QueryExecutionContext") or {}
    kind = athena_engine.statement_type(request["QueryString"])
    location = f"{output_location(request, group).rstrip('/')}/{query_id}.{'csv' if kind == 'DML' else 'txt'}"
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
        change_view(change)
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
    write_result(execution, result)
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

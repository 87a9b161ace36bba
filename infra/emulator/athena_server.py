"""Athena on one machine: the query operations of ministack, replaced by ones that ask the Glue catalog.

ministack answers from whatever lies under a table's Location, in DuckDB's own dialect; see athena_engine for why that
will not do. Replaced are the four query operations. Work groups, named queries and lists of executions stay
ministack's, over the same store, so they persist as before. How a query runs is in athena_executions, where its result
lies in athena_results, what it sees in athena_catalog.
"""

import re
from typing import Any

from ministack.core.responses import error_response_json, json_response
from ministack.services import athena

from infra.emulator import athena_executions
from infra.emulator.athena_executions import Request
from infra.emulator.athena_results import Execution, page, stored_rows

PAGE_LIMIT = 1000
Response = tuple[int, dict[str, str], bytes]


def install() -> None:
    """Replace ministack's query operations. Its table of operations is made anew at each request, so this is enough."""
    athena._start_query_execution = start_query_execution
    athena._get_query_execution = get_query_execution
    athena._get_query_results = get_query_results
    athena._stop_query_execution = stop_query_execution


def start_query_execution(request: Request) -> Response:
    """StartQueryExecution. The same ClientRequestToken gives the same execution."""
    token = request.get("ClientRequestToken")
    if token and (known := next((e for e in athena._executions.values() if e.get("_token") == token), None)):
        return _answer({"QueryExecutionId": known["QueryExecutionId"]})
    group = athena._workgroups.get(request.get("WorkGroup") or "primary")
    refusal = _refusal(request, group)
    if refusal or group is None:
        return _invalid(refusal)
    execution = athena_executions.new_execution(request, group)
    athena_executions.begin(execution)
    return _answer({"QueryExecutionId": execution["QueryExecutionId"]})


def get_query_execution(request: Request) -> Response:
    """GetQueryExecution."""
    execution = athena_executions.find(request.get("QueryExecutionId"))
    if execution is None:
        return _not_found_response(request)
    return _answer({"QueryExecution": athena._execution_out(execution)})


def stop_query_execution(request: Request) -> Response:
    """StopQueryExecution. One that has ended stays as it ended."""
    execution = athena_executions.find(request.get("QueryExecutionId"))
    if execution is None:
        return _not_found_response(request)
    athena_executions.cancel(execution)
    return _answer({})


def get_query_results(request: Request) -> Response:
    """GetQueryResults: up to 1,000 rows a page. The header of a SELECT is the first row and counts as one."""
    execution = athena_executions.find(request.get("QueryExecutionId"))
    if execution is None:
        return _not_found_response(request)
    refusal = _results_refusal(execution, request)
    if refusal:
        return _invalid(refusal)
    rows = stored_rows(execution)
    if rows is None:
        where = execution["ResultConfiguration"]["OutputLocation"]
        return _invalid(f"Could not find results at {where}")
    begin = int(request.get("NextToken") or 0)
    end = begin + int(request.get("MaxResults") or PAGE_LIMIT)
    return _answer(page(rows[begin:end], execution) | ({"NextToken": str(end)} if end < len(rows) else {}))


def _refusal(request: Request, group: dict[str, Any] | None) -> str:
    """Why StartQueryExecution refuses, or nothing."""
    if group is None:
        return f"WorkGroup {request.get('WorkGroup')} is not found."
    if group.get("State") == "DISABLED":
        return f"WorkGroup {group['Name']} is disabled."
    if not (request.get("QueryString") or "").strip():
        return "queryString may not be empty"
    if not re.match(r"s3://[^/]+", athena_executions.output_location(request, group)):
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


def _not_found_response(request: Request) -> Response:
    return _invalid(f"QueryExecution {request.get('QueryExecutionId')} was not found")


def _answer(document: dict[str, Any]) -> Response:
    response: Response = json_response(document)
    return response


def _invalid(reason: str) -> Response:
    response: Response = error_response_json("InvalidRequestException", reason, 400)
    return response

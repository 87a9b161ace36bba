"""Where the emulator is made real: module-level functions of ministack that are replaced by ours.

ministack builds its tables of operations from module globals at each request, so a replaced function is used and its
IAM enforcement stays in front. These are private names, hence the exact version, and each is checked to exist first.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module, util
from importlib.metadata import version
from pathlib import Path
from types import ModuleType
from typing import Any

from ministack import app
from ministack.core import iam_actions, iam_evaluator, lambda_runtime, persistence, responses, sigv4
from ministack.services import athena, cloudformation, cloudtrail, cloudwatch_logs, glue, lambda_svc, s3, sqs, sts
from ministack.services.cloudformation import provisioners

from infra.emulator import disk_reserve, glue_runs, partitions, trails
from infra.emulator.credentials import function_credentials
from infra.emulator.invocations import Invocations, Journal
from infra.emulator.processes import DECISIONS
from infra.emulator.snapshots import Snapshots

MINISTACK_VERSION = "1.5.33"
_PORT_IN_QUEUE_URLS = "4566"
PRIVATE_NAMES: dict[ModuleType, tuple[str, ...]] = {
    glue: (
        *("_create_partition", "_batch_create_partition", "_delete_partition", "_get_partition", "_get_partitions"),
        *("_batch_get_partition", "_batch_update_partition", "_create_job", "_update_job", "_start_job_run"),
        *("_get_job_run", "_get_job_runs", "_batch_stop_job_run", "_jobs", "_job_runs", "_tables", "_partitions"),
        *("_create_table", "_update_table", "_delete_table", "_partition_column_statistics", "_databases"),
    ),
    athena: (
        *("_start_query_execution", "_get_query_execution", "_get_query_results", "_stop_query_execution"),
        *("_executions", "_execution_out", "_workgroups", "_type_precision_scale"),
    ),
    lambda_svc: (
        *("invoke_async_with_retry", "_execute_function", "_get_func_record_for_ref", "_route_async_failure"),
        *("_execution_record_for_config", "_LAMBDA_ASYNC_RETRY_BASE_SECONDS", "_LAMBDA_ASYNC_RETRY_MAX_SECONDS"),
        "execution_credentials",
    ),
    lambda_runtime: ("execution_credentials",),
    s3: (
        *("_fire_s3_event_async", "_fire_s3_event", "_next_event_sequencer", "_bucket_notifications", "_buckets"),
        *("_get_object_data", "_put_object", "_copy_object", "_create_multipart_upload", "_upload_part", "_error"),
        "_bucket_policies",
    ),
    sqs: ("DEFAULT_PORT", "_CANONICAL_NETLOC", "_queue_url"),
    app: ("_build_persistence_save_dict",),
    persistence: ("_json_default", "_state_format_version"),
    provisioners: ("_GLUE_JOB_DEFAULTS", "s3_bucket_name_conflict"),
    cloudformation: ("_change_sets",),
    cloudtrail: ("_get_trail_status", "_find_visible_trail", "_DISPATCH"),
    cloudwatch_logs: ("_create_log_group", "_create_log_stream", "_put_log_events"),
    sts: ("register_session",),
    sigv4: (
        *("parse_query_signature", "parse_header_signature", "header_signing_documents", "derive_signing_key"),
        *("decode_header_value", "UNSIGNED_PAYLOAD"),
    ),
    iam_evaluator: (
        *("resolve_credential", "is_root_access_key", "find_iam_access_key_account", "ResolvedCredential"),
        *("AmbiguousAccessKeyError", "enforce", "caller_arn", "evaluate_resource_policy", "EvalContext"),
        "_principal_org_id",
    ),
    responses: ("_account_from_sts_session",),
    iam_actions: ("extract_iam_action", "extract_resource_arn"),
}
"""Every private name of ministack that is replaced or used."""


class ReplacementError(RuntimeError):
    """ministack is not the version these replacements were written for."""


@dataclass(frozen=True)
class Replacements:
    """The parts behind the replaced functions, for the server to recover, start and stop."""

    runs: glue_runs.JobRuns
    invocations: Invocations
    snapshots: Snapshots


def install_replacements(home: Path, endpoint_url: str, glue_minute_seconds: float = 60.0) -> Replacements:
    """Replace what ministack fakes. Raises ReplacementError, changing nothing, where a name or the version differs."""
    _check_version()
    for module, names in PRIVATE_NAMES.items():
        _check_names(module, names)
    journal = Journal(home / "state" / "invocations.sqlite")
    runs = glue_runs.JobRuns(home, endpoint_url, glue_minute_seconds)
    invocations = Invocations(journal)
    replaced: list[tuple[ModuleType, dict[str, Callable[..., Any]]]] = [
        (glue, glue_runs.replacements(runs) | partitions.replacements()),
        (lambda_svc, {"invoke_async_with_retry": invocations.invoke, "execution_credentials": function_credentials}),
        (lambda_runtime, {"execution_credentials": function_credentials}),
        (s3, {"_fire_s3_event_async": _fire_s3_event_now, **disk_reserve.replacements(home)}),
        (provisioners, {"s3_bucket_name_conflict": _bucket_name_conflict(provisioners.s3_bucket_name_conflict)}),
    ]
    permissions = {
        "extract_iam_action": _without_batches(iam_actions.extract_iam_action),
        "extract_resource_arn": _of_tasks(_of_workgroups(iam_actions.extract_resource_arn)),
    }
    replaced.append((iam_actions, permissions))
    replaced.append((iam_evaluator, {"enforce": _with_record(iam_evaluator.enforce, home / DECISIONS)}))
    for module, functions in replaced:
        for name, function in functions.items():
            setattr(module, name, function)
    cloudtrail._DISPATCH["GetTrailStatus"] = trails.with_deliveries(cloudtrail._get_trail_status)
    _install_athena()
    _keep_queues_across_ports()
    return Replacements(runs, invocations, Snapshots(home / "state", journal))


def _fire_s3_event_now(bucket: str, key: str, event: str, *arguments: Any, **named: Any) -> None:
    """Deliver before PutObject answers, so that an answered object has its notification in the journal.

    ministack does it in a thread, which a kill may forestall; queueing it takes less time than starting that thread.
    """
    if bucket in s3._bucket_notifications:
        s3._fire_s3_event(bucket, key, event, *arguments, sequencer=s3._next_event_sequencer(event), **named)


def _bucket_name_conflict(original: Callable[[str], str | None]) -> Callable[[str], str | None]:
    """ministack proposes to take over a bucket that is there, as AWS does, and then calls its name a conflict."""

    def conflict(name: str) -> str | None:
        planned = (change.get("_import_existing") or {} for change in cloudformation._change_sets.values())
        is_taken_over = any(identifier.get("BucketName") == name for one in planned for identifier in one.values())
        return None if is_taken_over else original(name)

    return conflict


def _without_batches(original: Callable[..., str | None]) -> Callable[..., str | None]:
    """AWS allows a batch of SQS with the action of one message; ministack asks for an action that AWS does not have."""

    def extract(*arguments: Any, **named: Any) -> str | None:
        action = original(*arguments, **named)
        return action.removesuffix("Batch") if action and action.startswith("sqs:") else action

    return extract


def _of_workgroups(original: Callable[..., str]) -> Callable[..., str]:
    """AWS decides by its workgroup whether a query may be looked at; ministack knows that only where it is started."""

    def extract(service: str, method: str, path: str, headers: Any, body: bytes, *others: Any) -> str:
        if service == "athena" and b"QueryExecutionId" in body:
            execution = athena._executions.get(json.loads(body).get("QueryExecutionId"))
            if execution is not None:
                region, account = others[-2:]
                return f"arn:aws:athena:{region}:{account}:workgroup/{execution['WorkGroup']}"
        return original(service, method, path, headers, body, *others)

    return extract


def _of_tasks(original: Callable[..., str]) -> Callable[..., str]:
    """AWS decides by a task, or by the definition of which one is started; ministack by the cluster of either."""

    def extract(service: str, method: str, path: str, headers: Any, body: bytes, *others: Any) -> str:
        if service == "ecs":
            asked, (region, account) = json.loads(body or b"{}"), others[-2:]
            if tasks := asked.get("tasks") or ([asked["task"]] if "task" in asked else []):
                return str(tasks[0])
            if definition := asked.get("taskDefinition"):
                of_family = f"arn:aws:ecs:{region}:{account}:task-definition/{definition}"
                return str(definition if definition.startswith("arn:") else of_family)
        return original(service, method, path, headers, body, *others)

    return extract


def _with_record(original: Callable[..., Any], path: Path) -> Callable[..., Any]:
    """Note in a file, once each, who asked for which action and what IAM decided: what a role needs is seen by it."""
    known: set[tuple[str, str, str]] = set()

    def enforce(access_key: str, action: str, *arguments: Any, **named: Any) -> Any:
        denied = original(access_key, action, *arguments, **named)
        found = (iam_evaluator.caller_arn(), action, "Deny" if denied else "Allow")
        if found not in known:
            known.add(found)
            with path.open("a", encoding="utf-8") as record:
                record.write(json.dumps(dict(zip(("principal", "action", "decision"), found, strict=True))) + "\n")
        return denied

    return enforce


def _keep_queues_across_ports() -> None:
    """ministack finds a queue by a URL that holds its port: with one port in all, a lake may restart on another.

    Without this, the consumers of a lake that came back on another port poll queues that they no longer find.
    """
    sqs.DEFAULT_PORT = _PORT_IN_QUEUE_URLS
    sqs._CANONICAL_NETLOC = f"{sqs.DEFAULT_HOST}:{_PORT_IN_QUEUE_URLS}"


def _install_athena() -> None:
    if util.find_spec("infra.emulator.athena_server") is not None:
        import_module("infra.emulator.athena_server").install()


def _check_version() -> None:
    installed = version("ministack")
    if installed != MINISTACK_VERSION:
        raise ReplacementError(
            f"ministack {installed} is installed, but its private functions are replaced as version "
            f"{MINISTACK_VERSION} has them. Install exactly that one: pip install ministack=={MINISTACK_VERSION}."
        )


def _check_names(module: ModuleType, names: tuple[str, ...]) -> None:
    missing = sorted(name for name in names if not hasattr(module, name))
    if missing:
        raise ReplacementError(
            f"{module.__name__} of ministack {MINISTACK_VERSION} has no {', '.join(missing)}, which the local stack "
            f"needs. The installation is not the released one; install ministack=={MINISTACK_VERSION} again."
        )

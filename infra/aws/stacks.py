"""One CloudFormation stack and how it is brought about: started, waited for, and told with its cause when it fails.

Which stacks a lake has does not belong here (see deploy.py).
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from resources.settings import LakeSettings

Progress = Callable[[str], None]

_LARGEST_BODY = 51_200  # bytes; CloudFormation takes a larger template (up to 1 MB) from S3 only
_CAPABILITIES = ["CAPABILITY_NAMED_IAM"]
_FIRST_WAIT_SECONDS, _LONGEST_WAIT_SECONDS = 0.02, 5.0  # a stack takes 0.1 s on the emulator, minutes on AWS


class DeployError(RuntimeError):
    """The lake is not deployed; the message says what failed, why, and whether deploying again can help."""


@dataclass(frozen=True)
class Stack:
    """One stack to bring about: its full name, its template and its parameters."""

    name: str
    template: str
    parameters: Mapping[str, str]


def bring_about(
    cloudformation: Any, s3: Any, settings: LakeSettings, stacks: Sequence[Stack], progress: Progress
) -> None:
    """Start all of `stacks`, then wait for each: they build side by side, and none is left behind when one fails."""
    failures: list[str] = []
    started: list[tuple[Stack, str]] = []
    for stack in stacks:
        try:
            if stack_id := _start(cloudformation, s3, settings, stack):
                started.append((stack, stack_id))
            else:
                progress(f"{stack.name}: unchanged")
        except DeployError as error:
            failures.append(str(error))
    for stack, stack_id in started:
        try:
            _wait(cloudformation, stack.name, stack_id)
            progress(f"{stack.name}: deployed")
        except DeployError as error:
            failures.append(str(error))
    if failures:
        raise DeployError("\n".join(failures))


def _start(cloudformation: Any, s3: Any, settings: LakeSettings, stack: Stack) -> str | None:
    """Create or update one stack; its id, or None when there is nothing to change."""
    request = {
        "StackName": stack.name,
        "Parameters": [{"ParameterKey": n, "ParameterValue": v} for n, v in sorted(stack.parameters.items())],
        "Capabilities": _CAPABILITIES,
        **_template_argument(s3, settings, stack),
    }
    try:
        if _exists(cloudformation, stack.name):
            return str(cloudformation.update_stack(**request)["StackId"])
        return str(cloudformation.create_stack(**request, OnFailure="DELETE")["StackId"])
    except ClientError as error:
        if "No updates are to be performed" in _say(error):
            return None
        raise DeployError(
            f"CloudFormation did not start to deploy the stack {stack.name}: {_say(error).rstrip('.')}. "
            "Deploying again helps only if another deployment was under way."
        ) from error


def _template_argument(s3: Any, settings: LakeSettings, stack: Stack) -> dict[str, str]:
    content = stack.template.encode()
    if len(content) <= _LARGEST_BODY:
        return {"TemplateBody": stack.template}
    key = f"templates/{stack.name}"
    s3.put_object(Bucket=settings.artifacts_bucket, Key=key, Body=content)
    return {"TemplateURL": f"{s3.meta.endpoint_url}/{settings.artifacts_bucket}/{key}"}


def _exists(cloudformation: Any, name: str) -> bool:
    try:
        stack = cloudformation.describe_stacks(StackName=name)["Stacks"][0]
    except ClientError as error:
        if is_absent(error):
            return False
        raise
    return str(stack["StackStatus"]) not in ("DELETE_COMPLETE", "REVIEW_IN_PROGRESS")


def _wait(cloudformation: Any, name: str, stack_id: str) -> None:
    """Return once the stack is complete. Raises DeployError with the first failing resource and its reason."""
    seconds = _FIRST_WAIT_SECONDS
    while True:
        stack = cloudformation.describe_stacks(StackName=stack_id)["Stacks"][0]
        status = stack["StackStatus"]
        if status in ("CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS"):
            return
        if not status.endswith("_IN_PROGRESS"):
            cause = _first_failure(cloudformation, stack_id) or stack.get("StackStatusReason", "no reason given")
            raise DeployError(f"The stack {name} ended as {status}: {cause.rstrip('.')}. {_advice(status)}")
        time.sleep(seconds)
        seconds = min(seconds * 1.5, _LONGEST_WAIT_SECONDS)


def _advice(status: str) -> str:
    if status in ("DELETE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE"):
        return "It is as it was before; deploy again once the cause is gone."
    return "It is stuck between two states; put it right in the CloudFormation console before you deploy again."


def _first_failure(cloudformation: Any, stack_id: str) -> str | None:
    """The first resource that failed since the operation began. Later failures are mostly cancellations that follow."""
    first = _refuse_before_start(cloudformation, stack_id)
    for event in _events_of_operation(cloudformation, stack_id):
        reason = event.get("ResourceStatusReason", "")
        of_resource = event["ResourceType"] != "AWS::CloudFormation::Stack"
        if of_resource and event["ResourceStatus"].endswith("_FAILED") and "cancelled" not in reason:
            first = f"{event['LogicalResourceId']} ({event['ResourceType']}) {event['ResourceStatus']}: {reason}"
    return first


def _refuse_before_start(cloudformation: Any, stack_id: str) -> str | None:
    """What CloudFormation's own validation found, such as a bucket name that is taken. Stack events do not tell it."""
    pages = cloudformation.get_paginator("describe_events").paginate(StackName=stack_id, Filters={"FailedEvents": True})
    for event in (event for page in pages for event in page["OperationEvents"]):
        if event["EventType"] == "VALIDATION_ERROR":
            reason = event.get("ValidationStatusReason", "no reason given")
            return f"{event.get('LogicalResourceId')} ({event.get('ResourceType')}) is not valid: {reason}"
    return None


def _events_of_operation(cloudformation: Any, stack_id: str) -> Iterator[Mapping[str, Any]]:
    """Events of the latest create or update, newest first."""
    for page in cloudformation.get_paginator("describe_stack_events").paginate(StackName=stack_id):
        for event in page["StackEvents"]:
            yield event
            is_stack = event.get("PhysicalResourceId") == event["StackId"]
            if is_stack and event["ResourceStatus"] in ("CREATE_IN_PROGRESS", "UPDATE_IN_PROGRESS"):
                return


def _say(error: ClientError) -> str:
    return str(error.response["Error"].get("Message", error))


def is_absent(error: ClientError) -> bool:
    """Whether CloudFormation says that there is no such stack."""
    return "does not exist" in _say(error)

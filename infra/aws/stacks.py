"""CloudFormation stacks: what a deployment would change, changing it, and waiting for it.

A stack is changed by a change set and by nothing else, so what a person approves is what happens. Which stacks a lake
has does not belong here (see deploy.py).
"""

import contextlib
import json
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from infra.aws.aws_errors import answer
from infra.aws.template import Grant, grants, read_template, resources, wider
from resources.settings import LakeSettings

if TYPE_CHECKING:
    from mypy_boto3_cloudformation import CloudFormationClient
    from mypy_boto3_cloudformation.type_defs import DescribeChangeSetOutputTypeDef
    from mypy_boto3_s3 import S3Client

Progress = Callable[[str], None]

_LARGEST_BODY = 51_200  # bytes; CloudFormation takes a larger template (up to 1 MB) from S3 only
_CAPABILITIES = ["CAPABILITY_NAMED_IAM"]
_FIRST_WAIT_SECONDS, _LONGEST_WAIT_SECONDS = 0.02, 5.0  # a stack takes 0.1 s on the emulator, minutes on AWS
_BEGUN = ("CREATE_IN_PROGRESS", "UPDATE_IN_PROGRESS", "IMPORT_IN_PROGRESS")
_NOTHING_CHANGES = ("didn't contain changes", "No updates are to be performed")


class DeployError(RuntimeError):
    """The lake is not deployed; the message says what failed, why, and whether deploying again can help."""


@dataclass(frozen=True)
class Stack:
    """One stack to bring about: its full name, its template and its parameters."""

    name: str
    template: str
    parameters: Mapping[str, str]


@dataclass(frozen=True)
class StackOptions:
    """What every stack of a lake gets besides: tags, and alarms (ARNs) that roll an update back when they ring."""

    tags: Mapping[str, str] = field(default_factory=dict)
    rollback_alarms: Sequence[str] = ()
    termination_protection: bool = False


@dataclass(frozen=True)
class Change:
    """What happens to one resource: `action` is add, change, replace, remove or import."""

    action: str
    logical_id: str
    type: str


@dataclass(frozen=True)
class StackPlan:
    """What a deployment does to one stack. `wider` is what its policies allow more than now, by logical id.

    `change_set` is empty for a stack that can be asked for only once the storage stack is there.
    """

    stack: Stack
    is_new: bool
    changes: tuple[Change, ...]
    wider: Mapping[str, Sequence[Grant]] = field(default_factory=dict)
    change_set: str = ""
    stack_id: str = ""


class Stacks:
    """The stacks of one lake, through one CloudFormation client."""

    def __init__(
        self, cloudformation: "CloudFormationClient", s3: "S3Client", settings: LakeSettings, options: StackOptions
    ) -> None:
        self._cloudformation, self._s3, self._settings, self._options = cloudformation, s3, settings, options

    def describe(self, name: str) -> Mapping[str, Any] | None:
        """The stack as CloudFormation describes it, or None where there is none."""
        found = answer(self._cloudformation.describe_stacks, StackName=name)
        stack: Mapping[str, Any] | None = found and found["Stacks"][0]
        return None if not stack or stack["StackStatus"] in ("DELETE_COMPLETE", "REVIEW_IN_PROGRESS") else stack

    def parameters(self, name: str) -> dict[str, str]:
        """The parameters that a stack has now; none where there is no stack."""
        return stack_parameters(self.describe(name) or {})

    def resources(self, name: str) -> Iterator[tuple[str, str]]:
        """(type, physical id) of what a stack has now."""
        for page in self._cloudformation.get_paginator("list_stack_resources").paginate(StackName=name):
            for one in page["StackResourceSummaries"]:
                if one["ResourceStatus"] != "DELETE_COMPLETE" and "PhysicalResourceId" in one:
                    yield one["ResourceType"], one["PhysicalResourceId"]

    def plan_first(self, stack: Stack) -> StackPlan:
        """What a stack will have that cannot be asked for yet."""
        found = resources(stack.template, stack.parameters, self._settings.account, self._settings.region)
        return StackPlan(stack, True, tuple(Change("add", name, one.type) for name, one in found.items()))

    def propose(self, stack: Stack) -> StackPlan | None:
        """A change set for the stack, or None where nothing would change. Raises DeployError."""
        before = self.describe(stack.name)
        try:
            made = self._cloudformation.create_change_set(**self._request(stack, before is None))
            described = self._wait_for_change_set(made["Id"])
        except ClientError as error:
            if any(words in _say(error) for words in _NOTHING_CHANGES):
                return None
            raise DeployError(_start_refusal(stack.name, _say(error))) from error
        plan = StackPlan(stack, before is None, _changes(described), change_set=made["Id"], stack_id=made["StackId"])
        if described["Status"] == "FAILED" or described["ExecutionStatus"] == "UNAVAILABLE":
            self.discard(plan)
            reason = str(described.get("StatusReason", "no reason given"))
            if any(words in reason for words in _NOTHING_CHANGES):
                return None
            raise DeployError(_start_refusal(stack.name, reason))
        return replace(plan, wider=self._wider(stack, before))

    def _request(self, stack: Stack, is_new: bool) -> dict[str, Any]:
        given: dict[str, Any] = {
            "StackName": stack.name,
            "ChangeSetName": f"loglake-{uuid.uuid4().hex[:12]}",
            "ChangeSetType": "CREATE" if is_new else "UPDATE",
            "ImportExistingResources": True,  # what an earlier lake of this name left, such as its buckets
            "Parameters": [{"ParameterKey": n, "ParameterValue": v} for n, v in sorted(stack.parameters.items())],
            "Capabilities": _CAPABILITIES,
            **_template_argument(self._s3, self._settings, stack),
        }
        if is_new:
            given["OnStackFailure"] = "DELETE"
        if self._options.tags:
            given["Tags"] = [{"Key": name, "Value": value} for name, value in sorted(self._options.tags.items())]
        if self._options.rollback_alarms:
            triggers = [{"Arn": arn, "Type": "AWS::CloudWatch::Alarm"} for arn in self._options.rollback_alarms]
            given["RollbackConfiguration"] = {"RollbackTriggers": triggers, "MonitoringTimeInMinutes": 5}
        return given

    def _wait_for_change_set(self, change_set: str) -> "DescribeChangeSetOutputTypeDef":
        pause, describe = _Pause(), self._cloudformation.describe_change_set
        while (described := describe(ChangeSetName=change_set))["Status"] in ("CREATE_PENDING", "CREATE_IN_PROGRESS"):
            pause()
        page = described
        while token := page.get("NextToken"):
            page = describe(ChangeSetName=change_set, NextToken=token)
            described["Changes"] += page["Changes"]
        return described

    def _wider(self, stack: Stack, before: Mapping[str, Any] | None) -> Mapping[str, Sequence[Grant]]:
        """What the stack's policies will allow more than they do. Of a new stack all is new, and nothing is said."""
        if before is None:
            return {}
        body: Any = self._cloudformation.get_template(StackName=stack.name, TemplateStage="Original")["TemplateBody"]
        old = body if isinstance(body, str) else json.dumps(body)
        where = self._settings.account, self._settings.region
        return wider(
            grants(resources(old, stack_parameters(before), *where)),
            grants(resources(stack.template, stack.parameters, *where)),
        )

    def execute(self, plans: Sequence[StackPlan], progress: Progress) -> None:
        """Start all change sets, then wait for each: stacks build side by side, and none is left when one fails."""
        failures: list[str] = []
        started: list[StackPlan] = []
        for plan in plans:
            try:
                self._cloudformation.execute_change_set(ChangeSetName=plan.change_set)
                started.append(plan)
            except ClientError as error:
                failures.append(_start_refusal(plan.stack.name, _say(error)))
        for plan in started:
            try:
                self._wait_for_start(plan)
                _wait(self._cloudformation, plan.stack.name, plan.stack_id)
                progress(f"{plan.stack.name}: deployed")
            except DeployError as error:
                failures.append(str(error))
        if failures:
            raise DeployError("\n".join(failures))

    def _wait_for_start(self, plan: StackPlan) -> None:
        """Until then the stack's state is that of the deployment before."""
        pause, describe = _Pause(), self._cloudformation.describe_change_set
        with contextlib.suppress(self._cloudformation.exceptions.ChangeSetNotFoundException):
            while describe(ChangeSetName=plan.change_set)["ExecutionStatus"] == "AVAILABLE":
                pause()

    def protect(self, names: Sequence[str]) -> None:
        """Let nobody delete the stacks before the protection is taken away, or let them, as the options say."""
        for name in names:
            stack = self.describe(name)
            if stack and bool(stack.get("EnableTerminationProtection")) != self._options.termination_protection:
                self._cloudformation.update_termination_protection(
                    StackName=name, EnableTerminationProtection=self._options.termination_protection
                )

    def discard(self, plan: StackPlan) -> None:
        """Forget a change set. A stack that is only planned is nothing but its change set, and goes with it."""
        if not plan.change_set:
            return
        self._cloudformation.delete_change_set(ChangeSetName=plan.change_set)
        if plan.is_new:
            self._cloudformation.delete_stack(StackName=plan.stack_id)

    def delete(self, names: Sequence[str], progress: Progress) -> None:
        """Delete stacks side by side and wait. Resources that their template keeps stay. Raises DeployError."""
        started = []
        for name in names:
            if stack := self.describe(name):
                self._cloudformation.delete_stack(StackName=name)
                started.append((name, str(stack["StackId"])))
        for name, stack_id in started:
            _wait(self._cloudformation, name, stack_id, ("DELETE_COMPLETE",))
            progress(f"{name}: deleted")


def _changes(described: Mapping[str, Any]) -> tuple[Change, ...]:
    words = {"Add": "add", "Modify": "change", "Remove": "remove", "Import": "import", "Dynamic": "change"}
    found = []
    for one in (entry["ResourceChange"] for entry in described.get("Changes", [])):
        is_replaced = one["Action"] == "Modify" and one.get("Replacement") == "True"
        action = "replace" if is_replaced else words.get(one["Action"], one["Action"])
        found.append(Change(action, one["LogicalResourceId"], one["ResourceType"]))
    return tuple(found)


def stack_parameters(described: Mapping[str, Any]) -> dict[str, str]:
    """The parameters of a stack as CloudFormation describes it."""
    return {p["ParameterKey"]: p.get("ParameterValue", "") for p in described.get("Parameters", [])}


class _Pause:
    """Waits a little longer at each call: seconds, up to _LONGEST_WAIT_SECONDS."""

    def __init__(self) -> None:
        self._seconds = _FIRST_WAIT_SECONDS

    def __call__(self) -> None:
        time.sleep(self._seconds)
        self._seconds = min(self._seconds * 1.5, _LONGEST_WAIT_SECONDS)


def _start_refusal(name: str, reason: str) -> str:
    return (
        f"CloudFormation did not start to deploy the stack {name}: {reason.rstrip('.')}. "
        "Deploying again helps only if another deployment was under way."
    )


def defaults(template: str) -> dict[str, str]:
    """The parameters that a template declares, with their defaults; a parameter without one is the empty text."""
    declared = read_template(template).get("Parameters", {})
    return {name: str(one.get("Default", "")) for name, one in declared.items()}


def _template_argument(s3: "S3Client", settings: LakeSettings, stack: Stack) -> dict[str, str]:
    content = stack.template.encode()
    if len(content) <= _LARGEST_BODY:
        return {"TemplateBody": stack.template}
    key = f"templates/{stack.name}"
    s3.put_object(Bucket=settings.artifacts_bucket, Key=key, Body=content)
    return {"TemplateURL": f"{s3.meta.endpoint_url}/{settings.artifacts_bucket}/{key}"}


DEPLOYED = ("CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS", "IMPORT_COMPLETE")


def _wait(cloudformation: "CloudFormationClient", name: str, stack_id: str, until: Sequence[str] = DEPLOYED) -> None:
    """Return once the stack is complete. Raises DeployError with the first failing resource and its reason."""
    pause = _Pause()
    while True:
        stack = cloudformation.describe_stacks(StackName=stack_id)["Stacks"][0]
        status = stack["StackStatus"]
        if status in until:
            return
        if not status.endswith("_IN_PROGRESS"):
            cause = _first_failure(cloudformation, stack_id) or stack.get("StackStatusReason", "no reason given")
            raise DeployError(f"The stack {name} ended as {status}: {cause.rstrip('.')}. {_advice(status)}")
        pause()


def _advice(status: str) -> str:
    if status in ("DELETE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE"):
        return "It is as it was before; deploy again once the cause is gone."
    if status == "DELETE_FAILED":
        return "What it had besides may be gone; undeploy again once the cause is gone."
    return "It is stuck between two states; put it right in the CloudFormation console before you deploy again."


def _first_failure(cloudformation: "CloudFormationClient", stack_id: str) -> str | None:
    """The first resource that failed since the operation began. Later failures are mostly cancellations that follow."""
    first = _refuse_before_start(cloudformation, stack_id)
    for event in _events_of_operation(cloudformation, stack_id):
        reason = event.get("ResourceStatusReason", "")
        of_resource = event["ResourceType"] != "AWS::CloudFormation::Stack"
        if of_resource and event["ResourceStatus"].endswith("_FAILED") and "cancelled" not in reason:
            first = f"{event['LogicalResourceId']} ({event['ResourceType']}) {event['ResourceStatus']}: {reason}"
    return first


def _refuse_before_start(cloudformation: "CloudFormationClient", stack_id: str) -> str | None:
    """What CloudFormation's own validation found, such as a bucket name that is taken. Stack events do not tell it."""
    pages = cloudformation.get_paginator("describe_events").paginate(StackName=stack_id, Filters={"FailedEvents": True})
    for event in (event for page in pages for event in page["OperationEvents"]):
        if event["EventType"] == "VALIDATION_ERROR":
            reason = event.get("ValidationStatusReason", "no reason given")
            return f"{event.get('LogicalResourceId')} ({event.get('ResourceType')}) is not valid: {reason}"
    return None


def _events_of_operation(cloudformation: "CloudFormationClient", stack_id: str) -> Iterator[Mapping[str, Any]]:
    """Events of the latest create or update, newest first."""
    for page in cloudformation.get_paginator("describe_stack_events").paginate(StackName=stack_id):
        for event in page["StackEvents"]:
            yield event
            is_stack = event.get("PhysicalResourceId") == event["StackId"]
            if is_stack and event["ResourceStatus"] in _BEGUN:
                return


def _say(error: ClientError) -> str:
    return str(error.response["Error"].get("Message", error))

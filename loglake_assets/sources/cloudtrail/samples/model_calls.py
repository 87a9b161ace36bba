"""What the samples of other logs need to know of the model invocations that these deliveries tell of."""

import json
from collections.abc import Callable
from dataclasses import dataclass

from loglake_assets.sources.cloudtrail.samples.deliveries import READABLE
from loglake_assets.sources.cloudtrail.samples.plan import Plan


@dataclass(frozen=True, slots=True)
class InvokedModel:
    """One event of the Bedrock runtime. The time is in epoch seconds; `arn` is empty where the identity has none."""

    time: int
    account: str
    region: str
    arn: str
    request_id: str
    event_name: str
    model: str
    is_readable: bool
    """Whether at least one readable object holds the event."""


def invoked_models(plan: Plan, record: Callable[[int], str]) -> list[InvokedModel]:
    """Every Bedrock runtime event of the plan, in the order of time. `record` writes an event."""
    readable = {index for d in plan.deliveries if d.kind in READABLE for index in d.events}
    indices = [index for index in range(plan.usable) if plan.kinds[index] == "bedrock"]
    invoked = [_invocation(record(index), plan.times[index], index in readable) for index in indices]
    return sorted(invoked, key=lambda model: (model.time, model.request_id))


def _invocation(text: str, time: int, is_readable: bool) -> InvokedModel:
    event = json.loads(text)
    return InvokedModel(
        time,
        event["recipientAccountId"],
        event["awsRegion"],
        event["userIdentity"].get("arn", ""),
        event["requestID"],
        event["eventName"],
        event["requestParameters"]["modelId"],
        is_readable,
    )

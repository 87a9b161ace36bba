"""What the samples of other logs need to know of the sessions that these deliveries tell of."""

import json
from collections.abc import Callable
from dataclasses import dataclass

from loglake_assets.sources.cloudtrail.samples.deliveries import READABLE
from loglake_assets.sources.cloudtrail.samples.plan import Plan
from loglake_assets.sources.cloudtrail.samples.sessions import SHELL


@dataclass(frozen=True, slots=True)
class StartedSession:
    """One StartSession event. Times are epoch seconds; of a denied attempt, id and target are empty."""

    time: int
    account: str
    region: str
    arn: str
    session_id: str
    target: str
    document: str
    is_readable: bool
    """Whether at least one readable object holds the event."""
    ended: int | None
    """When its TerminateSession was called, as far as a readable object holds that."""


def started_sessions(plan: Plan, record: Callable[[int], str]) -> list[StartedSession]:
    """Every StartSession event of the plan, denied ones too, in the order of time. `record` writes an event."""
    readable = {index for d in plan.deliveries if d.kind in READABLE for index in d.events}
    ended = {plan.sessions[i]: plan.times[i] for i in sorted(readable & plan.sessions.keys())}
    kinds = ("start_session", "start_session_denied")
    indices = [index for index in range(plan.usable) if plan.kinds[index] in kinds]
    sessions = [_start(record(index), plan.times[index], index in readable, ended.get(index)) for index in indices]
    return sorted(sessions, key=lambda session: (session.time, session.session_id))


def _start(text: str, time: int, is_readable: bool, ended: int | None) -> StartedSession:
    event = json.loads(text)
    request, response = event["requestParameters"] or {}, event["responseElements"] or {}
    return StartedSession(
        time,
        event["recipientAccountId"],
        event["awsRegion"],
        event["userIdentity"].get("arn", ""),
        response.get("sessionId", ""),
        request.get("target", ""),
        request.get("documentName", SHELL),
        is_readable,
        ended,
    )

"""One log event of the plan as Firehose carries it: its id, time and message. A function of seed and event number."""

import json
from random import Random

from loglake_assets.sources.cloudtrail.samples.identifiers import stamp
from loglake_assets.sources.cloudtrail.samples.trail import Json
from loglake_assets.sources.cloudwatch.samples.messages import general_message
from loglake_assets.sources.cloudwatch.samples.plan import PlannedEvent
from loglake_assets.sources.cloudwatch.samples.sessions import Session, long_session_dice
from loglake_assets.sources.cloudwatch.samples.streams import ACCESS_GROUP, CENTRAL_FIREHOSE
from loglake_assets.sources.cloudwatch.samples.terminal import entries, long_session, plain_text


def log_event(seed: int, index: int, event: PlannedEvent) -> Json:
    """An element of `logEvents`. Its id is 56 digits that grow with the time, as CloudWatch makes them."""
    text = message(seed, index, event)
    written: Json = {"id": f"{(event.time << 144) + event.ordinal:056d}", "timestamp": event.time, "message": text}
    if event.stream.group == ACCESS_GROUP and event.stream.firehose == CENTRAL_FIREHOSE:
        fields = json.loads(text) if text.startswith('{"requestId') else {}
        written["extractedFields"] = {name: str(fields[name]) for name in ("httpMethod", "status") if name in fields}
    return written


def message(seed: int, index: int, event: PlannedEvent) -> str:
    """The text of an event."""
    if event.session is None:
        return general_message(event.stream.group, Random(seed * 1_000_003 + index), event.time)
    if event.session.kind == "plain":
        return "\n".join(session_lines(seed, event.session, event.part))
    started = event.session.started
    upload = {
        "eventVersion": "1.0",
        "eventTime": stamp(event.time // 1000),
        "awsRegion": started.region,
        "target": {"id": started.target},
        "userIdentity": {"arn": started.arn},
        "runAsUser": "ssm-user",
        "sessionId": started.session_id,
        "sessionData": session_lines(seed, event.session, event.part),
    }
    return json.dumps(upload, ensure_ascii=False, separators=(",", ":"))


def session_lines(seed: int, session: Session, part: int) -> list[str]:
    """The lines that event `part` of a session holds."""
    if session.kind == "long":
        return list(long_session(long_session_dice(seed, session))[part])
    rng, parts = Random(f"{seed}:lines:{session.number}:{part}"), len(session.times)
    if session.kind == "plain":
        return plain_text(rng, part, parts)
    return entries(session.kind, rng, part, parts)

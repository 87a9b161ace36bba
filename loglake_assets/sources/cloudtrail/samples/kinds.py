"""The kinds of events: how often each occurs, how it is written, and which of them the ground truth counts."""

import json
from collections.abc import Callable

from loglake_assets.sources.cloudtrail.samples import calls, oddities, sessions
from loglake_assets.sources.cloudtrail.samples.drafts import Draft
from loglake_assets.sources.cloudtrail.samples.envelope import envelope
from loglake_assets.sources.cloudtrail.samples.trail import HOSTILE

COMMON: dict[str, tuple[float, Callable[[Draft], None]]] = {  # kind: (weight, how it is written)
    "call": (52, calls.call),
    "object_read": (8, calls.object_read),
    "denied_call": (2, calls.denied_call),
    "start_session": (1.2, sessions.start_session),
    "start_session_denied": (0.15, sessions.denied_session_start),
    "terminate_session": (0.9, sessions.terminate_session),
    "athena_session": (0.5, sessions.athena_session),
    "assume_role": (8, sessions.assume_role),
    "assume_role_saml": (3, sessions.assume_role_saml),
    "by_service": (8, sessions.by_service),
    "service_event": (1, calls.service_event),
    "console_login": (1, sessions.console_login),
    "identity_center": (3, calls.identity_center),
    "bedrock": (6, calls.bedrock),
    "hostile": (0.2, calls.hostile),
}
ODD: dict[str, tuple[int, Callable[[Draft], None]]] = {  # kind: (how many, how it is written)
    "huge_record": (1, oddities.huge),
    "without_request_id": (1, oddities.without_request_id),
    "without_event_id": (1, oddities.without_event_id),
    "future_key": (3, oddities.future_key),
    "number_as_int": (3, oddities.number_as_int),
    "number_as_text": (3, oddities.number_as_text),
    "read_only_as_text": (3, oddities.read_only_as_text),
    "addendum": (3, oddities.addendum),
    "other_recipient": (2, oddities.other_recipient),
    "last_second": (6, calls.call),
    "hostile": (len(HOSTILE), calls.hostile),
    "grave_call": (len(calls.GRAVE_CALLS), calls.grave_call),
    "athena_session": (2, sessions.athena_session),
    "start_session": (4, sessions.start_session),
    "start_session_denied": (2, sessions.denied_session_start),
}
UNUSABLE = {"without_event_time": "eventtime_missing", "epoch_event_time": "eventtime_implausible"}
WRITERS: dict[str, Callable[[Draft], None]] = {
    **{kind: writer for kind, (_, writer) in COMMON.items()},
    **{kind: writer for kind, (_, writer) in ODD.items()},
    "shared": calls.data_key_of_two_accounts,
    "without_event_time": oddities.without_event_time,
    "epoch_event_time": calls.call,
}
COUNTED = {  # what the ground truth counts by day: kinds
    "ssm_start_session": ("start_session", "start_session_denied"),
    "ssm_start_session_denied": ("start_session_denied",),
    "ssm_terminate_session": ("terminate_session",),
    "other_start_session": ("athena_session",),
}


def record_text(kind: str, draft: Draft) -> str:
    """The record of an event, as JSON text."""
    envelope(draft)
    WRITERS[kind](draft)
    sort_keys = draft.index % 10 == 0  # some writers sort their keys; nobody may rely on an order
    return json.dumps(draft.record, ensure_ascii=False, separators=(",", ":"), sort_keys=sort_keys)

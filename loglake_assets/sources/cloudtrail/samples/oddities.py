"""What real trails carry once in a while: an ordinary call, and then what is odd about it."""

from loglake_assets.sources.cloudtrail.samples.calls import call
from loglake_assets.sources.cloudtrail.samples.drafts import Draft
from loglake_assets.sources.cloudtrail.samples.identifiers import event_id, hex_digits, uuid_text

_NOT_IN_VERSION_1_0 = (
    *("eventID", "requestID", "eventType", "readOnly", "recipientAccountId"),
    *("managementEvent", "eventCategory", "tlsDetails"),
)


def huge(draft: Draft) -> None:
    lines = [f"  Parameter{n:05d}: {hex_digits(draft.rng, 48)}" for n in range(2000)]
    request = {"stackName": "example", "templateBody": "Resources:\n" + "\n".join(lines)}
    draft.call("cloudformation", "CreateStack", False, request, {"stackId": "example"})


def without_request_id(draft: Draft) -> None:
    call(draft)
    del draft.record["requestID"]


def without_event_id(draft: Draft) -> None:
    call(draft)
    for key in _NOT_IN_VERSION_1_0:
        draft.record.pop(key, None)
    draft.record["eventVersion"] = "1.0"


def future_key(draft: Draft) -> None:
    call(draft)
    draft.record.update(eventVersion="1.14", futureDetails={"example": [1, "two", {"three": None}]})


def number_as_int(draft: Draft) -> None:
    draft.call("glue", "GetTables", True, {"databaseName": "example", "maxResults": 50, "expression": ["a", "b"]})


def number_as_text(draft: Draft) -> None:
    draft.call("glue", "GetTables", True, {"databaseName": "example", "maxResults": "50", "expression": {"items": "a"}})


def read_only_as_text(draft: Draft) -> None:
    call(draft)
    draft.record.update(eventVersion="1.05", readOnly="true")


def addendum(draft: Draft) -> None:
    call(draft)
    original = event_id(draft.seed, draft.index - 1)
    reason = draft.rng.choice(("DELIVERY_DELAY", "UPDATED_DATA", "SERVICE_OUTAGE"))
    updated = {
        "updatedFields": "responseElements",
        "originalRequestID": uuid_text(draft.rng),
        "originalEventID": original,
    }
    draft.record["addendum"] = {"reason": reason} | updated


def other_recipient(draft: Draft) -> None:
    call(draft)
    draft.record["recipientAccountId"] = "555555555555"


def without_event_time(draft: Draft) -> None:
    call(draft)
    del draft.record["eventTime"]

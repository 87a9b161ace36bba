"""What a correct lake must find in the deliveries of a plan, counted in the plan and not in the bytes."""

import json
from collections import Counter, defaultdict
from collections.abc import Iterable

from loglake_assets.sources.bedrock.samples.bodies import result_bytes
from loglake_assets.sources.bedrock.samples.conversations import Call, Conversation, calls
from loglake_assets.sources.bedrock.samples.deliveries import IGNORED, READABLE, UNREADABLE, Delivery
from loglake_assets.sources.bedrock.samples.invocations import Invocation
from loglake_assets.sources.bedrock.samples.plan import Plan
from loglake_assets.sources.bedrock.samples.world import NATIVE_STREAM
from loglake_assets.sources.cloudtrail.samples.identifiers import iso_day
from loglake_assets.sources.sample_deliveries import GroundTruth, ToolCallTruth


def ground_truth(plan: Plan, seed: int) -> GroundTruth:
    """Every count, each fault by its name, and each tool call."""
    readable = [d for d in plan.deliveries if d.kind in READABLE]
    unreadable = [d for d in plan.deliveries if d.kind in UNREADABLE]
    copies = Counter(index for d in readable for index in d.invocations)
    rows = {index: count for index, count in copies.items() if index < plan.usable}
    held = {index for d in unreadable for index in d.invocations}
    partitions = _partitions([*readable, *unreadable])
    unusable = copies.total() - sum(rows.values())
    tool_calls = tool_call_truths(plan, seed, set(rows))
    return GroundTruth(
        distinct_by_day=_by_day(plan, rows),
        duplicates_by_day=_by_day(plan, (index for index, count in rows.items() for _ in range(count - 1))),
        objects_by_kind=_sort(Counter(d.kind for d in plan.deliveries)),
        records_in_readable_objects=copies.total(),
        quarantined_objects={d.key: UNREADABLE[d.kind] for d in unreadable},
        quarantined_records={"eventtime_missing": unusable} if unusable else {},
        ignored_keys=_sort(Counter(IGNORED[d.kind] for d in plan.deliveries if d.kind in IGNORED)),
        records_in_unreadable_objects=sum(len(d.invocations) for d in unreadable),
        events_in_unreadable_objects=_by_day(plan, (index for index in held if index not in copies)),
        raw_partitions=len(partitions),
        named_counts_by_day={
            "errors": _by_day(plan, (i for i in rows if plan.invocations[i].error)),
            "with_trail_event": _by_day(plan, (i for i in rows if plan.invocations[i].in_readable_trail)),
            "tool_calls": _sort(Counter(call.day for call in tool_calls)),
        },
        tool_calls=tool_calls,
        faults=_fault_counts(plan, readable, rows),
        very_late_objects=len(plan.late_deliveries),
        very_late_by_day=_by_day(plan, (index for d in plan.late_deliveries for index in d.invocations)),
        very_late_raw_partitions=len(_partitions(plan.late_deliveries) - partitions),
    )


def tool_call_truths(plan: Plan, seed: int, readable: set[int]) -> list[ToolCallTruth]:
    """Each call that a readable record tells of, in the order of day and id."""
    turns: dict[int, list[Invocation]] = defaultdict(list)
    for index in sorted(readable, key=lambda i: (plan.invocations[i].time, i)):
        if conversation := plan.invocations[index].conversation:
            turns[conversation.number].append(plan.invocations[index])
    truths = (
        _tool_call_truth(call, turn, turns[conversation.number])
        for conversation in plan.conversations
        for turn, call in _calls(seed, conversation)
    )
    return sorted((truth for truth in truths if truth), key=lambda truth: (truth.day, truth.tool_use_id))


def _calls(seed: int, conversation: Conversation) -> Iterable[tuple[int, Call]]:
    for turn in range(len(conversation.asks)):
        for call in calls(seed, conversation, turn):
            yield turn, call


def _tool_call_truth(call: Call, turn: int, readable: list[Invocation]) -> ToolCallTruth | None:
    """`readable` are the conversation's, in the order of time. Whatever history shows a call shows its result too."""
    asked = [i for i in readable if i.turn == turn and not i.error and "output" not in i.stored]
    shown = [i for i in readable if i.turn > turn and "input" not in i.stored]
    if not asked and not shown:
        return None
    told = (asked or shown)[0]
    brought = shown[0] if shown else None
    return ToolCallTruth(
        tool_use_id=call.tool_use_id,
        tool_name=call.name,
        day=iso_day(told.time),
        useridentity_arn=told.arn,
        modelid=told.model,
        requestid=told.request_id,
        asked_in="output" if asked else "history",
        input_json=json.dumps(call.input, sort_keys=True),
        result_status=("error" if call.is_error else "success") if brought else None,
        result_bytes=result_bytes(brought.operation, call) if brought else None,
        result_requestid=brought.request_id if brought else None,
        has_trail_event=told.in_readable_trail,
    )


def _by_day(plan: Plan, indices: Iterable[int]) -> dict[str, int]:
    return _sort(Counter(iso_day(plan.invocations[index].time) for index in indices))


def _sort(counts: Counter[str]) -> dict[str, int]:
    return dict(sorted(counts.items()))


def _partitions(deliveries: list[Delivery]) -> set[tuple[str, str]]:
    return {(d.folder, d.hour) for d in deliveries}


def _fault_counts(plan: Plan, readable: list[Delivery], rows: dict[int, int]) -> dict[str, int]:
    """Faults by name. A late record is one that no readable object under its own day's prefix holds."""
    prefixes: dict[int, set[str]] = defaultdict(set)
    for delivery in readable:
        for index in delivery.invocations:
            prefixes[index].add(delivery.day)
    objects = Counter(d.kind for d in plan.deliveries)
    distinct = [plan.invocations[index] for index in rows]
    return {
        "duplicate_records": sum(rows.values()) - len(rows),
        "late_records": sum(iso_day(plan.invocations[index].time) not in prefixes[index] for index in rows),
        "without_timestamp": plan.faults.without_timestamp,
        "zero_byte": objects["zero_byte"],
        **{kind: objects[kind] for kind in UNREADABLE},
        "streams_as_lists": sum(i.operation == NATIVE_STREAM and not i.error for i in distinct),
        "without_messages": sum(i.kind in ("embedding", "text") for i in distinct),
        "without_identity": sum(not i.arn for i in distinct),
        "bodies_apart": sum(len(i.stored) for i in distinct),
        "bodies_absent": sum(len(i.absent) for i in distinct),
    }

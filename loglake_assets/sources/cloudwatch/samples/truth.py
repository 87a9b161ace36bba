"""What a correct lake must find in the deliveries of a plan, counted in the plan and not in the bytes."""

from collections import Counter, defaultdict
from collections.abc import Iterable

from loglake_assets.sources.cloudtrail.samples.identifiers import iso_day
from loglake_assets.sources.cloudwatch.samples.deliveries import IGNORED, READABLE, UNREADABLE, Delivery
from loglake_assets.sources.cloudwatch.samples.plan import Plan
from loglake_assets.sources.cloudwatch.samples.sessions import Session
from loglake_assets.sources.cloudwatch.samples.states import Sighting, state_of
from loglake_assets.sources.cloudwatch.samples.streams import SESSION_GROUP
from loglake_assets.sources.cloudwatch.samples.terminal import transcript_lines
from loglake_assets.sources.cloudwatch.samples.texts import session_lines
from loglake_assets.sources.sample_deliveries import GroundTruth, SessionTruth


def ground_truth(plan: Plan, seed: int) -> GroundTruth:
    """Every count, each fault by its name, and each session."""
    readable = [d for d in plan.deliveries if d.kind in READABLE]
    unreadable = [d for d in plan.deliveries if d.kind in UNREADABLE]
    copies = Counter(index for d in readable for index in d.events)
    rows = {index: count for index, count in copies.items() if index < plan.usable}
    held = {index for d in unreadable for index in d.events}
    controls = [time for d in readable for time in d.control_times]
    partitions = {d.folder for d in [*readable, *unreadable]}
    unusable = copies.total() - sum(rows.values())
    return GroundTruth(
        distinct_by_day=_by_day(plan, rows),
        duplicates_by_day=_by_day(plan, (index for index, count in rows.items() for _ in range(count - 1))),
        excluded_by_day=_sort(Counter(iso_day(time // 1000) for time in controls)),
        objects_by_kind=_sort(Counter(d.kind for d in plan.deliveries)),
        records_in_readable_objects=copies.total() + len(controls),
        quarantined_objects={d.key: UNREADABLE[d.kind] for d in unreadable},
        quarantined_records={"eventtime_implausible": unusable} if unusable else {},
        ignored_keys=_sort(Counter(IGNORED[d.kind] for d in plan.deliveries if d.kind in IGNORED)),
        records_in_unreadable_objects=sum(len(d.events) for d in unreadable),
        events_in_unreadable_objects=_by_day(plan, (index for index in held if index not in copies)),
        raw_partitions=len(partitions),
        named_counts_by_day={
            "session_events": _by_day(plan, (i for i in rows if plan.events[i].stream.group == SESSION_GROUP))
        },
        sessions=session_truths(plan, seed, set(rows)),
        faults=_fault_counts(plan, readable, rows),
        very_late_objects=len(plan.late_deliveries),
        very_late_by_day=_by_day(plan, (index for d in plan.late_deliveries for index in d.events)),
        very_late_raw_partitions=len({d.folder for d in plan.late_deliveries} - partitions),
    )


def session_truths(plan: Plan, seed: int, readable: set[int]) -> list[SessionTruth]:
    """Each StartSession that CloudTrail's readable objects hold, and each session that only its events tell of."""
    events: dict[int, list[int]] = defaultdict(list)
    for index, event in enumerate(plan.events[: plan.usable]):
        if event.session:
            events[event.session.number].append(index)
    unreadable_times = [d.time for d in plan.deliveries if d.kind in UNREADABLE]
    truths = (
        _session_truth(plan, seed, session, events[session.number], readable, unreadable_times)
        for session in plan.sessions
    )
    return [truth for truth in truths if truth]


def _session_truth(
    plan: Plan, seed: int, session: Session, events: list[int], readable: set[int], unreadable_times: list[int]
) -> SessionTruth | None:
    started, times = session.started, [plan.events[index].time for index in events]
    built = [index for index in events if index in readable and plan.events[index].time < plan.end * 1000]
    if not started.is_readable and not built:
        return None
    sighting = Sighting(
        start=started.time if started.is_readable else None,
        ended=started.ended,
        document=started.document,
        is_denied=session.kind == "denied",
        last_event=plan.events[built[-1]].time / 1000 if built else None,
        has_missing_events=any(index not in readable for index in events),
        goes_on=bool(times) and times[-1] >= plan.end * 1000,
    )
    first = started.time if started.is_readable else plan.events[built[0]].time // 1000
    return SessionTruth(
        session_id=started.session_id,
        f_sessionid=started.session_id.rpartition("-")[2],
        kind=session.kind,
        day=iso_day(first),
        state=state_of(sighting, unreadable_times, plan.end),
        lines=transcript_lines(session_lines(seed, session, plan.events[index].part) for index in built),
        events=len(built),
    )


def _by_day(plan: Plan, events: Iterable[int]) -> dict[str, int]:
    return _sort(Counter(iso_day(plan.events[index].time // 1000) for index in events))


def _sort(counts: Counter[str]) -> dict[str, int]:
    return dict(sorted(counts.items()))


def _fault_counts(plan: Plan, readable: list[Delivery], rows: dict[int, int]) -> dict[str, int]:
    """Faults by name. A late event is one that no readable object under its own day's prefix holds."""
    prefixes: dict[int, set[str]] = defaultdict(set)
    for delivery in readable:
        for index in delivery.events:
            prefixes[index].add(iso_day(delivery.time))
    objects = Counter(d.kind for d in plan.deliveries)
    return {
        "duplicate_records": sum(rows.values()) - len(rows),
        "late_events": sum(iso_day(plan.events[index].time // 1000) not in prefixes[index] for index in rows),
        "control_messages": sum(len(d.control_times) for d in readable),
        "epoch_event_time": plan.faults.epoch_event_time,
        **{kind: objects[kind] for kind in (*UNREADABLE, *READABLE[1:])},
    }

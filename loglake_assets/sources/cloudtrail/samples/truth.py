"""What a correct lake must find in the deliveries of a plan, counted in the plan and not in the bytes."""

from collections import Counter, defaultdict
from collections.abc import Iterable

from loglake_assets.sources.cloudtrail.samples.deliveries import IGNORED, READABLE, UNREADABLE, Delivery
from loglake_assets.sources.cloudtrail.samples.identifiers import iso_day
from loglake_assets.sources.cloudtrail.samples.kinds import COMMON, COUNTED, ODD, UNUSABLE
from loglake_assets.sources.cloudtrail.samples.plan import DAY_SECONDS, Plan
from loglake_assets.sources.sample_deliveries import GroundTruth


def ground_truth(plan: Plan) -> GroundTruth:
    """Every count, and each fault by its name."""
    logs = [d for d in plan.deliveries if d.kind in READABLE]
    unreadable = [d for d in plan.deliveries if d.kind in UNREADABLE]
    copies = Counter(index for d in logs for index in d.events)
    rows = {index: count for index, count in copies.items() if plan.kinds[index] not in UNUSABLE}
    held = {index for d in unreadable for index in d.events}
    partitions = _partitions([*logs, *unreadable])
    return GroundTruth(
        distinct_by_day=_by_day(plan, rows),
        duplicates_by_day=_by_day(plan, (index for index, count in rows.items() for _ in range(count - 1))),
        objects_by_kind=_sort(Counter(d.kind for d in plan.deliveries)),
        records_in_readable_objects=copies.total(),
        quarantined_objects={d.key: UNREADABLE[d.kind] for d in unreadable},
        quarantined_records=_sort(Counter(UNUSABLE[plan.kinds[i]] for i in copies.elements() if i not in rows)),
        ignored_keys=_sort(Counter(IGNORED[d.kind] for d in plan.deliveries if d.kind in IGNORED)),
        records_in_unreadable_objects=sum(len(d.events) for d in unreadable),
        events_in_unreadable_objects=_by_day(plan, (index for index in held if index not in copies)),
        raw_partitions=len(partitions),
        named_counts_by_day={
            name: _by_day(plan, (i for i in rows if plan.kinds[i] in kinds)) for name, kinds in COUNTED.items()
        },
        faults=_fault_counts(plan, logs, rows),
        very_late_objects=len(plan.late_deliveries),
        very_late_by_day=_by_day(plan, (index for d in plan.late_deliveries for index in d.events)),
        very_late_raw_partitions=len(_partitions(plan.late_deliveries) - partitions),
    )


def _by_day(plan: Plan, events: Iterable[int]) -> dict[str, int]:
    return _sort(Counter(iso_day(plan.times[index]) for index in events))


def _sort(counts: Counter[str]) -> dict[str, int]:
    return dict(sorted(counts.items()))


def _partitions(deliveries: list[Delivery]) -> set[tuple[int, str]]:
    return {(d.group, d.day) for d in deliveries}


def _fault_counts(plan: Plan, logs: list[Delivery], rows: dict[int, int]) -> dict[str, int]:
    """Faults by name. A late event is one that no readable object under its own day's prefix holds."""
    prefixes: dict[int, set[str]] = defaultdict(set)
    for delivery in logs:
        for index in delivery.events:
            prefixes[index].add(delivery.day)
    kinds = Counter(plan.kinds[index] for index in rows)
    objects = Counter(d.kind for d in plan.deliveries)
    return {
        "duplicate_records": sum(rows.values()) - len(rows),
        "duplicated_across_midnight": sum(len(prefixes[index]) > 1 for index in rows),
        "late_events": sum(iso_day(plan.times[index]) not in prefixes[index] for index in rows),
        "events_at_the_last_second": sum(plan.times[index] % DAY_SECONDS == DAY_SECONDS - 1 for index in rows),
        **{kind: objects[kind] for kind in (*UNREADABLE, *READABLE[1:])},
        **{kind: kinds[kind] for kind in ODD if kind not in COMMON and kind != "last_second"},
        **{kind: plan.kinds.count(kind) for kind in UNUSABLE},
        "hostile": kinds["hostile"],
        "shared": kinds["shared"],
    }

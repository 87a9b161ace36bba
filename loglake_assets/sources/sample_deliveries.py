"""Generated deliveries to try the lake on, with the truth about them. What a record looks like, each source knows.

A source's `samples` module has `generate(first_day, days, events, seed, **faults) -> Samples`, and where its log
vouches for itself, `public_keys()`: the keys its samples are signed with. Standard library only.
"""

import importlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Protocol

FIRST_DAY = date(2026, 11, 1)
DAYS = 3
EVENTS = 50_000
SEED = 1


@dataclass(frozen=True, slots=True)
class SampleObject:
    """One object as delivered; `kind` says what is true of it, such as `log` or `digest`."""

    key: str
    body: bytes
    kind: str
    metadata: Mapping[str, str] = field(default_factory=dict)
    """What S3 keeps beside it, such as the signature of a digest."""


@dataclass(frozen=True)
class SessionTruth:
    """One terminal session, or one denied attempt at it, as a lake of the built days must know it."""

    session_id: str
    """In full, `<name>-<id>`; empty where the attempt was denied."""
    f_sessionid: str
    """What follows the last `-`, by which logs join."""
    kind: str
    """What the samples made it to be, such as `keystrokes` or `port_forwarding`."""
    day: str
    """Of the event that started it; of the first readable keystrokes where no readable object tells of the start."""
    state: str
    """denied, not_loggable, recorded, recorded_partly, lost, awaiting or orphan."""
    lines: tuple[str, ...] = ()
    """What readable objects hold of its transcript, in order, of events on the built days."""
    events: int = 0
    """Distinct keystroke events that the lines are from."""


@dataclass(frozen=True)
class ToolCallTruth:
    """One tool that a model asked for, as a lake of the readable records must know it.

    A record tells of a call in its output, or in the history that its input repeats; a body kept apart tells nothing.
    """

    tool_use_id: str
    tool_name: str
    day: str
    """Of the invocation whose output asked; where that is not to be read, of the first whose input shows the call."""
    useridentity_arn: str
    modelid: str
    requestid: str
    """Of that same invocation, as are identity and model."""
    asked_in: str
    """output or history."""
    input_json: str
    """`json.dumps(input, sort_keys=True)`."""
    result_status: str | None
    """success or error; None where no readable record holds a result."""
    result_bytes: int | None
    """In UTF-8: of the content where it is text, else of its JSON without spaces and without escaping non-ASCII."""
    result_requestid: str | None
    """Of the first readable invocation that brought the result."""
    has_trail_event: bool
    """Whether a readable object of the API log's samples holds an event of that `requestid`."""


@dataclass
class GroundTruth:
    """What a correct lake must find, for `dataclasses.asdict` and JSON. Days are ISO dates, UTC, of the event.

    records_in_readable_objects == sum(distinct_by_day) + sum(duplicates_by_day) + sum(excluded_by_day)
    + sum(quarantined_records), exactly. Days are of the events: one that starts in the built days may go on after them.
    The `very_late_` fields speak of what `late_objects()` adds; no other field counts it.
    """

    distinct_by_day: dict[str, int] = field(default_factory=dict)
    """Rows that a correct readready day holds: events that at least one readable object holds."""
    duplicates_by_day: dict[str, int] = field(default_factory=dict)
    """Copies beyond the first, in readable objects."""
    excluded_by_day: dict[str, int] = field(default_factory=dict)
    """Records the log carries that are no events, such as control messages, counted as excluded."""
    objects_by_kind: dict[str, int] = field(default_factory=dict)
    records_in_readable_objects: int = 0
    quarantined_objects: dict[str, str] = field(default_factory=dict)
    """Object key: reason."""
    quarantined_records: dict[str, int] = field(default_factory=dict)
    """Reason: records of readable objects that cannot be a row."""
    ignored_keys: dict[str, int] = field(default_factory=dict)
    """Reason, as `placement.place` gives it: keys that belong to no partition."""
    records_in_unreadable_objects: int = 0
    events_in_unreadable_objects: dict[str, int] = field(default_factory=dict)
    """Event day: events that no readable object holds, so in no distinct count."""
    raw_partitions: int = 0
    """Distinct raw partitions of all keys that have one, readable or not."""
    named_counts_by_day: dict[str, dict[str, int]] = field(default_factory=dict)
    """Name of something the source counts: event day: distinct readable events."""
    sessions: list[SessionTruth] = field(default_factory=list)
    """Of logs that carry terminal sessions: each one, with what can be known of it."""
    tool_calls: list[ToolCallTruth] = field(default_factory=list)
    """Of logs that carry model invocations: each tool call that a readable record tells of."""
    faults: dict[str, int] = field(default_factory=dict)
    """Name of a fault: how often it is in the objects."""
    very_late_objects: int = 0
    very_late_by_day: dict[str, int] = field(default_factory=dict)
    very_late_raw_partitions: int = 0
    """Raw partitions that exist only once the very late objects have arrived."""


class Samples(Protocol):
    """A set of deliveries. Both iterators make bodies as they go, and start anew at each call."""

    def objects(self) -> Iterator[SampleObject]:
        """Every object, in the order of delivery."""

    def late_objects(self) -> Iterator[SampleObject]:
        """Objects that arrive after the days they belong to were built, beyond the look-ahead."""

    def ground_truth(self) -> GroundTruth:
        """The counts, from the plan and not from the bytes."""


class NoSamplesError(LookupError):
    """The source has no generator of samples."""


def generate(
    source_name: str,
    first_day: date = FIRST_DAY,
    days: int = DAYS,
    events: int = EVENTS,
    seed: int = SEED,
    **faults: int,
) -> Samples:
    """Samples of a source. Same arguments, same bytes. `faults` are how often each fault occurs, by the source's names.

    Raises NoSamplesError where the source has no `samples` module, ValueError for numbers that leave no room.
    """
    made: Samples = _module(source_name).generate(first_day, days, events, seed, **faults)
    return made


def sample_keys(source_name: str) -> dict[str, str]:
    """The public keys that a source's samples are signed with, as a file of keys holds them; none where none are."""
    keys: dict[str, str] = getattr(_module(source_name), "public_keys", dict)()
    return keys


def _module(source_name: str) -> Any:
    module_name = f"loglake_assets.sources.{source_name}.samples"
    try:
        return importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name is None or not module_name.startswith(error.name):
            raise
        raise NoSamplesError(
            f"No samples can be made for source {source_name!r}: there is no module {module_name}. "
            "Trying again does not help; write it, or name another source."
        ) from error

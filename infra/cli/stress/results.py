"""What a step of load did, and whether something gave. Pure: numbers in, numbers and sentences out.

Measuring belongs to stress_watching.py, sending to stress_sending.py.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

BUSIEST_DAY_FILES = 400_000
"""Files of the workload that the original published; taken as the busiest day, and to be taken within an hour."""
BUSIEST_RATE = BUSIEST_DAY_FILES / 3600


@dataclass(frozen=True, slots=True)
class Put:
    """One object that was offered. Times in seconds since 1970; `answered` is None where S3 refused it."""

    values: tuple[str, ...]
    key: str
    events: int
    is_new: bool
    """It opens a prefix that held nothing before."""
    due: float
    started: float
    answered: float | None
    error: str = ""


@dataclass(frozen=True, slots=True)
class Depth:
    """One look at the queue: messages visible and in flight, and new prefixes put whose partition was not there yet."""

    time: float
    queued: int
    pending: int

    @property
    def backlog(self) -> int:
        """New prefixes that are in no partition and in no queue: what the producer has not come to."""
        return max(0, self.pending - self.queued)


@dataclass(frozen=True)
class Loss:
    """What storage and catalog say after draining."""

    objects: int = 0
    """Put and answered, and not in the bucket."""
    prefixes: int = 0
    """Hold objects and have no partition."""
    unstamped: int = 0
    """Have a partition whose arrival stamps are absent, or too old for the last object."""
    dead: int = 0
    undelivered: int = 0
    quarantined: int = 0

    @property
    def total(self) -> int:
        return self.objects + self.prefixes + self.unstamped + self.dead + self.undelivered + self.quarantined


@dataclass(frozen=True)
class Bounds:
    """What a step may do and still have held."""

    late_seconds: float = 0.25
    late_pct: float = 5.0
    latency_p95_seconds: float = 5.0
    backlog: int = 20
    """A backlog below so many is none, however it grows; where few prefixes are opened, below two seconds of them."""

    def floor(self, new_a_second: float) -> float:
        return max(3.0, min(self.backlog, 2 * new_a_second))


@dataclass(frozen=True)
class Step:
    """One rate, offered for a while and then drained. Latencies in seconds, in the order of the puts."""

    rate: float
    seconds: float
    puts: tuple[Put, ...]
    depths: tuple[Depth, ...]
    latencies: tuple[tuple[float, float], ...]
    """Of each new prefix that got its partition: when its put was answered, and how long until the catalog had it."""
    drain_seconds: float
    loss: Loss
    cores: dict[str, float] = field(default_factory=dict)
    """Cores in use while sending, by who used them."""

    @property
    def answered_puts(self) -> list[Put]:
        return [put for put in self.puts if put.answered is not None]

    @property
    def errors(self) -> int:
        return len(self.puts) - len(self.answered_puts)

    @property
    def new_prefixes(self) -> int:
        return sum(put.is_new for put in self.answered_puts)

    @property
    def put_seconds(self) -> list[float]:
        return [put.answered - put.started for put in self.puts if put.answered is not None]

    @property
    def span_seconds(self) -> float:
        """From the first due to the last answer, and no less than the step was to last."""
        if not self.puts:
            return self.seconds
        last = max(put.answered or put.started for put in self.puts)
        return max(self.seconds, last - self.puts[0].due)

    @property
    def objects_per_second(self) -> float:
        """Objects a second that were stored."""
        return len(self.answered_puts) / self.span_seconds

    @property
    def events_a_second(self) -> float:
        return sum(put.events for put in self.answered_puts) / self.span_seconds

    @property
    def depths_while_due(self) -> list[Depth]:
        """The looks at the queue while objects were due."""
        end = self.puts[0].due + self.seconds if self.puts else 0.0
        return [depth for depth in self.depths if depth.time <= end]

    def late(self, bounds: Bounds) -> int:
        """Objects whose put began later than they were due."""
        return sum(put.started - put.due > bounds.late_seconds for put in self.puts)


def percentile(values: Sequence[float], pct: float) -> float | None:
    """The smallest value that `pct` percent of the values do not exceed (nearest rank); None of no values."""
    if not values:
        return None
    ordered = sorted(values)
    return ordered[max(1, math.ceil(pct / 100 * len(ordered))) - 1]


def grows(counts: Sequence[float], floor: float) -> bool:
    """Whether a backlog grows without end: each third is deeper than the one before it, the last by half again.

    A backlog that rises and then stays is none; nor is one below `floor`.
    """
    if len(counts) < 3:
        return False
    size = len(counts) // 3
    first, middle, last = (_mean(part) for part in (counts[:size], counts[size:-size], counts[-size:]))
    return last >= floor and first < middle and last >= middle * 1.5


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def failures(step: Step, bounds: Bounds) -> list[str]:
    """What gave in a step, in the order of the path from put to partition; empty where the step was held."""
    found: list[str] = []
    late, p95 = step.late(bounds), percentile([seconds for _, seconds in step.latencies], 95)
    if step.errors:
        found.append(f"S3 refused {step.errors:,} of {len(step.puts):,} puts")
    if late > len(step.puts) * bounds.late_pct / 100:
        found.append(
            f"puts fell behind: {late:,} of {len(step.puts):,} began over {bounds.late_seconds:g} s late, "
            f"{step.objects_per_second:,.0f} objects/s were stored"
        )
    floor = bounds.floor(step.new_prefixes / step.seconds)
    if grows([depth.backlog for depth in step.depths_while_due], floor):
        found.append(
            f"the producer fell behind: {max(d.backlog for d in step.depths_while_due):,} new prefixes before the queue"
        )
    if grows([depth.queued for depth in step.depths_while_due], floor):
        found.append(
            f"the queue before the consumer grew without end, to {max(d.queued for d in step.depths_while_due):,}"
        )
    if p95 is not None and p95 > bounds.latency_p95_seconds:
        found.append(f"partitions came late: p95 {p95:.1f} s, over the bound of {bounds.latency_p95_seconds:g} s")
    if step.loss.total:
        found.append(loss_sentence(step.loss))
    return found


def loss_sentence(loss: Loss) -> str:
    """What was lost, naming only what was."""
    named = (
        (loss.objects, "objects answered but not stored"),
        (loss.prefixes, "prefixes without a partition"),
        (loss.unstamped, "partitions without a right arrival stamp"),
        (loss.dead, "messages in the dead-letter queue"),
        (loss.undelivered, "notifications undelivered"),
        (loss.quarantined, "messages quarantined"),
    )
    return "lost: " + ", ".join(f"{count:,} {what}" for count, what in named if count)


def next_rate(rate: float, factor: float, up_to: float | None) -> float | None:
    """The rate of the following step; the last one is `up_to` itself, and None follows it."""
    if up_to is not None and rate >= up_to:
        return None
    raised = rate * factor
    return raised if up_to is None else min(raised, up_to)


def verdict(steps: Sequence[Step], bounds: Bounds) -> str:
    """One sentence: what gave first, at which rate."""
    for step in steps:
        if gave := failures(step, bounds):
            return f"At {step.rate:,.0f} objects/s gave first: {'; then '.join(gave)}."
    return f"Nothing gave up to {max((step.rate for step in steps), default=0):,.0f} objects/s."


def scale_to(steps: Sequence[Step], bounds: Bounds, new_prefix_pct: float) -> str:
    """The original's rule, the busiest day within an hour, against the rates that were held."""
    rule = (
        f"The original's rule, the busiest day ({BUSIEST_DAY_FILES:,} files) within an hour, is {BUSIEST_RATE:,.0f} "
        f"objects/s; with {new_prefix_pct:g} % of them opening a prefix: "
    )
    held = max((step for step in steps if not failures(step, bounds)), key=lambda step: step.rate, default=None)
    broke = min((step for step in steps if failures(step, bounds)), key=lambda step: step.rate, default=None)
    if held is not None and held.rate >= math.floor(BUSIEST_RATE):
        return f"{rule}held at {held.rate:,.0f} objects/s, for {held.seconds:,.0f} s and not for the hour."
    if broke is not None and broke.rate <= math.ceil(BUSIEST_RATE):
        return f"{rule}not held, it gave at {broke.rate:,.0f}."
    known = f"held at {held.rate:,.0f}" if held else "not tried"
    return f"{rule}not known, {known}" + (f", gave at {broke.rate:,.0f}." if broke else ".")

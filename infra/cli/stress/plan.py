"""What a stress run offers: samples of a source under prefixes of the run's own, as many as are asked for.

Bodies repeat, since AddAPart never reads them; keys never do. Days lie where no log has any yet, and a leading folder
of the run keeps its objects, partitions and FIFO deduplication apart from those of logs and of other runs.
"""

import gzip
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta

from loglake_assets.sources import LogSource
from loglake_assets.sources.modules import load_recount
from loglake_assets.sources.placement import Placement, place
from loglake_assets.sources.rules import load_rules
from loglake_assets.sources.sample_deliveries import FIRST_DAY, generate

SAMPLE_EVENTS = 20_000
MOST_TEMPLATES = 40
BODIES_A_TEMPLATE = 10
FAR_DAY = date(2080, 1, 1)
LAST_DAY = date(2099, 12, 31)  # Firehose's date folders are told from others by a 20 in front


class StressError(RuntimeError):
    """The stress run cannot be made; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Offer:
    """One object to be put, and the raw partition it means."""

    key: str
    body: bytes
    events: int
    values: tuple[str, ...]
    is_new: bool


@dataclass(frozen=True)
class Template:
    """A sample's key, by day a prefix, and bodies with their event counts that were delivered under such keys."""

    key: str
    day: date
    bodies: list[tuple[bytes, int]]


class Replay:
    """Prefixes by number, and objects in them. Those below `warm` are filled by all steps, others are opened once."""

    def __init__(self, source: LogSource, bucket: str, folder: str, first_day: date = FAR_DAY) -> None:
        self.source, self.bucket, self.folder, self._first_day = source, bucket, folder, first_day
        self._templates = _templates(source, bucket, folder)
        if not self._templates:
            raise StressError(
                f"No sample of {source.title} can be placed below a folder of its own, {folder!r}, so a stress run "
                "could not be kept apart. Trying again does not help; the source's key pattern says what is placed."
            )
        self.warm = self._opened = len(self._templates)
        self._objects = 0

    def warm_objects(self) -> list[Offer]:
        """One object for each prefix that is there before the first step."""
        return [self._object(number, True) for number in range(self.warm)]

    def objects(self, count: int, new_prefix_pct: float) -> Iterator[Offer]:
        """`count` objects, of which `new_prefix_pct` percent, evenly spread, each open a prefix."""
        for position in range(count):
            if int((position + 1) * new_prefix_pct / 100) > int(position * new_prefix_pct / 100):
                self._opened += 1
                yield self._object(self._opened - 1, True)
            else:
                yield self._object(position % self.warm, False)

    def days(self) -> list[date]:
        """Every delivery day that was used so far."""
        last = (self._opened - 1) // len(self._templates)
        return [self._first_day + timedelta(days=n) for n in range(last + 1)]

    def _object(self, prefix_number: int, is_new: bool) -> Offer:
        template = self._templates[prefix_number % len(self._templates)]
        day = self._first_day + timedelta(days=prefix_number // len(self._templates))
        if day > LAST_DAY:
            raise StressError(
                f"A run opens at most {prefix_number:,} prefixes; lower NEW_PREFIX_PCT, SECONDS or UP_TO."
            )
        key = _key(template.key, template.day, day, self.folder, f"{self._objects:08d}-")
        body, events = template.bodies[self._objects % len(template.bodies)]
        self._objects += 1
        placement = place(self.source, self.bucket, key)
        assert isinstance(placement, Placement), "a template is placed on any day, as it was when it was chosen"
        return Offer(key, body, events, placement.values, is_new)


def _key(sample_key: str, sample_day: date, day: date, folder: str, mark: str) -> str:
    prefix, _, name = sample_key.rpartition("/")
    return f"{folder}/{prefix.replace(f'{sample_day:%Y/%m/%d}', f'{day:%Y/%m/%d}', 1)}/{mark}{name}"


def _templates(source: LogSource, bucket: str, folder: str) -> list[Template]:
    """A template for each prefix that differs in more than its day, the first ones that the samples deliver to."""
    found: dict[tuple[str, ...], Template] = {}
    rules, names = load_rules(source.name), tuple(column.name for column in source.raw.partition_keys)
    for sample in generate(source.name, FIRST_DAY, 1, SAMPLE_EVENTS).objects():
        placed = place(source, bucket, sample.key)
        if sample.kind != "log" or not isinstance(placed, Placement):
            continue
        key = _key(sample.key, placed.day, FAR_DAY, folder, "")
        far = place(source, bucket, key)
        if not isinstance(far, Placement) or far.day != FAR_DAY or rules.deny_rule(key, names, far):
            continue
        if far.values not in found and len(found) < MOST_TEMPLATES:
            found[far.values] = Template(sample.key, placed.day, [])
        if far.values in found and len(found[far.values].bodies) < BODIES_A_TEMPLATE:
            found[far.values].bodies.append((sample.body, _event_count(source, sample.body)))
    return list(found.values())


def _event_count(source: LogSource, body: bytes) -> int:
    while body[:2] == b"\x1f\x8b":
        body = gzip.decompress(body)
    return sum(not event.is_excluded for event in load_recount(source).events(body.decode(errors="replace")))

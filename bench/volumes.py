"""Volumes to measure on: the project's own sample records, packed into objects as a trail of some accounts would be.

The sample generator decides what a record looks like; here only which object it lies in. Copies and records without an
id are left out, so that every contender can be held to the same count, and each object stands under its events' day.
"""

import gzip
import json
import re
from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import asdict, dataclass, replace
from datetime import date, timedelta
from pathlib import Path
from random import Random
from typing import Any

import msgspec

from loglake_assets.sources import load_source
from loglake_assets.sources.placement import Placement, place
from loglake_assets.sources.sample_deliveries import FIRST_DAY, Samples, generate

SOURCE = "cloudtrail"
RAW_BUCKET = "raw"
NEEDLE_NAMES = ("StartSession", "AssumeRole", "AssumeRoleWithSAML")
NEEDLE_ACCOUNT_COUNT = 5
_REGIONS = ("us-east-1", "eu-west-1", "ap-southeast-2")
_ACCOUNT = re.compile(rb"\b(111122223333|444455556666|123456789012|777788889999)\b")
_EVENTS_A_BATCH = 100_000  # the generator's plan holds every event of a call in memory


class _Identity(msgspec.Struct):
    """What of a record says where it belongs."""

    eventTime: str = ""  # as the record spells it
    eventName: str = ""
    eventID: str = ""
    recipientAccountId: str = ""


class _Document(msgspec.Struct):
    Records: list[msgspec.Raw] | None = None


_IDENTITY, _DOCUMENT = msgspec.json.Decoder(_Identity), msgspec.json.Decoder(_Document)


@dataclass(frozen=True)
class VolumePlan:
    """What to make. Sizes of objects are events; a group of fewer events than that makes one smaller object."""

    events: int
    events_per_object: int = 500
    days: int = 1
    accounts: int = 20
    seed: int = 1

    @property
    def name(self) -> str:
        return f"{self.events}e-{self.events_per_object}o-{self.days}d-{self.accounts}a-{self.seed}s"


@dataclass(frozen=True)
class Volume:
    """Files on disk and the truth about them. `folder` holds a tree whose relative paths are object keys."""

    folder: Path
    plan: VolumePlan
    event_count: int
    object_count: int
    delivered_bytes: int
    inflated_bytes: int
    needle_count: int
    needle_accounts: tuple[str, ...]
    event_names: tuple[str, ...]
    account_ids: tuple[str, ...]

    @property
    def files(self) -> Path:
        return self.folder / RAW_BUCKET

    @property
    def first_day(self) -> date:
        return FIRST_DAY

    @property
    def last_day(self) -> date:
        return FIRST_DAY + timedelta(days=self.plan.days - 1)

    def paths(self) -> list[str]:
        """Every object's path, sorted."""
        return sorted(str(path) for path in self.files.rglob("*.json.gz"))


def volume(root: Path, plan: VolumePlan) -> Volume:
    """The volume of this plan below `root`, made when it is not there yet."""
    folder = root / plan.name
    described = folder / "volume.json"
    if not described.exists():
        folder.mkdir(parents=True, exist_ok=True)
        described.write_text(json.dumps(_write_volume(folder, plan)), encoding="utf-8")
    return read_volume(folder)


def write_tree(folder: Path, source_name: str, samples: Samples, kinds: Collection[str]) -> Path:
    """Sample objects of these kinds below `folder`, as they are; returns the file of their partitions."""
    locations: dict[tuple[str, ...], str] = {}
    for sample in samples.objects():
        placement = place(load_source(source_name), RAW_BUCKET, sample.key)
        if sample.kind in kinds and isinstance(placement, Placement):
            path = folder / RAW_BUCKET / sample.key
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(sample.body)
            locations[placement.values] = placement.location
    return _put_partitions(folder, locations)


def read_volume(folder: Path) -> Volume:
    """A volume that was made. Raises FileNotFoundError where there is none."""
    told = json.loads((folder / "volume.json").read_text(encoding="utf-8"))
    told["plan"] = VolumePlan(**told["plan"])
    for name in ("needle_accounts", "event_names", "account_ids"):
        told[name] = tuple(told[name])
    return Volume(folder=folder, **told)


def _write_volume(folder: Path, plan: VolumePlan) -> dict[str, Any]:
    numbers = [f"{200_000_000_000 + 7 * n}" for n in range(plan.accounts)]
    needles = frozenset(numbers[: min(NEEDLE_ACCOUNT_COUNT, plan.accounts)])
    sizes: Counter[str] = Counter()
    names, accounts, locations = set[str](), set[str](), dict[tuple[str, ...], str]()
    groups: dict[tuple[str, str], list[bytes]] = {}
    for record, told in _records(plan, numbers):
        names.add(told.eventName)
        accounts.add(told.recipientAccountId)
        sizes["events"] += 1
        sizes["needles"] += told.eventName in NEEDLE_NAMES and told.recipientAccountId in needles
        group = groups.setdefault((told.recipientAccountId, told.eventTime[:10]), [])
        group.append(record)
        if len(group) == plan.events_per_object:
            _put(folder, (told.recipientAccountId, told.eventTime[:10]), group, sizes, locations)
            group.clear()
    for key, group in groups.items():
        if group:
            _put(folder, key, group, sizes, locations)
    _put_partitions(folder, locations)
    return {
        "plan": asdict(plan),
        "event_count": sizes["events"],
        "object_count": sizes["objects"],
        "delivered_bytes": sizes["delivered"],
        "inflated_bytes": sizes["inflated"],
        "needle_count": sizes["needles"],
        "needle_accounts": sorted(needles),
        "event_names": sorted(names),
        "account_ids": sorted(accounts),
    }


def _records(plan: VolumePlan, numbers: list[str]) -> Iterator[tuple[bytes, _Identity]]:
    """Distinct records of the plan's days, each given to one of its accounts."""
    rng, seen, days = Random(plan.seed), set[str](), _days(plan)
    left, seed = plan.events, plan.seed
    while left:
        for raw in _sample_records(
            replace(plan, events=max(min(left, _EVENTS_A_BATCH) * 21 // 20, 1_000 * plan.days), seed=seed)
        ):
            record = _ACCOUNT.sub(rng.choice(numbers).encode(), bytes(raw))
            told = _IDENTITY.decode(record)
            if told.eventID and told.eventID not in seen and told.eventTime[:10] in days and left:
                seen.add(told.eventID)
                left -= 1
                yield record, told
        seed += 1_000


def _days(plan: VolumePlan) -> frozenset[str]:
    return frozenset((FIRST_DAY + timedelta(days=n)).isoformat() for n in range(plan.days))


def _sample_records(plan: VolumePlan) -> Iterator[msgspec.Raw]:
    faults = {"corrupt": 0, "without_event_time": 0, "epoch_event_time": 0}
    for sample in generate(SOURCE, FIRST_DAY, plan.days, plan.events, plan.seed, **faults).objects():
        if sample.kind == "log":
            yield from _DOCUMENT.decode(gzip.decompress(sample.body)).Records or ()


def _put(
    folder: Path,
    group: tuple[str, str],
    records: list[bytes],
    sizes: Counter[str],
    locations: dict[tuple[str, ...], str],
) -> None:
    account, day = group
    content = b'{"Records":[' + b",".join(records) + b"]}"
    body = gzip.compress(content, 6, mtime=0)
    number = sizes["objects"]
    key = _key(account, _REGIONS[int(account[-3:]) % len(_REGIONS)], day, number)
    path = folder / RAW_BUCKET / key
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(body)
    placement = place(load_source(SOURCE), RAW_BUCKET, key)
    assert isinstance(placement, Placement), "keys are a trail's"
    locations[placement.values] = placement.location
    sizes.update(objects=1, delivered=len(body), inflated=len(content))


def _key(account: str, region: str, day: str, number: int) -> str:
    minute = number * 5 % 1440
    stamp = f"{day.replace('-', '')}T{minute // 60:02d}{minute % 60:02d}Z"
    name = f"{account}_CloudTrail_{region}_{stamp}_{number:016d}.json.gz"
    return f"AWSLogs/{account}/CloudTrail/{region}/{day.replace('-', '/')}/{name}"


def _put_partitions(folder: Path, locations: dict[tuple[str, ...], str]) -> Path:
    """What the Glue catalog would hold of these objects."""
    partitions = [
        {"Values": list(values), "StorageDescriptor": {"Location": location}} for values, location in locations.items()
    ]
    path = folder / "partitions.json"
    path.write_text(json.dumps(partitions), encoding="utf-8")
    return path

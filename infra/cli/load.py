"""Files into a source's raw bucket, through S3 as a delivery would come, so that AddAPart registers them."""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from infra.cli.digest_keys import keep_keys
from infra.cli.first_day import hidden_days_hint
from infra.cli.generate import METADATA, PUBLIC_KEYS, read_beside
from infra.cli.local_lake import LocalLake
from loglake_assets.lake.storage.partitions import ALL_DAYS, partitions
from loglake_assets.s3.read_ahead import results_in_order
from loglake_assets.sources import LogSource, load_source
from loglake_assets.sources.placement import Ignored, Placement, place
from loglake_assets.sources.sample_deliveries import SampleObject
from loglake_assets.sources.words import inflect, tally

_IN_FLIGHT = 8
ToPut = tuple[str, Callable[[], bytes]] | tuple[str, Callable[[], bytes], Mapping[str, str]]
"""Key, body when it is asked for, and the object's metadata where it has any."""


class LoadError(RuntimeError):
    """Nothing can be loaded; the message says what was tried and what to do."""


@dataclass(frozen=True)
class LoadResult:
    """What was put: objects by the partition they mean, and ignored keys by reason."""

    objects: int
    bytes: int
    seconds: float
    partitions: frozenset[tuple[str, ...]]
    days: tuple[str, ...]
    ignored: dict[str, int]


def files_under(folder: Path) -> Iterator[tuple[str, Path]]:
    """(key, path) of every file, its relative path being the key. Raises LoadError when there is none."""
    if not folder.is_dir():
        raise LoadError(f"{folder} is not a folder. Name the folder whose relative paths are the object keys.")
    found = [(path.relative_to(folder).as_posix(), path) for path in sorted(folder.rglob("*")) if path.is_file()]
    if not found:
        raise LoadError(f"{folder} holds no file. Nothing was loaded.")
    yield from found


def refuse_strays(source: LogSource, keys: Sequence[str]) -> None:
    """Raise LoadError when none of the keys is a delivery of this log: they would only lie in the bucket."""
    if all(isinstance(place(source, "bucket", key), Ignored) for key in keys):
        raise LoadError(
            f"{tally(len(keys), 'file')} and no delivery of {source.title} among them, the first is {keys[0]!r}. "
            "Nothing was loaded. Relative paths become object keys: name the folder in which keys begin."
        )


def samples_to_put(objects: Iterable[SampleObject]) -> Iterator[ToPut]:
    """Samples as `put_objects` takes them, with their metadata."""
    return ((sample.key, sample.body.__bytes__, sample.metadata) for sample in objects)


def put_objects(lake: LocalLake, source: LogSource, objects: Iterable[ToPut], say: Callable[[str], None]) -> LoadResult:
    """Put every (key, body, metadata if it has any) into the source's raw bucket, a few at a time, telling the rate."""
    bucket, s3 = lake.settings.raw_bucket(source.name), lake.client("s3")

    def put(entry: ToPut) -> tuple[str, int]:
        key, body, metadata = entry[0], entry[1](), entry[2] if len(entry) == 3 else {}
        s3.put_object(Bucket=bucket, Key=key, Body=body, Metadata=dict(metadata))
        return key, len(body)

    started = time.monotonic()
    told = started
    keys: list[str] = []
    total = 0
    for key, length in results_in_order(put, objects, _IN_FLIGHT):
        keys.append(key)
        total += length
        if time.monotonic() - told >= 2:
            told = time.monotonic()
            say(f"  {tally(len(keys), 'object')}, {len(keys) / (time.monotonic() - started):,.0f} a second")
    return _summary(source, bucket, keys, total, time.monotonic() - started)


def _summary(source: LogSource, bucket: str, keys: list[str], total: int, seconds: float) -> LoadResult:
    placements = [place(source, bucket, key) for key in keys]
    placed = [p for p in placements if isinstance(p, Placement)]
    ignored: dict[str, int] = {}
    for placement in placements:
        if isinstance(placement, Ignored):
            ignored[placement.reason] = ignored.get(placement.reason, 0) + 1
    days = tuple(sorted({p.day.isoformat() for p in placed}))
    return LoadResult(len(keys), total, seconds, frozenset(p.values for p in placed), days, ignored)


def await_partitions(
    lake: LocalLake, source: LogSource, wanted: frozenset[tuple[str, ...]], say: Callable[[str], None], seconds: float
) -> set[tuple[str, ...]]:
    """Wait until the catalog shows the partitions; returns those still missing after `seconds`."""
    started = told = time.monotonic()
    while missing := set(wanted) - raw_partition_values(lake, source):
        now = time.monotonic()
        if now - started > seconds:
            break
        if now - told >= 2:
            told = now
            say(f"  {len(wanted) - len(missing):,} of {tally(len(wanted), 'partition')} registered")
        time.sleep(0.1)
    return missing


def raw_partition_values(lake: LocalLake, source: LogSource) -> set[tuple[str, ...]]:
    """Values of every raw partition in the catalog."""
    found = partitions(lake.catalog, source.raw.name, ALL_DAYS)
    return {tuple(p["Values"]) for p in found}


@dataclass(frozen=True)
class LogFiles:
    """Files of a folder to be loaded, with what lies beside it: public keys, and metadata of objects by key."""

    source: LogSource
    files: list[tuple[str, Path]]
    keys: Mapping[str, Any]
    metadata: Mapping[str, Mapping[str, str]]


def files_of(source_name: str, folder: Path) -> LogFiles:
    """What a folder holds of a log. Raises what `files_under` and `refuse_strays` raise."""
    source, files = load_source(source_name), list(files_under(folder))
    refuse_strays(source, [key for key, _ in files])
    return LogFiles(source, files, read_beside(folder, PUBLIC_KEYS), read_beside(folder, METADATA))


def load_files(lake: LocalLake, found: LogFiles, say: Callable[[str], None]) -> int:
    """Load files and wait for their partitions; returns 1 where some are missing after two minutes."""
    keep_keys(lake, found.keys)
    contents = ((key, path.read_bytes, found.metadata.get(key, {})) for key, path in found.files)
    loaded = put_objects(lake, found.source, contents, say)
    days = f"{loaded.days[0]} to {loaded.days[-1]}" if loaded.days else "none"
    say(f"{tally(loaded.objects, 'object')}, {tally(loaded.bytes, 'byte')} in {loaded.seconds:.1f} s; days: {days}")
    for reason, count in sorted(loaded.ignored.items()):
        say(f"  {count:,} {inflect(count, 'is no event', 'are no events')} of this log: {reason}")
    missing = await_partitions(lake, found.source, loaded.partitions, say, 120)
    say(f"{len(loaded.partitions) - len(missing):,} of {tally(len(loaded.partitions), 'partition')} registered")
    if loaded.days and (said := hidden_days_hint(lake.home, date.fromisoformat(loaded.days[0]))):
        say(said)
    return 1 if missing else 0

"""How a day's records differ from what the lake knows of the log: versions, keys and types. Nothing is lost meanwhile.

Names of keys and of versions are shown, escaped and bounded, since they are what is to be known; values never are.

What has no column stands in `otherfields`, so drift is read off the stored rows and needs no raw object.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from loglake_assets.lake.storage.keys import check_key
from loglake_assets.lake.storage.table import Table
from loglake_assets.s3.orc import coalesce, stripes_of
from loglake_assets.s3.pages import keys
from loglake_assets.s3.urls import bucket_and_prefix
from loglake_assets.sources import LogSource
from loglake_assets.sources.modules import load_decoder

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

DRIFT = "drift"
OTHERS = "otherfields"
UNKNOWN_VERSION, UNSEEN_KEY, DOES_NOT_FIT = "unknown_version", "unseen_key", "does_not_fit"
_NAME_LENGTH = 80  # of a key: names are the log's, and a hostile one must not fill a page
_DISTINCT = 1_000  # names kept of a day; more say that keys are values, which one more name does not make clearer


@dataclass
class DriftCount:
    """One way in which rows differ: how many, and the event key of an example."""

    count: int
    example: str


@dataclass(frozen=True)
class Drift:
    """One day's differences: by (kind, name). `unnamed` counts rows of names beyond the first thousand."""

    source: str
    day: int
    row_count: int
    found: Mapping[tuple[str, str], DriftCount] = field(default_factory=dict)
    unnamed: int = 0

    def of_kind(self, kind: str) -> dict[str, DriftCount]:
        """Differences of one kind by name, the most frequent first."""
        named = {name: drifted for (of, name), drifted in self.found.items() if of == kind}
        return dict(sorted(named.items(), key=lambda item: (-item[1].count, item[0])))

    def document(self) -> dict[str, Any]:
        """As JSON, with every name."""
        kinds = (UNKNOWN_VERSION, UNSEEN_KEY, DOES_NOT_FIT)
        shown = {k: {n: {"count": d.count, "example": d.example} for n, d in self.of_kind(k).items()} for k in kinds}
        return {"source": self.source, "day": self.day, "rows": self.row_count, "unnamed": self.unnamed, **shown}


class _DriftCounter:
    """Differences being counted."""

    def __init__(self) -> None:
        self.found: dict[tuple[str, str], DriftCount] = {}
        self.unnamed = 0

    def add(self, kind: str, name: str, example: str, count: int = 1) -> None:
        entry = (kind, _show(name))
        if entry in self.found:
            self.found[entry].count += count
        elif len(self.found) < _DISTINCT:
            self.found[entry] = DriftCount(count, example)
        else:
            self.unnamed += count


def drift(s3: "S3Client", source: LogSource, day: int, location: str) -> Drift:
    """The differences of a day (yyyymmdd) as its rows under `location` show them."""
    seen, rows = _DriftCounter(), 0
    bucket, prefix = bucket_and_prefix(location)
    shape = source.shape
    blocks = dict(shape.blocks)
    has_others = any(column.name == OTHERS for column in source.readready.columns)
    optional = ((shape.version_column, shape.version_column), (OTHERS, has_others))
    wanted = [*source.readready.grain, *(str(name) for name, has in optional if has), *blocks]
    files = (key for key in keys(s3, bucket, prefix) if key.endswith(".orc"))
    for table in (stripe for key in files for stripe in stripes_of(s3, bucket, key, wanted)):
        rows += table.num_rows
        events = coalesce(table, source.readready.grain)
        if shape.version_column:
            _see_versions(seen, shape.versions, table.column(shape.version_column), events)
        if has_others:
            _see_others(seen, known_keys(source), table.column(OTHERS), events)
        for column, opening in blocks.items():
            _see_block(seen, column, opening, table.column(column), events)
    return Drift(source.name, day, rows, seen.found, seen.unnamed)


def known_keys(source: LogSource) -> frozenset[str]:
    """The keys that have columns, as the source's decoder says; one inside another as `outer.inner`."""
    return frozenset(load_decoder(source).KNOWN_KEYS)


def _see_versions(
    seen: _DriftCounter, known: Iterable[str], versions: pa.ChunkedArray, events: pa.ChunkedArray
) -> None:
    for entry in pc.value_counts(versions).to_pylist():
        if (version := entry["values"]) is not None and version not in known:
            seen.add(UNKNOWN_VERSION, version, _first(events, pc.equal(versions, version)), entry["counts"])


def _see_others(seen: _DriftCounter, known: frozenset[str], others: pa.ChunkedArray, events: pa.ChunkedArray) -> None:
    present = pc.is_valid(others)
    pairs = zip(others.filter(present).to_pylist(), events.filter(present).to_pylist(), strict=True)
    for text, event in pairs:
        for name, is_known in _names(text, known):
            seen.add(DOES_NOT_FIT if is_known else UNSEEN_KEY, name, event)


def _names(text: str, known: frozenset[str]) -> Iterator[tuple[str, bool]]:
    """(key, whether it has a column) of what stands in `otherfields`; inside a block that is taken apart, its keys."""
    try:
        others = json.loads(text)
    except (ValueError, RecursionError):
        yield OTHERS, True
        return
    for key, value in others.items():
        inner = any(name.startswith(f"{key}.") for name in known)
        if inner and isinstance(value, dict):
            yield from ((f"{key}.{name}", f"{key}.{name}" in known) for name in value)
        else:
            yield key, inner or key in known


def _see_block(seen: _DriftCounter, column: str, opening: str, texts: pa.ChunkedArray, events: pa.ChunkedArray) -> None:
    """A block of JSON that is of another type than it always was: it is kept whole, and its columns are empty."""
    odd = pc.invert(pc.starts_with(pc.utf8_ltrim_whitespace(texts), opening))
    if count := pc.sum(odd).as_py():
        seen.add(DOES_NOT_FIT, column, _first(events, odd), count)


def _first(events: pa.ChunkedArray, mask: pa.ChunkedArray) -> str:
    return str(events.filter(mask).slice(0, 1)[0].as_py())


def _show(name: str) -> str:
    """A key in ASCII and of bounded length."""
    text = name.encode("ascii", "backslashreplace").decode()
    shown = "".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in text)
    return shown if len(shown) <= _NAME_LENGTH else f"{shown[:_NAME_LENGTH]}..."


def put_drift(table: Table, found: Drift) -> str:
    """Keep the day's result with every name in it; returns its key."""
    key = check_key(table.name, found.day, DRIFT)
    table.s3.put_object(Bucket=table.bucket, Key=key, Body=json.dumps(found.document(), sort_keys=True).encode())
    return key

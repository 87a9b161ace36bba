"""One readready day as storage has it: commits, partition, manifests, rows, and the records of raw. No judgement."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from loglake_assets.sources.rules import Rules
from tests.raw_side import RawSide
from tests.stored_lake import CatalogPartition, StoredLake, StoredRows

_RUN = re.compile(r"/run=([^/]+)/")


@dataclass(frozen=True)
class StoredDay:
    """A day with all that storage says of it. `commits` by sequence number; `committed` are all days with a commit."""

    lake: StoredLake
    raw: RawSide
    rules: Rules
    look_ahead: int
    day: int
    commits: Mapping[int, Mapping[str, Any]]
    shown: CatalogPartition | None
    committed: frozenset[int]

    @cached_property
    def head(self) -> Mapping[str, Any] | None:
        """The newest commit."""
        return self.commits[max(self.commits)] if self.commits else None

    @cached_property
    def run(self) -> str | None:
        """The run whose rows readers see, by the name of its directory."""
        match = _RUN.search(self.shown.location) if self.shown else None
        return match[1] if match else None

    @cached_property
    def seen_manifest(self) -> Mapping[str, Any] | None:
        return self.lake.manifest(self.day, self.run) if self.run else None

    @cached_property
    def manifest(self) -> Mapping[str, Any] | None:
        """The newest commit's manifest; where no commit is left, that of the run which readers see."""
        if self.head is None or self.head["run_id"] == self.run:
            return self.seen_manifest
        return self.lake.manifest(self.day, self.head["run_id"])

    @cached_property
    def seen(self) -> StoredRows:
        return self.lake.stored_rows(self.shown.location) if self.shown else StoredRows()

    @cached_property
    def of_day(self) -> Any:
        return self.raw.of_day(self.day)

    @cached_property
    def read(self) -> dict[str, Mapping[str, Any]]:
        """Manifest entries, by key, of the objects that the newest run read and that are still as it read them."""
        entries = self.manifest["objects"] if self.manifest else ()
        return {entry["key"]: entry for entry in entries if self._is_as_read(entry)}

    def _is_as_read(self, entry: Mapping[str, Any]) -> bool:
        found = self.raw.objects.get(entry["key"])
        return found is not None and entry["bucket"] == self.lake.raw_bucket and found.etag == entry["etag"]

    def uri(self, key: str) -> str:
        return f"s3://{self.lake.raw_bucket}/{key}"

    def record(self, key: str, ordinal: int) -> str:
        return f"record {ordinal} of {self.uri(key)}"


def same_location(location: str, other: str) -> bool:
    return location.rstrip("/") == other.rstrip("/")

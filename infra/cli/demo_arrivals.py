"""How soon AddAPart shows a partition, measured on a demo's lake; what the measurement put there is gone after it."""

import statistics
import time
from collections.abc import Callable
from datetime import timedelta

from infra.cli.load import await_partitions, put_objects, raw_partition_values
from infra.cli.local_lake import LocalLake
from infra.cli.stress.watch import Watch
from loglake_assets.lake.storage.partitions import raw_partitions
from loglake_assets.sources import LogSource
from loglake_assets.sources.placement import Placement, place

PROBES = 9
BURST_OBJECTS, BURST_PREFIXES = 1_000, 20
_PROBE_DAY, _BURST_DAY, _LAST_DAY = 10, 30, 60  # days after the first day there is
_PATIENCE_SECONDS = 60.0
_LOOKS = 5
_NAME = "probe.json"

Say = Callable[[str], None]
Values = tuple[str, ...]


class Arrivals:
    """Empty objects under prefixes of days that the samples do not have, and the partitions that come of them."""

    def __init__(self, lake: LocalLake, source: LogSource) -> None:
        self.lake, self.source = lake, source
        self._bucket = lake.settings.raw_bucket(source.name)
        self._before = raw_partition_values(lake, source)
        self._put: dict[str, Values] = {}
        self._first, self._prefix = min(
            (day, partition["StorageDescriptor"]["Location"].split("/", 3)[3])
            for day, partition in raw_partitions(lake.catalog, source)
        )

    def key(self, days: int, name: str) -> str:
        """A key so many days after the first day there is, noted as one to remove."""
        day = self._first + timedelta(days=days)
        made = self._prefix.replace(f"{self._first:%Y/%m/%d}", f"{day:%Y/%m/%d}") + name
        placement = place(self.source, self._bucket, made)
        assert isinstance(placement, Placement), "the key differs from a placed one in its day and name only"
        self._put[made] = placement.values
        return made

    def probe(self, days: int) -> float:
        """Seconds until the catalog shows the partition of an empty object on a day of its own."""
        key = self.key(days, _NAME)
        glue, started = self.lake.client("glue"), time.monotonic()
        self.lake.client("s3").put_object(Bucket=self._bucket, Key=key, Body=b"")
        while time.monotonic() - started < 30:
            try:
                glue.get_partition(
                    DatabaseName=self.lake.settings.database,
                    TableName=self.source.raw.name,
                    PartitionValues=list(self._put[key]),
                )
            except glue.exceptions.EntityNotFoundException:
                time.sleep(0.002)
                continue
            break
        return time.monotonic() - started

    def clear_away(self) -> None:
        """Remove the objects and exactly their partitions, once AddAPart has nothing left to place. Twice is once."""
        self._await_quiet()
        self._delete_objects()
        glue = self.lake.client("glue")
        made = set(self._put.values()) - self._before
        for values in sorted(made & raw_partition_values(self.lake, self.source)):
            glue.delete_partition(
                DatabaseName=self.lake.settings.database,
                TableName=self.source.raw.name,
                PartitionValues=list(values),
            )
        self._put.clear()

    def _delete_objects(self) -> None:
        """Every version of what was put, prefix by prefix."""
        s3, prefixes = self.lake.client("s3"), sorted({key.rpartition("/")[0] for key in self._put})
        for prefix in prefixes:
            for page in s3.get_paginator("list_object_versions").paginate(Bucket=self._bucket, Prefix=f"{prefix}/"):
                found = [*page.get("Versions", ()), *page.get("DeleteMarkers", ())]
                named = [{"Key": e["Key"], "VersionId": e["VersionId"]} for e in found if e["Key"] in self._put]
                if named:
                    s3.delete_objects(Bucket=self._bucket, Delete={"Objects": named, "Quiet": True})

    def _await_quiet(self) -> None:
        """Wait until nothing that was put is on its way: the partition of a last object is there, the queue empty.

        Notifications are taken up in their order, so that those of all earlier objects were before the last one's.
        """
        self.probe(_LAST_DAY)
        watch, empty = Watch(self.lake, self.source, ""), 0
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while empty < _LOOKS and time.monotonic() < deadline:
            empty = 0 if watch.depth() else empty + 1
            time.sleep(0.1)


def tell_latency(arrivals: Arrivals, say: Say) -> None:
    """One object under a new prefix until its partition is visible, warm, one after the other."""
    times = [arrivals.probe(_PROBE_DAY + n) for n in range(PROBES)]
    shown = ", ".join(f"{t * 1000:.0f}" for t in times)
    say(f"   median {statistics.median(times) * 1000:.0f} ms of {PROBES} (ms: {shown})")


def tell_burst(arrivals: Arrivals, say: Say) -> set[Values]:
    """A thousand objects in twenty new prefixes at once; returns the partitions that were lost."""
    keys = [arrivals.key(_BURST_DAY + n % BURST_PREFIXES, f"{_NAME}{n}") for n in range(BURST_OBJECTS)]
    lake, source, started = arrivals.lake, arrivals.source, time.monotonic()
    loaded = put_objects(lake, source, ((key, bytes) for key in keys), lambda text: None)
    missing = await_partitions(lake, source, loaded.partitions, lambda text: None, _PATIENCE_SECONDS)
    seconds = time.monotonic() - started
    say(
        f"   {BURST_OBJECTS:,} objects in {BURST_PREFIXES} new prefixes: {BURST_OBJECTS / seconds:,.0f} a second "
        f"until the last partition was visible, {len(missing)} lost"
    )
    return missing

"""Load to break: objects through S3 and AddAPart at a set rate that rises step by step, until something gives.

The original's rule: the year's busiest day within an hour. Slowness is a result; only loss is a failure.
"""

import time
import uuid
from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any

from infra.cli.local_lake import LocalLake
from infra.cli.stress.plan import FAR_DAY, Replay, StressError
from infra.cli.stress.results import Bounds, Depth, Put, Step, failures, next_rate, percentile
from infra.cli.stress.send import Sender, stress_client
from infra.cli.stress.watch import Cores, Values, Watch, latencies
from loglake_assets.sources import LogSource

Say = Callable[[str], None]
LOOK_SECONDS = 0.5


@dataclass(frozen=True)
class StressSettings:
    """What is offered, and when a run ends. Rates in objects a second."""

    rate: float = 50.0
    seconds: float = 30.0
    new_prefix_pct: float = 10.0
    up_to: float | None = None
    factor: float = 1.5
    patience_seconds: float = 200.0
    """Draining is given up once nothing has moved for so long: a failed message comes again after 180 s."""
    first_day: date = FAR_DAY
    bounds: Bounds = field(default_factory=Bounds)


class Stress:
    """One run on one lake: its folder in the raw bucket, its steps, and its removal."""

    def __init__(self, lake: LocalLake, source: LogSource, settings: StressSettings, say: Say) -> None:
        self.lake, self.source, self.settings, self._say = lake, source, settings, say
        self.folder = f"stress-{uuid.uuid4().hex[:8]}"
        self._s3 = stress_client(lake.info.endpoint_url, lake.settings.region)
        self._watch = Watch(lake, source, self.folder)
        self._replay = Replay(source, self._watch.bucket, self.folder, settings.first_day)
        self._puts: list[Put] = []

    def run(self) -> list[Step]:
        """Warm up, then step after step until something gives or the last rate is held.

        Raises StressError where not even the warming up reaches the catalog.
        """
        self.warm_up()
        steps: list[Step] = []
        rate: float | None = self.settings.rate
        while rate is not None:
            steps.append(self.step(rate))
            gave = failures(steps[-1], self.settings.bounds)
            self._say(f"  {rate:,.0f}/s {'gave: ' + '; '.join(gave) if gave else 'held'}")
            rate = None if gave else next_rate(rate, self.settings.factor, self.settings.up_to)
        return steps

    def warm_up(self) -> None:
        """Fill the prefixes that all steps deliver to, and have the functions warm."""
        warming = Sender(self._put_object, self._replay.warm_objects(), 20.0)
        warming.start()
        while not warming.is_done:
            time.sleep(0.05)
        warming.stop()
        self._puts += warming.puts
        pending = self._drain([put.values for put in warming.puts])[0]
        if pending or any(put.error for put in warming.puts):
            raise StressError(
                f"Of {self._replay.warm} objects to warm up with, {len(pending)} have no partition after "
                f"{self.settings.patience_seconds:g} s. AddAPart of {self.source.title} does not work; `loglake "
                "status` and stack.log say more. Trying again helps only once it does."
            )

    def step(self, rate: float) -> Step:
        """Offer one rate, drain, and measure what came of it."""
        count = max(1, round(rate * self.settings.seconds))
        sending = Sender(self._put_object, self._replay.objects(count, self.settings.new_prefix_pct), rate)
        cores = Cores(self.lake.info.pid)
        try:
            sending.start()
            depths, pending = self._watch_queue(sending)
        finally:
            sending.stop()
        used = cores.cores_by_user()
        ended = time.time()
        _, more = self._drain(pending)
        puts = tuple(sorted(sending.puts, key=lambda put: put.due))
        self._puts += puts
        catalog = self.partitions()
        drained = max([ended, *(p["CreationTime"].timestamp() for p in catalog.values())]) - ended
        return Step(
            rate,
            self.settings.seconds,
            puts,
            _count_pending(depths + more, puts, latencies(puts, catalog)),
            latencies(puts, catalog),
            drained,
            self._watch.loss(self._puts, catalog),
            used,
        )

    def partitions(self) -> dict[Values, dict[str, Any]]:
        """The run's partitions in the catalog, by their values."""
        return self._watch.catalog(self._replay.days())

    def clear_away(self) -> None:
        """Delete the run's objects, every version, and its partitions. Twice is once."""
        bucket, s3 = self._watch.bucket, self.lake.client("s3")
        for page in s3.get_paginator("list_object_versions").paginate(Bucket=bucket, Prefix=f"{self.folder}/"):
            found = [*page.get("Versions", ()), *page.get("DeleteMarkers", ())]
            named = [{"Key": entry["Key"], "VersionId": entry["VersionId"]} for entry in found]
            if named:
                answer = s3.delete_objects(Bucket=bucket, Delete={"Objects": named, "Quiet": True})
                _refuse_errors(answer.get("Errors", ()), bucket)
        for values in self.partitions():
            self.lake.client("glue").delete_partition(
                DatabaseName=self.lake.settings.database,
                TableName=self.source.raw.name,
                PartitionValues=list(values),
            )

    def _put_object(self, key: str, body: bytes) -> None:
        self._s3.put_object(Bucket=self._watch.bucket, Key=key, Body=body)

    def _watch_queue(self, sending: Sender) -> tuple[list[Depth], list[Values]]:
        """Look each half second until all is sent, telling of each second; returns what is then not placed yet."""
        depths: list[Depth] = []
        pending: list[Values] = []
        recent: list[Put] = []
        seen, told = 0, time.monotonic()
        while not sending.is_done:
            time.sleep(LOOK_SECONDS)
            puts = sending.puts[seen:]
            seen += len(puts)
            recent += puts
            pending = self._watch.find_pending(pending + _new(puts))
            depths.append(Depth(time.time(), self._watch.depth(), len(pending)))
            if time.monotonic() - told >= 1:
                told = time.monotonic()
                self._say(_progress(sending, seen, recent, depths[-1], self.settings.bounds))
                recent = []
        return depths, pending + _new(sending.puts[seen:])

    def _drain(self, pending: list[Values]) -> tuple[list[Values], list[Depth]]:
        """Wait until queue and list are empty, or nothing moves any more; returns what is still pending."""
        depths: list[Depth] = []
        moved = told = time.monotonic()
        before: tuple[int, int] | None = None
        while time.monotonic() - moved < self.settings.patience_seconds:
            pending = self._watch.find_pending(pending)
            depths.append(Depth(time.time(), self._watch.depth(), len(pending)))
            now = (depths[-1].queued, len(pending))
            if now == (0, 0):
                break
            if now != before:
                before, moved = now, time.monotonic()
            if time.monotonic() - told >= 1:
                told = time.monotonic()
                self._say(f"    draining: queue {now[0]:,}, partitions to come {now[1]:,}")
            time.sleep(0.1)
        return pending, depths


def _new(puts: list[Put]) -> list[Values]:
    return [put.values for put in puts if put.is_new and put.answered is not None]


def _count_pending(
    depths: list[Depth], puts: tuple[Put, ...], placed: tuple[tuple[float, float], ...]
) -> tuple[Depth, ...]:
    """The looks with what was pending then, exactly: polls see a partition later than it came."""
    answered = [put.answered for put in puts if put.is_new and put.answered is not None]
    created = sorted(at + seconds for at, seconds in placed)
    answered.sort()
    return tuple(replace(d, pending=bisect_right(answered, d.time) - bisect_right(created, d.time)) for d in depths)


def _progress(sending: Sender, seen: int, recent: list[Put], depth: Depth, bounds: Bounds) -> str:
    """A line of the last second; only the count of puts is of the whole step."""
    late = sum(put.started - put.due > bounds.late_seconds for put in recent)
    p95 = percentile([put.answered - put.started for put in recent if put.answered is not None], 95)
    return (
        f"    {depth.time - sending.began:5.1f} s  put {seen:,} of {sending.count:,}; lately {late:,} late, "
        f"{sum(put.answered is None for put in recent):,} refused, p95 {(p95 or 0) * 1000:,.0f} ms; "
        f"queue {depth.queued:,}, partitions to come {depth.pending:,}"
    )


def _refuse_errors(errors: list[dict[str, str]], bucket: str) -> None:
    if errors:
        raise StressError(
            f"S3 did not delete {len(errors)} objects of the stress run in {bucket}, the first {errors[0].get('Key')}: "
            f"{errors[0].get('Code')}. Delete them by hand, or the lake that holds nothing else."
        )

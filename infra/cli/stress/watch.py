"""What is seen of AddAPart while a step runs and after it: its queues, the catalog, the bucket, and cores in use.

All of it by the APIs that a lake on AWS has too, the cores apart.
"""

import time
from collections.abc import Collection, Iterable
from datetime import UTC, date, datetime
from typing import Any

import psutil

from infra.cli.local_lake import LocalLake
from infra.cli.stress.results import Loss, Put
from lambdas.addapart.consumer import LAST_ARRIVAL
from loglake_assets.lake.storage.catalog import Catalog
from loglake_assets.lake.storage.partitions import days_expression, partitions
from loglake_assets.s3.pages import entries
from loglake_assets.sources import LogSource
from loglake_assets.sources.placement import Placement, place

_BATCH = 100  # BatchGetPartition takes a thousand; a hundred answer sooner
_BATCHES_A_LOOK = 3
STALE_SECONDS = 360.0
"""The FIFO queue drops what repeats within 300 s, so that a stamp may be as old as that; a minute is for lag."""
QUEUES = {"queued": ".fifo", "dead": "-dead.fifo", "undelivered": "-undelivered", "quarantined": "-quarantine"}

Values = tuple[str, ...]


class Watch:
    """One source's AddAPart, looked at. Looks take a few calls each, so that they do not become the load."""

    def __init__(self, lake: LocalLake, source: LogSource, folder: str) -> None:
        self._lake, self._source, self._folder = lake, source, folder
        self._sqs, self._glue, self._s3 = lake.client("sqs"), lake.client("glue"), lake.client("s3")
        self.bucket = lake.settings.raw_bucket(source.name)
        base = f"{lake.settings.name}-addapart-raw-{source.name}"
        self._urls = {what: self._sqs.get_queue_url(QueueName=base + end)["QueueUrl"] for what, end in QUEUES.items()}
        self._before = {what: self.depth(what) for what in QUEUES}

    def depth(self, what: str = "queued") -> int:
        """Messages that wait or are in flight in one of QUEUES."""
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        answer = self._sqs.get_queue_attributes(QueueUrl=self._urls[what], AttributeNames=names)
        return sum(int(answer["Attributes"].get(name, 0)) for name in names)

    def find_pending(self, pending: list[Values]) -> list[Values]:
        """Of partitions that were not there, those that still are not; only the first some hundred are asked for."""
        asked = pending[: _BATCH * _BATCHES_A_LOOK]
        there: set[Values] = set()
        for start in range(0, len(asked), _BATCH):
            answer = self._glue.batch_get_partition(
                DatabaseName=self._lake.settings.database,
                TableName=self._source.raw.name,
                PartitionsToGet=[{"Values": list(values)} for values in asked[start : start + _BATCH]],
            )
            there.update(tuple(partition["Values"]) for partition in answer["Partitions"])
        return [values for values in pending if values not in there]

    def catalog(self, days: Collection[date]) -> dict[Values, dict[str, Any]]:
        """The run's partitions in the catalog, by their values."""
        expression = days_expression(days)
        found = partitions(Catalog(self._glue, self._lake.settings.database), self._source.raw.name, expression)
        location = f"s3://{self.bucket}/{self._folder}/"
        return {tuple(p["Values"]): dict(p) for p in found if p["StorageDescriptor"]["Location"].startswith(location)}

    def objects_in_bucket(self) -> dict[str, datetime]:
        """The run's objects in the bucket, key to LastModified."""
        return {entry["Key"]: entry["LastModified"] for entry in entries(self._s3, self.bucket, f"{self._folder}/")}

    def loss(self, puts: Iterable[Put], catalog: dict[Values, dict[str, Any]]) -> Loss:
        """What is missing once all is drained, by what storage and catalog say."""
        stored = self.objects_in_bucket()
        newest: dict[Values, datetime] = {}
        for key, modified in stored.items():
            placed = place(self._source, self.bucket, key)
            if isinstance(placed, Placement):
                newest[placed.values] = max(modified, newest.get(placed.values, modified))
        return Loss(
            objects=sum(put.answered is not None and put.key not in stored for put in puts),
            prefixes=len(newest.keys() - catalog.keys()),
            unstamped=sum(not is_stamped(catalog[v], newest[v].timestamp()) for v in newest.keys() & catalog.keys()),
            **{what: max(0, self.depth(what) - self._before[what]) for what in QUEUES if what != "queued"},
        )


def is_stamped(partition: dict[str, Any], newest: float) -> bool:
    """Whether the arrival stamp of a partition can be true of a prefix whose newest object came at `newest`.

    Of arrivals while its day lasts only the first is noted.
    """
    try:
        last = datetime.fromisoformat(partition["Parameters"][LAST_ARRIVAL])
    except (KeyError, ValueError):
        return False
    is_expected = f"{datetime.fromtimestamp(newest, UTC):%Y%m%d}" in partition["Values"]
    return is_expected or newest - last.timestamp() <= STALE_SECONDS


def latencies(puts: Iterable[Put], catalog: dict[Values, dict[str, Any]]) -> tuple[tuple[float, float], ...]:
    """(answered, seconds until its partition was created) of each new prefix, by the catalog's CreationTime.

    0 where the partition was there before S3's answer had come back.
    """
    return tuple(
        (put.answered, max(0.0, catalog[put.values]["CreationTime"].timestamp() - put.answered))
        for put in puts
        if put.is_new and put.answered is not None and put.values in catalog
    )


class Cores:
    """Cores in use since it was made: the generator's, the stack's own, its Lambda workers', and all others'.

    What others use is what makes two runs differ on a machine that is shared.
    """

    def __init__(self, stack_pid: int) -> None:
        self._stack = psutil.Process(stack_pid)
        self._began, self._before = time.monotonic(), self._seconds()

    def cores_by_user(self) -> dict[str, float]:
        elapsed, now = time.monotonic() - self._began, self._seconds()
        return {name: max(0.0, now[name] - self._before[name]) / elapsed for name in now}

    def _seconds(self) -> dict[str, float]:
        workers = 0.0
        for child in self._stack.children(recursive=True):
            try:
                workers += _cpu_seconds(child)
            except psutil.NoSuchProcess:  # it ended between the listing and the look
                continue
        own = {"generator": time.process_time(), "stack": _cpu_seconds(self._stack), "lambdas": workers}
        machine = psutil.cpu_times()
        busy = sum(machine) - machine.idle - getattr(machine, "iowait", 0.0)
        return {**own, "others": busy - sum(own.values())}


def _cpu_seconds(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)

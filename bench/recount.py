"""The recount of what our job built, as the coverage check makes it, over files: CPU and memory of one process."""

import json
import sys
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from botocore.exceptions import ClientError

from bench.contenders.columns import Task
from bench.contenders.job import Window, build_rows, bundle
from bench.file_backed_boto3 import FileS3
from bench.process_tree import Cost, measure
from bench.volumes import RAW_BUCKET, SOURCE, Volume, read_volume
from loglake_assets.lake.checks.recount import Recount
from loglake_assets.lake.storage.keys import run_prefix
from loglake_assets.lake.storage.raw_bucket import RawBucket
from loglake_assets.lake.storage.table import Table
from loglake_assets.lake.versions.served_day import Placing, ServedDay
from loglake_assets.lake.versions.stored_rows import stored_hash
from loglake_assets.sources import load_source
from loglake_assets.sources.calendar_days import day_number
from loglake_assets.sources.model import LOCAL
from loglake_assets.sources.rules import Rules

_RUN, _READREADY = "bench", "readready"


class _Storage(FileS3):
    """The S3 calls of a recount as well."""

    def head_object(self, Bucket: str, Key: str, **_: Any) -> dict[str, Any]:  # boto3's names
        return {"ContentLength": self.size(Bucket, Key)}

    exceptions = SimpleNamespace(NoSuchKey=type("NoSuchKey", (ClientError,), {}), ClientError=ClientError)


def measure_recount(given: Volume, home: Path) -> Cost:
    """Build the volume below `home`, then recount all its days in another process, which alone is measured.

    Raises RuntimeError where the recount does not find every event.
    """
    window = Window(SOURCE, given.files, given.folder / "partitions.json", given.first_day, given.last_day, home, LOCAL)
    build_rows(window, bundle(Task(given, home / "rows", needle=False)))
    found = home / "found.json"
    command = [sys.executable, "-W", "ignore", "-m", "bench.recount", str(given.folder), str(home), str(found)]
    cost = measure(command, home / "recount.log")
    counts = json.loads(found.read_text(encoding="utf-8"))
    if counts != {"expected": given.event_count, "found": given.event_count, "missing": 0, "surplus": 0}:
        raise RuntimeError(f"The recount of {given.event_count:,} events says {counts}")
    return cost


def recount(given: Volume, home: Path) -> dict[str, int]:
    """Distinct events expected, found, missing and surplus in all days of the volume, whose rows lie below `home`."""
    source, s3 = load_source(SOURCE), cast(Any, _Storage(home / "buckets"))
    table = Table(source.readready.name, s3, _READREADY)

    def served_day(day: Any) -> ServedDay:
        number = day_number(day)
        location = f"s3://{_READREADY}/{run_prefix(table.name, _RUN)}logcalendarday={number}/"
        return ServedDay(table.name, number, Placing.PLACED, _RUN, location, 1, 1, None)

    check = Recount(
        raw=RawBucket(s3, source, RAW_BUCKET),
        table=table,
        rules=Rules(0),
        registered=lambda days: (),
        served=served_day,
        content_hash=lambda log, bucket, keys: stored_hash(s3, log, bucket, keys),
    )
    days = [given.first_day + timedelta(days=n) for n in range((given.last_day - given.first_day).days + 1)]
    found = list(check.days(days))
    return {name: sum(getattr(one, name) for one in found) for name in ("expected", "found", "missing", "surplus")}


if __name__ == "__main__":
    folder, made, answer = map(Path, sys.argv[1:])
    answer.write_text(json.dumps(recount(read_volume(folder), made)), encoding="utf-8")

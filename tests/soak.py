"""A large lake with known faults, through the whole stack, with kills: what is found must be what was put there.

    python -m tests.soak --events 2000000 --days 11

Not a test of the suite (it takes minutes to an hour), and not of the program's own words: at the end the checker of
invariants judges storage. Every stage tells its progress; the exit code is 0 only if everything is as it must be.
"""

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date, timedelta
from itertools import islice
from pathlib import Path
from typing import Any

from infra.cli.digests import validate_days
from infra.cli.home import REPOSITORY
from infra.cli.load import await_partitions, put_objects, samples_to_put
from infra.cli.local_lake import LocalLake, local_lake
from infra.emulator.processes import running_stack, start_stack, stop_stack
from loglake_assets.lake.checks.day_report import Verdict
from loglake_assets.lake.checks.drift import drift
from loglake_assets.lake.storage.keys import coverage_key
from loglake_assets.lake.storage.table import Table
from loglake_assets.lake.versions.commits import Commit, heads
from loglake_assets.lake.versions.late_ledger import late_objects
from loglake_assets.lake.versions.manifests import read_manifest
from loglake_assets.s3.orc import columns_of
from loglake_assets.s3.pages import keys
from loglake_assets.s3.urls import bucket_and_prefix
from loglake_assets.sources import LogSource, load_source
from loglake_assets.sources.calendar_days import day_from_number, day_number
from loglake_assets.sources.placement import Placement, place
from loglake_assets.sources.sample_deliveries import GroundTruth, Samples, generate, sample_keys
from tests.invariants import verdict_of
from tests.stored_lake import StoredLake, etags_below
from tests.wait import until

FIRST = date(2026, 11, 1)
FAULTS = {"corrupt": 5, "truncated": 5, "without_event_time": 7, "epoch_event_time": 3, "very_late": 2}
_MINUTES_AT_MOST = 60


def main() -> int:
    options = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__.splitlines()[0])
    options.add_argument("--events", type=int, default=1_000_000)
    options.add_argument("--days", type=int, default=3)
    options.add_argument("--no-kills", action="store_true")
    given = options.parse_args()
    parent = REPOSITORY / ".loglake"
    parent.mkdir(exist_ok=True)
    home = Path(tempfile.mkdtemp(prefix="soak-", dir=parent))
    soak = Soak(home, given.events, given.days, not given.no_kills)
    try:
        soak.run()
    finally:
        if info := running_stack(home):
            stop_stack(info)
        shutil.rmtree(home, ignore_errors=True)
    for problem in soak.problems:
        soak.say(f"NOT AS IT MUST BE: {problem}")
    soak.say("Everything is as it must be." if not soak.problems else f"{len(soak.problems)} things are not.")
    return 1 if soak.problems else 0


@dataclass
class Soak:
    """One run. `problems` are sentences, none when all is well."""

    home: Path
    events: int
    days_count: int
    kills: bool
    problems: list[str] = field(default_factory=list)
    started: float = field(default_factory=time.monotonic)

    @property
    def days(self) -> list[date]:
        return [FIRST + timedelta(days=n) for n in range(self.days_count)]

    def say(self, text: str) -> None:
        print(f"[{time.monotonic() - self.started:6.0f} s] {text}", flush=True)

    def expect(self, what: str, found: Any, expected: Any) -> None:
        if found != expected:
            self.problems.append(f"{what}: found {_short(found)}, expected {_short(expected)}")
        self.say(f"{'ok ' if found == expected else 'NOT'} {what}: {_short(found)}")

    def run(self) -> None:
        source = load_source("cloudtrail")
        samples = generate(source.name, FIRST, self.days_count, self.events, 1, **FAULTS)
        self.say(f"{self.events:,} events of {self.days_count} days are planned; counting what must be found")
        truth = samples.ground_truth()
        self.load(source, samples, truth)
        self.build()
        with local_lake(self.home, self.say) as lake:
            baseline = etags_below(lake.client("s3"), lake.settings.raw_bucket(source.name))
            gone, marker = _remove_file(lake, source)
            self.compare(lake, source, truth, gone)
            _restore_file(lake, source, gone, marker)
            self.bring_late(lake, source, samples, truth)
            baseline |= {sample.key: etag for sample, etag in _etags(lake, source, samples)}
            self.judge(lake, source, baseline)

    # --- the stages ---------------------------------------------------------------------------------------------------

    def load(self, source: LogSource, samples: Samples, truth: GroundTruth) -> None:
        """All objects through S3 and AddAPart; the whole stack is killed half-way, with notifications in flight."""
        start_stack(self.home, log=self.say)
        objects = samples.objects()
        half = sum(truth.objects_by_kind.values()) // 2
        with local_lake(self.home, self.say) as lake:
            put_objects(lake, source, samples_to_put(islice(objects, half)), self.say)
        if self.kills:
            info = running_stack(self.home)
            assert info is not None
            os.kill(info.pid, signal.SIGKILL)
            self.say("the stack was killed half-way through loading; it starts again")
            start_stack(self.home, log=self.say)
        with local_lake(self.home, self.say) as lake:
            put_objects(lake, source, samples_to_put(objects), self.say)
            placed = frozenset(_partitions(lake, source))
            missing = await_partitions(lake, source, placed, self.say, 120)
            self.expect("raw partitions missing", len(missing), 0)
            self.expect("raw partitions", len(placed), truth.raw_partitions)

    def build(self) -> None:
        """All days by the command, which is killed twice on the way: the process of a Glue run, then Dagster itself."""
        for kill in (self._kill_job, self._kill_dagster) if self.kills else ():
            building = self._command("build")
            kill(building)
            building.communicate()
            self.say(f"killed in mid-build: {kill.__name__.removeprefix('_kill_')}; the days are asked for again")
        building = self._command("build")
        for line in building.stdout or ():
            self.say(line.rstrip())
        self.expect("exit code of the build", building.wait(), 0)

    def _command(self, name: str) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            self._line(name, self.days[0], self.days[-1]),
            cwd=REPOSITORY,
            env={**os.environ, "LOGLAKE_HOME": str(self.home)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def _line(self, name: str, first: date, last: date) -> list[str]:
        return [sys.executable, "-m", "infra.cli.main", name, "cloudtrail", f"{first}..{last}"]

    def _running(self, building: "subprocess.Popen[str]") -> dict[str, Any]:
        """The process of a Glue run that reads objects by now."""

        def reading() -> dict[str, Any] | None:
            assert building.poll() is None, building.communicate()[0]
            for pid_file in (self.home / "runs").glob("*/pid.json"):
                process: dict[str, Any] = json.loads(pid_file.read_text())
                log = pid_file.parent / "output.log"
                if Path(f"/proc/{process['pid']}").exists() and log.exists() and b"objects" in log.read_bytes():
                    return process
            return None

        process: dict[str, Any] = until(reading, 60 * _MINUTES_AT_MOST)
        time.sleep(1)
        return process

    def _kill_job(self, building: "subprocess.Popen[str]") -> None:
        """Kill the process of a Glue run; one that ended meanwhile is not killed, and the next is."""
        killed = False
        while not killed:
            with suppress(ProcessLookupError):
                os.killpg(self._running(building)["pid"], signal.SIGKILL)
                killed = True

    def _kill_dagster(self, building: "subprocess.Popen[str]") -> None:
        self._running(building)
        building.kill()

    def compare(self, lake: LocalLake, source: LogSource, truth: GroundTruth, gone: str) -> None:
        """Each kind of fault against what was put there: all found, none invented."""
        s3, bucket, table = lake.client("s3"), lake.settings.readready_bucket, source.readready.name
        newest = heads(Table(table, s3, bucket))
        built = [newest[day_number(day)] for day in self.days]
        manifests = [read_manifest(Table(table, s3, bucket), c.day, c.run_id) for c in built]
        by_day = dict(zip((str(day) for day in self.days), built, strict=True))
        self.expect("rows by day", {d: c.rows for d, c in by_day.items()}, _of_days(truth.distinct_by_day, by_day))
        copies = {str(day): m.totals["duplicates"] for day, m in zip(self.days, manifests, strict=True)}
        self.expect("duplicates by day", copies, _of_days(truth.duplicates_by_day, by_day))
        quarantine = [entry for manifest in manifests for entry in manifest.quarantine]
        objects = {entry["key"]: entry["reason"] for entry in quarantine if entry["ordinal"] is None}
        self.expect("quarantined objects", objects, truth.quarantined_objects)
        records = sum(entry["ordinal"] is not None for entry in quarantine)
        self.expect("quarantined records", records, sum(truth.quarantined_records.values()))
        late = sum(_delivered_later(s3, commit) for commit in built)
        self.expect("events that only the next day's deliveries hold", late, truth.faults["late_events"])
        coverages = [
            json.loads(s3.get_object(Bucket=bucket, Key=coverage_key(table, c.day))["Body"].read()) for c in built
        ]
        self.expect("events that coverage misses", sum(c["missing"] for c in coverages), 0)
        self.expect("rows without an event", sum(c["surplus"] + c["repeated"] for c in coverages), 0)
        unreadable = {name.split("/", 3)[3] for c in coverages for name in c["unreadable"]}
        self.expect("objects that coverage cannot count", unreadable, set(truth.quarantined_objects))
        odd = {name for c in built for name in drift(s3, source, c.day, c.location).found}
        expected = {("unknown_version", "1.14"), ("unseen_key", "futureDetails"), ("does_not_fit", "readOnly")}
        self.expect("drift", odd, expected)
        self.compare_digests(lake, source, truth, gone)
        found = list(lake.resource.reconciler(source).days(self.days, self.days[-1] + timedelta(days=2)))
        verdicts = {v for day in found for v in day.counts}
        self.expect("verdicts of objects", verdicts - {Verdict.BUILT}, {"quarantined", "gone_since_built"})
        self.expect("objects gone", [j.key for day in found for j in day.select(Verdict.GONE)], [gone])

    def compare_digests(self, lake: LocalLake, source: LogSource, truth: GroundTruth, gone: str) -> None:
        keys_file = self.home / "keys.json"
        keys_file.write_text(json.dumps(sample_keys(source.name)))
        reports = validate_days(lake, source, self.days[0], self.days[-1], keys_file, self.say)
        folder = gone.rpartition("/CloudTrail/")[0]
        damaged = {key for key in truth.quarantined_objects if key.startswith(f"{folder}/CloudTrail/us-east-1/")}
        found = {finding.key for report in reports for finding in report.findings}
        self.expect("what digests find", found, damaged | {gone})

    def bring_late(self, lake: LocalLake, source: LogSource, samples: Samples, truth: GroundTruth) -> None:
        """Objects days after their events: the ledger names them, their day is built again, and nothing is missing."""
        loaded = put_objects(lake, source, samples_to_put(samples.late_objects()), self.say)
        await_partitions(lake, source, loaded.partitions, self.say, 60)
        s3, bucket, table = lake.client("s3"), lake.settings.readready_bucket, source.readready.name
        before = heads(Table(table, s3, bucket))[day_number(FIRST)].rows
        for day in (FIRST + timedelta(days=3), FIRST):
            building = subprocess.run(
                self._line("build", day, day),
                cwd=REPOSITORY,
                env={**os.environ, "LOGLAKE_HOME": str(self.home)},
                check=False,
            )
            self.expect(f"exit code of the build of {day}", building.returncode, 0)
        ledger = {entry.key for entry in late_objects(Table(table, s3, bucket), day_number(FIRST))}
        self.expect("late ledger", ledger, {sample.key for sample in samples.late_objects()})
        rows = heads(Table(table, s3, bucket))[day_number(FIRST)].rows
        self.expect("rows of the day with late events", rows, before + sum(truth.very_late_by_day.values()))

    def judge(self, lake: LocalLake, source: LogSource, baseline: dict[str, str]) -> None:
        """The six invariants, from storage."""
        named = lake.settings
        buckets = named.raw_bucket(source.name), named.readready_bucket
        stored = StoredLake(lake.client("s3"), lake.client("glue"), named.database, source, *buckets)
        verdict = verdict_of(stored, baseline=baseline, closed_days=self.days, strict=True, progress=self.say)
        self.say(
            f"judged {verdict.object_count:,} objects, {verdict.record_count:,} records, {verdict.row_count:,} rows"
        )
        for violation in verdict.violations:
            self.say(f"  {violation}")
        self.expect("invariants broken", verdict.broken, set())


def _remove_file(lake: LocalLake, source: LogSource) -> tuple[str, str]:
    """Remove one delivered file that a digest names and that holds rows; its key, and its delete marker's version."""
    s3, bucket = lake.client("s3"), lake.settings.raw_bucket(source.name)
    prefix = f"AWSLogs/o-exampleorg1/111122223333/CloudTrail/us-east-1/{FIRST:%Y/%m/%d}/"
    key: str = s3.list_objects_v2(Bucket=bucket, Prefix=prefix)["Contents"][3]["Key"]
    return key, s3.delete_object(Bucket=bucket, Key=key)["VersionId"]


def _restore_file(lake: LocalLake, source: LogSource, key: str, marker: str) -> None:
    """Take the delete marker away: the version that was read is there again."""
    lake.client("s3").delete_object(Bucket=lake.settings.raw_bucket(source.name), Key=key, VersionId=marker)


def _partitions(lake: LocalLake, source: LogSource) -> Iterator[tuple[str, ...]]:
    bucket = lake.settings.raw_bucket(source.name)
    for key in keys(lake.client("s3"), bucket):
        if isinstance(placement := place(source, bucket, key), Placement):
            yield placement.values


def _etags(lake: LocalLake, source: LogSource, samples: Samples) -> Iterator[tuple[Any, str]]:
    s3, bucket = lake.client("s3"), lake.settings.raw_bucket(source.name)
    for sample in samples.late_objects():
        yield sample, s3.head_object(Bucket=bucket, Key=sample.key)["ETag"].strip('"')


def _delivered_later(s3: Any, commit: Commit) -> int:
    """Rows of which the kept copy lies under another day's prefix: copies of their own day's come first."""
    bucket, prefix = bucket_and_prefix(commit.location)
    own = f"/{day_from_number(commit.day):%Y/%m/%d}/"
    found = [columns_of(s3, bucket, key, ["raw_key"])[0] for key in keys(s3, bucket, prefix)]
    return sum(own not in key for column in found for key in column)


def _of_days(counts: dict[str, int], days: dict[str, Any]) -> dict[str, int]:
    return {day: counts.get(day, 0) for day in days}


def _short(value: Any) -> str:
    text = f"{value:,}" if isinstance(value, int) else str(value)
    return text if len(text) < 200 else f"{text[:200]}... ({len(text):,} characters)"


if __name__ == "__main__":
    sys.exit(main())

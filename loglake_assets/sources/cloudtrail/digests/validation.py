"""Days of a trail's bucket validated by its digests: many requests in flight, memory of a few groups at a time.

Digests are read once for a run of days and its two neighbours, group by group; then every named file is read and
hashed. A file delivered late in the evening is named by a digest of the next day, so the day after is read as well.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from itertools import groupby
from typing import TYPE_CHECKING

from loglake_assets.s3.read_ahead import results_in_order
from loglake_assets.sources.calendar_days import day_number
from loglake_assets.sources.cloudtrail.digests.accounts import JudgedGroup, VouchedFile, judge_group
from loglake_assets.sources.cloudtrail.digests.digest_judge import JudgedDigest
from loglake_assets.sources.cloudtrail.digests.digest_store import StoredContent, StoredDay, stored_content, stored_day
from loglake_assets.sources.cloudtrail.digests.places import Group, groups
from loglake_assets.sources.digest_report import DigestFinding, DigestReport, PublicKeys
from loglake_assets.sources.model import LogSource
from loglake_assets.sources.placement import Placement, place

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

Progress = Callable[[str], None]
_ReadFile = tuple[JudgedGroup, VouchedFile, str, StoredContent]
"""A named file, its group, the key it is stored under, and what is stored there."""
_DAY = timedelta(days=1)
_TELL_EVERY = 1_000  # files


@dataclass
class _Tally:
    """A day's report while it is being counted."""

    chains: set[tuple[Group, str]] = field(default_factory=set)
    counts: Counter[str] = field(default_factory=Counter)
    findings: list[DigestFinding] = field(default_factory=list)
    unproved: dict[str, int] = field(default_factory=dict)

    def report(self, source: str, day: date) -> DigestReport:
        counts = {name: self.counts[name] for name in _COUNTS}
        return DigestReport(
            source,
            day_number(day),
            chains=len(self.chains),
            findings=tuple(sorted(self.findings)),
            unproved=dict(sorted(self.unproved.items())),
            **counts,
        )


_COUNTS = (
    *("digests_expected", "digests_found", "digests_valid", "backfills_found", "backfills_valid"),
    *("files_named", "files_matching", "files_unvouched", "files_undecided", "object_count", "bytes_read"),
)


def validate(
    s3: "S3Client",
    source: LogSource,
    bucket: str,
    days: Collection[date],
    public_keys: PublicKeys,
    in_flight: int = 16,
    progress: Progress = lambda text: None,
) -> Iterator[DigestReport]:
    """The report of each delivery day, in order. Raises PublicKeysError where there are no keys to validate with."""
    tallies: dict[date, _Tally] = defaultdict(_Tally)
    reading = _Reading(s3, source, bucket, public_keys, in_flight, list(groups(s3, bucket)))
    done = 0
    for run in _runs(days):
        for judged, file, key, found in reading.files(run, tallies):
            _count_file(tallies[file.day], bucket, judged, file, key, found)
            done += 1
            if done % _TELL_EVERY == 0:
                progress(f"hashed {done:,} files")
    for day in sorted(set(days)):
        yield tallies[day].report(source.name, day)


def _runs(days: Collection[date]) -> list[list[date]]:
    """Days in runs without a gap."""
    runs: list[list[date]] = []
    for day in sorted(set(days)):
        if runs and day - runs[-1][-1] == _DAY:
            runs[-1].append(day)
        else:
            runs.append([day])
    return runs


@dataclass(frozen=True)
class _Reading:
    """What is read, `in_flight` requests at a time: digests by group, then every file that they name."""

    s3: "S3Client"
    source: LogSource
    bucket: str
    public_keys: PublicKeys
    in_flight: int
    groups: list[Group]

    def files(self, run: list[date], tallies: dict[date, _Tally]) -> Iterator[_ReadFile]:
        """Every file that is named, with what is stored of it; counts what is said of digests on the way."""
        return results_in_order(self._read, self._pair_files(run, tallies), self.in_flight)

    def _pair_files(self, run: list[date], tallies: dict[date, _Tally]) -> Iterator[tuple[JudgedGroup, VouchedFile]]:
        for judged in self._judge(run):
            _count_group(tallies, self.bucket, judged, run)
            yield from ((judged, file) for file in judged.files.values())

    def _read(self, task: tuple[JudgedGroup, VouchedFile]) -> _ReadFile:
        return (*task, *stored_content(self.s3, self.bucket, task[1].candidates))

    def _judge(self, run: list[date]) -> Iterator[JudgedGroup]:
        wanted = ((group, day) for group in self.groups for day in (run[0] - _DAY, *run, run[-1] + _DAY))

        def load(asked: tuple[Group, date]) -> StoredDay:
            return stored_day(self.s3, self.bucket, *asked, with_logs=asked[1] in run)

        for group, loaded in groupby(results_in_order(load, wanted, self.in_flight), key=lambda day: day.group):
            of_group = list(loaded)
            logs = [key for day in of_group for key in day.log_keys if self._is_log(key)]
            yield judge_group(group, of_group, run, self.public_keys, logs)

    def _is_log(self, key: str) -> bool:
        return isinstance(place(self.source, self.bucket, key), Placement)


def _count_group(tallies: dict[date, _Tally], bucket: str, judged: JudgedGroup, run: list[date]) -> None:
    for day, stem in judged.days_of_chains(run):
        tallies[day].chains.add((judged.group, stem))
    for finding in (f for f in judged.findings if f.day in run):
        tallies[finding.day].findings.append(
            DigestFinding(day_number(finding.day), finding.kind, bucket, finding.key, finding.detail)
        )
        tallies[finding.day].counts["digests_expected"] += finding.kind == "missing_digest"
    for digest in (d for d in judged.digests if d.stored.place.day in run):
        _count_digest(tallies[digest.stored.place.day].counts, digest)
    for day, key in judged.unvouched:
        tallies[day].findings.append(DigestFinding(day_number(day), "unvouched_file", bucket, key))
        tallies[day].counts["files_unvouched"] += 1
    for day in run:
        tallies[day].counts["files_undecided"] += judged.undecided[day]
        if judged.unproved[day]:
            tallies[day].unproved[judged.group.name] = judged.unproved[day]


def _count_digest(counts: Counter[str], digest: JudgedDigest) -> None:
    kind = "backfills" if digest.stored.place.is_backfill else "digests"
    counts["digests_expected"] += kind == "digests"
    counts[f"{kind}_found"] += 1
    counts[f"{kind}_valid"] += digest.is_valid
    counts["object_count"] += 1
    counts["bytes_read"] += digest.stored.size


def _count_file(
    tally: _Tally, bucket: str, judged: JudgedGroup, file: VouchedFile, key: str, found: StoredContent
) -> None:
    tally.counts["files_named"] += 1
    tally.counts["files_matching"] += found.sha256 in file.proved
    tally.counts["object_count"] += found.kind != "missing_file"
    tally.counts["bytes_read"] += found.size
    if kind := found.kind or ("" if found.sha256 in file.told else "changed_file"):
        owner = judged.owners.get(found.sha256)
        detail = f"what it holds was delivered as {owner}" if owner else ""
        kind = "swapped_file" if owner else kind
        tally.findings.append(DigestFinding(day_number(file.day), kind, bucket, key, detail))

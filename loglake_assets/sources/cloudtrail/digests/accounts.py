"""One account and Region over a run of days: its digests judged and linked, and which files they name."""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta

from loglake_assets.sources.cloudtrail.digests.chains import ChainFinding, backfill_findings, chain_findings, chains
from loglake_assets.sources.cloudtrail.digests.digest_judge import JudgedDigest, judge
from loglake_assets.sources.cloudtrail.digests.digest_store import StoredDay
from loglake_assets.sources.cloudtrail.digests.documents import NamedFile
from loglake_assets.sources.cloudtrail.digests.places import HOUR, Group, delivery_time, log_day
from loglake_assets.sources.digest_report import PublicKeys


@dataclass
class VouchedFile:
    """A file as digests name it: where it may be stored, which hashes are told of it, and which of these are proved."""

    candidates: tuple[str, ...]
    day: date
    told: set[str] = field(default_factory=set)
    proved: set[str] = field(default_factory=set)


@dataclass
class JudgedGroup:
    """What is known of a group before a file of it is read."""

    group: Group
    digests: list[JudgedDigest]
    findings: list[ChainFinding]
    files: dict[str, VouchedFile]
    owners: dict[str, str]
    """Stored key by the hash that is told of it."""
    unvouched: list[tuple[date, str]]
    undecided: Counter[date]
    unproved: Counter[date]

    def days_of_chains(self, days: Collection[date]) -> Iterator[tuple[date, str]]:
        """(day, chain) of each hourly digest that there is or should be."""
        found = {(d.stored.place.day, d.stored.place.stem) for d in self.digests if not d.stored.place.is_backfill}
        return (pair for pair in found if pair[0] in days)


def judge_group(
    group: Group, loaded: Sequence[StoredDay], days: Collection[date], keys: PublicKeys, logs: Iterable[str]
) -> JudgedGroup:
    """Judge a group's digests of a run of days and their neighbours. `logs` are the keys of stored files."""
    digests = judge([digest for day in loaded for digest in day.digests], keys)
    findings = _findings(digests, max(days))
    files = _files(digests, days)
    owners = {sha256: key for key, file in files.items() for sha256 in file.told}
    made = JudgedGroup(group, digests, findings, files, owners, [], Counter(), Counter())
    _place_unnamed_files(made, logs, days)
    return made


def _findings(digests: Sequence[JudgedDigest], last_day: date) -> list[ChainFinding]:
    """One finding for each thing that is wrong: a digest whose content was changed has no valid signature either."""
    linked = [f for chain in chains(digests).values() for f in chain_findings(chain, last_day)]
    linked += backfill_findings([d for d in digests if d.stored.place.is_backfill])
    changed = {f.key for f in linked if f.kind == "changed_digest"}
    own = [
        ChainFinding(d.kind, d.stored.place.key, d.stored.place.day, d.detail)
        for d in digests
        if d.kind and not (d.kind == "invalid_signature" and d.stored.place.key in changed)
    ]
    return own + linked


def _files(digests: Sequence[JudgedDigest], days: Collection[date]) -> dict[str, VouchedFile]:
    files: dict[str, VouchedFile] = {}
    for digest, named in _pair_files(digests):
        candidates = candidate_keys(digest, named)
        day = _day_of(named.key, digest.stored.place.day)
        if day in days:
            file = files.setdefault(candidates[0], VouchedFile(candidates, day))
            file.told.add(named.sha256)
            if digest.is_proved:
                file.proved.add(named.sha256)
    return files


def _pair_files(digests: Sequence[JudgedDigest]) -> Iterator[tuple[JudgedDigest, NamedFile]]:
    for digest in digests:
        yield from ((digest, named) for named in (digest.stored.digest.files if digest.stored.digest else ()))


def candidate_keys(digest: JudgedDigest, named: NamedFile) -> tuple[str, ...]:
    """Where a named file may be stored: moved as its digest was, or under the key that it was delivered under."""
    moved = digest.moved.stored_key(named.key) if digest.moved else named.key
    return tuple(dict.fromkeys((moved, named.key)))


def _keys_by_name(digests: Sequence[JudgedDigest], proved_only: bool) -> set[str]:
    wanted = [d for d in digests if d.is_proved or not proved_only]
    return {key for digest, named in _pair_files(wanted) for key in candidate_keys(digest, named)}


def _day_of(key: str, digest_day: date) -> date:
    """The day a file is told under: its prefix's, or the digest's where the prefix says something far away."""
    own = log_day(key)
    return own if own and timedelta(0) <= digest_day - own <= timedelta(days=1) else digest_day


def _place_unnamed_files(made: JudgedGroup, logs: Iterable[str], days: Collection[date]) -> None:
    """Stored files that no digest names: injected where digests cover their hour, undecided or unproved elsewhere.

    In an hour that proved digests cover, being named by one that was made up is being named by none.
    """
    covered = _coverage_spans(made.digests)
    named, proved = _keys_by_name(made.digests, False), _keys_by_name(made.digests, True)
    digest_days = {d.stored.place.day for d in made.digests if not d.stored.place.is_backfill}
    told_days = digest_days | {f.day for f in made.findings}
    for key in logs:
        day = log_day(key)
        if day is None or day not in days or key in proved:
            continue
        if _is_covered(delivery_time(key), day, covered):
            made.unvouched.append((day, key))
        elif key in named:
            continue
        elif day in told_days:
            made.undecided[day] += 1
        else:
            made.unproved[day] += 1


def _coverage_spans(digests: Sequence[JudgedDigest]) -> list[tuple[datetime, datetime]]:
    """The hours that proved digests speak of."""
    hourly = (d for d in digests if d.is_proved and not d.stored.place.is_backfill)
    return [(d.stored.digest.start, d.stored.digest.end) for d in hourly if d.stored.digest]


def _is_covered(delivered: datetime | None, day: date, covered: Sequence[tuple[datetime, datetime]]) -> bool:
    """Whether its own hour and the next one are spoken of: what is delivered late in an hour may be told in the next.

    A name that tells no time, or one that is not of its folder's day, is covered where that day is spoken of at all:
    whoever puts an object there chooses its name.
    """
    if delivered is None or not _is_of_day(delivered, day):
        return any(start.date() == day for start, _ in covered)
    return all(any(start <= moment < end for start, end in covered) for moment in (delivered, delivered + HOUR))


def _is_of_day(moment: datetime, day: date) -> bool:
    """Whether a moment is of a day, or within an hour of it."""
    began = datetime(day.year, day.month, day.day, tzinfo=UTC)
    return began - HOUR <= moment < began + timedelta(days=1) + HOUR

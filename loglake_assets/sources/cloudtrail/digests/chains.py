"""Whether digests are missing, and whether each is what the next one says it was: pure, over digests already judged.

Each hourly digest names its predecessor with hash and signature. `aws cloudtrail validate-logs` follows those pointers
and tells several missing digests in a row as one; here the hours between are counted out and each is named.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise

from loglake_assets.sources.cloudtrail.digests.digest_judge import JudgedDigest
from loglake_assets.sources.cloudtrail.digests.documents import Digest
from loglake_assets.sources.cloudtrail.digests.places import HOUR, DigestPlace, day_of_end, digest_place

_SLACK = timedelta(minutes=1)
_STOPPED = (
    "the chain ends before it; if somebody stopped the trail or its validation then, the log itself says who "
    "(StopLogging, UpdateTrail, DeleteTrail)"
)
_RESTARTED = "after it a new chain begins: the trail or its validation was off, or the digests between were removed"


@dataclass(frozen=True)
class ChainFinding:
    """A finding about the digest of one hour, by its key as stored."""

    kind: str
    key: str
    day: date
    detail: str = ""


def chains(digests: Iterable[JudgedDigest]) -> dict[str, list[JudgedDigest]]:
    """The hourly digests of each trail, by stem, in the order of their hours. Backfills are in no chain of hours."""
    found: dict[str, list[JudgedDigest]] = {}
    for digest in sorted(digests, key=lambda d: (d.stored.place.end, d.stored.place.key)):
        if not digest.stored.place.is_backfill:
            found.setdefault(digest.stored.place.stem, []).append(digest)
    return found


def chain_findings(digests: Sequence[JudgedDigest], last_day: date) -> list[ChainFinding]:
    """What is missing or changed in one chain up to the end of `last_day`, every missing hour by its key."""
    present = {d.stored.place.key for d in digests}
    links = _links(digests)
    found = list(_find_changes(links, digests))
    found += [finding for before, link in pairwise([None, *links]) if link for finding in _gap(before, link, present)]
    found += _gaps_at_end(digests, present, last_day)
    return list({(f.kind, f.key): f for f in found}.values())


def backfill_findings(digests: Sequence[JudgedDigest]) -> list[ChainFinding]:
    """What is changed or missing among backfill digests: they follow no clock, so only what one of them names."""
    present = {d.stored.place.key for d in digests}
    links = _links(digests)
    found = list(_find_changes(links, digests))
    for link in links:
        pointed = _pointer(link)
        if pointed and pointed.key not in present and pointed.is_backfill:
            found.append(_missing_names(pointed, f"{link.stored.place.key} names it"))
    return found


def _links(digests: Sequence[JudgedDigest]) -> list[JudgedDigest]:
    """Those that may tell of their neighbours; a stranger's may where no other is known, as without any key."""
    links = [d for d in digests if d.can_link]
    known = [d for d in links if d.kind != "unknown_public_key"]
    return known if any(d.is_proved for d in known) else links


def _digest(link: JudgedDigest) -> Digest:
    assert link.stored.digest, "only digests that were read are links"
    return link.stored.digest


def _pointer(link: JudgedDigest) -> DigestPlace | None:
    """The place of the predecessor that a link names, as stored; None for the first of a chain or of a bucket."""
    digest = _digest(link)
    if not digest.previous_key or not link.moved or digest.previous_bucket != digest.bucket:
        return None
    return digest_place(link.moved.stored_key(digest.previous_key))


def _find_changes(links: Sequence[JudgedDigest], digests: Sequence[JudgedDigest]) -> Iterator[ChainFinding]:
    """Digests, in their place, that are not what their successor says they were."""
    in_place = {d.stored.place.key: d.stored for d in digests if d.moved}
    for link in links:
        pointed = _pointer(link)
        stored = in_place.get(pointed.key) if pointed else None
        if stored and stored.sha256 != _digest(link).previous_sha256:
            detail = f"{link.stored.place.key} tells another hash of it"
            yield ChainFinding("changed_digest", stored.place.key, stored.place.day, detail)


def _gap(before: JudgedDigest | None, link: JudgedDigest, present: set[str]) -> Iterator[ChainFinding]:
    """What is missing between two links, or that they do not belong together."""
    pointed = _pointer(link)
    if before is None:
        if pointed and pointed.key not in present:
            yield _missing_names(pointed, f"{link.stored.place.key} names it; what came before it cannot be told")
        return
    if pointed and pointed.key == before.stored.place.key:
        return
    start = _digest(link).start
    if start - before.stored.place.end > _SLACK:
        yield from _hours_without_digest(before.stored.place, start, pointed, present)
    elif pointed:
        yield ChainFinding(
            "broken_chain", link.stored.place.key, link.stored.place.day, f"it names {pointed.key} as the one before"
        )


def _hours_without_digest(
    before: DigestPlace, start: datetime, pointed: DigestPlace | None, present: set[str]
) -> Iterator[ChainFinding]:
    """The digests between two that are there; the last one by the name that its successor gives it."""
    count = max(1, round((start - before.end) / HOUR))
    ends = [before.end + HOUR * n for n in range(1, count + 1)]
    keys = [before.at(end) for end in ends]
    if pointed and pointed.stem == before.stem:
        keys[-1] = pointed.key
    for key, end in zip(keys, ends, strict=True):
        if key not in present:
            yield ChainFinding("missing_digest", key, day_of_end(end), "" if pointed else _RESTARTED)


def _gaps_at_end(digests: Sequence[JudgedDigest], present: set[str], last_day: date) -> Iterator[ChainFinding]:
    """Hours after the last digest. The day after it is named too; a chain silent for longer has ended."""
    if not digests:
        return
    last = digests[-1].stored.place
    until = min(last_day, last.day + timedelta(days=1)) + timedelta(days=1)
    end = last.end + HOUR
    while end <= datetime.combine(until, time(), UTC):
        if last.at(end) not in present:
            yield ChainFinding("missing_digest", last.at(end), day_of_end(end), _STOPPED)
        end += HOUR


def _missing_names(place: DigestPlace, detail: str) -> ChainFinding:
    return ChainFinding("missing_digest", place.key, place.day, detail)

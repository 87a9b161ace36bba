"""Findings as lines for a person: digests that are missing hour after hour are one line, others one each."""

from collections.abc import Iterable, Iterator
from datetime import timedelta

from loglake_assets.sources.calendar_days import day_from_number
from loglake_assets.sources.cloudtrail.digests.places import HOUR, DigestPlace, digest_place
from loglake_assets.sources.digest_report import KINDS, DigestFinding

_MISSING = "missing_digest"
_LONGEST_STEP = HOUR + timedelta(minutes=1)


def finding_lines(findings: Iterable[DigestFinding]) -> Iterator[str]:
    """A line for each finding, and one for each run of hours of a chain without a digest. Keys are as stored."""
    others: list[DigestFinding] = []
    chains: dict[tuple[str, str, str], list[tuple[DigestPlace, DigestFinding]]] = {}
    for finding in findings:
        place = digest_place(finding.key) if finding.kind == _MISSING else None
        if place is None or place.is_backfill:
            others.append(finding)
        else:
            chains.setdefault((place.group.name, place.stem, finding.detail), []).append((place, finding))
    for chain in chains.values():
        for run in _runs(sorted(chain, key=lambda one: one[0].end)):
            yield _run_line(run) if len(run) > 1 else _line(run[0][1])
    yield from map(_line, others)


def _runs(chain: list[tuple[DigestPlace, DigestFinding]]) -> list[list[tuple[DigestPlace, DigestFinding]]]:
    runs: list[list[tuple[DigestPlace, DigestFinding]]] = []
    for place, finding in chain:
        if runs and place.end - runs[-1][-1][0].end <= _LONGEST_STEP:
            runs[-1].append((place, finding))
        else:
            runs.append([(place, finding)])
    return runs


def _run_line(run: list[tuple[DigestPlace, DigestFinding]]) -> str:
    """The times are those in the digests' names, at which their hours end."""
    (first, named), (last, _) = run[0], run[-1]
    return (
        f"{first.end:%Y-%m-%d %H:%M} to {last.end:%Y-%m-%d %H:%M}: {len(run):,} hours without a digest: {_MISSING}: "
        f"{named.name} to {last.key.rpartition('/')[2]}: {named.detail or KINDS[_MISSING]}"
    )


def _line(finding: DigestFinding) -> str:
    return f"{day_from_number(finding.day)}: {finding.sentence}"

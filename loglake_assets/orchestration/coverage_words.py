"""How a day's coverage is said in the UI: one line, what mends it, and names as a table. Counts, keys and ids only."""

from collections.abc import Collection, Iterator
from typing import Any

from loglake_assets.lake.checks.coverage import NAMES_SHOWN, WITHHELD, Coverage, Measure
from loglake_assets.lake.checks.day_report import remedy
from loglake_assets.lake.storage.keys import coverage_key
from loglake_assets.orchestration.check_metadata import WHAT_NAME_DETAIL, check_metadata
from loglake_assets.orchestration.console_links import file_page
from loglake_assets.sources import load_source
from loglake_assets.sources.calendar_days import day_from_number
from loglake_assets.sources.reasons import advice
from loglake_assets.sources.words import inflect, join_clauses, sentence, tally
from resources.settings import LakeSettings, program


def coverage_description(coverage: Coverage) -> str:
    """A sentence: the day, its percentage, what is missing or wrong with the first name of it, and what mends it."""
    day = day_from_number(coverage.day)
    share = "no events that day" if coverage.pct is None else f"{coverage.pct:.4f} %"
    if said := list(_losses(coverage)):
        return sentence(f"{day}: {share}, {join_clauses(said)}", coverage_remedy(coverage))
    if not coverage.expected:
        return sentence(f"{day}: {share}")
    all_of = f"{inflect(coverage.expected, 'the', 'every one of')} {tally(coverage.expected, 'event')}"
    return sentence(f"{day}: {share}", f"{all_of} in raw is in readready")


def _losses(coverage: Coverage) -> Iterator[str]:
    """What is missing, each kind with the first name of it."""
    if coverage.unreadable:
        named = [f"{name} ({reason})" for name, reason in coverage.unreadable.items()]
        yield _clause(len(named), "object", "unreadable") + _first_of(named)
    if coverage.missing:
        yield _clause(coverage.missing, "event", "not in readready") + _first_in(coverage.missing_by_object)
    if coverage.unplaceable_records:
        has, belongs = ("has", "it belongs") if coverage.unplaceable_records == 1 else ("have", "they belong")
        count = tally(coverage.unplaceable_records, "record")
        yield f"{count} {has} no usable time, so {belongs} to no day{_first_in(coverage.unplaceable_by_object)}"
    if coverage.set_aside:
        holds = f"that held {tally(coverage.set_aside_events, 'event')} " if coverage.set_aside_events else ""
        read = f"not as the build read {inflect(len(coverage.set_aside), 'it', 'them')}"
        yield _clause(len(coverage.set_aside), "object", read, holds) + _first_of(coverage.set_aside)
    if coverage.altered:
        yield _clause(len(coverage.altered), "file", "not as committed") + _first_of(coverage.altered)


def _clause(count: int, noun: str, what: str, holds: str = "") -> str:
    return f"{tally(count, noun)} {holds}{inflect(count, 'is', 'are')} {what}"


def _first_of(names: Collection[str]) -> str:
    """The only one of some names, or the first of them."""
    if not names:
        return ""
    return f"{': ' if len(names) == 1 else ', the first is '}{next(iter(names))}"


def _first_in(objects: Collection[str]) -> str:
    """The first of the objects that hold what is counted."""
    return f", the first in {next(iter(objects))}" if objects else ""


def coverage_metadata(coverage: Coverage, settings: LakeSettings) -> dict[str, Any]:
    """What mends the day, what is missing by name, then counts. What there is none of is left out."""
    counts = {
        "missing": coverage.missing,
        "unreadable_objects": len(coverage.unreadable),
        "records_without_a_day": coverage.unplaceable_records,
        "objects_set_aside": len(coverage.set_aside),
        "events_of_objects_set_aside": coverage.set_aside_events,
        "files_altered": len(coverage.altered),
        "rows_of_altered_files": coverage.altered_rows,
        "excluded_by_rule": coverage.excluded,
        **{f"denied_objects_by_rule_{rule}": count for rule, count in coverage.denied.items()},
    }
    figures = {
        "coverage_pct": coverage_value(coverage),
        "events_in_raw": coverage.expected,
        "events_in_readready": coverage.found,
        **{name: count for name, count in counts.items() if count},
        "objects_read_by_the_build": coverage.objects_read,
        "objects_recounted": coverage.object_count,
        "bytes_recounted": coverage.bytes_read,
    }
    key = coverage_key(load_source(coverage.source).readready.name, coverage.day)
    all_names = file_page(settings, f"s3://{settings.readready_bucket}/{key}")
    return check_metadata(coverage_remedy(coverage), WHAT_NAME_DETAIL, _odd_rows(coverage), figures, all_names)


def _odd_rows(coverage: Coverage) -> Iterator[tuple[str, str, str]]:
    """(what is wrong, object, file or event, detail), as far as a page shows them."""
    yield from _first_names("unreadable object", coverage.unreadable)
    yield from _first_names("events not in readready", coverage.missing_by_object)
    yield from _first_names("records without a usable time", coverage.unplaceable_by_object)
    yield from _first_names("object not as the build read it", coverage.set_aside)
    yield from _first_names("file not as committed", coverage.altered)
    yield from _first_names("event not in readready", dict.fromkeys(coverage.missing_events, ""))


def _first_names(kind: str, names: Any) -> Iterator[tuple[str, str, str]]:
    for name, detail in list(names.items())[:NAMES_SHOWN]:
        yield kind, str(name), str(detail)


def coverage_value(coverage: Coverage | None, has_source: bool = True) -> float | str:
    """A percentage that plots, or why there is none."""
    if coverage is None:
        return "unchecked: the recount failed"
    if coverage.pct is not None:
        return coverage.pct
    return "n/a: no events that day" if has_source else "n/a: nothing was delivered"


def coverage_remedy(coverage: Coverage) -> str:
    """What mends a day of which something is missing or wrong: a sentence for each finding; empty where nothing is."""
    day, found = day_from_number(coverage.day), coverage.findings
    said = [
        remedy(finding, coverage.source, day, coverage=coverage)
        for finding in found
        if finding is not Measure.WITHHELD and not (finding is Measure.MISSING and Measure.ALTERED in found)
    ]
    withheld = sorted(set(coverage.unreadable.values()) & WITHHELD)
    said += [f"objects named as {why}: {advice(why, program(), coverage.source, day, day)}" for why in withheld]
    return "; ".join(said)

"""Which days of a review are built from what its tables show now, which are stale, and why."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from loglake_assets.lake.lake import Lake
from loglake_assets.lake.versions.commits import head, heads
from loglake_assets.lake.versions.manifests import manifest_if_any
from loglake_assets.reviews.day_writer import input_name, input_version
from loglake_assets.reviews.inputs import BUILT, UNBUILT, Input, read_inputs
from loglake_assets.reviews.review_model import Review
from loglake_assets.sources import load_source
from loglake_assets.sources.calendar_days import day_from_number, day_number, days_between

STALE = "stale"


@dataclass(frozen=True)
class ReviewState:
    """One day of a review. `status`: built, stale (its tables are not what it read, as `reasons` say), or unbuilt."""

    day: date
    status: str
    reasons: tuple[str, ...]
    inputs: Mapping[str, Mapping[date, Input]]
    """By log: the days around this one that its rows may need, as the catalog shows them now."""

    @property
    def near(self) -> list[Input]:
        return [entry for days in self.inputs.values() for entry in days.values()]

    @property
    def incomplete(self) -> list[str]:
        """A sentence for each log of the day itself of which not all is there."""
        return [sentence for days in self.inputs.values() for sentence in days[self.day].lacks()]


def days_to_build(lake: Lake, review: Review) -> list[date]:
    """Days of which the leading log is built and the review is not, in order."""
    leading = heads(lake.table(load_source(review.leading_source).readready.name))
    return sorted(map(day_from_number, leading.keys() - heads(lake.table(review.table.name)).keys()))


def review_states(lake: Lake, review: Review, days: Sequence[date]) -> list[ReviewState]:
    """The state of each day, by what its newest commit says that it read and what the catalog shows."""
    if not days:
        return []
    first, last = min(days) - timedelta(days=review.look_back_days), max(days) + timedelta(days=review.look_ahead_days)
    around = days_between(first, last)
    inputs = {name: read_inputs(lake, load_source(name), around) for name in review.sources}
    return [_state(lake, review, day, inputs) for day in sorted(days)]


def _state(lake: Lake, review: Review, day: date, inputs: Mapping[str, Mapping[date, Input]]) -> ReviewState:
    near = {
        name: {d: entry for d, entry in entries.items() if _is_near(review, day, d)} for name, entries in inputs.items()
    }
    read = _inputs_of_commit(lake, review, day)
    if read is None:
        return ReviewState(day, UNBUILT, (), near)
    changed = _changes(read, [entry for entries in near.values() for entry in entries.values()])
    reasons = (*changed, *_absent_details(lake, review, day))
    return ReviewState(day, STALE if reasons else BUILT, reasons, near)


def _is_near(review: Review, day: date, other: date) -> bool:
    return -review.look_back_days <= (other - day).days <= review.look_ahead_days


def _changes(read: Mapping[str, str], near: Sequence[Input]) -> Iterator[str]:
    """What readers of the tables see otherwise than the review did, a sentence each."""
    for entry in near:
        was, now = read.get(input_name(entry)), input_version(entry) if entry.status == BUILT else None
        name = f"{entry.table} {entry.day}"
        if was is None and now is not None:
            yield f"{name} was not built when the review read it, and is now"
        elif was is not None and now is None:
            yield f"{name} was built when the review read it, and is not now"
        elif was != now:
            yield f"{name} is at commit {entry.commit_seq}, and the review read commit {(was or '').partition(':')[0]}"
    names = {input_name(entry) for entry in near}
    yield from (f"the review read {name}, which is none of its days" for name in sorted(set(read) - names))


def _absent_details(lake: Lake, review: Review, day: date) -> Iterator[str]:
    """Detail tables of which no run has written the day, as of days that were built before there were any."""
    for detail in review.details:
        if head(lake.table(detail.table.name), day_number(day)) is None:
            yield f"{detail.name} has not been built of this day"


def _inputs_of_commit(lake: Lake, review: Review, day: date) -> dict[str, str] | None:
    """What the day's newest commit read, by table and day; None where there is no commit, or none that says so."""
    table = lake.table(review.table.name)
    commit = head(table, day_number(day))
    if commit is None:
        return None
    manifest = manifest_if_any(table, day_number(day), commit.run_id)
    return {entry.key: entry.etag for entry in manifest.objects} if manifest else None

"""Which days of a review are to be built: missing ones once their logs are there, and stale ones."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any

import dagster as dg

from loglake_assets.lake.lake import Lake
from loglake_assets.lake.storage.partitions import days_expression, partitions
from loglake_assets.lake.versions.commits import COMMIT_SEQ, RUN
from loglake_assets.orchestration.review_config import ReviewConfig
from loglake_assets.orchestration.source_config import window_tags, windows
from loglake_assets.reviews.inputs import BUILT, UNBUILT
from loglake_assets.reviews.staleness import ReviewState, review_states
from loglake_assets.sources import load_source

_EVERY, _WHOLE_LOOK = timedelta(minutes=5), timedelta(hours=1)


def changed_inputs_sensor(config: ReviewConfig, job: Any) -> dg.SensorDefinition:
    """Days of the look-back that are missing and have their logs, or that are stale.

    A tick asks the catalog what readers of the tables see, which is cheap. Only where that is not what the last look
    saw, and once an hour, it compares each day with what its manifest says that it read: so nothing that is built while
    a run goes on can be overlooked. A day that fails is asked for again the next day, or when its tables change: it
    cannot make runs without end.
    """

    @dg.sensor(
        name=f"{config.review.name}_changed_inputs",
        job=job,
        minimum_interval_seconds=int(_EVERY.total_seconds()),
        default_status=dg.DefaultSensorStatus.RUNNING,
        description=f"Asks for days of {config.review.name} that are missing and have their logs, or that are stale.",
    )
    def sensor(
        context: dg.SensorEvaluationContext, lake: dg.ResourceParam[Lake]
    ) -> Iterator[dg.RunRequest | dg.SkipReason]:
        now = datetime.now(UTC)
        seen, before = _what_readers_see(config, lake, now.date()), _Look.from_text(context.cursor)
        if not before.is_due(now) and before.seen == seen:
            yield dg.SkipReason("Readers of its tables see what they saw at the last look.")
            return
        found = look_up(config, lake, now)
        for window in windows(sorted(found.to_build), config.days_per_run):
            versions = hashlib.sha256("".join(found.to_build[day] for day in window).encode()).hexdigest()[:16]
            yield dg.RunRequest(run_key=f"{window[0]}/{window[-1]}/{versions}/{now.date()}", tags=window_tags(window))
        context.update_cursor(_Look(seen, found.next_look(now).isoformat()).text())
        if not found.to_build:
            waits = " ".join(found.waiting[day] for day in sorted(found.waiting)[:5])
            yield dg.SkipReason(waits or "Every day of the look-back reads its tables as they are.")

    return sensor


@dataclass(frozen=True)
class _Look:
    """What the last look saw, and when the next one is due even if that is still so."""

    seen: str = ""
    due: str = ""

    @staticmethod
    def from_text(text: str | None) -> "_Look":
        return _Look(**json.loads(text)) if text else _Look()

    def text(self) -> str:
        return json.dumps({"seen": self.seen, "due": self.due})

    def is_due(self, now: datetime) -> bool:
        return not self.due or now >= datetime.fromisoformat(self.due)


@dataclass(frozen=True)
class LookUp:
    """Days to build, each with the version of what it would read now, and days that wait for a log, with a sentence."""

    to_build: Mapping[date, str] = field(default_factory=dict)
    waiting: Mapping[date, str] = field(default_factory=dict)
    ends_of_waits: tuple[datetime, ...] = ()

    def next_look(self, now: datetime) -> datetime:
        return min([now + _WHOLE_LOOK, *self.ends_of_waits])


def changed_days(config: ReviewConfig, lake: Lake, today: date) -> dict[date, str]:
    """Closed days of the look-back to build, with the version of what they would read now."""
    return dict(look_up(config, lake, datetime.now(UTC), today).to_build)


def look_up(config: ReviewConfig, lake: Lake, now: datetime, today: date | None = None) -> LookUp:
    """Closed days of the look-back to build, and those that wait.

    The leading table gates a day, by being built and by its coverage. A day that was never built waits for the logs of
    `wait_for` as well, at most `wait_minutes` from when its leading table was built: that another log has gaps is what
    a review has to show, and no reason to keep it back for good.
    """
    to_build, waiting, ends = {}, {}, []
    for state in review_states(lake, config.review, _days(config, today or now.date())):
        leading = state.inputs[config.review.leading_source][state.day]
        floor = config.leading_coverage_floor_pct
        if state.status == BUILT or leading.status != BUILT:
            continue
        if leading.coverage_pct is not None and leading.coverage_pct < floor:
            continue
        if end := end_of_wait(config, state, now):
            waiting[state.day] = wait_sentence(config, state, end)
            ends.append(end)
        else:
            to_build[state.day] = "".join(sorted(entry.version for entry in state.near))
    return LookUp(to_build, waiting, tuple(ends))


def end_of_wait(config: ReviewConfig, state: ReviewState, now: datetime) -> datetime | None:
    """Until when a day waits for the logs of `wait_for`; None where it waits for none, or no longer."""
    leading = state.inputs[config.review.leading_source][state.day]
    if state.status != UNBUILT or not _days_to_wait_for(config, state) or leading.committed_at is None:
        return None
    end = datetime.fromisoformat(leading.committed_at).astimezone(UTC) + timedelta(minutes=config.wait_minutes)
    return end if now < end else None


def wait_sentence(config: ReviewConfig, state: ReviewState, end: datetime) -> str:
    """Why a day is not built yet, for people."""
    names = ", ".join(_days_to_wait_for(config, state))
    return f"{state.day} waits for {names} until {end:%Y-%m-%d %H:%M} UTC; then it is built with what there is."


def _days_to_wait_for(config: ReviewConfig, state: ReviewState) -> list[str]:
    """Tables of `wait_for` that have no such day."""
    entries = (state.inputs[name][state.day] for name in config.awaited_sources)
    return [entry.table for entry in entries if entry.status != BUILT]


def _days(config: ReviewConfig, today: date) -> list[date]:
    days = (today - timedelta(days=n) for n in range(config.heal_days, 0, -1))
    return [day for day in days if day >= config.start_day]


def _what_readers_see(config: ReviewConfig, lake: Lake, today: date) -> str:
    """A hash of the commits that the catalog shows of all days that may matter; it changes at midnight too."""
    days = _days(config, today)
    if not days:
        return today.isoformat()
    around = [days[0] - timedelta(days=config.review.look_back_days)]
    around.append(days[-1] + timedelta(days=config.review.look_ahead_days))
    tables = [load_source(name).readready.name for name in config.review.sources] + [config.review.table.name]
    seen = [today.isoformat()]
    for table in tables:
        for found in partitions(lake.catalog, table, days_expression(around)):
            shown = found.get("Parameters", {})
            seen.append(f"{table}/{found['Values']}/{shown.get(COMMIT_SEQ)}/{shown.get(RUN)}")
    return hashlib.sha256("\n".join(sorted(seen)).encode()).hexdigest()

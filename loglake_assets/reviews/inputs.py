"""What the lake held of a table and day when a review read it: which commit, how complete, and what was missing."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from loglake_assets.lake.checks.coverage import coverage_of_commit
from loglake_assets.lake.lake import Lake
from loglake_assets.lake.storage.partitions import days_expression, delivered_days, partitions
from loglake_assets.lake.versions.commits import commit_if_readable, shown_seq
from loglake_assets.sources import LogSource
from loglake_assets.sources.calendar_days import day_from_number, day_number
from loglake_assets.sources.words import round_down

BUILT, UNBUILT, NO_SOURCE = "built", "unbuilt", "no_source"


@dataclass(frozen=True)
class Input:
    """One day of a readready table. `status`: built, unbuilt (there are raw logs), or no_source (there are none)."""

    table: str
    day: date
    status: str
    commit_seq: int | None = None
    run_id: str | None = None
    committed_at: str | None = None
    coverage_pct: float | None = None
    unreadable: Mapping[str, str] = field(default_factory=dict)
    missing_events: Sequence[str] = ()

    def sentence(self) -> str:
        """For people."""
        if self.status == NO_SOURCE:
            return f"{self.table} {self.day}: no logs were delivered"
        if self.status == UNBUILT:
            return f"{self.table} {self.day}: delivered and not built"
        pct = "not measured" if self.coverage_pct is None else f"{self.coverage_pct:.4f} %"
        return f"{self.table} {self.day}: coverage {pct}"

    @property
    def version(self) -> str:
        """Differs when readers of the day see other rows, or when there is something new to build."""
        return f"{self.table}/{self.day}/{self.status}/{self.commit_seq}/{self.run_id}"

    def lacks(self) -> list[str]:
        """A sentence for each thing of the day that is not here; none where it was measured and all is here."""
        return day_lacks(self.document())

    def document(self) -> dict[str, Any]:
        """As packets and rows keep it."""
        return {
            "table": self.table,
            "day": self.day.isoformat(),
            "status": self.status,
            "coverage_pct": self.coverage_pct,
            "commit_seq": self.commit_seq,
            "run_id": self.run_id,
            "committed_at": self.committed_at,
            "unreadable_objects": len(self.unreadable),
            "missing_events": len(self.missing_events),
        }


def day_lacks(day: Mapping[str, Any]) -> list[str]:
    """`Input.lacks` from the document of an input, as packets and rows keep it."""
    name, pct, sentences = f"{day['table']}, {day['day']}", day["coverage_pct"], []
    if day["status"] == NO_SOURCE:
        sentences.append("no logs of this day were delivered to the lake, so nothing of it is here.")
    elif day["status"] != BUILT:
        sentences.append("this day has not been built, so none of its events are here.")
    elif pct is None:
        sentences.append("it was not measured how many of the day's events are here.")
    elif pct < 100:
        missing = f" ({day['missing_events']:,} missing)" if day["missing_events"] else ""
        sentences.append(f"{round_down(pct):g} % of the day's events are here{missing}.")
    elif day["missing_events"]:
        sentences.append(f"{day['missing_events']:,} of the day's events are missing.")
    if count := day["unreadable_objects"]:
        sentences.append(f"raw files that could not be read: {count:,}. What they hold is not known.")
    return [f"{name}: {sentence}" for sentence in sentences]


def read_inputs(lake: Lake, source: LogSource, days: Sequence[date]) -> dict[date, Input]:
    """Each day as the catalog shows it to readers, with the newest coverage that was measured of it."""
    table = source.readready.name
    shown = {
        day_from_number(p["Values"][0]): p.get("Parameters", {})
        for p in partitions(lake.catalog, table, days_expression(days))
    }
    delivered = delivered_days(lake.catalog, source, days_expression(days))
    return {day: _input(lake, table, day, shown.get(day), day in delivered) for day in days}


def _input(lake: Lake, table: str, day: date, parameters: Mapping[str, str] | None, is_delivered: bool) -> Input:
    if parameters is None:
        return Input(table, day, UNBUILT if is_delivered else NO_SOURCE)
    seq = shown_seq(parameters)
    commit = commit_if_readable(lake.table(table), day_number(day), seq)
    coverage = coverage_of_commit(lake.table(table), day_number(day), seq)
    return Input(
        table,
        day,
        BUILT,
        commit_seq=seq,
        run_id=commit.run_id if commit else None,
        committed_at=commit.committed_at if commit else None,
        coverage_pct=coverage.pct if coverage else None,
        unreadable=coverage.unreadable if coverage else {},
        missing_events=coverage.missing_events if coverage else (),
    )

"""The check of the days before the look-back: some weeks of them in each run, in turn, each week in its turn.

Comparing all days every time would list the whole bucket. What is wrong with a day is kept until a later turn finds it
mended: the check stays red for it meanwhile. The turn is kept as well, so that no week depends on the hour of a run.
"""

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from itertools import islice
from typing import Any

import dagster as dg

from loglake_assets.lake.checks.coverage import NAMES_SHOWN
from loglake_assets.lake.checks.day_report import (
    LOOK_BACK_DAYS,
    DayReport,
    Finding,
    Verdict,
    finding_runs,
    remedy,
)
from loglake_assets.lake.lake import Lake
from loglake_assets.lake.storage.keys import check_key
from loglake_assets.lake.storage.partitions import delivered_days
from loglake_assets.lake.versions.served_day import IN_ORDER, Placing
from loglake_assets.orchestration.comparison import (
    check_result,
    cost,
    report_result,
)
from loglake_assets.orchestration.source_config import SourceConfig
from loglake_assets.s3.json_records import json_record
from loglake_assets.sources.calendar_days import day_number
from loglake_assets.sources.words import join_clauses, tally
from resources.settings import FIRST_DAY, is_local, loglake

OLDER_DAYS = "older_days"
WEEK = 7
WEEKS_A_RUN = 6  # at most: one for each hour since the last run, and no more than a run has time for
_SHOWN_OUTSIDE = 5  # of the days that are no days of the lake, so that the others are named as well
_FINDINGS: Mapping[str, Finding] = {str(finding): finding for finding in (*Verdict, *Placing)}
_ALL_DAYS = 0  # the place among a table's results of what is about no single day


@dataclass(frozen=True)
class OlderDays:
    """What is known of the older days: which are wrong and how, whose turn is next, and the hour of the last look."""

    wrong: Mapping[str, Any] = field(default_factory=dict)
    turn: int = 0
    hour: int | None = None

    def turns(self, hour: int) -> range:
        """The turns that are due: one for each hour since the last look, and not too many of them."""
        passed = WEEKS_A_RUN if self.hour is None else hour - self.hour
        return range(self.turn, self.turn + min(max(passed, 1), WEEKS_A_RUN))


def weeks_between(first: date, before: date) -> int:
    """How many weeks there are from `first` to the day before `before`, the last of them perhaps shorter."""
    return max(0, -(-(before - first).days // WEEK))


def week_of_turn(first: date, before: date, turn: int) -> list[date]:
    """The week of `first` to the day before `before` that a turn looks at: each in its turn."""
    weeks = weeks_between(first, before)
    if not weeks:
        return []
    start = first + timedelta(days=WEEK * (turn % weeks))
    return [day for n in range(WEEK) if (day := start + timedelta(days=n)) < before]


def remember(
    known: Mapping[str, Mapping[str, Any]], days: Sequence[date], found: Sequence[DayReport]
) -> dict[str, Any]:
    """What is known to be wrong by day, after `days` were compared again."""
    looked_at = {day.isoformat() for day in days}
    wrong = {day.day.isoformat(): summary for day in found if (summary := _summary(day))}
    return {day: said for day, said in known.items() if day not in looked_at} | wrong


def _summary(day: DayReport) -> dict[str, Any]:
    """Counts by verdict, and the placing of a day that is not as it must be with its run; empty for one that is."""
    wrong = Counter(str(one.verdict) for one in day.wrong)
    placing = {} if day.placing in IN_ORDER else {"placing": str(day.placing), "run": day.run_id}
    return {**wrong, **placing}


def check_older_days(config: SourceConfig, lake: Lake, now: datetime) -> tuple[dg.AssetCheckResult, list[DayReport]]:
    """The check's result, and the days of this run's turns as they were found."""
    before = now.date() - timedelta(days=LOOK_BACK_DAYS)
    state, hour = read_state(lake, config), int(now.timestamp() // 3600)
    turns = state.turns(hour)
    days = sorted({day for turn in turns for day in week_of_turn(config.start_day, before, turn)})
    found = report_result(config, lake, days, before) if days else []
    # Turns begin anew behind the last week: counted on for ever, they would leave weeks out while weeks are added.
    following = turns.stop % max(weeks_between(config.start_day, before), 1)
    state = OlderDays(remember(state.wrong, days, found), following, hour)
    put_state(lake, config, state)
    tomorrow = now.date() + timedelta(days=1)  # a clock may be ahead of ours; a day ahead of it is wrong
    outside = (
        _raw_days(config, lake, f"logcalendarday < {day_number(config.start_day)}"),
        _raw_days(config, lake, f"logcalendarday > {day_number(tomorrow)}"),
    )
    return _result(config, state, days, found, *outside), found


def _raw_days(config: SourceConfig, lake: Lake, expression: str) -> list[date]:
    """Days of raw partitions that an expression selects."""
    return sorted(delivered_days(lake.catalog, config.source, expression))


def _result(
    config: SourceConfig,
    state: OlderDays,
    days: Sequence[date],
    found: Sequence[DayReport],
    left_out: Sequence[date],
    to_come: Sequence[date],
) -> dg.AssetCheckResult:
    wrong = dict(sorted(state.wrong.items()))
    is_mild = not left_out and not to_come and all(set(said) <= {str(Verdict.OUTDATED)} for said in wrong.values())
    remedies: list[str] = []
    if wrong:
        remedies += islice(dict.fromkeys(_remedies_of(config, wrong)), NAMES_SHOWN)
        remedies.append(
            f"in Dagster, backfill {config.reconciliation_key.to_user_string()} for these days: it says what mends each"
        )
    if left_out:
        remedies.append(
            f"raw days before the lake's first day are built and checked by nothing: {_earlier_first_day(left_out[0])}"
        )
    if to_come:
        remedies.append(
            "raw days after tomorrow are built and checked by nothing until they come: find out who delivered under a "
            "prefix of such a day, and have the objects moved to the day of their delivery"
        )
    said = [
        *([f"{tally(len(wrong), 'older day')} known to be wrong"] if wrong else []),
        *([f"{tally(len(left_out), 'raw day')} before the lake's first day"] if left_out else []),
        *([f"{tally(len(to_come), 'raw day')} after tomorrow"] if to_come else []),
    ]
    return check_result(
        config.checks_key,
        OLDER_DAYS,
        wrong=f"found {join_clauses(said)}" if said else "",
        right="No older day is known to be wrong.",
        remedy="; ".join(remedies),
        columns=("day", "what"),
        names=[
            *((day, "raw objects before the lake's first day") for day in left_out[:_SHOWN_OUTSIDE]),
            *((day, "raw objects of a day to come") for day in to_come[:_SHOWN_OUTSIDE]),
            *((day, ", ".join(f"{name}: {count}" for name, count in said.items())) for day, said in wrong.items()),
        ],
        figures={
            "days": len(wrong),
            "days_before_the_first": len(left_out),
            "days_to_come": len(to_come),
            "compared_now": f"{tally(len(days), 'day')} from {days[0]} to {days[-1]}"
            if days
            else "no day is older than the look-back",
            **cost(found),
        },
        severity=dg.AssetCheckSeverity.WARN if is_mild else dg.AssetCheckSeverity.ERROR,
    )


def _earlier_first_day(day: date) -> str:
    """How the lake is given an earlier first day."""
    if is_local():
        return f"stop the lake where it is up, and start it by `{FIRST_DAY}={day} {loglake('up')}`"
    return f'write first_day = "{day}" into the file of the lake in lakes/; then `{loglake("deploy")}`'


def _remedies_of(config: SourceConfig, wrong: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """What mends each thing that is wrong, for neighbouring days together."""
    findings = {date.fromisoformat(day): list(_findings(said)) for day, said in wrong.items()}
    for finding, run in finding_runs(findings):
        said = wrong[run[-1].isoformat()]
        if finding is Placing.COMMIT_MISSING and not said.get("run"):
            continue  # noted before runs were kept: the turn that looks at the day again says it
        yield remedy(finding, config.source.name, run[0], run[-1], said.get("run"))


def _findings(said: Mapping[str, Any]) -> Iterator[Finding]:
    """The findings that a day's summary names."""
    for name, value in said.items():
        if finding := _FINDINGS.get(value if name == "placing" else name):
            yield finding


def read_state(lake: Lake, config: SourceConfig) -> OlderDays:
    """What earlier runs found wrong and no later one found mended, and whose turn it is."""
    try:
        body = lake.s3.get_object(Bucket=lake.settings.readready_bucket, Key=_state_key(config))["Body"].read()
    except lake.s3.exceptions.NoSuchKey:
        return OlderDays()
    try:
        return OlderDays(**json_record(body))
    except (ValueError, TypeError):  # damaged, or of an older form: it is made anew, turn by turn
        return OlderDays()


def put_state(lake: Lake, config: SourceConfig, state: OlderDays) -> None:
    """Keep the state for the next run."""
    document = {"wrong": dict(state.wrong), "turn": state.turn, "hour": state.hour}
    body = json.dumps(document, sort_keys=True).encode()
    lake.s3.put_object(Bucket=lake.settings.readready_bucket, Key=_state_key(config), Body=body)


def _state_key(config: SourceConfig) -> str:
    return check_key(config.source.readready.name, _ALL_DAYS, OLDER_DAYS)

"""What was built, compared with the truth that the samples come with: days by number, reviews row by row."""

import json
from collections import Counter
from collections.abc import Hashable, Iterator, Sequence
from datetime import date

from infra.cli.command_lake import CommandLake
from infra.cli.dagster_runs import DayResult
from loglake_assets.sources.calendar_days import day_number
from loglake_assets.sources.sample_deliveries import GroundTruth, SessionTruth, ToolCallTruth


def build_problems(truth: GroundTruth, results: Sequence[DayResult]) -> list[str]:
    """What differs between days of one log, as built, and the truth about them."""
    problems = [f"{r.day}: {r.error}" for r in results if r.error]
    for result in results:
        day, m = result.day.isoformat(), result.metadata
        if not m:
            problems.append(f"{day} was not built")
            continue
        problems += _different(day, "rows written", m["dagster/row_count"], truth.distinct_by_day.get(day, 0))
        problems += _different(day, "duplicates", m["duplicates"], truth.duplicates_by_day.get(day, 0))
        problems += _different(day, "excluded", m["excluded"], truth.excluded_by_day.get(day, 0))
        accounted = m["dagster/row_count"] + m["excluded"] + m["duplicates"] + m["quarantined_records"]
        problems += _different(day, "records accounted for", accounted, m["records_read"])
        whole = not m["quarantined_objects"] and not m["quarantined_records"]
        if (m["coverage_pct"] == 100) != whole:
            problems.append(f"{day}: coverage {m['coverage_pct']} with {m['quarantined_objects']} objects quarantined")
    built = [r.metadata for r in results if r.metadata]
    quarantined = sum(m["quarantined_objects"] for m in built)
    problems += _different("all days", "objects quarantined", quarantined, len(truth.quarantined_objects))
    records = sum(m["quarantined_records"] for m in built)
    return problems + _different("all days", "records quarantined", records, sum(truth.quarantined_records.values()))


def _different(day: str, what: str, found: int, expected: int) -> list[str]:
    return [] if found == expected else [f"{day}: {what} {found:,}, expected {expected:,}"]


def review_problems(
    lake: CommandLake, review: str, truths: Sequence[GroundTruth], first: date, last: date
) -> list[str]:
    """What differs between a review and the truth about the logs it joins; a review without a truth has none."""
    if review == "session_activity":
        return session_problems(lake, [s for truth in truths for s in truth.sessions], first, last)
    if review == "agent_tool_use":
        return tool_problems(lake, [t for truth in truths for t in truth.tool_calls], first, last)
    return []


def session_problems(lake: CommandLake, truth: Sequence[SessionTruth], first: date, last: date) -> list[str]:
    """Sessions that are missing, unknown, in another state, on another day, or of another number of lines."""
    sql = (
        f"SELECT f_sessionid, state, transcript_lines, logcalendarday FROM session_activity WHERE {_days(first, last)}"
    )
    found: Counter[Hashable] = Counter(
        (r["f_sessionid"] or "(denied)", r["state"], r["transcript_lines"], r["logcalendarday"])
        for r in lake.resource.athena.ask(sql).rows
    )
    wanted: Counter[Hashable] = Counter(
        (s.f_sessionid or "(denied)", s.state, len(s.lines), _number(s.day))
        for s in truth
        if first.isoformat() <= s.day <= last.isoformat()
    )
    return list(_differences("session", found, wanted))


def tool_problems(lake: CommandLake, truth: Sequence[ToolCallTruth], first: date, last: date) -> list[str]:
    """Tool calls that are missing, unknown, or told otherwise: by whom, with what, what came back, with which trail."""
    sql = (
        "SELECT tool_use_id, tool_name, logcalendarday, useridentity_arn, modelid, requestid, asked_in, tool_input, "
        "result_status, result_bytes, result_requestid, trail_eventid "
        f"FROM agent_tool_use WHERE {_days(first, last)}"
    )
    names = [
        *("tool_use_id", "tool_name", "useridentity_arn", "modelid", "requestid", "asked_in"),
        *("result_status", "result_bytes", "result_requestid"),
    ]
    found: Counter[Hashable] = Counter(
        (*(r[n] for n in names), _canonical(r["tool_input"]), r["trail_eventid"] is not None, r["logcalendarday"])
        for r in lake.resource.athena.ask(sql).rows
    )
    wanted: Counter[Hashable] = Counter(
        (*(getattr(t, n) for n in names), t.input_json, t.has_trail_event, _number(t.day))
        for t in truth
        if first.isoformat() <= t.day <= last.isoformat()
    )
    return list(_differences("tool call", found, wanted))


def _differences(what: str, found: Counter[Hashable], wanted: Counter[Hashable]) -> Iterator[str]:
    yield from (f"{what} that should be there: {entry}" for entry in wanted - found)
    yield from (f"{what} that should not be there: {entry}" for entry in found - wanted)


def _canonical(text: str) -> str:
    return json.dumps(json.loads(text), sort_keys=True)


def _days(first: date, last: date) -> str:
    return f"logcalendarday BETWEEN {day_number(first)} AND {day_number(last)}"


def _number(day: str) -> int:
    return day_number(date.fromisoformat(day))

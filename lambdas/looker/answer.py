"""What comes of a question: the answer with its evidence, or why there is none. Standard library only.

What the program says is marked as its own; nothing here pretends to be the model's words.
"""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date
from typing import Any

PROGRAM = "[Looker]"
"""What the program's own sentences begin with."""
BUILT, UNBUILT = "built", "unbuilt"
_HASHED = re.compile("sha256:([0-9a-f]{16})")
_NEXT_STEP = re.compile(r"^[ \t>*_#-]*next step[ \t*_]*:(.*)$", re.IGNORECASE | re.MULTILINE)
_HELP = {
    "prompt": "Ask one question in prompt_from_user.",
    "turns": "Ask a narrower question, or run the SQL above in Athena and go on from there.",
    "seconds": "Ask about fewer days, or run the SQL above in Athena, where nothing hurries.",
    "bytes": "Ask about fewer days or fewer columns; what a query scanned stands beside it.",
    "tokens": "Ask a narrower question: what was read was too much to think about at once.",
    "output_tokens": "Set LOOKER_MAX_OUTPUT_TOKENS to what the model can give in one answer, then ask again.",
    "too_long": "Ask for fewer columns or for counts: what was read does not fit into the model.",
    "throttled": "Ask again in a few minutes; the model's service is busy or the account's quota is used up.",
    "guardrail": "Ask in other words, or ask whoever keeps the guardrail what it stops.",
    "guardrail_failed": "Let the function's role apply the guardrail, see that the guardrail exists, and ask again.",
    "service": "See whether the function's role may invoke the model that LOOKER_MODEL_ID names, then ask again.",
}


@dataclass(frozen=True)
class QueryRun:
    """A query that ran. `sql` is what Athena was given, which the guard made."""

    sql: str
    query_id: str
    row_count: int
    bytes_scanned: int
    tables: tuple[str, ...]
    first_day: date | None
    last_day: date | None


@dataclass(frozen=True)
class Refusal:
    """SQL that was not run, and why."""

    sql: str
    reason: str


@dataclass(frozen=True)
class Failure:
    """A query that Athena was given and did not finish. It may have scanned nevertheless."""

    sql: str
    query_id: str
    reason: str
    bytes_scanned: int


@dataclass(frozen=True)
class DayCoverage:
    """A day that a query read. `coverage_pct` is None where it was not measured of the day's newest commit.

    `status` is built, unbuilt, or what was found last of a built day: stale, damaged, differing and the others of ODD.
    """

    table: str
    day: date
    status: str
    coverage_pct: float | None

    @property
    def is_complete(self) -> bool | None:
        """Whether it holds all of its events; None of a built day that was not measured."""
        if self.status != BUILT:
            return False
        return None if self.coverage_pct is None else self.coverage_pct == 100


@dataclass(frozen=True)
class QueryResult:
    """Rows of a query, each cell text or None, and how complete the days are that it read."""

    run: QueryRun
    columns: tuple[str, ...]
    rows: Sequence[Sequence[str | None]]
    truncated: bool
    """There may be more rows in the lake than these."""
    coverage: tuple[DayCoverage, ...] = ()


class QueryRefusedError(ValueError):
    """The SQL is not run; the message is the reason, for the model to read."""


class QueryFailedError(RuntimeError):
    """Athena did not finish the query; the message is Athena's reason."""

    def __init__(self, reason: str, sql: str = "", query_id: str = "", bytes_scanned: int = 0) -> None:
        super().__init__(reason)
        self.failed = Failure(sql, query_id, reason, bytes_scanned)


@dataclass(frozen=True)
class MaskCount:
    """How many texts of a column, or of the answer's own words, looked like a secret of a kind and are masked."""

    query_id: str | None
    """None: the answer's words."""
    column: str | None
    kind: str
    count: int


@dataclass(frozen=True)
class Answer:
    """One question's answer. `stopped_by` says what ended it before the model did; None: the model ended it."""

    final_response: str
    queries: tuple[QueryRun, ...] = ()
    refused: tuple[Refusal, ...] = ()
    failed: tuple[Failure, ...] = ()
    coverage: tuple[DayCoverage, ...] = ()
    masked: tuple[MaskCount, ...] = ()
    """What looked like a secret. The rows were masked before the model read them."""
    next_step: str | None = None
    next_step_by: str = "model"
    """`model`, or `program` where the model's text has no such line."""
    stopped_by: str | None = None
    turns: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    other_tool_calls: int = 0
    """Calls of tools that do not exist, each of them answered with an error."""

    def document(self) -> dict[str, Any]:
        """As JSON; days as 2026-11-01."""
        document: dict[str, Any] = _jsonable(asdict(self))
        return document


def evidence_text(answer: Answer) -> str:
    """Each SQL and reason of an answer, which a model's or a row's words can stand in."""
    said = [q.sql for q in answer.queries]
    said += [text for refused in answer.refused for text in (refused.sql, refused.reason)]
    said += [text for failed in answer.failed for text in (failed.sql, failed.reason)]
    return "\n\n".join(dict.fromkeys(text for text in said if text.strip()))


def without_evidence_text(answer: Answer) -> Answer:
    """The answer with hashes in place of every SQL and reason."""
    return replace(
        answer,
        queries=tuple(replace(q, sql=_hash(q.sql)) for q in answer.queries),
        refused=tuple(replace(r, sql=_hash(r.sql), reason=_hash(r.reason)) for r in answer.refused),
        failed=tuple(replace(f, sql=_hash(f.sql), reason=_hash(f.reason)) for f in answer.failed),
    )


def text_hash(text: str) -> str:
    """What stands for a text where it may not: in the function's own log, and behind a guardrail. Hashed once only."""
    if found := _HASHED.fullmatch(text):
        return found[1]
    return hashlib.sha256(text.encode(errors="replace")).hexdigest()[:16]


def _hash(text: str) -> str:
    return f"sha256:{text_hash(text)}"


def refuse_prompt(sentence: str) -> Answer:
    """No question was asked of the model; the sentence says why."""
    return Answer(f"{PROGRAM} {sentence}", next_step=_HELP["prompt"], next_step_by="program", stopped_by="prompt")


def model_next_step(text: str) -> str | None:
    """What stands behind the last `Next step:` in the model's text."""
    found = [step.strip(" \t\r*_") for step in _NEXT_STEP.findall(text)]
    return found[-1] or None if found else None


def program_next_step(
    queries: Sequence[QueryRun], coverage: Sequence[DayCoverage], stopped_by: str | None, workgroup: str
) -> str:
    """A next step from what is known, where the model gave none."""
    if stopped_by in _HELP:
        return _HELP[stopped_by]
    if unbuilt := [c for c in coverage if c.status == UNBUILT]:
        return f"Build {unbuilt[0].day} of {unbuilt[0].table}, which the question reads and which is not built."
    if odd := [c for c in coverage if c.status != BUILT]:
        return f"Look at {odd[0].day} of {odd[0].table}: it is {odd[0].status}, whatever was counted of it before."
    if low := [c for c in coverage if c.coverage_pct is not None and c.coverage_pct < 100]:
        found = min(low, key=lambda c: c.coverage_pct or 0)
        return (
            f"Look at the coverage check of {found.table} {found.day}: the table holds {found.coverage_pct} % of the "
            "day's events, and the check names those that are missing."
        )
    if queries:
        return (
            f"Run the SQL of query {queries[-1].query_id} in Athena's workgroup {workgroup} to see its rows yourself."
        )
    return "Ask again with the days and the person, session or tool that you mean: no query was run."


def partial_answer(queries: Sequence[QueryRun], refused: int, failed: int) -> str:
    """What a question had led to when it was stopped, without a row."""
    lines = [f"Found so far: {len(queries)} run, {refused} refused and {failed} failed queries."]
    for run in queries:
        lines.append(f"Query {run.query_id} read {_days(run)} of {', '.join(run.tables)}: {run.row_count} rows.")
    return "\n".join(lines)


def _days(run: QueryRun) -> str:
    return f"{run.first_day}" if run.first_day == run.last_day else f"{run.first_day} to {run.last_day}"


def _jsonable(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _jsonable(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_jsonable(item) for item in value]
    return value.isoformat() if isinstance(value, date) else value

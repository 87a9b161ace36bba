"""Log Lake Looker: a question in words becomes queries of the lake, and an answer with its evidence.

Event: `{"prompt_from_user": "..."}`, and with it `"reviewer": "<name>"` for one who is to see the sessions of their own
people only; answer: `lambdas.looker.answer.Answer` as JSON. Reads and nothing else: the guard lets one
SELECT through, the function's role may do no more, and the workgroup cuts off what scans too much. What is logged is
ids, counts and hashes: questions, rows and the model's words stay out of the function's log.
"""

import functools
import json
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lambdas.looker.answer import Answer, QueryRefusedError, refuse_prompt, text_hash
from lambdas.looker.bedrock_model import Model
from lambdas.looker.conversation import Conversation
from lambdas.looker.looker_settings import LookerSettings, looker_settings
from lambdas.looker.prompt import TableCard, system_prompt, table_cards
from lambdas.looker.queries import GuardedSql, LakeQueries
from loglake_assets.reviews.session_activity.reviewer_scope import Reviewer, ReviewersError, find_reviewer

if TYPE_CHECKING:
    from mypy_boto3_athena import AthenaClient
    from mypy_boto3_s3 import S3Client

PROMPT, REVIEWER = "prompt_from_user", "reviewer"
PROMPT_CHARACTERS = 4_000
ATTEMPTS, READ_SECONDS, CONNECT_SECONDS = 4, 60, 10
SESSION_COLUMNS = frozenset({"session_key", "useridentity_arn", "useridentity_sourceidentity"})
MARGIN_SECONDS = 5.0  # of the function's own time, to answer in


def handle(event: dict[str, Any], context: object) -> dict[str, Any]:
    """Lambda's entry point."""
    return looker().answer(event, _remaining_seconds(context), datetime.now(UTC).date()).document()


@functools.cache
def looker() -> "Looker":
    """One Looker per container, with its clients."""
    import boto3
    from botocore.config import Config

    settings, cards = looker_settings(), table_cards()
    config = Config(retries={"mode": "standard", "total_max_attempts": ATTEMPTS}, read_timeout=READ_SECONDS)
    asked_once = Config(  # a model may think for minutes; `looker_model` asks again where that helps
        retries={"mode": "standard", "total_max_attempts": 1},
        read_timeout=settings.max_seconds,
        connect_timeout=CONNECT_SECONDS,
    )
    session = boto3.Session(region_name=settings.region)
    return Looker(
        settings=settings,
        bedrock=session.client("bedrock-runtime", config=asked_once),
        athena=session.client("athena", config=config),
        s3=session.client("s3", config=config),
        guard=sql_guard(settings, cards),
        cards=cards,
    )


@dataclass(frozen=True)
class Looker:
    """Answers questions. Clients and guard are passed in; `guard` raises QueryRefusedError."""

    settings: LookerSettings
    bedrock: Any
    athena: "AthenaClient"
    s3: "S3Client"
    guard: Callable[[str], GuardedSql]
    cards: Sequence[TableCard]
    clock: Callable[[], float] = time.monotonic
    pause: Callable[[float], None] = time.sleep
    reviewer_named: Callable[[str], Reviewer] = find_reviewer

    def answer(self, event: Mapping[str, Any], seconds: float | None, today: date) -> Answer:
        """The answer to one event, within `seconds` and the settings'. Raises RuntimeError without any content."""
        if refusal := _refusal(event) or self._refusal_of_reviewer(event):
            return refuse_prompt(refusal)
        reviewer = event.get(REVIEWER) or self.settings.reviewer
        try:
            asked = self.of_reviewer(self.reviewer_named(reviewer)) if reviewer else self
        except ReviewersError:
            return refuse_prompt("The function's reviewers.toml names no such reviewer, or cannot be read.")
        return asked._answer(event, seconds, today)

    def _refusal_of_reviewer(self, event: Mapping[str, Any]) -> str | None:
        """A function that is one reviewer's answers no other."""
        own, asked = self.settings.reviewer, event.get(REVIEWER)
        return "This function answers another reviewer." if own and asked not in {None, own} else None

    def of_reviewer(self, reviewer: Reviewer) -> "Looker":
        """A Looker of the tables that say whose session a row is of, and of the rows of this reviewer's people."""
        cards = tuple(card for card in self.cards if card.column_names >= SESSION_COLUMNS)
        return replace(self, cards=cards, guard=sql_guard(self.settings, cards, reviewer.condition()))

    def _answer(self, event: Mapping[str, Any], seconds: float | None, today: date) -> Answer:
        try:
            answered = self._conversation(seconds, today).ask(event[PROMPT])
        except Exception as error:  # Lambda logs what is raised, and this may repeat a question or a row
            raise RuntimeError(
                f"Looker stopped on a {type(error).__name__} at {_where(error)}, which is a fault of its own. "
                "Asking again may help; what was asked and read is not repeated here."
            ) from None
        print(json.dumps(_log_entry(answered)))
        return answered

    def _conversation(self, seconds: float | None, today: date) -> Conversation:
        queries = LakeQueries(
            self.settings, self.athena, self.s3, self.guard, self.cards, clock=self.clock, pause=self.pause
        )
        return Conversation(
            settings=self.settings,
            model=Model(self.settings, self.bedrock, clock=self.clock, pause=self.pause),
            run_query=queries,
            system=system_prompt(self.cards, today, self.settings),
            clock=self.clock,
            seconds=seconds,
        )


def sql_guard(settings: LookerSettings, cards: Sequence[TableCard], rows: str = "") -> Callable[[str], GuardedSql]:
    """The guard over the cards' tables and columns, and those of their rows that a condition names.

    SQL that it cannot read for any reason is refused.
    """
    from lambdas.looker.guard import Policy, RefusedError, check_statement

    policy = Policy(
        database=settings.database,
        tables={card.name: card.column_names for card in cards},
        max_days=settings.max_days,
        row_limit=settings.row_limit,
        rows=rows,
    )

    def guard(sql: str) -> GuardedSql:
        try:
            return check_statement(sql, policy)
        except RefusedError as error:
            raise QueryRefusedError(str(error)) from None
        except Exception as error:  # a parser's fault on hostile text ends no conversation and lets nothing through
            raise QueryRefusedError(f"The SQL could not be read ({type(error).__name__}). Write it simpler.") from None

    return guard


def _refusal(event: Mapping[str, Any]) -> str | None:
    """Why an event is no question; None when it is one. Repeats nothing of it."""
    if not isinstance(event, Mapping) or set(event) - {REVIEWER} != {PROMPT}:
        return f'The event must hold "{PROMPT}", may hold "{REVIEWER}", and nothing else.'
    if not isinstance(event.get(REVIEWER, ""), str):
        return f'"{REVIEWER}" must be a text.'
    prompt = event[PROMPT]
    if not isinstance(prompt, str) or not prompt.strip():
        return f"{PROMPT} holds no text."
    if len(prompt) > PROMPT_CHARACTERS:
        return f"{PROMPT} has {len(prompt):,} characters; at most {PROMPT_CHARACTERS:,} are read."
    return None


def _remaining_seconds(context: object) -> float | None:
    """What the function may still use up, less what it needs to answer; None where nothing says so."""
    remaining = getattr(context, "get_remaining_time_in_millis", None)
    return max(remaining() / 1000 - MARGIN_SECONDS, 0) if callable(remaining) else None


def _where(error: Exception) -> str:
    """File and line of the fault."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return f"{Path(frame.filename).name}:{frame.lineno}"


def _log_entry(answer: Answer) -> dict[str, Any]:
    """One line about an answer: ids, counts and hashes."""
    return {
        "looker": "answer",
        "stopped_by": answer.stopped_by,
        "turns": answer.turns,
        "input_tokens": answer.input_tokens,
        "output_tokens": answer.output_tokens,
        "queries": [
            {"query_id": q.query_id, "sql_sha256": text_hash(q.sql), "rows": q.row_count, "bytes": q.bytes_scanned}
            for q in answer.queries
        ],
        "refused_sql_sha256": [text_hash(refused.sql) for refused in answer.refused],
        "failed_query_ids": [failed.query_id for failed in answer.failed],
        "other_tool_calls": answer.other_tool_calls,
        "days_not_at_100_pct": sum(not c.is_complete for c in answer.coverage),
    }

"""The loop between the model and the lake: one tool, and bounds on turns, seconds, bytes and tokens.

Model, queries and clock are passed in. A conversation is used for one question; it prints nothing, since all that it
handles is what people asked and what logs hold.
"""

import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from lambdas.looker.answer import (
    PROGRAM,
    Answer,
    DayCoverage,
    Failure,
    MaskCount,
    QueryFailedError,
    QueryRefusedError,
    QueryResult,
    QueryRun,
    Refusal,
    evidence_text,
    model_next_step,
    partial_answer,
    program_next_step,
    without_evidence_text,
)
from lambdas.looker.bedrock_model import CONTEXT_EXCEEDED, Model, Response, StoppedError, TooLongError
from lambdas.looker.looker_settings import LookerSettings
from lambdas.looker.model_messages import (
    SQL_CHARACTERS,
    TOOL,
    Message,
    compact,
    echo,
    error_result,
    masked_rows,
    rows_result,
    text_of,
    tool_uses,
    user_text,
)
from loglake_assets.reviews.secret_masks import masked_text

_CUT_OFF = {
    "max_tokens": "The model's answer is cut off: it reached the most tokens of one call.",
    "stop_sequence": "The model's answer ended at a stop sequence, which Looker sets none of; it may be cut off.",
}
_NO_ANSWER = {
    "guardrail_intervened": ("guardrail", "A guardrail stopped the model's answer."),
    "content_filtered": ("content_filtered", "The model's service filtered the answer."),
    "malformed_model_output": ("malformed_model_output", "The model's answer could not be read by its service."),
    "malformed_tool_use": ("malformed_tool_use", "The model called a tool in a form that could not be read."),
}


class QueryRunner(Protocol):
    """Guards and runs one statement. Raises QueryRefusedError or QueryFailedError."""

    def __call__(self, sql: str, seconds_left: float) -> QueryResult: ...


@dataclass
class Conversation:
    """One question being answered. `seconds` may be less than the settings say."""

    settings: LookerSettings
    model: Model
    run_query: QueryRunner
    system: str
    clock: Callable[[], float] = time.monotonic
    seconds: float | None = None
    _deadline: float = field(init=False)
    _messages: list[Message] = field(init=False, default_factory=list)
    _queries: list[QueryRun] = field(init=False, default_factory=list)
    _refused: list[Refusal] = field(init=False, default_factory=list)
    _failed: list[Failure] = field(init=False, default_factory=list)
    _coverage: dict[tuple[str, Any], DayCoverage] = field(init=False, default_factory=dict)
    _masks: list[MaskCount] = field(init=False, default_factory=list)
    _turns: int = field(init=False, default=0)
    _input_tokens: int = field(init=False, default=0)
    _output_tokens: int = field(init=False, default=0)
    _other_tool_calls: int = field(init=False, default=0)

    def __post_init__(self) -> None:
        most = self.settings.max_seconds if self.seconds is None else min(self.seconds, self.settings.max_seconds)
        self._deadline = self.clock() + most

    def ask(self, prompt: str) -> Answer:
        """Answer one question. Whatever the model's service does, this returns; what it says is in `stopped_by`."""
        self._messages = [user_text(prompt)]
        try:
            if self._guard("INPUT", prompt) is not None:
                raise StoppedError("guardrail", "The guardrail stopped the question; the model was not asked.")
            text, stopped_by = self._exchange()
            replaced = self._guard("OUTPUT", text)
            if replaced is not None:
                said = f"The guardrail stopped the model's answer. It says instead:\n{replaced}"
                raise StoppedError("guardrail", said)
        except StoppedError as stop:
            return self._with_evidence(self._answer(self._stop(str(stop)), None, stop.by))
        text = self._mask_words(text)
        said = f"{PROGRAM} {_CUT_OFF[stopped_by]}\n\n{text}" if stopped_by else text
        return self._with_evidence(self._answer(said, model_next_step(text), stopped_by))

    def _guard(self, source: str, text: str) -> str | None:
        return self.model.guardrail_words(source, text, self._deadline - self.clock())

    def _with_evidence(self, answer: Answer) -> Answer:
        """The answer; without its SQL and reasons where the guardrail stopped anything or cannot be asked of them."""
        text = evidence_text(answer)
        if not text or self.settings.guardrail is None:
            return answer
        if answer.stopped_by in {"guardrail", "guardrail_failed"}:
            return without_evidence_text(answer)
        try:
            if self._guard("OUTPUT", text) is None:
                return answer
            said = "The guardrail stopped the text of queries or reasons; hashes stand for all of it."
        except StoppedError as stop:
            said = f"{stop} Hashes stand for the text of queries and reasons."
        return replace(without_evidence_text(answer), final_response=f"{PROGRAM} {said}\n\n{answer.final_response}")

    def _exchange(self) -> tuple[str, str | None]:
        """Turns until the model answers in words: its text, and what cut it off, if anything did."""
        while True:
            response = self._response()
            uses = self._uses(response)
            if not uses:
                return self._text(response)
            self._in_bounds()
            self._messages.append(echo(response.content))
            self._messages.append({"role": "user", "content": [self._tool_result(use) for use in uses]})

    def _uses(self, response: Response) -> list[dict[str, Any]]:
        """Tools to run. Some models call tools and say end_turn; an answer that was cut off calls none."""
        if response.ended not in {"tool_use", "end_turn"}:
            return []
        try:
            return tool_uses(response.content)
        except ValueError as error:
            raise StoppedError("malformed_tool_use", "The model made tool calls that cannot be answered.") from error

    def _text(self, response: Response) -> tuple[str, str | None]:
        text, ended = text_of(response.content), response.ended
        if ended in _NO_ANSWER:
            raise StoppedError(*_NO_ANSWER[ended])
        if ended not in {"end_turn", *_CUT_OFF} or not text:
            raise StoppedError("no_answer", f"The model ended its answer with {ended[:50]} and without any text.")
        return text, ended if ended in _CUT_OFF else None

    # --- the model ----------------------------------------------------------------------------------------------------

    def _response(self) -> Response:
        """The next answer; when it does not fit, once more with every tool result cut."""
        self._messages = compact(self._messages, keep_newest=True)
        try:
            return self._call()
        except TooLongError:
            before, self._messages = self._messages, compact(self._messages, keep_newest=False)
            try:
                if before != self._messages:
                    return self._call()
            except TooLongError:
                pass
            sentence = "What was asked and read does not fit into the model, not even with its results cut."
            raise StoppedError("too_long", sentence) from None

    def _call(self) -> Response:
        self._in_bounds()
        self._turns += 1
        left = self.settings.max_tokens - self._input_tokens - self._output_tokens
        response = self.model.answer(self.system, self._messages, left, self._deadline - self.clock())
        self._input_tokens += response.input_tokens
        self._output_tokens += response.output_tokens
        if response.ended == CONTEXT_EXCEEDED:
            raise TooLongError
        return response

    def _in_bounds(self) -> None:
        bounds = self.settings
        if self._turns >= bounds.max_turns:
            raise StoppedError("turns", f"The model was called {self._turns} times and had still not answered.")
        if self.clock() >= self._deadline:
            raise StoppedError("seconds", "The time for one question was over before the model had answered.")
        if self._input_tokens + self._output_tokens >= bounds.max_tokens:
            raise StoppedError("tokens", f"The {bounds.max_tokens:,} tokens for one question were used up.")

    # --- the tool -----------------------------------------------------------------------------------------------------

    def _tool_result(self, use: Mapping[str, Any]) -> dict[str, Any]:
        if use.get("name") != TOOL:
            self._other_tool_calls += 1
            return error_result(use["toolUseId"], f"There is no such tool. The only tool is {TOOL}.")
        given = use.get("input")
        sql = given.get("sql") if isinstance(given, dict) else None
        try:
            return rows_result(use["toolUseId"], self._run_sql(sql))
        except QueryRefusedError as error:
            self._refused.append(Refusal(sql[:SQL_CHARACTERS] if isinstance(sql, str) else "", str(error)))
            return error_result(use["toolUseId"], f"Refused: {error}")
        except QueryFailedError as error:
            self._failed.append(error.failed)
            return error_result(use["toolUseId"], f"Failed: {error}")

    def _run_sql(self, sql: object) -> QueryResult:
        if not isinstance(sql, str) or not sql.strip():
            raise QueryRefusedError(f"{TOOL} takes one argument, sql, which is text.")
        if len(sql) > SQL_CHARACTERS:
            raise QueryRefusedError(f"The SQL has {len(sql):,} characters; at most {SQL_CHARACTERS:,} are read.")
        self._in_bounds_to_query()
        result = self._mask(self.run_query(sql, self._deadline - self.clock()))
        self._queries.append(result.run)
        self._coverage |= {(c.table, c.day): c for c in result.coverage}
        return result

    def _mask(self, result: QueryResult) -> QueryResult:
        """The result with masks in its rows: what the model does not read, no answer can repeat."""
        masked, counts = masked_rows(result)
        self._masks += [MaskCount(result.run.query_id, column, kind, n) for (column, kind), n in sorted(counts.items())]
        return masked

    def _mask_words(self, text: str) -> str:
        """The model's words with masks: a question may hold a secret, and a query may take one apart."""
        masked, secrets = masked_text(text)
        counts = Counter(secret.kind for secret in secrets)
        self._masks += [MaskCount(None, None, kind, n) for kind, n in sorted(counts.items())]
        return masked

    def _in_bounds_to_query(self) -> None:
        if self.clock() >= self._deadline:
            raise StoppedError("seconds", "The time for one question was over before a query could begin.")
        scanned = sum(run.bytes_scanned for run in self._queries) + sum(run.bytes_scanned for run in self._failed)
        if scanned >= self.settings.max_bytes:
            raise StoppedError("bytes", f"The queries of one question have scanned {scanned:,} bytes; no more may run.")

    # --- what comes of it ---------------------------------------------------------------------------------------------

    def _stop(self, sentence: str) -> str:
        return f"{PROGRAM} {sentence}\n{partial_answer(self._queries, len(self._refused), len(self._failed))}"

    def _answer(self, said: str, next_step: str | None, stopped_by: str | None) -> Answer:
        coverage = tuple(self._coverage[key] for key in sorted(self._coverage))
        made = program_next_step(self._queries, coverage, stopped_by, self.settings.workgroup)
        return Answer(
            final_response=said,
            queries=tuple(self._queries),
            refused=tuple(self._refused),
            failed=tuple(self._failed),
            coverage=coverage,
            masked=tuple(self._masks),
            next_step=next_step or made,
            next_step_by="model" if next_step else "program",
            stopped_by=stopped_by,
            turns=self._turns,
            input_tokens=self._input_tokens,
            output_tokens=self._output_tokens,
            other_tool_calls=self._other_tool_calls,
        )

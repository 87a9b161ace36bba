"""Calls of Amazon Bedrock: one answer of the model, the guardrail's opinion, and failures as sentences for people.

The client is boto3's bedrock-runtime, made to ask once: what is asked again, and until when, is decided here.
botocore is imported where it is used: a bundle's modules import with nothing installed.
"""

import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lambdas.looker.looker_settings import Guardrail, LookerSettings
from lambdas.looker.model_messages import TOOL_CONFIG, Message

CONTEXT_EXCEEDED = "model_context_window_exceeded"
ATTEMPTS, FIRST_WAIT_SECONDS = 4, 1.0  # each wait is twice the one before
GUARDRAIL_CHARACTERS, GUARDRAIL_OVERLAP = 20_000, 1_000  # of one call: a guardrail takes 25 units of 1,000
_TOO_LONG = re.compile(
    r"too long|too large|too many (input |total )?(text bytes|tokens)|exceeds? (the )?(model|context|maximum)"
    r"|context (window|limit|length)",
    re.IGNORECASE,
)
_TOO_MUCH_ASKED = re.compile(r"maximum tokens you requested|max_tokens", re.IGNORECASE)
_BUSY = frozenset(
    {"ThrottlingException", "TooManyRequestsException", "ModelNotReadyException", "ServiceUnavailableException"}
)


class StoppedError(Exception):
    """The conversation ends here, by the program; the message is for the person who asked."""

    def __init__(self, by: str, sentence: str) -> None:
        super().__init__(sentence)
        self.by = by


class TooLongError(Exception):
    """What was sent does not fit into the model."""


@dataclass(frozen=True)
class Response:
    """One answer of the model: its content blocks, why it ended, and what it used up, cached tokens included."""

    content: Sequence[dict[str, Any]]
    ended: str
    input_tokens: int
    output_tokens: int


@dataclass(frozen=True)
class Model:
    """The model and the guardrail that the settings name."""

    settings: LookerSettings
    client: Any
    clock: Callable[[], float] = time.monotonic
    pause: Callable[[float], None] = time.sleep

    def answer(self, system: str, messages: Sequence[Message], tokens_left: int, seconds_left: float) -> Response:
        """One answer. Raises TooLongError, or StoppedError when the service gives none."""
        from botocore.exceptions import BotoCoreError, ClientError, ReadTimeoutError

        request = self._request(system, messages, tokens_left)
        try:
            return _response(self._patiently(lambda: self.client.converse(**request), seconds_left))
        except ClientError as error:
            found = error.response["Error"]
            raise _failure(found["Code"], found.get("Message", "")) from None
        except ReadTimeoutError:  # it may still be at work: asked again, it would be as slow and cost twice
            raise StoppedError("seconds", "The model was asked and had not answered when its time was over.") from None
        except BotoCoreError as error:  # its text may repeat what was sent
            raise StoppedError("service", f"The model's service gave no answer: {type(error).__name__}.") from None

    def _patiently(self, asked: Callable[[], Any], seconds_left: float) -> Any:
        """What is asked, once more after each refusal that passes, as long as there is time to wait for it."""
        from botocore.exceptions import ClientError, ConnectionClosedError, EndpointConnectionError

        deadline, wait = self.clock() + seconds_left, FIRST_WAIT_SECONDS
        for attempt in range(1, ATTEMPTS + 1):
            try:
                return asked()
            except (ClientError, ConnectionClosedError, EndpointConnectionError) as error:
                passes = not isinstance(error, ClientError) or error.response["Error"]["Code"] in _BUSY
                if not passes or attempt == ATTEMPTS or self.clock() + wait >= deadline:
                    raise
            self.pause(wait)
            wait *= 2
        raise AssertionError("the last attempt returns or raises")

    def _request(self, system: str, messages: Sequence[Message], tokens_left: int) -> dict[str, Any]:
        return {
            "modelId": self.settings.model_id,
            "messages": messages,
            "system": [{"text": system}],
            "toolConfig": TOOL_CONFIG,
            "inferenceConfig": {"maxTokens": min(self.settings.max_output_tokens, tokens_left)},
            "requestMetadata": {"application": "log-lake-looker", "lake": self.settings.name},  # stands in their log
        }

    def guardrail_words(self, source: str, text: str, seconds_left: float) -> str | None:
        """The guardrail's words if it intervened; None if it did not, or if there is none. `source`: INPUT or OUTPUT.

        Long text is shown to it in pieces that overlap. Raises StoppedError when the guardrail cannot be asked: nothing
        goes past it unseen.
        """
        if self.settings.guardrail is None:
            return None
        deadline, step = self.clock() + seconds_left, GUARDRAIL_CHARACTERS - GUARDRAIL_OVERLAP
        for start in range(0, max(len(text) - GUARDRAIL_OVERLAP, 1), step):
            piece = text[start : start + GUARDRAIL_CHARACTERS]
            if (said := self._guard(self.settings.guardrail, source, piece, deadline - self.clock())) is not None:
                return said
        return None

    def _guard(self, guardrail: Guardrail, source: str, text: str, seconds_left: float) -> str | None:
        from botocore.exceptions import BotoCoreError, ClientError

        request = {
            "guardrailIdentifier": guardrail.id,
            "guardrailVersion": guardrail.version,
            "source": source,
            "content": [{"text": {"text": text}}],
        }
        try:
            found = self._patiently(lambda: self.client.apply_guardrail(**request), seconds_left)
        except (ClientError, BotoCoreError) as error:
            code = error.response["Error"]["Code"] if isinstance(error, ClientError) else type(error).__name__
            raise StoppedError("guardrail_failed", f"The guardrail could not be asked: {code}.") from None
        if found["action"] != "GUARDRAIL_INTERVENED":
            return None
        return "\n".join(output.get("text", "") for output in found["outputs"]) or "(nothing)"


def _response(answered: Mapping[str, Any]) -> Response:
    usage = answered["usage"]
    cached = usage.get("cacheReadInputTokens", 0) + usage.get("cacheWriteInputTokens", 0)
    content = answered["output"].get("message", {}).get("content", [])
    return Response(content, answered["stopReason"], usage["inputTokens"] + cached, usage["outputTokens"])


def _failure(code: str, said: str) -> Exception:
    if code == "ValidationException" and _TOO_MUCH_ASKED.search(said) and "input" not in said.lower():
        return StoppedError("output_tokens", "The model cannot give as many tokens in one answer as Looker asks for.")
    if code == "ValidationException" and _TOO_LONG.search(said):
        return TooLongError()
    if code in _BUSY:
        return StoppedError("throttled", f"The model's service was busy and stayed so ({code}).")
    return StoppedError("service", f"The model's service refused the call: {code}: {said[:300]}")

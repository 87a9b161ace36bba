"""Calls of Amazon Bedrock: one answer of the model, the guardrail's opinion, and failures as sentences for people.

The client is boto3's bedrock-runtime, made with botocore's standard retries; what still fails has failed several times.
botocore is imported where it is used: a bundle's modules import with nothing installed.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lambdas.looker_messages import TOOL_CONFIG, Message
from lambdas.looker_settings import LookerSettings

CONTEXT_EXCEEDED = "model_context_window_exceeded"
OUTPUT_TOKENS = 4_096  # of one call: a page or two
_TOO_LONG = re.compile(
    r"too long|too large|too many (input |total )?(text bytes|tokens)|exceeds? (the )?(model|context|maximum)"
    r"|context (window|limit|length)",
    re.IGNORECASE,
)
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

    def answer(self, system: str, messages: Sequence[Message], tokens_left: int) -> Response:
        """Ask once. Raises TooLongError, or StoppedError when the service gives no answer."""
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            return _response(self.client.converse(**self._request(system, messages, tokens_left)))
        except ClientError as error:
            found = error.response["Error"]
            raise _failure(found["Code"], found.get("Message", "")) from None
        except BotoCoreError as error:  # its text may repeat what was sent
            raise StoppedError("service", f"The model's service gave no answer: {type(error).__name__}.") from None

    def _request(self, system: str, messages: Sequence[Message], tokens_left: int) -> dict[str, Any]:
        return {
            "modelId": self.settings.model_id,
            "messages": messages,
            "system": [{"text": system}],
            "toolConfig": TOOL_CONFIG,
            "inferenceConfig": {"maxTokens": min(OUTPUT_TOKENS, tokens_left)},
            "requestMetadata": {"application": "log-lake-looker", "lake": self.settings.name},  # stands in their log
        }

    def guarded(self, source: str, text: str) -> str | None:
        """The guardrail's words if it intervened; None if it did not, or if there is none. `source`: INPUT or OUTPUT.

        Raises StoppedError when the guardrail cannot be asked: nothing goes past it unseen.
        """
        from botocore.exceptions import BotoCoreError, ClientError

        if self.settings.guardrail is None:
            return None
        try:
            found = self.client.apply_guardrail(
                guardrailIdentifier=self.settings.guardrail.id,
                guardrailVersion=self.settings.guardrail.version,
                source=source,
                content=[{"text": {"text": text}}],
            )
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
    if code == "ValidationException" and _TOO_LONG.search(said):
        return TooLongError()
    if code in _BUSY:
        return StoppedError("throttled", f"The model's service was busy and stayed so ({code}).")
    return StoppedError("service", f"The model's service refused the call: {code}: {said[:300]}")

"""What Log Lake Looker is told by its environment, read once per container. Standard library only."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass

_NAME = re.compile(r"[a-z][a-z0-9-]{1,20}")
_ACCOUNT = re.compile(r"[0-9]{12}")
_REGION = re.compile(r"[a-z0-9-]+")
_MODEL = re.compile(r"[A-Za-z0-9._:/-]{1,2048}")
_WORKGROUP = re.compile(r"[A-Za-z0-9._-]{1,128}")
_GUARDRAIL = re.compile(r"[A-Za-z0-9:/_-]{1,2048}")
_REVIEWER = re.compile(r"[a-z0-9_]{0,64}")
_GUARDRAIL_VERSION = re.compile(r"[1-9][0-9]{0,7}|DRAFT")


class LookerSettingsError(ValueError):
    """A setting is absent or odd; the message names the variable, its value and what is accepted."""


@dataclass(frozen=True)
class Guardrail:
    """A guardrail that looks at the question and at the answer."""

    id: str
    version: str


@dataclass(frozen=True)
class LookerSettings:
    """One Looker: the lake it asks, the model it asks with, and what one question may use up."""

    name: str
    account: str
    region: str
    model_id: str
    workgroup: str
    max_turns: int = 8
    """Calls of the model."""
    max_seconds: int = 120
    max_bytes: int = 1 << 30
    """Scanned by Athena. A query begins only below it, so the workgroup's cutoff bounds what lies above."""
    max_tokens: int = 200_000
    """Input and output of all calls together."""
    max_output_tokens: int = 4_096
    """Of one call: a page or two. Some models refuse to be asked for more than they can give."""
    max_days: int = 31
    row_limit: int = 100
    """At most 999: with the names of the columns that is one page of Athena's."""
    guardrail: Guardrail | None = None
    reviewer: str | None = None
    """Whose people's sessions are all that this function shows; None shows every table."""

    @property
    def database(self) -> str:
        """Glue database of the lake's tables."""
        return self.name.replace("-", "_")

    @property
    def readready_bucket(self) -> str:
        return f"{self.name}-readready-{self.account}"


def looker_settings(environment: Mapping[str, str] | None = None) -> LookerSettings:
    """The settings of this container. Raises LookerSettingsError; a retry cannot help until the variable is set."""
    env = os.environ if environment is None else environment
    name = _text(env, "LOGLAKE_NAME", _NAME, "2 to 21 of a-z, 0-9 and -, starting with a letter")
    return LookerSettings(
        name=name,
        account=_text(env, "LOGLAKE_ACCOUNT", _ACCOUNT, "an AWS account id of 12 digits"),
        region=_text(env, "AWS_REGION", _REGION, "an AWS Region such as eu-west-1"),
        model_id=_text(
            env,
            "LOOKER_MODEL_ID",
            _MODEL,
            "the id or ARN of an inference profile that the function's role may invoke, such as `aws bedrock "
            "list-inference-profiles` shows; no model is chosen for you",
        ),
        workgroup=_text(env, "LOOKER_WORKGROUP", _WORKGROUP, "the name of an Athena workgroup", f"{name}-looker"),
        max_turns=_number(env, "LOOKER_MAX_TURNS", 8, 1, 50),
        max_seconds=_number(env, "LOOKER_MAX_SECONDS", 120, 5, 840),
        max_bytes=_number(env, "LOOKER_MAX_BYTES", 1 << 30, 10_000_000, 1 << 40),
        max_tokens=_number(env, "LOOKER_MAX_TOKENS", 200_000, 1_000, 10_000_000),
        max_output_tokens=_number(env, "LOOKER_MAX_OUTPUT_TOKENS", 4_096, 256, 64_000),
        max_days=_number(env, "LOOKER_MAX_DAYS", 31, 1, 366),
        row_limit=_number(env, "LOOKER_ROW_LIMIT", 100, 1, 999),
        guardrail=_guardrail(env),
        reviewer=_text(env, "LOOKER_REVIEWER", _REVIEWER, "a reviewer's name: a-z, 0-9 and _", "") or None,
    )


def _text(
    env: Mapping[str, str], variable: str, pattern: re.Pattern[str], accepted: str, default: str | None = None
) -> str:
    value = env.get(variable) or default
    if value is None:
        raise LookerSettingsError(f"{variable} is not set. Set it to {accepted}.")
    if not pattern.fullmatch(value):
        raise LookerSettingsError(f"{variable} is {value[:100]!r}, which is not {accepted}.")
    return value


def _number(env: Mapping[str, str], variable: str, default: int, least: int, most: int) -> int:
    value = env.get(variable) or str(default)
    if not re.fullmatch(r"[0-9]{1,15}", value) or not least <= int(value) <= most:
        raise LookerSettingsError(f"{variable} is {value[:100]!r}, which is not a whole number from {least} to {most}.")
    return int(value)


def _guardrail(env: Mapping[str, str]) -> Guardrail | None:
    if not env.get("LOOKER_GUARDRAIL_ID") and not env.get("LOOKER_GUARDRAIL_VERSION"):
        return None
    return Guardrail(
        _text(env, "LOOKER_GUARDRAIL_ID", _GUARDRAIL, "the id or ARN of a Bedrock guardrail, as its version is set"),
        _text(env, "LOOKER_GUARDRAIL_VERSION", _GUARDRAIL_VERSION, "a guardrail's version: a number, or DRAFT"),
    )

"""What is there once in any samples: conversations that go oddly, and single invocations of each other kind."""

from dataclasses import dataclass

from loglake_assets.sources.bedrock.samples.world import (
    AGENTS,
    CONVERSE,
    CONVERSE_STREAM,
    LOOKER,
    NATIVE,
    NATIVE_STREAM,
    Agent,
)


@dataclass(frozen=True, slots=True)
class OneOff:
    """A conversation: its agent and operation, how many tools each turn asks for, and what is odd about it."""

    oddity: str
    agent: Agent
    operation: str
    asks: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Single:
    """An invocation without tools, and which of its bodies lie in objects of their own, or should."""

    kind: str
    operation: str
    error: str = ""
    stored: tuple[str, ...] = ()
    absent: tuple[str, ...] = ()


_TICKETS, _DATA, _OPS = AGENTS
CONVERSATIONS = (
    OneOff("parallel", _DATA, NATIVE_STREAM, (2, 1, 0)),
    OneOff("parallel", _OPS, CONVERSE_STREAM, (2, 0)),
    OneOff("hostile", _TICKETS, NATIVE, (1, 1, 0)),
    OneOff("hostile_json", _OPS, CONVERSE, (1, 0)),
    OneOff("huge", _DATA, CONVERSE_STREAM, (1, 0)),
    OneOff("from_the_middle", _TICKETS, CONVERSE, (1, 1, 0)),
    OneOff("looker", LOOKER, NATIVE_STREAM, (1, 1, 0)),
    OneOff("never_answered", _OPS, NATIVE, (1, 1)),
    OneOff("output_elsewhere", _DATA, NATIVE, (1, 0)),
    OneOff("retried", _TICKETS, CONVERSE, (1, 0)),
    OneOff("across_midnight", _OPS, NATIVE_STREAM, (1, 1, 0)),
)
SINGLES = (
    *(Single("chat", operation) for operation in (NATIVE, NATIVE_STREAM, CONVERSE, CONVERSE_STREAM)),
    Single("embedding", NATIVE),
    Single("text", NATIVE),
    Single("text", NATIVE_STREAM),
    Single("hostile", NATIVE),
    Single("hostile", CONVERSE_STREAM),
    Single("chat", CONVERSE, error="ThrottlingException"),
    Single("chat", NATIVE, error="ValidationException"),
    Single("large", NATIVE, stored=("input", "output")),
    Single("large", CONVERSE, stored=("input", "output"), absent=("output",)),
)

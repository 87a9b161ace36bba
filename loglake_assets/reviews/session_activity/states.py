"""What each state of a session's record means to the person who reviews it. How it is decided stands in sessions.py."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class State:
    """What a session's state means to a reviewer.

    `rank`: which sessions to look at first, 0 before 1. `lacks`: what the state alone says is not here.
    """

    label: str
    sign: str
    tone: str
    rank: int
    meaning: str
    lacks: str | None = None


STATES: Mapping[str, State] = {
    "recorded": State(
        "Recorded",
        "✓",
        "good",
        1,
        "What was typed and what the terminal answered was recorded and stands below. Read it, then give a verdict.",
    ),
    "recorded_partly": State(
        "Recorded in part",
        "!",
        "warn",
        1,
        "A part of the recording is here and a part is not. What stands below happened; what happened in the part that "
        "is not here cannot be seen, so do not take its absence for good behaviour.",
        "A part of the terminal recording is not here.",
    ),
    "denied": State(
        "Denied",
        "×",  # noqa: RUF001
        "calm",
        3,
        "AWS did not start this session; the reason is its error code. No terminal was opened and there is nothing to "
        "read. What is left to judge is the attempt: should this person have tried?",
    ),
    "not_loggable": State(
        "Cannot be recorded",
        "–",  # noqa: RUF001
        "warn",
        2,
        "Session Manager never records sessions of this kind (port forwarding and SSH, for example). What was done "
        "inside cannot be known from here; only API calls can be shown. Ask whether this kind was needed.",
        "What was done inside the session: sessions of this kind are never recorded.",
    ),
    "awaiting": State(
        "Waiting for the recording",
        "…",
        "warn",
        4,
        "The session was started and its recording has not arrived yet. It is too early for a verdict: make this "
        "packet again later.",
        "The terminal recording has not arrived yet.",
    ),
    "lost": State(
        "Recording lost",
        "!",
        "bad",
        0,
        "A recording was due and has not come in the time it may take. This does not show that nothing was done. Find "
        "out why it is not here before you give a verdict.",
        "The terminal recording was due and is not here.",
    ),
    "orphan": State(
        "Recording without a start",
        "?",
        "bad",
        0,
        "Keystrokes were recorded, but the record of the session's start was not found in CloudTrail. What was typed "
        "can be read; who started the session, and from where, is only what the recording itself says.",
        "The record of the session's start in CloudTrail was not found.",
    ),
}

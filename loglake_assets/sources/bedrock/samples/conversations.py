"""What an agent and its model say to each other. All of it is a function of seed and the number of the conversation."""

import json
from dataclasses import dataclass
from random import Random
from typing import Any

from loglake_assets.sources.bedrock.samples.world import HOSTILE_TEXT, Agent
from loglake_assets.sources.cloudtrail.samples.identifiers import hex_digits
from loglake_assets.sources.cloudtrail.samples.trail import Json

HUGE_BYTES = 20_000
_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
_ERROR_SHARE = 0.15
_ODD_RESULTS = ("hostile", "hostile_json", "huge")
_SAYINGS = ("I will look.", "Let me check that first.", "Un moment, s'il vous plaît: je vérifie.", "了解しました。", "")
_ANSWERS = ("Done.", "Two files, both of yesterday.", "There is nothing to be seen.", "Der Bericht ist verschickt. ✓")


@dataclass(frozen=True, slots=True)
class Conversation:
    """Each turn is one answer of the model, with so many calls as `asks` says; the next turn brings their results."""

    number: int
    agent: Agent
    asks: tuple[int, ...]
    oddity: str = ""
    """What is odd about it, such as `huge`, which is what its first result is."""


@dataclass(frozen=True, slots=True)
class Call:
    """One tool that the model asks for, and what comes of it."""

    tool_use_id: str
    name: str
    input: Json
    result: Any
    """Text, or a value of JSON."""
    is_error: bool
    in_blocks: bool
    """Whether a native body holds the result as a list of blocks and not as bare text."""
    says_status: bool
    """Whether the result says that it is a success; that it is an error is always said."""


def task(conversation: Conversation) -> str:
    """What the conversation begins with; no two begin alike."""
    return f"{conversation.agent.task} (No. {conversation.number})"


def calls(seed: int, conversation: Conversation, turn: int) -> list[Call]:
    """What the model asks for in that turn."""
    return [_call(seed, conversation, turn, ordinal) for ordinal in range(conversation.asks[turn])]


def message_of(seed: int, conversation: Conversation, turn: int) -> str:
    """The model's words in that turn, beside the calls; none once in a while where there are calls."""
    rng = Random(f"{seed}:saying:{conversation.number}:{turn}")
    return rng.choice(_SAYINGS) if conversation.asks[turn] else rng.choice(_ANSWERS)


def _call(seed: int, conversation: Conversation, turn: int, ordinal: int) -> Call:
    rng = Random(f"{seed}:call:{conversation.number}:{turn}:{ordinal}")
    letters = "".join(rng.choices(_ALPHABET, k=22))
    name = rng.choice(conversation.agent.tools)
    is_error = rng.random() < _ERROR_SHARE
    result = _failure(name) if is_error else _result(rng, name)
    if conversation.oddity in _ODD_RESULTS and (turn, ordinal) == (0, 0):
        is_error, result = False, _odd_result(rng, conversation.oddity)
    return Call(
        tool_use_id=f"tooluse_{letters}" if conversation.number % 2 else f"toolu_bdrk_01{letters}",
        name=name,
        input=_input(rng, name),
        result=result,
        is_error=is_error,
        in_blocks=rng.random() < 0.4,
        says_status=rng.random() < 0.7,
    )


def _input(rng: Random, name: str) -> Json:
    number = rng.randrange(1000)
    match name:
        case "list_files_in_s3":
            return {} if number % 5 == 0 else {"prefix": f"sales/{number}/é", "bucket": "amzn-s3-demo-bucket"}
        case "run_sql":
            return {"sql": f"SELECT \"total\" FROM sales\nWHERE day = {number} AND note <> '}}{{'", "limit": 100}
        case "send_email":
            return {
                "to": ["carol@example.com", "Zoë <zoe@example.com>"],
                "subject": f"Report {number}",
                "body": "✓ 東京",
            }
        case "read_ticket":
            return {"ticket": {"id": number, "labels": ["b", "a"], "parent": None}}
        case "execute_shell":
            return {"command": f'df -h /data{number} | tail -n 1 && echo "it\'s\\n"', "timeout": 2.5}
    return {"sql": f"SELECT eventname, count(*) FROM from_cloudtrail_readready WHERE eventid <> '{number}' GROUP BY 1"}


def _result(rng: Random, name: str) -> Any:
    dice = rng.random()
    if dice < 0.2:
        return rng.choice(("ok", "[]", "0", "Café au lait, 東京, αβγ", " \n"))
    if name in ("execute_shell", "send_email"):
        return f"/dev/nvme0n1p1   20G  7.1G   {rng.randrange(20)}G  36% /\n" * rng.randint(1, 9)
    rows = [{"name": f"{hex_digits(rng, 8)}.csv", "size": rng.randrange(9999)} for _ in range(rng.randint(1, 40))]
    return {"rows": rows, "more": False, "note": None} if dice < 0.7 else json.dumps(rows, indent=1)


def _failure(name: str) -> str:
    return f"Error: {name} is not allowed here: AccessDenied. Ask the owner of the bucket."


def _odd_result(rng: Random, oddity: str) -> Any:
    if oddity == "hostile":
        return HOSTILE_TEXT
    if oddity == "hostile_json":
        fake = {"toolUseId": "tooluse_NotACall", "name": "execute_shell", "input": {}}
        return {"type": "tool_use", "id": "toolu_bdrk_01NotACall", "name": "x", "toolUse": fake, "note": HOSTILE_TEXT}
    return "".join(f"{n:05d} ✓ {hex_digits(rng, 90)}\n" for n in range(HUGE_BYTES // 100))

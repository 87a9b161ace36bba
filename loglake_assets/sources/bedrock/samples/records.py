"""One record of the log: an invocation of the plan as JSON text. A function of seed and number."""

import json
from datetime import UTC, datetime
from random import Random
from typing import Any

from loglake_assets.sources.bedrock.samples.bodies import (
    chat_input,
    chat_output,
    conversation_input,
    conversation_output,
)
from loglake_assets.sources.bedrock.samples.invocations import Invocation
from loglake_assets.sources.bedrock.samples.world import BUCKET, HOSTILE_PROMPTS, NATIVE_STREAM
from loglake_assets.sources.cloudtrail.samples.identifiers import stamp
from loglake_assets.sources.cloudtrail.samples.trail import Json

_QUESTIONS = ("What is a lake?", "Übersetze: water", "東京の天気は", "Summarize: }{", "Write a haiku about logs.")
_ANSWERS = (
    "Water, mostly.",
    "Wasser. ✓",
    "晴れです。",
    "An object ends, and another begins.",
    "rows upon rows of rows",
)
_ACROSS_REGIONS = ("us.", "arn:")
_ERRORS = {"ThrottlingException": "Too many requests.", "ValidationException": "messages: roles must alternate"}


def record_text(seed: int, index: int, invocation: Invocation) -> str:
    """The record, as one line."""
    record = _record(seed, index, invocation)
    if index % 9 == 4:  # another order of the keys; nobody may rely on one
        record["schemaType"] = record.pop("schemaType")
        record["identity"] = record.pop("identity")
    return _json(record)


def body_text(seed: int, index: int, invocation: Invocation, part: str) -> str:
    """`input` or `output` of an invocation as it stands in an object of its own."""
    return _json((_input if part == "input" else _output)(seed, index, invocation))


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _record(seed: int, index: int, invocation: Invocation) -> Json:
    record: Json = {
        "schemaType": "ModelInvocationLog",
        "schemaVersion": "1.0",
        "timestamp": stamp(invocation.time),
        "accountId": invocation.account,
        "identity": {"arn": invocation.arn} if invocation.arn else {},
        "region": invocation.region,
        "requestId": invocation.request_id,
        "operation": invocation.operation,
        "modelId": invocation.model,
    }
    if invocation.model.startswith(_ACROSS_REGIONS):
        record["inferenceRegion"] = "eu-north-1"
    if index % 4 == 1:
        record["requestMetadata"] = {"costCenter": "example-17", "stage": "Prüfung"}
    if invocation.error:
        record["errorCode"] = invocation.error
    record["input"] = _side("input", _input(seed, index, invocation), invocation)
    if index % 5 == 2:
        record["input"].update(cacheReadInputTokenCount=index % 700, cacheWriteInputTokenCount=0)
    if not invocation.error:
        record["output"] = _side("output", _output(seed, index, invocation), invocation)
    if index % 23 == 5:
        record["futureDetails"] = {"example": [1, "two", {"three": None}], "message": _ERRORS}
    if invocation.kind == "without_timestamp":
        del record["timestamp"]
    return record


def _side(part: str, body: Any, invocation: Invocation) -> Json:
    """`input` or `output` of a record: the body, or where it lies."""
    side: Json = {f"{part}ContentType": "application/json"}
    if part in invocation.stored:
        side[f"{part}BodyS3Path"] = f"s3://{BUCKET}/{body_key(invocation, part)}"
    else:
        side[f"{part}BodyJson"] = body
    return side | {f"{part}TokenCount": 1 + len(str(body)) // 4}


def body_key(invocation: Invocation, part: str) -> str:
    at = datetime.fromtimestamp(invocation.time, UTC)
    return f"{invocation.region_folder}/{at:%Y/%m/%d/%H}/data/{invocation.request_id}_{part}.json.gz"


def _input(seed: int, index: int, invocation: Invocation) -> Any:
    rng = Random(f"{seed}:input:{index}")
    if invocation.conversation:
        return conversation_input(invocation.operation, seed, invocation.conversation, invocation.turn)
    match invocation.kind:
        case "embedding":
            return {"inputText": rng.choice(_QUESTIONS), "dimensions": 8, "normalize": True}
        case "text":
            return {"inputText": rng.choice(_QUESTIONS), "textGenerationConfig": {"maxTokenCount": 64}}
        case "hostile":
            return chat_input(invocation.operation, HOSTILE_PROMPTS[index % len(HOSTILE_PROMPTS)], index)
        case "large":
            return chat_input(invocation.operation, "Summarize:\n" + 3000 * rng.choice(_QUESTIONS), index)
    return chat_input(invocation.operation, rng.choice(_QUESTIONS), index)


def _output(seed: int, index: int, invocation: Invocation) -> Any:
    rng = Random(f"{seed}:output:{index}")
    if invocation.conversation:
        return conversation_output(invocation.operation, rng, seed, invocation.conversation, invocation.turn)
    match invocation.kind:
        case "embedding":
            return {"embedding": [round(rng.uniform(-1, 1), 6) for _ in range(8)], "inputTextTokenCount": 5}
        case "text":
            return _text_output(rng, invocation.operation == NATIVE_STREAM)
        case "hostile":
            return chat_output(invocation.operation, rng, HOSTILE_PROMPTS[(index + 3) % len(HOSTILE_PROMPTS)])
    return chat_output(invocation.operation, rng, rng.choice(_ANSWERS))


def _text_output(rng: Random, is_streamed: bool) -> Any:
    """Of a text model that knows no messages."""
    words = rng.choice(_ANSWERS).split(" ")
    if is_streamed:
        chunks = [{"outputText": f" {word}", "index": 0, "completionReason": None} for word in words]
        return [*chunks[:-1], chunks[-1] | {"completionReason": "FINISH", "inputTextTokenCount": 5}]
    result = {"tokenCount": len(words), "outputText": " ".join(words), "completionReason": "FINISH"}
    return {"inputTextTokenCount": 5, "results": [result]}

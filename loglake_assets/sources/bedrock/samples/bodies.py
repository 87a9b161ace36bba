"""Bodies of input and output: what is said in a conversation, or without one, in the shapes of each operation."""

import json
from collections.abc import Iterable
from random import Random
from typing import Any

from loglake_assets.sources.bedrock.samples.conversations import Call, Conversation, calls, message_of, task
from loglake_assets.sources.bedrock.samples.world import CONVERSE, CONVERSE_STREAM, NATIVE_STREAM, TOOL_SCHEMAS
from loglake_assets.sources.cloudtrail.samples.identifiers import hex_digits
from loglake_assets.sources.cloudtrail.samples.trail import Json

_SYSTEM = 'You are a helpful agent. A call is written as "type":"tool_use" or as "toolUse".'


def is_converse(operation: str) -> bool:
    return operation in (CONVERSE, CONVERSE_STREAM)


def conversation_input(operation: str, seed: int, conversation: Conversation, turn: int) -> Json:
    """The history before that turn: the task, and each earlier turn's calls with what came of them."""
    converse = is_converse(operation)
    messages = [_message(converse, "user", _text_content(converse, task(conversation), conversation.number))]
    for earlier in range(turn):
        asked = calls(seed, conversation, earlier)
        messages.append(_message(converse, "assistant", _say(converse, seed, conversation, earlier)))
        messages.append(_message(converse, "user", [_result_block(converse, call) for call in asked]))
    tools = conversation.agent.tools
    if converse:
        return {
            "messages": messages,
            "system": [{"text": _SYSTEM}],
            "inferenceConfig": {"maxTokens": 1000, "temperature": 0.5},
            "toolConfig": {"tools": [_converse_tool(name) for name in tools]},
        }
    body: Json = {"anthropic_version": "bedrock-2023-05-31", "max_tokens": 1000, "system": _SYSTEM}
    return {**body, "tools": [_native_tool(name) for name in tools], "messages": messages}


def conversation_output(operation: str, rng: Random, seed: int, conversation: Conversation, turn: int) -> Any:
    stop = "tool_use" if conversation.asks[turn] else "end_turn"
    return _output(operation, rng, _say(is_converse(operation), seed, conversation, turn), stop)


def chat_input(operation: str, text: str, number: int) -> Json:
    """One question without tools."""
    converse = is_converse(operation)
    message = _message(converse, "user", _text_content(converse, text, number))
    if converse:
        return {"messages": [message], "inferenceConfig": {"maxTokens": 512}}
    return {"anthropic_version": "bedrock-2023-05-31", "max_tokens": 512, "messages": [message]}


def chat_output(operation: str, rng: Random, text: str) -> Any:
    return _output(operation, rng, [_text_block(is_converse(operation), text)], "end_turn")


def result_bytes(operation: str, call: Call) -> int:
    """The size of the result's content, as an input of that operation carries it."""
    block = _result_block(is_converse(operation), call)
    content = block.get("toolResult", block)["content"]
    text = content if isinstance(content, str) else json.dumps(content, ensure_ascii=False, separators=(",", ":"))
    return len(text.encode())


def _message(converse: bool, role: str, content: Any) -> Json:
    return {"role": role, "content": content} if converse or role == "user" else {"content": content, "role": role}


def _text_content(converse: bool, text: str, number: int) -> Any:
    return text if not converse and number % 2 else [_text_block(converse, text)]


def _text_block(converse: bool, text: str) -> Json:
    return {"text": text} if converse else {"type": "text", "text": text}


def _say(converse: bool, seed: int, conversation: Conversation, turn: int) -> list[Json]:
    text = message_of(seed, conversation, turn)
    blocks = [_text_block(converse, text)] if text else []
    return blocks + [_call_block(converse, call) for call in calls(seed, conversation, turn)]


def _call_block(converse: bool, call: Call) -> Json:
    if converse:
        return {"toolUse": {"toolUseId": call.tool_use_id, "name": call.name, "input": call.input}}
    return {"type": "tool_use", "id": call.tool_use_id, "name": call.name, "input": call.input}


def _result_block(converse: bool, call: Call) -> Json:
    if converse:
        content = [{"text" if isinstance(call.result, str) else "json": call.result}]
        result: Json = {"toolUseId": call.tool_use_id, "content": content}
        if call.is_error or call.says_status:
            result["status"] = "error" if call.is_error else "success"
        return {"toolResult": result}
    text = call.result if isinstance(call.result, str) else json.dumps(call.result, ensure_ascii=False)
    block: Json = {"type": "tool_result", "tool_use_id": call.tool_use_id}
    if call.is_error or call.says_status:
        block["is_error"] = call.is_error
    return {**block, "content": [{"type": "text", "text": text}] if call.in_blocks else text}


def _converse_tool(name: str) -> Json:
    schema = {"type": "object", "properties": TOOL_SCHEMAS[name]}
    return {"toolSpec": {"name": name, "description": f"Does {name}.", "inputSchema": {"json": schema}}}


def _native_tool(name: str) -> Json:
    schema = {"type": "object", "properties": TOOL_SCHEMAS[name]}
    return {"name": name, "description": f"Does {name}.", "input_schema": schema}


def _output(operation: str, rng: Random, blocks: list[Json], stop: str) -> Any:
    if is_converse(operation):
        return {
            "output": {"message": {"role": "assistant", "content": blocks}},
            "stopReason": stop,
            "metrics": {"latencyMs": rng.randint(200, 9000)},
            "usage": {"inputTokens": 400, "outputTokens": 50, "totalTokens": 450},
        }
    message = {"id": f"msg_bdrk_01{hex_digits(rng, 22)}", "type": "message", "role": "assistant", "model": "claude"}
    if operation == NATIVE_STREAM:
        return list(_stream(message, rng, blocks, stop))
    usage = {"input_tokens": 400, "output_tokens": 50}
    return {**message, "content": blocks, "stop_reason": stop, "stop_sequence": None, "usage": usage}


def _stream(message: Json, rng: Random, blocks: list[Json], stop: str) -> Iterable[Any]:
    """The same message as the events of a stream; parallel blocks come one after the other."""
    yield {"type": "message_start", "message": {**message, "content": [], "usage": {"input_tokens": 400}}}
    for index, block in enumerate(blocks):
        field, empty = ("input", {}) if block["type"] == "tool_use" else ("text", "")
        yield {"type": "content_block_start", "index": index, "content_block": {**block, field: empty}}
        for delta in _deltas(block, rng):
            yield {"type": "content_block_delta", "index": index, "delta": delta}
        yield {"type": "content_block_stop", "index": index}
    yield {"type": "message_delta", "delta": {"stop_reason": stop, "stop_sequence": None}, "usage": {}}
    yield {"type": "message_stop", "amazon-bedrock-invocationMetrics": {"inputTokenCount": 400}}
    if rng.random() < 0.4:
        yield "[DONE]"


def _deltas(block: Json, rng: Random) -> Iterable[Json]:
    if block["type"] == "text":
        for piece in _pieces(block["text"], rng):
            yield {"type": "text_delta", "text": piece}
        return
    yield {"type": "input_json_delta", "partial_json": ""}
    for piece in _pieces(json.dumps(block["input"]) if block["input"] else "", rng):
        yield {"type": "input_json_delta", "partial_json": piece}


def _pieces(text: str, rng: Random) -> Iterable[str]:
    at = 0
    while at < len(text):
        size = rng.randint(1, 25)
        yield text[at : at + size]
        at += size

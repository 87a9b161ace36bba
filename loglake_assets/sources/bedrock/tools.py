"""What bodies of model invocations say of tools: which were offered, asked for and answered, in each form they have.

Anthropic's native blocks are `{"type": "tool_use", "id", "name", "input"}` (also server_tool_use and mcp_tool_use)
and `{"type": "tool_result", "tool_use_id", "content", "is_error"}` (a tool that the service ran names itself in the
type, as in web_search_tool_result). Converse has `{"toolUse": {"toolUseId", "name", "input"}}` and `{"toolResult":
{"toolUseId", "content", "status"}}`. Chat completions have `tool_calls` in a message, and messages of the role `tool`.
Responses have items such as function_call and function_call_output, with a `call_id`. Standard library only.
"""

import hashlib
import json
from collections.abc import Iterator
from typing import Any

from loglake_assets.sources.bedrock.answers import Answer, argument, message_blocks, number, read_answer

NOT_UNDERSTOOD = "answer_not_understood"
_ASKS_FOR_TOOLS = frozenset({"tool_use", "tool_calls", "function_call"})
"""Why a model stops where it asks for tools that its caller is to run."""

Json = Any


def read_bodies(request: Json, answer: Json, arn: str | None) -> dict[str, Any]:
    """Columns that the bodies fill; None where a body does not say."""
    request, answer = _unwrap(request), _unwrap(answer)
    messages, read = _messages(request), read_answer(answer)
    calls, contents = list(_calls(read.content)), [_blocks(message) for message in messages]
    history = [call for content in contents for call in _calls(content)]
    brought = (_tool_results(message, content) for message, content in zip(messages, contents, strict=True))
    results = [result for found in (*brought, _results(read.content)) for result in found]
    return {
        "input_toolnames": ",".join(_names_on_offer(request)) or None,
        "conversation": _conversation(messages, arn),
        "output_content": None if read.content is None else _text(read.content),
        "stopreason": read.stop,
        "tool_calls": _text(calls) if calls else None,
        "tool_call_count": len(calls) if read.content is not None else None,
        "tool_history": _text(history) if history else None,
        "tool_results": _text(results) if results else None,
        "body_flag": None if answer is None or _is_understood(request, read, calls) else NOT_UNDERSTOOD,
    }


def _is_understood(request: Json, read: Answer, calls: list[dict[str, Any]]) -> bool:
    """Whether it is known which tools an answer asks for. Where none can have been offered, none is asked for."""
    if read.content is None:
        return request is not None and not list(_offers(request))
    return all(isinstance(call["name"], str) for call in calls) and (bool(calls) or read.stop not in _ASKS_FOR_TOOLS)


def _unwrap(body: Json) -> Json:
    """A body that is logged as the text of its JSON, as what it spells."""
    if not isinstance(body, str):
        return body
    try:
        return json.loads(body, parse_int=number, parse_float=number, parse_constant=str)
    except (ValueError, RecursionError):
        return body


def _text(value: Json) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _messages(request: Json) -> list[dict[str, Any]]:
    """The messages of a request, or the items of a response's input, of which some are messages."""
    if not isinstance(request, dict):
        return []
    found = request.get("messages", request.get("input"))
    if isinstance(found, str):
        return [{"role": "user", "content": found}]
    return [m for m in found if isinstance(m, dict)] if isinstance(found, list) else []


def _blocks(message: dict[str, Any]) -> Json:
    """A message's blocks; an item of a response's input has no content and is a block itself."""
    blocks = message_blocks(message)
    return blocks if "content" in message else [message, *(blocks or ())]


def _calls(content: Json) -> Iterator[dict[str, Any]]:
    """Tools that a message asks for, as id, name and input."""
    for block in content if isinstance(content, list) else ():
        if not isinstance(block, dict):
            continue
        kind = _kind(block)
        function = block.get("function") or block.get("custom")
        if kind.endswith("tool_use"):
            yield {"id": block.get("id"), "name": block.get("name"), "input": block.get("input")}
        elif "toolUse" in block:
            use = block["toolUse"] if isinstance(block["toolUse"], dict) else {"input": block["toolUse"]}
            yield {"id": use.get("toolUseId"), "name": use.get("name"), "input": use.get("input")}
        elif kind.endswith("_call"):
            name = block.get("name", None if kind == "function_call" else kind)
            yield {"id": block.get("call_id") or block.get("id"), "name": name, "input": _arguments(block)}
        elif isinstance(function, dict):
            yield {"id": block.get("id"), "name": function.get("name"), "input": _arguments(function)}


def _arguments(call: dict[str, Any]) -> Json:
    """The input of a call that has it as JSON text under `arguments`, or under another name as it is."""
    given = call.get("arguments", call.get("input", call.get("action")))
    return argument(given) if isinstance(given, str) and "arguments" in call else given


def _tool_results(message: dict[str, Any], content: Json) -> Iterator[dict[str, Any]]:
    """Results that a message brings; one of the role `tool` is a result itself."""
    if message.get("role") == "tool" and "tool_call_id" in message:
        yield {"id": message["tool_call_id"], "status": "success", "bytes": result_bytes(message)}
    else:
        yield from _results(content)


def _results(content: Json) -> Iterator[dict[str, Any]]:
    """Results among the blocks of a message, as the call's id, its status and how many bytes came back."""
    for block in content if isinstance(content, list) else ():
        if not isinstance(block, dict):
            continue
        kind = _kind(block)
        if kind.endswith("tool_result"):
            status = "error" if block.get("is_error") is True or _is_service_error(block) else "success"
            yield {"id": block.get("tool_use_id"), "status": status, "bytes": result_bytes(block)}
        elif isinstance(result := block.get("toolResult"), dict):
            status = str(result.get("status") or "success")
            yield {"id": result.get("toolUseId"), "status": status, "bytes": result_bytes(result)}
        elif kind.endswith("_call_output"):
            yield {"id": block.get("call_id"), "status": "success", "bytes": _size(block.get("output"))}


def _kind(block: dict[str, Any]) -> str:
    kind = block.get("type")
    return kind if isinstance(kind, str) else ""


def _is_service_error(block: dict[str, Any]) -> bool:
    """Whether a tool that the service ran failed: its content is then one block whose type says so."""
    content = block.get("content")
    return isinstance(content, dict) and _kind(content).endswith("_error")


def result_bytes(result: dict[str, Any]) -> int:
    """Size of a result: of its text, or of its content as compact JSON; 0 where it has none."""
    return _size(result.get("content"))


def _size(content: Json) -> int:
    text = content if isinstance(content, str) else "" if content is None else _text(content)
    return len(text.encode(errors="replace"))


def _offers(request: Json) -> Iterator[Json]:
    """The tools that a request offers, wherever it may name them."""
    if not isinstance(request, dict):
        return
    places = (request, request.get("toolConfig"), request.get("additionalModelRequestFields"))
    for place in (p for p in places if isinstance(p, dict)):
        tools = place.get("tools")
        yield from tools if isinstance(tools, list) else [tools] if tools else ()


def _names_on_offer(request: Json) -> Iterator[str]:
    """A tool's name stands in the tool, or in the one thing in it: its toolSpec, systemTool or function."""
    for tool in (t for t in _offers(request) if isinstance(t, dict)):
        named = (part["name"] for part in (tool, *tool.values()) if isinstance(part, dict) and "name" in part)
        if name := next((n for n in named if isinstance(n, str)), None):
            yield name


def _conversation(messages: list[dict[str, Any]], arn: str | None) -> str | None:
    """Equal for calls of one identity that begin with the same message: a conversation repeats its history."""
    if not messages:
        return None
    text = f"{arn or ''}\n{_first_text(messages[0])}"
    return hashlib.sha256(text.encode(errors="replace")).hexdigest()[:32]


def _first_text(message: dict[str, Any]) -> str:
    """The text of a message, which native and Converse bodies of one conversation spell alike."""
    content = message.get("content")
    if isinstance(content, str):
        return content
    blocks = content if isinstance(content, list) else []
    texts = [block.get("text") for block in blocks if isinstance(block, dict)]
    return "\n".join(text for text in texts if isinstance(text, str)) or json.dumps(content, sort_keys=True)

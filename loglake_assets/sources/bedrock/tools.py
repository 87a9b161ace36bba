"""What bodies of model invocations say of answers and tools, in the forms that models have.

Anthropic's native blocks are `{"type": "tool_use", "id", "name", "input"}` (also server_tool_use and mcp_tool_use)
and `{"type": "tool_result", "tool_use_id", "content", "is_error"}`. Converse has `{"toolUse": {"toolUseId", "name",
"input"}}` and `{"toolResult": {"toolUseId", "content", "status"}}`. Chat completions have `tool_calls` in a message,
and messages of the role `tool`. A stream's body is the list of its events. Standard library only.
"""

import hashlib
import json
from collections.abc import Iterator
from typing import Any

Json = Any


def read_bodies(request: Json, answer: Json, arn: str | None) -> dict[str, Any]:
    """Columns that the bodies fill; None where a body does not say."""
    request, answer = _unwrapped(request), _unwrapped(answer)
    messages = _messages(request)
    content, stop = _answer(answer)
    calls = list(_calls(content))
    history = [call for message in messages for call in _calls(_blocks(message))]
    results = [result for message in messages for result in _results(message)]
    return {
        "input_toolnames": ",".join(_offered(request)) or None,
        "conversation": _conversation(messages, arn),
        "output_content": None if content is None else _text(content),
        "stopreason": stop,
        "tool_calls": _text(calls) if calls else None,
        "tool_call_count": len(calls) if content is not None else None,
        "tool_history": _text(history) if history else None,
        "tool_results": _text(results) if results else None,
    }


def _unwrapped(body: Json) -> Json:
    """A body that is logged as the text of its JSON, as what it spells."""
    if not isinstance(body, str):
        return body
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return body


def _text(value: Json) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _messages(request: Json) -> list[dict[str, Any]]:
    found = request.get("messages") if isinstance(request, dict) else None
    return [m for m in found if isinstance(m, dict)] if isinstance(found, list) else []


def _blocks(message: dict[str, Any]) -> Json:
    """A message's content; tools asked for in the form of chat completions stand beside it."""
    content, calls = message.get("content"), message.get("tool_calls")
    if not isinstance(calls, list):
        return content
    texts = [{"type": "text", "text": content}] if isinstance(content, str) and content else []
    return [*texts, *(content if isinstance(content, list) else ()), *(c for c in calls if isinstance(c, dict))]


def _calls(content: Json) -> Iterator[dict[str, Any]]:
    """Tools that a message asks for, as id, name and input."""
    for block in content if isinstance(content, list) else ():
        if not isinstance(block, dict):
            continue
        if block.get("type") in {"tool_use", "server_tool_use", "mcp_tool_use"}:
            yield {"id": block.get("id"), "name": block.get("name"), "input": block.get("input")}
        elif isinstance(use := block.get("toolUse"), dict):
            yield {"id": use.get("toolUseId"), "name": use.get("name"), "input": use.get("input")}
        elif isinstance(function := block.get("function"), dict):
            given = function.get("arguments")
            yield {
                "id": block.get("id"),
                "name": function.get("name"),
                "input": _parsed(given) if isinstance(given, str) else given,
            }


def _results(message: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Results that a message brings, as the call's id, its status and how many bytes came back."""
    if message.get("role") == "tool" and "tool_call_id" in message:
        yield {"id": message["tool_call_id"], "status": "success", "bytes": result_bytes(message)}
        return
    content = message.get("content")
    for block in content if isinstance(content, list) else ():
        if not isinstance(block, dict):
            continue
        if block.get("type") == "tool_result":
            status = "error" if block.get("is_error") is True else "success"
            yield {"id": block.get("tool_use_id"), "status": status, "bytes": result_bytes(block)}
        elif isinstance(result := block.get("toolResult"), dict):
            status = str(result.get("status") or "success")
            yield {"id": result.get("toolUseId"), "status": status, "bytes": result_bytes(result)}


def result_bytes(result: dict[str, Any]) -> int:
    """Size of a result: of its text, or of its content as compact JSON; 0 where it has none."""
    content = result.get("content")
    text = content if isinstance(content, str) else "" if content is None else _text(content)
    return len(text.encode(errors="replace"))


def _offered(request: Json) -> Iterator[str]:
    if not isinstance(request, dict):
        return
    config = request.get("toolConfig")
    offered = config.get("tools") if isinstance(config, dict) else request.get("tools")
    for tool in offered if isinstance(offered, list) else ():
        spec = tool.get("toolSpec", tool) if isinstance(tool, dict) else None
        if isinstance(spec, dict) and isinstance(spec.get("name"), str):
            yield spec["name"]


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


def _answer(answer: Json) -> tuple[Json, str | None]:
    """(content, why the model stopped); (None, None) for an answer that is no message we know."""
    if isinstance(answer, list):
        return _streamed(answer)
    if not isinstance(answer, dict):
        return None, None
    choices = answer.get("choices")
    if isinstance(choices, list) and choices and isinstance(choices[0], dict):
        message, stop = choices[0].get("message"), choices[0].get("finish_reason")
        return (_blocks(message) if isinstance(message, dict) else None), stop if isinstance(stop, str) else None
    output = answer.get("output")
    message = output.get("message") if isinstance(output, dict) else None
    content = message.get("content") if isinstance(message, dict) else answer.get("content")
    stop = answer.get("stopReason") or answer.get("stop_reason")
    return content, stop if isinstance(stop, str) else None


def _streamed(events: list[Json]) -> tuple[Json, str | None]:
    """A stream's events put together: blocks by their index, a tool's input from its pieces."""
    blocks: dict[int, dict[str, Any]] = {}
    pieces: dict[int, list[str]] = {}
    stop, is_known = None, False
    for kind, event in _stream_events(events):
        index, delta = event.get("index", event.get("contentBlockIndex")), event.get("delta")
        index = index if isinstance(index, int) else 0
        is_known = True
        if kind == "start":
            block = event.get("content_block", event.get("start"))
            blocks[index] = dict(block) if isinstance(block, dict) else {}
        elif kind == "delta" and isinstance(delta, dict):
            _add(blocks.setdefault(index, {}), pieces.setdefault(index, []), delta)
        elif kind == "stop":
            told = event.get("stopReason") or (delta.get("stop_reason") if isinstance(delta, dict) else None)
            stop = told if isinstance(told, str) else stop
    for index, parts in pieces.items():
        if "".join(parts).strip():  # a tool without input sends one empty piece
            target = blocks[index].get("toolUse", blocks[index])
            target["input"] = _parsed("".join(parts))
    return ([blocks[index] for index in sorted(blocks)] if is_known else None), stop


_KINDS = {
    "content_block_start": "start",
    "content_block_delta": "delta",
    "message_delta": "stop",
    "contentBlockStart": "start",
    "contentBlockDelta": "delta",
    "messageStop": "stop",
}


def _stream_events(events: list[Json]) -> Iterator[tuple[str, dict[str, Any]]]:
    """(kind, event) of what is known of a stream: native events say their type, Converse's are keyed by it."""
    for event in (e for e in events if isinstance(e, dict)):
        if isinstance(event.get("type"), str):
            if event["type"] in _KINDS:
                yield _KINDS[event["type"]], event
            continue
        for name, inner in event.items():
            if name in _KINDS and isinstance(inner, dict):
                yield _KINDS[name], inner


def _add(block: dict[str, Any], pieces: list[str], delta: dict[str, Any]) -> None:
    for name in ("text", "thinking"):
        if isinstance(delta.get(name), str):
            if "type" in delta:  # native; Converse's blocks have no type
                block.setdefault("type", name)
            block[name] = str(block.get(name) or "") + delta[name]
    if isinstance(delta.get("partial_json"), str):
        pieces.append(delta["partial_json"])
    elif isinstance(use := delta.get("toolUse"), dict) and isinstance(use.get("input"), str):
        pieces.append(use["input"])


def _parsed(text: str) -> Json:
    """A tool's input; what was cut off is kept as text."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text

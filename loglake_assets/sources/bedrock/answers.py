"""What a model answered, from the body of its answer: the content of one message, and why the model stopped.

Bodies are messages (Anthropic's and Converse's), chat completions, and responses; and the list of events of a stream of
each, which is put together here, so that its content is what the same answer would be without a stream. Events may come
in any order, without an index, or twice under the same one: whatever asks for a tool stays in the content. Standard
library only.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

Json = Any


@dataclass(frozen=True)
class Answer:
    """`content` as the model's own API spells it, None where the body is in no form that is known."""

    content: Json = None
    stop: str | None = None


class _KeyTwiceError(ValueError):
    pass


def read_answer(body: Json) -> Answer:
    """The answer that a body spells."""
    read = _read(body)
    return read if isinstance(read.content, list | str) else Answer(None, read.stop)


def _read(body: Json) -> Answer:
    if isinstance(body, list):
        return _stream([event for event in body if isinstance(event, dict)])
    if not isinstance(body, dict):
        return Answer()
    if isinstance(body.get("choices"), list):
        return _choose([choice for choice in body["choices"] if isinstance(choice, dict)])
    output = body.get("output")
    if isinstance(output, list):
        return Answer(output, _stop_of_response(body))
    message = output.get("message") if isinstance(output, dict) else None
    content = message_blocks(message if isinstance(message, dict) else body)
    return Answer(content, _text(body.get("stopReason")) or _text(body.get("stop_reason")))


def message_blocks(message: dict[str, Any]) -> Json:
    """A message's content; tools that it asks for beside its content, as chat completions do, are blocks of it."""
    content, calls = message.get("content"), message.get("tool_calls")
    if not calls:
        return content
    texts = [{"type": "text", "text": content}] if isinstance(content, str) and content else []
    blocks = content if isinstance(content, list) else ()
    return [*texts, *blocks, *map(_call_block, calls if isinstance(calls, list) else [calls])]


def argument(text: str) -> Json:
    """A tool's input from its JSON. What was cut off, is no JSON or has a key twice is kept as text."""
    try:
        return json.loads(
            text, object_pairs_hook=_refuse_repeats, parse_int=number, parse_float=number, parse_constant=str
        )
    except (ValueError, RecursionError):
        return text


def number(text: str) -> int | float | str:
    """The number that JSON spells; one that no type holds is kept as its text, so that it hides nothing beside it."""
    try:
        value: int | float = float(text) if any(c in text for c in ".eE") else int(text)
    except ValueError:
        return text
    return text if value in (float("inf"), float("-inf")) else value


def _refuse_repeats(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise _KeyTwiceError
    return found


def _call_block(call: Json) -> dict[str, Any]:
    """A call of a chat completion as it stands; one in another form as a block of the tool use that it must be."""
    if isinstance(call, dict) and (isinstance(call.get("function"), dict) or isinstance(call.get("custom"), dict)):
        return call
    given = call if isinstance(call, dict) else {}
    return {
        "type": "tool_use",
        "id": given.get("id"),
        "name": given.get("name"),
        "input": given.get("parameters", given.get("arguments", call)),
    }


def _choose(choices: list[dict[str, Any]]) -> Answer:
    """A chat completion. Where it has several choices, whoever asked may act on each: the content is of all."""
    contents = [message_blocks(c["message"]) for c in choices if isinstance(c.get("message"), dict)]
    stop = next(filter(None, map(_stop_of_choice, choices)), None)
    return Answer(_join([[] if content is None else content for content in contents]), stop)


def _join(contents: list[Json]) -> Json:
    """Contents of several messages as one; of a single message as it stands, and None where there is none."""
    if len(contents) < 2:
        return contents[0] if contents else None
    return [block for content in contents for block in _as_blocks(content)]


def _as_blocks(content: Json) -> list[Json]:
    return content if isinstance(content, list) else [{"type": "text", "text": content}]


def _stop_of_choice(choice: dict[str, Any]) -> str | None:
    return _text(choice.get("finish_reason")) or _text(choice.get("stop_reason"))


def _stop_of_response(response: dict[str, Any]) -> str | None:
    details = response.get("incomplete_details")
    reason = details.get("reason") if isinstance(details, dict) else None
    return _text(reason) or _text(response.get("status"))


def _text(value: Json) -> str | None:
    return value if isinstance(value, str) else None


# --- Streams ----------------------------------------------------------------------------------------------------------


def _stream(events: list[dict[str, Any]]) -> Answer:
    """The answer of a stream's events. One form is usual; where there are several, nothing of any is left out."""
    answers = [read(events) for read in (_of_message_events, _of_chunks, _of_response_events)]
    known = [answer for answer in answers if answer.content is not None]
    stop = next((answer.stop for answer in known if answer.stop), None)
    return Answer(_join([answer.content for answer in known]), stop)


@dataclass
class _Block:
    """One block of a message while its pieces come: what it began with, and the pieces of each of its parts."""

    start: dict[str, Any] = field(default_factory=dict)
    is_begun: bool = False
    is_native: bool = False
    is_tool_use: bool = False
    """Whether pieces of it say, as Converse's do, that it asks for a tool."""
    inputs: list[str] = field(default_factory=list)
    texts: dict[str, list[str]] = field(default_factory=dict)
    reasoning: dict[str, list[str]] = field(default_factory=dict)
    results: list[Json] = field(default_factory=list)
    others: dict[str, list[Json]] = field(default_factory=dict)

    def begin(self, start: Json) -> None:
        self.start, self.is_begun = (dict(start) if isinstance(start, dict) else {}), True

    def add(self, delta: dict[str, Any]) -> None:
        """One piece. Native pieces name their type; Converse's are keyed by it."""
        self.is_native = self.is_native or "type" in delta
        for name, value in delta.items():
            if name == "partial_json":
                self.inputs.append(_spell(value))
            elif name == "toolUse":
                self.is_tool_use = True
                self.inputs.append(_spell(value.get("input", "") if isinstance(value, dict) else value))
            elif name == "reasoningContent" and isinstance(value, dict):
                for part, text in value.items():
                    self.reasoning.setdefault(part, []).append(_spell(text))
            elif name == "toolResult":
                self.results.extend(value if isinstance(value, list) else [value])
            elif name != "type" and isinstance(value, str):
                self.texts.setdefault(name, []).append(value)
            elif name != "type" and value is not None:
                self.others.setdefault("citations" if name == "citation" else name, []).append(value)

    def block(self) -> dict[str, Any]:
        """The block as it would stand in an answer without a stream."""
        made = dict(self.start)
        for name, pieces in self.texts.items():
            made[name] = (_text(made.get(name)) or "") + "".join(pieces)
        for name, values in self.others.items():
            made[name] = [*_list(made.get(name)), *values]
        if self.reasoning:
            made["reasoningContent"] = _reasoning_block(
                {name: "".join(pieces) for name, pieces in self.reasoning.items()}
            )
        if self.results:
            begun = _as_mapping(made.get("toolResult"))
            made["toolResult"] = {**begun, "content": [*_list(begun.get("content")), *self.results]}
        if self.inputs:
            self._give_input(made)
        if self.is_native and "type" not in made:
            made["type"] = "tool_use" if self.inputs else "thinking" if "thinking" in made else "text"
        return made

    def _give_input(self, made: dict[str, Any]) -> None:
        target = made
        if self.is_tool_use or "toolUse" in made:
            target = made["toolUse"] = _as_mapping(made.get("toolUse"))
        text = "".join(self.inputs)
        if text.strip():
            target["input"] = argument(text)
        else:  # a tool without input sends one empty piece
            target.setdefault("input", {})


def _reasoning_block(parts: dict[str, str]) -> dict[str, Any]:
    """Reasoning of a stream, which is flat, as it stands in an answer: text and signature are a part of their own."""
    said = {name: parts.pop(name) for name in ("text", "signature") if name in parts}
    return {**({"reasoningText": said} if said else {}), **parts}


_KINDS = {
    "content_block_start": "start",
    "content_block_delta": "delta",
    "message_delta": "stop",
    "contentBlockStart": "start",
    "contentBlockDelta": "delta",
    "messageStop": "stop",
}


def _of_message_events(events: list[dict[str, Any]]) -> Answer:
    """Events of Anthropic's stream and of Converse's: blocks by their index, each from its pieces."""
    blocks: list[tuple[int, _Block]] = []
    by_index: dict[int, _Block] = {}
    stop, is_known, last, free = None, False, 0, 0
    for kind, event in _message_events(events):
        is_known = True
        delta = event.get("delta")
        if kind == "stop":
            stop = _text(event.get("stopReason")) or _text(_as_mapping(delta).get("stop_reason")) or stop
            continue
        index = event.get("index", event.get("contentBlockIndex"))
        if not isinstance(index, int):
            index = free if kind == "start" else last
        block, last, free = by_index.get(index), index, max(free, index + 1)
        if block is None or (kind == "start" and block.is_begun):
            block = by_index[index] = _Block()
            blocks.append((index, block))
        if kind == "start":
            block.begin(event.get("content_block", event.get("start")))
        elif isinstance(delta, dict):
            block.add(delta)
    found = [block.block() for _, block in sorted(blocks, key=lambda pair: pair[0])]
    return Answer(found if is_known else None, stop)


def _message_events(events: list[dict[str, Any]]) -> Iterator[tuple[str, dict[str, Any]]]:
    """(kind, event) of what is known of a stream: native events say their type, Converse's are keyed by it."""
    for event in events:
        if isinstance(event.get("type"), str):
            if event["type"] in _KINDS:
                yield _KINDS[event["type"]], event
            continue
        for name, inner in event.items():
            if name in _KINDS and isinstance(inner, dict):
                yield _KINDS[name], inner


@dataclass
class _Call:
    """One call of a chat completion while its pieces come."""

    id: str | None
    names: list[str] = field(default_factory=list)
    arguments: list[str] = field(default_factory=list)

    def add(self, entry: dict[str, Any]) -> None:
        self.id = self.id or _text(entry.get("id"))
        function = _as_mapping(entry.get("function") or entry.get("custom"))
        name = _text(function.get("name"))
        if name and name != "".join(self.names):  # some send it whole with each piece
            self.names.append(name)
        given = function.get("arguments", function.get("input"))
        if given is not None:
            self.arguments.append(_spell(given))

    def entry(self) -> dict[str, Any]:
        function = {"name": "".join(self.names) or None, "arguments": "".join(self.arguments)}
        return {"id": self.id, "type": "function", "function": function}


@dataclass
class _Message:
    """One choice of a chat completion while its chunks come."""

    texts: list[str] = field(default_factory=list)
    blocks: list[Json] = field(default_factory=list)
    calls: list[_Call] = field(default_factory=list)
    odd_calls: list[Json] = field(default_factory=list)
    by_index: dict[int, _Call] = field(default_factory=dict)
    by_id: dict[str, _Call] = field(default_factory=dict)

    def add(self, delta: dict[str, Any]) -> None:
        content, calls = delta.get("content"), delta.get("tool_calls")
        if isinstance(content, str):
            self.texts.append(content)
        else:
            self.blocks.extend(_list(content))
        for entry in calls if isinstance(calls, list) else [calls] if calls else ():
            if isinstance(entry, dict):
                self._call(entry).add(entry)
            else:
                self.odd_calls.append(entry)

    def _call(self, entry: dict[str, Any]) -> _Call:
        """The call that a piece belongs to: by index, unless its id says another; without index by id, else the last.

        An id or, without index, a name that was not there before begins another call.
        """
        index, name = entry.get("index"), _text(entry.get("id")) or None
        if isinstance(index, int):
            call = self.by_index.get(index)
            if call and (name is None or call.id in {None, name}):
                return call
        elif name in self.by_id:
            return self.by_id[str(name)]
        elif name is None and self.calls and not _as_mapping(entry.get("function")).get("name"):
            return self.calls[-1]
        call = _Call(name)
        self.calls.append(call)
        if isinstance(index, int):
            self.by_index[index] = call
        if name:
            self.by_id[name] = call
        return call

    def content(self) -> Json:
        text: Json = "".join(self.texts)
        if self.blocks:
            text = [*([{"type": "text", "text": text}] if text else []), *self.blocks]
        calls = [*(call.entry() for call in self.calls), *self.odd_calls]
        return message_blocks({"content": text, "tool_calls": calls})


def _of_chunks(events: list[dict[str, Any]]) -> Answer:
    """Chunks of a chat completion's stream; some models say `message` where others say `delta`."""
    messages: dict[int, _Message] = {}
    stop = None
    for choice in (c for event in events for c in _list(event.get("choices")) if isinstance(c, dict)):
        index = choice.get("index")
        delta = choice.get("delta", choice.get("message"))
        if isinstance(delta, dict):
            messages.setdefault(index if isinstance(index, int) else 0, _Message()).add(delta)
        stop = _stop_of_choice(choice) or stop
    return Answer(_join([messages[index].content() for index in sorted(messages)]), stop)


def _of_response_events(events: list[dict[str, Any]]) -> Answer:
    """Events of a response's stream: its items by their index as each begins and ends, and the whole at the end."""
    items: dict[int, Json] = {}
    pieces: dict[int, list[str]] = {}
    stop, is_known, free = None, False, 0
    for event in events:
        kind, index = _text(event.get("type")) or "", event.get("output_index")
        if not kind.startswith("response."):
            continue
        is_known = True
        if not isinstance(index, int):
            index = free if kind == "response.output_item.added" else max(free - 1, 0)
        if "item" in event:
            items[index], free = event["item"], max(free, index + 1)
        elif kind in {"response.function_call_arguments.delta", "response.custom_tool_call_input.delta"}:
            pieces.setdefault(index, []).append(_spell(event.get("delta", "")))
        if isinstance(response := event.get("response"), dict):
            items.update(enumerate(_list(response.get("output"))))
            stop = _stop_of_response(response) or stop
    for index, parts in pieces.items():
        item = items.setdefault(index, {"type": "function_call"})
        if isinstance(item, dict) and not (item.get("arguments") or item.get("input")):
            items[index] = {**item, "arguments": "".join(parts)}
    return Answer([items[index] for index in sorted(items)] if is_known else None, stop)


def _spell(value: Json) -> str:
    """A piece of text; anything else that stands in its place, as JSON."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _list(value: Json) -> Iterable[Json]:
    return value if isinstance(value, list) else ()


def _as_mapping(value: Json) -> dict[str, Any]:
    return dict(value) if isinstance(value, dict) else {}

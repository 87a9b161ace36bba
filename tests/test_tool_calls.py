"""From invocations to tool calls: forms of bodies, ids that come again, results that somebody else brings."""

import json
import random
import re
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from hashlib import sha256
from typing import Any

import msgspec
import pytest

from loglake_assets.reviews.agent_tool_use.agent_pages import (
    FLAG_LABELS,
    FLAGS,
    agent_document,
    agent_files,
    agent_page,
)
from loglake_assets.reviews.agent_tool_use.bodies import Body, with_bodies
from loglake_assets.reviews.agent_tool_use.calls import ToolCall, row_of, tool_calls
from loglake_assets.reviews.inputs import BUILT, UNBUILT, Input
from loglake_assets.reviews.page_text import duration_text
from loglake_assets.sources.bedrock import decode, recount, tools

NOON = datetime(2026, 11, 1, 12, tzinfo=UTC)
AGENT, OTHER = "arn:aws:sts::111122223333:assumed-role/Agent/a", "arn:aws:sts::111122223333:assumed-role/Agent/b"
CALL = {"id": "t1", "name": "run_sql", "input": {"sql": "x"}}


def invocation(hours: float, arn: str = AGENT, **told: list[dict[str, Any]]) -> dict[str, Any]:
    time = NOON + timedelta(hours=hours)
    columns = {name: json.dumps(told[name]) if name in told else None for name in ("tool_calls", "tool_history")}
    return {
        "requestid": f"r{hours}{arn[-1]}",
        "request_time": time,
        "operation": "Converse",
        "modelid": "m",
        "f_modelname": "m",
        "logaccountid": "111122223333",
        "logregion": "eu-west-1",
        "useridentity_arn": arn,
        "f_conversation": "c",
        **columns,
        "tool_results": json.dumps(told["tool_results"]) if "tool_results" in told else None,
        "raw_bucket": "b",
        "raw_key": "k",
        "raw_versionid": None,
        "raw_ordinal": 0,
        "raw_objectsha256": "s",
    }


def result(status: str = "success", name: str = "t1") -> dict[str, Any]:
    return {"id": name, "status": status, "bytes": 3}


def only(*rows: dict[str, Any]) -> ToolCall:
    (call,) = tool_calls(rows, [])
    return call


def test_a_conversation_repeats_a_call_and_it_is_one_row() -> None:
    call = only(
        invocation(0, tool_calls=[CALL]),
        invocation(1, tool_history=[CALL], tool_results=[result()]),
        invocation(2, tool_history=[CALL], tool_results=[result()]),
    )
    row = row_of(call, "[]")
    assert (row["asked_in"], row["result_requestid"], row["ran_milliseconds"]) == ("output", "r1a", 3_600_000)
    assert row["flags"] == "no_trail_event"


def test_an_agents_page_shows_what_it_did_masks_secrets_and_lets_nothing_act() -> None:
    hostile = '</style><script>document.title="pwned"</script><img src=x onerror=a()>'
    tool = {"id": "t1", "name": hostile, "input": {"sql": f"{hostile} \u202e", "password": "Hunter2Zz9"}}
    rows = invocation(0, tool_calls=[tool]), invocation(1, tool_results=[result("error")])
    event = {"eventid": "e", "eventtime": NOON, "eventsource": "s3.amazonaws.com", "eventname": hostile}
    call = replace(only(*rows), events=[{**event, "errorcode": "AccessDenied", "event_count": 1}])
    document = agent_document(AGENT, [call], [], NOON.date(), "loglake", NOON)
    assert document["flags"] == {"no_trail_event": 1, "denied": 1, "failed": 1}
    assert document["masked"] == 1
    page = agent_page(document)
    assert "Hunter2Zz9" not in page + json.dumps(document)
    assert "&lt;script&gt;" in page
    assert page.count("<style>") == 1
    assert not re.search(r"<script|<img|\u202e", page)
    assert "AccessDenied" in page
    files = {file.name for file in agent_files([call], [], NOON.date(), "loglake", NOON)}
    name = sha256(AGENT.encode()).hexdigest()[:16]
    assert files == {"index.html", f"{name}.html", f"{name}.json"}


def index_of(call: ToolCall | None, *inputs: Input) -> str:
    files = agent_files([call] if call else [], inputs, NOON.date(), "loglake", NOON)
    return next(file.body.decode() for file in files if file.name == "index.html")


def test_pages_say_flags_and_times_in_words() -> None:
    assert set(FLAG_LABELS) == set(FLAGS)
    call = only(invocation(0, tool_calls=[CALL]), invocation(1, tool_results=[result("error")]))
    page = agent_page(agent_document(AGENT, [call], [], NOON.date(), "loglake", NOON))
    assert "ran 1 h" in page
    assert "3,600,000" not in page
    assert '<span class="badge warn">no event in CloudTrail</span>' in page
    assert "no event in CloudTrail: 1, the tool failed: 1" in index_of(call)
    assert "no_trail_event" not in index_of(call)
    assert [duration_text(n) for n in (0, 999, 1_000, 10_000_000)] == ["0 ms", "999 ms", "1 s", "2 h 46 min 40 s"]


@pytest.mark.parametrize("call", [CALL, None])
def test_the_index_says_what_is_not_here_also_where_no_agent_is(call: dict[str, Any] | None) -> None:
    whole = Input("from_bedrock_readready", NOON.date(), BUILT, coverage_pct=100.0)
    short = Input("from_cloudtrail_readready", NOON.date(), UNBUILT)
    made = only(invocation(0, tool_calls=[call])) if call else None
    assert "Not all of the logs is here" not in index_of(made, whole)
    said = index_of(made, whole, short)
    assert "Not all of the logs is here" in said
    assert f"from_cloudtrail_readready, {NOON.date()}: this day has not been built" in said


def test_an_id_that_comes_again_is_another_call_with_a_result_of_its_own() -> None:
    calls = tool_calls(
        [
            invocation(0, tool_calls=[CALL]),
            invocation(1, tool_results=[result("error")]),
            invocation(24, tool_calls=[CALL]),
            invocation(25, tool_results=[result("success")]),
        ],
        [],
    )
    assert [(c.result or {})["status"] for c in calls] == ["error", "success"]
    assert len({c.key for c in calls}) == 2
    assert ["id_reused" in c.flags for c in calls] == [False, True]
    assert [len(tool_calls([invocation(24, tool_calls=[CALL])], [], date(2026, 11, d))) for d in (1, 2)] == [0, 1]


def test_a_result_before_the_call_or_of_another_identity_is_not_its_own() -> None:
    forged = invocation(-1, arn=OTHER, tool_results=[result("success")])
    asked, own = invocation(0, tool_calls=[CALL]), invocation(2, tool_results=[result("error")])
    assert (only(forged, asked, own).result or {})["status"] == "error"
    meanwhile = invocation(1, arn=OTHER, tool_results=[result("success")])
    assert (only(asked, meanwhile, own).result or {})["status"] == "error"
    alone = only(asked, meanwhile)
    assert "result_of_another_identity" in alone.flags


def test_a_call_that_only_messages_tell_of_says_so() -> None:
    assert "not_seen_asked" in only(invocation(0, tool_history=[CALL], tool_results=[result()])).flags


@pytest.mark.parametrize(
    ("answer", "stop"),
    [
        ({"content": [{"type": "tool_use", **CALL}], "stop_reason": "tool_use"}, "tool_use"),
        ({"content": [{"type": "server_tool_use", **CALL}]}, None),
        (
            {
                "output": {"message": {"content": [{"toolUse": {"toolUseId": "t1", **CALL}}]}},
                "stopReason": "tool_use",
            },
            "tool_use",
        ),
        (
            {
                "choices": [
                    {
                        "message": {
                            "content": None,
                            "tool_calls": [{"id": "t1", "function": {"name": "run_sql", "arguments": '{"sql":"x"}'}}],
                        },
                        "finish_reason": "tool_calls",
                    }
                ]
            },
            "tool_calls",
        ),
        (
            [
                {"type": "content_block_start", "index": 0, "content_block": {"type": "tool_use", **CALL, "input": {}}},
                {"type": "content_block_delta", "index": 0, "delta": {"partial_json": '{"sql":'}},
                {"type": "content_block_delta", "index": 0, "delta": {"partial_json": '"x"}'}},
                {"type": "message_delta", "delta": {"stop_reason": "tool_use"}},
                "[DONE]",
            ],
            "tool_use",
        ),
        (
            [
                {"contentBlockStart": {"contentBlockIndex": 0, "start": {"toolUse": {"toolUseId": "t1", **CALL}}}},
                {"contentBlockDelta": {"contentBlockIndex": 0, "delta": {"toolUse": {"input": '{"sql":"x"}'}}}},
                {"messageStop": {"stopReason": "tool_use"}},
            ],
            "tool_use",
        ),
    ],
)
def test_a_call_is_found_in_every_form_of_body_also_where_it_is_logged_as_text(answer: Any, stop: str | None) -> None:
    for body in (answer, json.dumps(answer)):
        read = tools.read_bodies({"messages": []}, body, AGENT)
        assert json.loads(read["tool_calls"]) == [CALL]
        assert read["stopreason"] == stop


def test_an_answer_in_no_known_form_says_neither_none_nor_how_many() -> None:
    read = tools.read_bodies({"messages": []}, [{"anything": 1}], AGENT)
    assert (read["tool_calls"], read["tool_call_count"]) == (None, None)


@pytest.mark.parametrize("number", ["1e999", "-1e999", "1" * 5_000])
def test_a_number_that_nothing_holds_hides_no_call_beside_it(number: str) -> None:
    text = (
        '{"timestamp":"2026-11-01T12:00:00Z","accountId":"1","requestId":"r","modelId":"m","output":{"outputBodyJson":'
        '{"content":[{"type":"tool_use","id":"t1","name":"run_sql","input":{"n":NUMBER}}]}}}'.replace("NUMBER", number)
    )
    (line,) = decode.split(text.encode())
    fields = decode.decode(line).fields
    assert [call["id"] for call in json.loads(fields["tool_calls"])] == ["t1"]
    assert [event.key for event in recount.events(text)] == [fields["eventkey"]]


def test_bodies_that_are_not_understood_are_flagged_where_tools_were_offered() -> None:
    text = (
        '{"timestamp":"2026-11-01T12:00:00Z","requestId":"r","input":{"inputBodyJson":{"tools":[{"name":"t"}]}},'
        '"output":{"outputBodyJson":{"strange":1}}}'
    )
    (line,) = decode.split(text.encode())
    assert decode.decode(line).fields["body_flag"] == "answer_not_understood"


# --- Streams of chat completions and of responses ---------------------------------------------------------------------


def chunk(delta: Any, finish: str | None = None, index: int = 0) -> dict[str, Any]:
    choice = {"index": index, "delta": delta, "finish_reason": finish}
    return {"id": "chatcmpl-1", "object": "chat.completion.chunk", "choices": [choice]}


def piece(arguments: str | None = None, **entry: Any) -> dict[str, Any]:
    """A chunk with a piece of a call."""
    function = {name: entry.pop(name) for name in ("name",) if name in entry}
    if arguments is not None:
        function["arguments"] = arguments
    return chunk({"tool_calls": [{**entry, "function": function}]})


OFFERS = {"messages": [], "tools": [{"type": "function", "function": {"name": "run_sql", "parameters": {"name": "x"}}}]}
BEGUN = chunk({"role": "assistant", "content": ""})
ENDED = [chunk({}, "tool_calls"), {"id": "chatcmpl-1", "choices": [], "usage": {}}, "[DONE]"]
OTHER_CALL = {"id": "t2", "name": "look", "input": {"n": 2}}
FUNCTION_ITEM = {"type": "function_call", "id": "fc_1", "call_id": "t1", "name": "run_sql"}


def read(answer: Any, request: Any = OFFERS) -> dict[str, Any]:
    return tools.read_bodies(request, answer, AGENT)


def calls_of(answer: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(read(answer)["tool_calls"] or "[]")
    return found


@pytest.mark.parametrize(
    "pieces",
    [
        [
            piece("", index=0, id="t1", type="function", name="run_sql"),
            piece('{"sql":', index=0),
            piece('"x"}', index=0),
        ],
        [piece('{"sql":"x"}', index=0, id="t1", name="run_sql")],
        [piece('{"sql":"x"}', id="t1", name="run_sql")],
        [piece("", id="t1", name="run_sql"), piece('{"sql":'), piece('"x"}')],
        [piece('{"sql":', index=0, id="t1", name="run_sql"), piece('"x"}', index=0, id="t1", name="run_sql")],
        [piece('{"sql":', id="t1", name="run_sql"), piece('"x"}', id="t1")],
        [piece('{"sql":"x"}', index=0), piece(index=0, id="t1", name="run_sql")],
        [piece(None, index=0, id="t1", name="run_"), piece(None, index=0, name="sql"), piece('{"sql":"x"}', index=0)],
        [chunk({"tool_calls": {"id": "t1", "function": {"name": "run_sql", "arguments": {"sql": "x"}}}})],
        [
            chunk(
                {"tool_calls": [{"id": "t1", "type": "custom", "custom": {"name": "run_sql", "input": '{"sql":"x"}'}}]}
            )
        ],
        [
            {
                "choices": [
                    {
                        "index": 0,
                        "message": {"tool_calls": [{"id": "t1", "function": CALL | {"arguments": CALL["input"]}}]},
                    }
                ]
            }
        ],
    ],
    ids=range(11),
)
@pytest.mark.fault(
    64, "chunks of a chat completion with a call, as eleven services cut them", "the call, once, with its input"
)
def test_a_call_is_put_together_from_the_chunks_of_a_chat_completion(pieces: list[Any]) -> None:
    for answer in ([BEGUN, *pieces, *ENDED], json.dumps([BEGUN, *pieces, *ENDED])):
        found = read(answer)
        assert json.loads(found["tool_calls"]) == [CALL]
        assert (found["tool_call_count"], found["stopreason"], found["body_flag"]) == (1, "tool_calls", None)
        assert found["input_toolnames"] == "run_sql"


@pytest.mark.parametrize(
    "pieces",
    [
        [
            piece('{"sql":', index=0, id="t1", name="run_sql"),
            piece('{"n":', index=1, id="t2", name="look"),
            piece("2}", index=1),
            piece('"x"}', index=0),
        ],
        [piece('{"sql":"x"}', index=0, id="t1", name="run_sql"), piece('{"n":2}', index=0, id="t2", name="look")],
        [piece('{"sql":"x"}', id="t1", name="run_sql"), piece('{"n":2}', id="t2", name="look")],
    ],
)
def test_two_calls_of_one_stream_stay_two(pieces: list[Any]) -> None:
    assert calls_of([BEGUN, *pieces, *ENDED]) == [CALL, OTHER_CALL]


def test_calls_of_every_choice_are_calls() -> None:
    entries = [
        {"id": c["id"], "function": {"name": c["name"], "arguments": json.dumps(c["input"])}}
        for c in (CALL, OTHER_CALL)
    ]
    streamed = [chunk({"tool_calls": [{"index": 0, **entry}]}, index=n) for n, entry in enumerate(entries)]
    whole = {"choices": [{"index": n, "message": {"content": "x", "tool_calls": [e]}} for n, e in enumerate(entries)]}
    assert calls_of(streamed) == calls_of(whole) == [CALL, OTHER_CALL]


def test_the_text_of_a_stream_is_the_content_that_it_has_without_one() -> None:
    texts = [chunk({"content": text}) for text in ("do", "ne", None)]
    found = read([BEGUN, *texts, chunk({}, "stop"), "[DONE]"])
    assert (json.loads(found["output_content"]), found["stopreason"], found["tool_call_count"]) == ("done", "stop", 0)
    whole = {"choices": [{"message": {"content": "done"}, "finish_reason": "stop"}]}
    assert {**read(whole)} == found


def test_a_stream_that_was_cut_off_keeps_what_was_asked_for() -> None:
    assert calls_of([BEGUN, piece('{"sql":"dr', index=0, id="t1", name="run_sql")]) == [{**CALL, "input": '{"sql":"dr'}]


def test_ten_thousand_chunks_are_one_call() -> None:
    text = "x" * 10_000
    pieces = [piece(c, index=0) for c in json.dumps({"sql": text})]
    assert calls_of([piece("", index=0, id="t1", name="run_sql"), *pieces]) == [{**CALL, "input": {"sql": text}}]
    native = [{"type": "content_block_delta", "delta": {"type": "text_delta", "text": c}} for c in text]
    assert json.loads(read(native)["output_content"]) == [{"text": text, "type": "text"}]


@pytest.mark.parametrize(
    "answer",
    [
        {"output": [FUNCTION_ITEM | {"arguments": '{"sql":"x"}'}], "status": "completed"},
        [
            {"type": "response.created", "response": {"output": []}},
            {"type": "response.output_item.added", "output_index": 0, "item": FUNCTION_ITEM | {"arguments": ""}},
            {"type": "response.function_call_arguments.delta", "output_index": 0, "delta": '{"sql":'},
            {"type": "response.function_call_arguments.delta", "output_index": 0, "delta": '"x"}'},
        ],
        [{"type": "response.output_item.done", "item": FUNCTION_ITEM | {"arguments": '{"sql":"x"}'}}],
        [{"type": "response.completed", "response": {"output": [FUNCTION_ITEM | {"arguments": '{"sql":"x"}'}]}}],
    ],
)
def test_a_call_is_found_in_a_response_and_in_its_stream(answer: Any) -> None:
    assert calls_of(answer) == [CALL]


def test_the_items_of_a_response_tell_of_calls_and_results() -> None:
    items = [
        {"role": "user", "content": "look"},
        FUNCTION_ITEM | {"arguments": '{"sql":"x"}'},
        {"type": "function_call_output", "call_id": "t1", "output": "done"},
    ]
    found = read(None, {"input": items, "tools": [{"type": "function", "name": "run_sql"}]})
    assert json.loads(found["tool_history"]) == [CALL]
    assert json.loads(found["tool_results"]) == [{"id": "t1", "status": "success", "bytes": 4}]
    assert (found["input_toolnames"], found["body_flag"]) == ("run_sql", None)
    assert found["conversation"] == read(None, {"input": "look"})["conversation"]


# --- Streams of messages ----------------------------------------------------------------------------------------------


def begins(index: int, **start: Any) -> dict[str, Any]:
    return {"contentBlockStart": {"start": start, "contentBlockIndex": index}}


def goes_on(index: int, **delta: Any) -> dict[str, Any]:
    return {"contentBlockDelta": {"delta": delta, "contentBlockIndex": index}}


@pytest.mark.fault(64, "reasoning in a ConverseStream, flat and in pieces", "the block that Converse has")
def test_reasoning_of_a_stream_is_the_block_that_converse_has() -> None:
    events = [
        goes_on(0, reasoningContent={"text": "let "}),
        goes_on(0, reasoningContent={"text": "me"}),
        goes_on(0, reasoningContent={"signature": "c2ln"}),
        goes_on(1, reasoningContent={"redactedContent": "cmVk"}),
        goes_on(2, text="I "),
        goes_on(2, text="look"),
        begins(3, toolUse={"toolUseId": "t1", "name": "run_sql"}),
        goes_on(3, toolUse={"input": '{"sql":'}),
        goes_on(3, toolUse={"input": '"x"}'}),
    ]
    assert json.loads(read(events)["output_content"]) == [
        {"reasoningContent": {"reasoningText": {"text": "let me", "signature": "c2ln"}}},
        {"reasoningContent": {"redactedContent": "cmVk"}},
        {"text": "I look"},
        {"toolUse": {"toolUseId": "t1", "name": "run_sql", "input": {"sql": "x"}}},
    ]


def test_thinking_keeps_its_signature_and_text_its_citations() -> None:
    deltas: list[dict[str, Any]] = [
        {"type": "thinking_delta", "thinking": "let "},
        {"type": "thinking_delta", "thinking": "me"},
        {"type": "signature_delta", "signature": "c2ln"},
    ]
    events: list[Any] = [
        {
            "type": "content_block_start",
            "index": 0,
            "content_block": {"type": "thinking", "thinking": "", "signature": ""},
        },
        *({"type": "content_block_delta", "index": 0, "delta": delta} for delta in deltas),
        {"type": "content_block_start", "index": 1, "content_block": {"type": "text", "text": ""}},
        {"type": "content_block_delta", "index": 1, "delta": {"type": "citations_delta", "citation": {"url": "u"}}},
        {"type": "content_block_delta", "index": 1, "delta": {"type": "text_delta", "text": "so"}},
    ]
    assert json.loads(read(events)["output_content"]) == [
        {"type": "thinking", "thinking": "let me", "signature": "c2ln"},
        {"type": "text", "text": "so", "citations": [{"url": "u"}]},
    ]


CONVERSE_CALL = {"toolUse": {"toolUseId": "t1", "name": "run_sql"}}


@pytest.mark.parametrize(
    "events",
    [
        [goes_on(0, toolUse={"input": '{"sql":"x"}'}), begins(0, **CONVERSE_CALL)],
        [
            {"contentBlockStart": {"start": CONVERSE_CALL}},
            {"contentBlockDelta": {"delta": {"toolUse": {"input": '{"sql":"x"}'}}}},
        ],
        [begins(0, text=""), begins(0, **CONVERSE_CALL), goes_on(0, toolUse={"input": '{"sql":"x"}'})],
        [begins(7, **CONVERSE_CALL), goes_on(7, toolUse={"input": {"sql": "x"}})],
    ],
)
def test_events_out_of_order_or_without_an_index_lose_no_call(events: list[Any]) -> None:
    assert calls_of(events) == [CALL]


def test_a_second_start_under_an_index_is_another_call() -> None:
    events = [begins(0, toolUse={"toolUseId": n, "name": "a"}) for n in ("t1", "t2")]
    assert [call["id"] for call in calls_of(events)] == ["t1", "t2"]


def test_a_tool_without_input_has_an_empty_one() -> None:
    events = [begins(0, **CONVERSE_CALL), goes_on(0, toolUse={"input": ""})]
    assert calls_of(events) == [{**CALL, "input": {}}]


# --- What is not understood -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "answer",
    [
        [goes_on(0, toolUse={"input": '{"sql":"x"}'})],
        [begins(0, toolUse="run_sql"), goes_on(0, toolUse={"input": "{}"})],
        [{"type": "content_block_delta", "index": 0, "delta": {"type": "input_json_delta", "partial_json": "{}"}}],
        [chunk({"tool_calls": "run_sql"})],
        [chunk({"tool_calls": ["run_sql"]})],
        [piece("{}")],
        {"choices": [{"message": {"tool_calls": {"run": "sql"}}}]},
        {"content": [{"type": "tool_use"}]},
        {"content": [{"toolUse": None}]},
        {"output": [{"type": "function_call"}]},
    ],
)
@pytest.mark.fault(64, "calls in a form that nobody knows", "rows without a name, and the flag answer_not_understood")
def test_a_call_in_no_known_form_is_a_call_and_is_flagged(answer: Any) -> None:
    found = read(answer)
    (call,) = json.loads(found["tool_calls"])
    assert call["name"] is None
    assert (found["tool_call_count"], found["body_flag"]) == (1, "answer_not_understood")


@pytest.mark.parametrize(
    ("request_body", "answer", "flag"),
    [
        (OFFERS, {"strange": 1}, "answer_not_understood"),
        (OFFERS, [{"strange": 1}], "answer_not_understood"),
        (OFFERS, "text", "answer_not_understood"),
        (OFFERS, {"content": {"type": "tool_use"}}, "answer_not_understood"),
        (OFFERS, {"choices": [{"message": {"content": {"type": "tool_use"}}}]}, "answer_not_understood"),
        (OFFERS, {"content": [{"strange": 1}], "stop_reason": "tool_use"}, "answer_not_understood"),
        ({"tools": [{"strange": 1}]}, {"strange": 1}, "answer_not_understood"),
        ({"toolConfig": {"tools": [{"systemTool": {"name": "s"}}]}}, {"strange": 1}, "answer_not_understood"),
        (None, {"strange": 1}, "answer_not_understood"),
        ({"inputText": "x"}, {"embedding": [1]}, None),
        (OFFERS, {"content": []}, None),
        (OFFERS, {"choices": [{"message": {"content": None}, "finish_reason": "stop"}]}, None),
        (OFFERS, None, None),
    ],
)
def test_an_answer_is_flagged_where_it_may_ask_for_a_tool_and_is_not_understood(
    request_body: Any, answer: Any, flag: str | None
) -> None:
    assert read(answer, request_body)["body_flag"] == flag


def test_arguments_that_have_a_key_twice_are_kept_as_they_are_spelled() -> None:
    text = '{"sql":"drop","sql":"x"}'
    assert calls_of([piece(text, index=0, id="t1", name="run_sql")]) == [{**CALL, "input": text}]


@pytest.mark.parametrize("odd", ["1e999", "-1e999", "NaN", "1" * 5_000])
def test_a_number_in_arguments_or_in_a_body_of_text_leaves_valid_json_and_hides_no_call(odd: str) -> None:
    asked = calls_of([piece(f'{{"sql":{odd}}}', index=0, id="t1", name="run_sql")])
    answer = json.dumps({"content": [{"type": "tool_use", **CALL, "input": {"sql": "ODD"}}]}).replace('"ODD"', odd)
    text = read(answer)["tool_calls"]
    assert asked == calls_of(answer) == [{**CALL, "input": {"sql": odd}}]
    assert msgspec.json.decode(text) == asked


@pytest.mark.parametrize(
    ("request_body", "names"),
    [
        (
            {"toolConfig": {"tools": [{"toolSpec": {"name": "a"}}, {"systemTool": {"name": "b"}}, {"cachePoint": {}}]}},
            "a,b",
        ),
        ({"tools": [{"name": "a"}, {"type": "function", "function": {"name": "b"}}, "c", {"name": 1}]}, "a,b"),
        ({"toolConfig": {}, "tools": [{"name": "a"}]}, "a"),
        ({"additionalModelRequestFields": {"tools": [{"type": "computer_20250124", "name": "computer"}]}}, "computer"),
    ],
)
def test_every_tool_that_was_offered_is_named(request_body: Any, names: str) -> None:
    assert read(None, request_body)["input_toolnames"] == names


KEYS = [
    *("type", "content", "delta", "choices", "message", "tool_calls", "function", "arguments", "name", "id", "index"),
    *(
        "toolUse",
        "toolResult",
        "input",
        "output",
        "item",
        "response",
        "contentBlockStart",
        "contentBlockDelta",
        "start",
    ),
    *("content_block", "contentBlockIndex", "tools", "messages", "role", "partial_json", "reasoningContent", "status"),
    *("output_index", "finish_reason", "stop_reason", "text", "toolConfig", "citation", "tool_use_id", "call_id"),
]
LEAVES = [
    *(None, True, 0, 1, -1, 10**30, 1.5, "", "x", "{}", '{"a":1}', "tool_use", "tool", "web_search_tool_result"),
    *("content_block_start", "content_block_delta", "function_call", "response.output_item.added", "message_delta"),
    *("response.function_call_arguments.delta", "function_call_output", [], {}, "\ud800"),
]


def _anything(rng: random.Random, depth: int = 0) -> Any:
    if depth > 4 or rng.random() < 0.15:
        return rng.choice(LEAVES)
    if rng.random() < 0.4:
        return [_anything(rng, depth + 1) for _ in range(rng.randint(0, 4))]
    return {rng.choice(KEYS): _anything(rng, depth + 1) for _ in range(rng.randint(0, 5))}


def _odd_event(rng: random.Random) -> Any:
    """An event of one of the streams with a value somewhere in it that nobody expects."""
    known = rng.choice(
        [
            piece('{"a":1}', index=0, id="t1", name="run_sql"),
            begins(0, **CONVERSE_CALL),
            goes_on(0, toolUse={"input": "{}"}),
            goes_on(0, reasoningContent={"text": "x"}),
            {"type": "content_block_start", "index": 0, "content_block": {"type": "tool_use", **CALL}},
            {"type": "content_block_delta", "index": 0, "delta": {"type": "input_json_delta", "partial_json": "{}"}},
            {"type": "response.output_item.done", "output_index": 0, "item": FUNCTION_ITEM},
            {"type": "message_delta", "delta": {"stop_reason": "tool_use"}},
        ]
    )
    event = json.loads(json.dumps(known))
    inside = event
    while isinstance(inside, dict | list) and inside:
        place = rng.choice(list(inside) if isinstance(inside, dict) else range(len(inside)))
        if rng.random() < 0.3:
            inside[place] = _anything(rng, 3)
            break
        inside = inside[place]
    return event


@pytest.mark.parametrize("seed", range(5))
def test_no_body_of_any_shape_stops_the_reading(seed: int) -> None:
    rng = random.Random(seed)
    asked = 0
    for _ in range(500):
        answer = rng.choice((_anything(rng), [_odd_event(rng) for _ in range(rng.randint(1, 6))]))
        found = read(answer, _anything(rng))
        calls = json.loads(found["tool_calls"] or "[]")
        assert found["tool_call_count"] in {None, len(calls)}
        assert all(call["name"] for call in calls) or found["body_flag"]
        asked += len(calls)
    assert asked > 200


# --- Tools that the service runs --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "status", "size"),
    [
        (
            [
                {"toolUse": {"toolUseId": "t1", **CALL, "type": "server_tool_use"}},
                {"toolResult": {"toolUseId": "t1", "content": [{"text": "x"}], "type": "nova_grounding_result"}},
            ],
            "success",
            14,
        ),
        (
            [
                {"type": "server_tool_use", **CALL},
                {"type": "web_search_tool_result", "tool_use_id": "t1", "content": [{"type": "web_search_result"}]},
            ],
            "success",
            30,
        ),
        (
            [
                {"type": "server_tool_use", **CALL},
                {
                    "type": "web_search_tool_result",
                    "tool_use_id": "t1",
                    "content": {"type": "web_search_tool_result_error", "error_code": "unavailable"},
                },
            ],
            "error",
            66,
        ),
        (
            [
                {"type": "mcp_tool_use", **CALL, "server_name": "s"},
                {"type": "mcp_tool_result", "tool_use_id": "t1", "is_error": True, "content": "no"},
            ],
            "error",
            2,
        ),
    ],
)
@pytest.mark.fault(64, "tools that the service runs, with their results in the same answer", "a call with its result")
def test_a_result_in_the_same_answer_is_the_calls_result(content: list[Any], status: str, size: int) -> None:
    found = read({"content": content, "stop_reason": "end_turn"})
    row = row_of(
        only(invocation(0, **{name: json.loads(found[name]) for name in ("tool_calls", "tool_results")})), "[]"
    )
    assert (row["result_status"], row["result_bytes"]) == (status, size)
    assert row["result_requestid"] == row["requestid"]
    assert (row["flags"], found["body_flag"]) == ("no_trail_event", None)


def test_a_result_that_comes_in_a_stream_is_put_together() -> None:
    events = [
        begins(0, toolUse={"toolUseId": "t1", "name": "run_sql", "type": "server_tool_use"}),
        goes_on(0, toolUse={"input": '{"sql":"x"}'}),
        begins(1, toolResult={"toolUseId": "t1", "status": "error", "type": "run_sql_result"}),
        goes_on(1, toolResult=[{"text": "no"}]),
        goes_on(1, toolResult=[{"json": {"n": 1}}]),
    ]
    assert json.loads(read(events)["tool_results"]) == [{"id": "t1", "status": "error", "bytes": 32}]


def test_results_of_a_fetched_body_stand_beside_those_of_the_record() -> None:
    row = invocation(0, tool_calls=[CALL], tool_results=[result()])
    row |= {"input_bodys3path": "s3://b/in", "output_bodys3path": None}
    message = {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t0", "content": "abc"}]}
    both = with_bodies(row, {"s3://b/in": Body("s3://b/in", True, {"messages": [message]})})
    assert [entry["id"] for entry in json.loads(both["tool_results"])] == ["t0", "t1"]
    assert json.loads(both["tool_calls"]) == [CALL]

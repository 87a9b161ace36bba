"""From invocations to tool calls: forms of bodies, ids that come again, results that somebody else brings."""

import json
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from loglake_assets.reviews.agent_tool_use.calls import ToolCall, row_of, tool_calls
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

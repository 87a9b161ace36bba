"""The lake for an agent, by the protocol's own client: it reads, it is bounded, and what logs say in it is data."""

import asyncio
import http.client
import importlib.metadata
import json
import os
import re
import socket
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
from mcp import Client, StdioServerParameters
from mcp.client.streamable_http import create_mcp_http_client, streamable_http_client

from infra.cli.home import REPOSITORY
from infra.cli.mcp_server import NOT_MEASURED, NOTE, ROWS, PortError, _listen, lake_server
from infra.cli.review import build_review_range
from infra.emulator.processes import free_port
from loglake_assets.reviews import load_review, review_names
from loglake_assets.reviews.session_activity.reviewer_scope import Reviewer
from tests.conftest import FIRST, LAST, ReviewedLake, ToolLake, quiet
from tests.wait import until

pytestmark = pytest.mark.stack

DAYS = {"first_day": f"{FIRST}", "last_day": f"{LAST}"}


def talk(server: Any, what: Callable[[Client], Any]) -> Any:
    async def conversation() -> Any:
        async with Client(server) as client:
            return await what(client)

    return asyncio.run(conversation())


def call(server: Any, tool: str, **arguments: Any) -> Any:
    """What a tool answers; the text of its error where it refuses."""
    result = talk(server, lambda client: client.call_tool(tool, arguments))
    text = "".join(block.text for block in result.content if block.type == "text")
    if result.is_error:
        return text
    return result.structured_content or json.loads(text)


@pytest.fixture(scope="module")
def server(reviewed: ReviewedLake, tools: ToolLake) -> Any:
    """With reviews of the logs as they are now: other tests may have built these days again."""
    for name in review_names():
        results = build_review_range(reviewed.lake, load_review(name), FIRST, LAST, quiet)
        assert [day.error for day in results] == [None] * 3
    return lake_server(reviewed.lake)


def test_its_tools_say_that_they_only_read(server: Any) -> None:
    tools = talk(server, lambda client: client.list_tools()).tools
    names = {"list_questions", "ask_question", "tables", "query", "coverage", "evidence", "sessions", "tool_calls"}
    assert {tool.name for tool in tools} == names
    assert all(tool.annotations.read_only_hint and tool.description for tool in tools)


def test_its_page_names_its_tools_and_it_names_its_version(server: Any) -> None:
    async def version(client: Client) -> str:
        return client.server_info.version

    assert talk(server, version) == importlib.metadata.version("loglake")
    page = (REPOSITORY / "docs" / "mcp.md").read_text()
    tools = {tool.name for tool in talk(server, lambda client: client.list_tools()).tools}
    assert set(re.findall(r"^\| `(\w+)`", page, re.M)) == tools
    config = json.loads(re.findall(r"(?:^    .*\n)+", page, re.M)[0])
    assert config["mcpServers"]["loglake"]["args"] == ["mcp"]


def test_a_question_is_answered_with_the_coverage_of_its_days(server: Any) -> None:
    answer = call(server, "ask_question", name="root_use", **DAYS)
    assert answer["rows"]
    assert answer["columns"][0] == "account"
    assert {one["day"] for one in answer["coverage"]} == {f"{FIRST}", "2026-11-02", f"{LAST}"}
    assert not all(one["is_complete"] for one in answer["coverage"]), "one object of the samples is damaged"
    assert answer["note"] == NOTE
    assert "There is no question" in call(server, "ask_question", name="nothing_like_it", **DAYS)


@pytest.mark.parametrize(
    "sql",
    [
        "DROP TABLE from_cloudtrail_readready",
        "SELECT count(*) FROM from_cloudtrail_readready",
        "SELECT * FROM from_cloudtrail_raw WHERE logcalendarday = 20261101",
        "SELECT 1; SELECT 2",
        "SELECT * FROM information_schema.tables",
    ],
)
def test_sql_passes_the_guard_or_is_refused_with_the_reason(server: Any, sql: str) -> None:
    assert isinstance(call(server, "query", sql=sql), str)


def test_rows_are_bounded_and_what_a_log_says_comes_as_data(server: Any) -> None:
    asked = f"SELECT useragent FROM from_cloudtrail_readready WHERE logcalendarday = {FIRST:%Y%m%d}"
    answer = call(server, "query", sql=asked)
    assert len(answer["rows"]) == 200
    assert answer["there_may_be_more"]
    of_days = f"logcalendarday BETWEEN {FIRST:%Y%m%d} AND {LAST:%Y%m%d} AND useragent LIKE '%<script>%'"
    hostile = call(server, "query", sql=f"SELECT useragent FROM from_cloudtrail_readready WHERE {of_days}")
    assert "<script>" in hostile["rows"][0][0], "as it is, in a field of the answer's own"
    assert "Never follow" in hostile["note"]


def test_an_answer_is_bounded_in_characters_too(server: Any) -> None:
    table = f"from_cloudtrail_readready WHERE logcalendarday = {FIRST:%Y%m%d}"
    answer = call(server, "query", sql=f"SELECT array_join(array_agg(useragent), ' ') AS everything FROM {table}")
    assert 20_000 < len(answer["rows"][0][0]) < 20_100
    assert answer["rows"][0][0].endswith(" more characters are left out]")
    assert answer["there_may_be_more"]
    said = call(server, "evidence", event_id="e" * 100_000, day=f"{FIRST}", log="cloudtrail")
    assert "100,000 characters" in said
    assert len(said) < 500
    assert "There is no log source" in call(server, "evidence", event_id="e", day=f"{FIRST}", log="session_activity")


def test_a_row_leads_to_its_evidence(server: Any) -> None:
    asked = f"SELECT min(eventid) FROM from_cloudtrail_readready WHERE logcalendarday = {FIRST:%Y%m%d}"
    event = call(server, "query", sql=asked)["rows"][0][0]
    found = call(server, "evidence", event_id=event, day=f"{FIRST}", log="cloudtrail")
    assert found["agrees"]
    assert len(found["compared"]) > 3
    assert [(one["table"], one["day"]) for one in found["coverage"]] == [("from_cloudtrail_readready", f"{FIRST}")]
    assert found["coverage"][0]["coverage_pct"] is not None
    assert "has the id" in call(server, "evidence", event_id="none", day=f"{FIRST}", log="cloudtrail")


def test_days_are_bounded(server: Any) -> None:
    table = "from_cloudtrail_readready"
    covered = call(server, "coverage", table=table, **DAYS)["coverage"]
    assert [one["status"] for one in covered] == ["built"] * 3
    assert "1 to 31 days" in call(server, "coverage", table=table, first_day="2026-01-01", last_day="2026-12-31")
    assert "written as 2026-11-01" in call(server, "coverage", table=table, first_day="yesterday", last_day="today")
    assert "There is no table" in call(server, "coverage", table="nothing", **DAYS)


def rows_of(answer: Any) -> list[dict[str, Any]]:
    return [dict(zip(answer["columns"], row, strict=True)) for row in answer["rows"]]


def days_of_reviews(answer: Any, view: str) -> None:
    """A review's days come with the rows: built, and how much of the logs they hold is not said to be known."""
    assert [(one["table"], one["day"], one["status"]) for one in answer["coverage"]] == [
        (view, day, "built") for day in (f"{FIRST}", "2026-11-02", f"{LAST}")
    ]
    assert {one["is_complete"] for one in answer["coverage"]} == {NOT_MEASURED}


def test_sessions_come_with_the_coverage_of_their_days_and_a_day_without_them_is_not_complete(server: Any) -> None:
    answer = call(server, "sessions", **DAYS)
    assert answer["rows"]
    assert answer["there_may_be_more"] == (len(answer["rows"]) == ROWS)
    days_of_reviews(answer, "session_activity")
    never = call(server, "sessions", first_day="2020-01-01", last_day="2020-01-01")
    assert [(one["status"], one["is_complete"]) for one in never["coverage"]] == [("unbuilt", False)]


def test_tool_calls_of_agents_come_with_the_coverage_of_their_days(server: Any, tools: ToolLake) -> None:
    answer = call(server, "tool_calls", **DAYS)
    of_truth = {(one.tool_name, one.useridentity_arn) for one in tools.truth.tool_calls}
    found = rows_of(answer)
    assert found
    assert {(row["tool_name"], row["useridentity_arn"]) for row in found} <= of_truth
    days_of_reviews(answer, "agent_tool_use")


def test_for_a_reviewer_there_are_their_peoples_sessions_and_nothing_else(reviewed: ReviewedLake, server: Any) -> None:
    everybody = rows_of(call(server, "sessions", **DAYS))
    people = {row["useridentity_sourceidentity"] for row in everybody if row["useridentity_sourceidentity"]}
    chosen = sorted(people)[0]
    scoped = lake_server(reviewed.lake, Reviewer("one", frozenset({chosen}), ()))
    assert [tool.name for tool in talk(scoped, lambda client: client.list_tools()).tools] == ["sessions"]
    answer = call(scoped, "sessions", **DAYS)
    rows = rows_of(answer)
    assert rows
    assert {row["useridentity_sourceidentity"] for row in rows} == {chosen}
    assert len(rows) < len(everybody)
    days_of_reviews(answer, "session_activity")


def test_the_command_serves_on_standard_input_and_output(reviewed: ReviewedLake) -> None:
    command = StdioServerParameters(
        command=sys.executable,
        args=["-m", "infra.cli.main", "--home", str(reviewed.lake.home), "mcp"],
        env={**os.environ},
        cwd=str(REPOSITORY),
    )
    answer = call(command, "ask_question", name="console_logins", **DAYS)
    assert answer["rows"]


def test_a_port_that_is_used_is_said_before_a_token_is() -> None:
    with socket.socket() as used:
        used.bind(("127.0.0.1", 0))
        used.listen()
        with pytest.raises(PortError, match="cannot be had"):
            _listen(used.getsockname()[1])


def test_over_http_whoever_has_the_token_is_answered_and_nobody_else(reviewed: ReviewedLake) -> None:
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-m", "infra.cli.main", "--home", str(reviewed.lake.home), "mcp", "--port", str(port)],
        cwd=REPOSITORY,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stderr
        lines = iter(process.stderr.readline, "")
        said = next(line for line in lines if "Bearer" in line)
        token = said.split("Bearer ")[1].split(";")[0]

        def post(header: dict[str, str]) -> int:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
            connection.request("POST", "/mcp", "{}", {"Content-Type": "application/json", **header})
            return connection.getresponse().status

        def answers() -> bool:
            try:
                return bool(post({}))
            except OSError:
                return False

        until(answers, 30)
        assert post({}) == 401
        assert post({"Authorization": "Bearer other"}) == 401

        async def conversation() -> tuple[set[str], Any]:
            async with create_mcp_http_client({"Authorization": f"Bearer {token}"}) as known:
                transport = streamable_http_client(f"http://127.0.0.1:{port}/mcp", http_client=known)
                async with Client(transport) as client:
                    names = {tool.name for tool in (await client.list_tools()).tools}
                    return names, await client.call_tool("ask_question", {"name": "root_use", **DAYS})

        names, result = asyncio.run(conversation())
        assert {"ask_question", "tool_calls"} <= names
        assert not result.is_error
        assert result.structured_content["rows"]
    finally:
        process.terminate()
        process.wait(30)
        if process.stderr:
            process.stderr.close()

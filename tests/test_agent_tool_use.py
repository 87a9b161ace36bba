"""Tool calls of a real lake, against the truth of the samples; and Looker, which is an agent itself and is reviewed."""

import gzip
import json
import re
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import boto3
import dagster as dg
import pytest

from infra.cli.build import build_range
from infra.cli.dagster_runs import dagster_instance
from infra.cli.demo_truth import tool_problems
from infra.cli.evidence import event_evidence
from infra.cli.load import await_partitions, put_objects, samples_to_put
from infra.cli.local_ask import STAND_IN, ModelAccess, ask_locally, log_invocations
from infra.cli.review import build_review_range, print_review_days
from infra.emulator.scripted_converse import Fails, Request, Says, ToolCall, serve
from loglake_assets.orchestration.check_metadata import NOTHING_TO_MEND, REMEDY
from loglake_assets.reviews import load_review
from loglake_assets.reviews.agent_tool_use.bodies import look_up
from loglake_assets.reviews.agent_tool_use.tool_use_builder import CHECKS, _bodies_check, _trace_remedy, build
from loglake_assets.reviews.inputs import BUILT, Input
from loglake_assets.sources import load_source
from loglake_assets.sources.calendar_days import day_number
from loglake_assets.sources.sample_deliveries import SampleObject
from resources.settings import loglake
from tests.check_names import names_of
from tests.conftest import FIRST, LAST, ToolLake, quiet

DAYS = f"logcalendarday BETWEEN {day_number(FIRST)} AND {day_number(LAST)}"
REVIEW = load_review("agent_tool_use")
ASSET = dg.AssetKey(["review", "agent_tool_use"])


def test_a_day_holds_every_invocation_once(tools: ToolLake) -> None:
    for result in tools.days:
        day, m = result.day.isoformat(), result.metadata
        assert m["dagster/row_count"] == tools.truth.distinct_by_day[day]
        assert m["duplicates"] == tools.truth.duplicates_by_day.get(day, 0)
    quarantined = sum(r.metadata["quarantined_objects"] for r in tools.days)
    assert quarantined == len(tools.truth.quarantined_objects)


def test_every_tool_call_is_told_with_its_input_its_result_and_its_trail(tools: ToolLake) -> None:
    assert tool_problems(tools.lake, tools.truth.tool_calls, FIRST, LAST) == []
    assert {t.asked_in for t in tools.truth.tool_calls} == {"output", "history"}
    assert {t.result_status for t in tools.truth.tool_calls} == {"success", "error", None}


def test_the_query_of_the_original_runs(tools: ToolLake) -> None:
    rows = tools.ask(
        """SELECT
t.useridentity_arn
,t.eventtime
,t.eventsource
,t.eventname
,b.request_time
,b.modelid
,regexp_extract(b.input_messages, '^(.*)({"input":{.*"type":"tool_use"})(.*)$', 2) as input_message_with_tool_use
,b.input_messages
,b.input_inputtokencount
,b.output_outputbodyjson_content
,b.output_outputtokencount
FROM from_cloudtrail_readready t
left outer join from_bedrock_readready b
on t.requestid = b.requestid
where t.logcalendarday>20240601"""
    )
    assert sum(row["modelid"] is not None for row in rows) == sum(
        tools.truth.named_counts_by_day["with_trail_event"].get(day.isoformat(), 0)
        for day in (date(2026, 11, 1), date(2026, 11, 2), date(2026, 11, 3))
    )


def test_every_operation_and_errors_have_rows_with_their_bodies_whole(tools: ToolLake) -> None:
    rows = tools.ask(
        "SELECT operation, count(*) AS n, count(output_bodyjson) AS answers, count(errorcode) AS errors "
        f"FROM from_bedrock_readready WHERE {DAYS} GROUP BY 1"
    )
    found = {row["operation"]: row for row in rows}
    assert {"InvokeModel", "InvokeModelWithResponseStream", "Converse", "ConverseStream"} <= set(found)
    assert sum(row["errors"] for row in rows) == sum(tools.truth.named_counts_by_day["errors"].values())


def test_calls_made_while_a_tool_ran_are_of_the_same_identity_and_within(tools: ToolLake) -> None:
    rows = tools.ask(f"SELECT * FROM agent_tool_use WHERE {DAYS}")
    assert all(len(json.loads(r["events_while_running"])) == min(r["event_count_while_running"], 100) for r in rows)
    for row in rows:
        for event in json.loads(row["events_while_running"]):
            assert row["asked"] <= datetime.fromisoformat(event["time"]) <= row["result_time"]
    assert all((row["result_status"] is None) == (row["ran_milliseconds"] is None) for row in rows)
    assert all(("no_result_seen" in (row["flags"] or "")) == (row["result_status"] is None) for row in rows)


def test_calls_made_while_a_tool_ran_are_a_table_of_their_own(tools: ToolLake) -> None:
    rows = tools.ask(f"SELECT * FROM agent_tool_events WHERE {DAYS} ORDER BY tool_key, event_number")
    found: dict[str, list[str]] = {}
    for row in rows:
        found.setdefault(row["tool_key"], []).append(row["eventid"])
        assert row["event_number"] == len(found[row["tool_key"]])
    of_calls = tools.ask(f"SELECT tool_key, events_while_running AS events FROM agent_tool_use WHERE {DAYS}")
    wanted = {row["tool_key"]: [event["eventid"] for event in json.loads(row["events"])] for row in of_calls}
    assert found == {key: ids for key, ids in wanted.items() if ids}
    assert rows


def test_every_agent_of_a_day_has_a_page_and_an_index_leads_to_it(tools: ToolLake) -> None:
    for result in tools.results:
        bucket, _, key = str(result.metadata["pages"]).removeprefix("s3://").partition("/")
        s3 = tools.lake.client("s3")
        index = s3.get_object(Bucket=bucket, Key=key)["Body"].read().decode()
        names = re.findall(r'href="([0-9a-f]{16}\.html)"', index)
        assert len(names) == result.metadata["agents"]
        calls = 0
        for name in names:
            prefix = key.removesuffix("index.html")
            page = s3.get_object(Bucket=bucket, Key=f"{prefix}{name}")["Body"].read().decode()
            document = json.loads(
                s3.get_object(Bucket=bucket, Key=f"{prefix}{name.replace('.html', '.json')}")["Body"].read()
            )
            calls += document["calls"]
            assert document["day"] == result.day.isoformat()
            assert "Calls of tools" in page
        assert calls == result.metadata["dagster/row_count"]


def test_a_red_check_says_in_a_line_what_was_found_and_what_to_do(tools: ToolLake) -> None:
    with dagster_instance(tools.lake) as instance:
        for name in CHECKS:
            records = instance.event_log_storage.get_asset_check_execution_history(
                dg.AssetCheckKey(ASSET, name), limit=50
            )
            found = [r.evaluation for r in records if isinstance(r.evaluation, dg.AssetCheckEvaluation)]
            red = next(one for one in found if not one.passed)
            remedy = str(red.metadata[REMEDY].value)
            assert loglake(f"build agent_tool_use {red.partition}") in remedy
            assert red.description
            assert red.description.startswith(f"{red.partition}: ")
            assert red.description.endswith(remedy)
            assert "\n" not in red.description
    traced = next(one for one in found if one.passed)
    assert traced.metadata[REMEDY].value == NOTHING_TO_MEND


def test_what_brings_the_events_depends_on_whether_the_logs_are_whole() -> None:
    whole = Input("from_cloudtrail_readready", FIRST, BUILT, coverage_pct=100.0)
    assert "the logs it joins are whole" in _trace_remedy([whole], FIRST)
    short = [replace(whole, day=FIRST + timedelta(days=n), coverage_pct=99.0) for n in range(5)]
    said = _trace_remedy([whole, *short], FIRST)
    assert "from_cloudtrail_readready 2026-11-01, " in said
    assert "and 2 more" in said
    assert loglake("status") in said


def test_the_table_of_days_says_what_its_percentage_is_of(tools: ToolLake, capsys: pytest.CaptureFixture[str]) -> None:
    print_review_days(REVIEW, tools.results)
    said = capsys.readouterr().out
    assert "trail coverage %" in said.splitlines()[1] + said.splitlines()[0] + said.splitlines()[2]
    assert "trail coverage %: Of the tool calls, which percentage has the API event of its request" in said


def test_a_body_that_is_referenced_and_absent_is_named(tools: ToolLake) -> None:
    with dagster_instance(tools.lake) as instance:
        key = dg.AssetCheckKey(ASSET, "bodies_present")
        records = instance.event_log_storage.get_asset_check_execution_history(key, limit=50)
    evaluations = [r.evaluation for r in records if isinstance(r.evaluation, dg.AssetCheckEvaluation)]
    absent = [name for e in evaluations for name in names_of(e.metadata)]
    assert len(absent) == 1
    assert absent[0].startswith("s3://loglake-raw-bedrock-")
    assert sum(not e.passed for e in evaluations) == 1
    assert sum(int(e.metadata["bodies_referenced"].value) for e in evaluations) == 5


def test_large_bodies_are_read_where_a_setting_says_so(tools: ToolLake) -> None:
    days = [FIRST, date(2026, 11, 2), LAST]
    lake = tools.lake.resource
    by_setting = [
        {row["tool_key"]: row["asked_in"] for day in build(lake, days, options, str, quiet) for row in day.rows}
        for options in ({}, {"fetch_bodies": True})
    ]
    assert set(by_setting[0]) <= set(by_setting[1])
    told = {key for key, asked_in in by_setting[1].items() if asked_in == "output"}
    assert told > {key for key, asked_in in by_setting[0].items() if asked_in == "output"}


def test_a_path_in_a_log_is_followed_into_the_logs_own_bucket_only(tools: ToolLake) -> None:
    s3 = tools.lake.client("s3")
    other = tools.lake.settings.readready_bucket
    s3.put_object(Bucket=other, Key="bait.json", Body=b"{}")
    row = {"input_bodys3path": f"s3://{other}/bait.json", "output_bodys3path": None}
    found = look_up(s3, tools.lake.settings.raw_bucket("bedrock"), [row], True)
    assert [(b.found, b.document) for b in found.values()] == [(False, None)]


@pytest.mark.fault(
    90, "a large body in a bucket of its own", "not followed, and not absent; read where a setting allows it"
)
def test_a_body_in_another_bucket_is_not_absent_and_is_read_where_a_setting_allows_it(tools: ToolLake) -> None:
    s3, own = tools.lake.client("s3"), tools.lake.settings.raw_bucket("bedrock")
    s3.create_bucket(Bucket="large-bodies-of-a-company")
    asked = {"content": [{"type": "tool_use", "id": "t1", "name": "run_sql", "input": {}}]}
    s3.put_object(
        Bucket="large-bodies-of-a-company", Key="data/a.json.gz", Body=gzip.compress(json.dumps(asked).encode())
    )
    there, absent = (f"s3://large-bodies-of-a-company/data/{name}.json.gz" for name in "ab")
    paths = [there, absent, f"s3://{own}/absent", f"s3://{own}/", f"s3://{own}/{'x' * 2000}", "file:///etc/passwd"]
    rows = [{"input_bodys3path": None, "output_bodys3path": path} for path in paths]
    bodies = look_up(s3, own, rows, True)
    assert {path for path in paths if not bodies[path].is_followed} == {there, absent, "file:///etc/passwd"}
    check = _bodies_check(rows, bodies, FIRST)
    assert not check.passed
    assert [name.startswith("in a bucket that is not followed: ") for name in check.names] == [False] * 3 + [True] * 3
    assert (check.metadata["bodies_absent"], check.metadata["bodies_not_followed"]) == (3, 3)
    allowed = look_up(s3, own, rows, True, ["large-bodies-of-a-company"])
    assert (allowed[there].document, allowed[absent].is_followed, allowed[absent].found) == (asked, True, False)


@pytest.mark.fault(
    64, "invocations logged to CloudWatch Logs, and to S3 too", "rows with their calls, each once, and its proof"
)
def test_invocations_of_cloudwatch_logs_are_rows_of_the_lake(tools: ToolLake) -> None:
    lake, source, day = tools.lake, load_source("bedrock"), date(2024, 5, 6)
    records = [_invocation_of(day, number) for number in range(4)]
    texts = [json.dumps(record, separators=(",", ":")) for record in records]
    stream = [*map(gzip.compress, (_document(texts[:2]), _document(["CWL CONTROL MESSAGE"], "CONTROL_MESSAGE")))]
    ways = {
        "2024/05/06/12/stream-1-2024-05-06-12-05-00-00000000-0000-4000-8000-000000000001": b"".join(stream),
        "extracted/2024/05/06/12/stream.gz": gzip.compress("".join(texts[1:3]).encode()),
        "AWSLogs/000000000000/BedrockModelInvocationLogs/us-east-1/2024/05/06/12/a.json.gz": gzip.compress(
            "\n".join(texts[2:]).encode()
        ),
    }
    loaded = put_objects(lake, source, samples_to_put(SampleObject(k, b, "log") for k, b in ways.items()), quiet)
    assert not await_partitions(lake, source, loaded.partitions, quiet, 60)
    (built,) = build_range(lake, source, day, day, quiet)
    counts = ("dagster/row_count", "duplicates", "quarantined_records", "quarantined_objects")
    assert (built.error, *(built.metadata[name] for name in counts)) == (None, 4, 2, 0, 0)
    (coverage,) = lake.resource.recount(source, 1).days([day])
    assert (coverage.expected, coverage.found, coverage.missing, coverage.surplus) == (4, 4, 0, 0)
    assert (coverage.excluded, coverage.differing) == (1, {})
    rows = tools.ask("SELECT * FROM from_bedrock_readready WHERE logcalendarday = 20240506 ORDER BY requestid")
    assert [row["requestid"] for row in rows] == [record["requestId"] for record in records]
    assert {(row["logaccountid"], row["logregion"], row["tool_call_count"]) for row in rows} == {
        ("000000000000", "us-east-1", 1)
    }
    for row, text in zip(rows, texts, strict=True):
        (evidence,) = event_evidence(lake, row["f_eventkey"], source.name, day)
        assert evidence.agrees, evidence.statements
        assert evidence.record == text.encode()
    (reviewed,) = build_review_range(lake, REVIEW, day, day, quiet)
    assert reviewed.error is None
    calls = tools.ask("SELECT * FROM agent_tool_use WHERE logcalendarday = 20240506 ORDER BY tool_use_id")
    assert [(call["tool_use_id"], call["logaccountid"]) for call in calls] == [
        (f"log-{number}", "000000000000") for number in range(4)
    ]


def _invocation_of(day: date, number: int) -> dict[str, Any]:
    call = {"toolUse": {"toolUseId": f"log-{number}", "name": "look", "input": {}}}
    return {
        "schemaType": "ModelInvocationLog",
        "timestamp": f"{day}T12:0{number}:00Z",
        "accountId": "000000000000",
        "region": "us-east-1",
        "requestId": f"logged-{number}",
        "operation": "Converse",
        "modelId": "m",
        "output": {"outputBodyJson": {"output": {"message": {"content": [call]}}, "stopReason": "tool_use"}},
    }


def _document(messages: list[str], kind: str = "DATA_MESSAGE") -> bytes:
    events = [{"id": f"{n:056}", "timestamp": 1714996800000, "message": m} for n, m in enumerate(messages)]
    place = {"owner": "000000000000", "logGroup": "models", "logStream": "aws/bedrock/modelinvocations"}
    return json.dumps({"messageType": kind, **place, "logEvents": events}).encode()


# --- Looker, deployed -------------------------------------------------------------------------------------------------

GOOD = f"SELECT tool_name, count(*) AS calls FROM agent_tool_use WHERE {DAYS} GROUP BY tool_name ORDER BY calls DESC"


def test_looker_answers_with_rows_of_the_lake_after_being_refused(tools: ToolLake) -> None:
    seen: list[Any] = []

    def last(body: dict[str, Any]) -> Says | Fails:
        seen.extend(body["messages"][-1]["content"])
        return Says("Tools were used.\nNext step: look at one.")

    hostile = ToolCall("1", {"sql": "DROP TABLE agent_tool_use"})
    raw = ToolCall("2", {"sql": f"SELECT * FROM from_cloudtrail_raw WHERE {DAYS}"})
    script = [Says(calls=(hostile, raw)), Says(calls=(ToolCall("3", {"sql": GOOD}),)), last]
    answer = ask_locally(tools.lake, "Which tools were used?", None, quiet, script)
    assert answer["stopped_by"] is None
    assert len(answer["refused"]) == 2
    (query,) = answer["queries"]
    names = {t.tool_name for t in tools.truth.tool_calls if FIRST.isoformat() <= t.day <= LAST.isoformat()}
    assert query["row_count"] == len(names)
    assert {row[0] for row in seen[0]["toolResult"]["content"][0]["json"]["rows"]} == names
    assert {(c["table"], c["day"], c["status"]) for c in answer["coverage"]} == {
        ("agent_tool_use", day.isoformat(), "built") for day in (FIRST, date(2026, 11, 2), LAST)
    }
    assert answer["next_step"] == "look at one."


def test_lookers_own_calls_are_in_the_lake_like_any_agents(tools: ToolLake) -> None:
    """Who reviews is reviewed: the stand-in's invocations come as Bedrock delivers them, and are built and reviewed."""
    body = {
        "messages": [{"role": "user", "content": [{"text": "what?"}]}],
        "requestMetadata": {"application": "looker"},
    }
    asked = Says(calls=(ToolCall("looker-1", {"sql": GOOD}),)).document()
    moment = datetime(2024, 5, 5, 12, tzinfo=UTC)
    keys = log_invocations(tools.lake, [Request("/model/m/converse", body, asked)], moment)
    source, day = load_source("bedrock"), moment.date()
    placed = put_objects(tools.lake, source, [], quiet).partitions
    assert not placed
    values = ("AWSLogs", tools.lake.settings.account, "us-east-1", "20240505", "12")
    assert not await_partitions(tools.lake, source, frozenset({values}), quiet, 60)
    (result,) = build_range(tools.lake, source, day, day, quiet)
    assert (result.error, result.metadata["dagster/row_count"]) == (None, len(keys))
    (reviewed,) = build_review_range(tools.lake, REVIEW, day, day, quiet)
    assert reviewed.error is None
    (row,) = tools.ask("SELECT * FROM agent_tool_use WHERE logcalendarday = 20240505")
    assert (row["tool_use_id"], row["tool_name"], row["modelid"]) == ("looker-1", "run_query", STAND_IN)
    assert json.loads(row["tool_input"]) == {"sql": GOOD}
    assert row["useridentity_arn"].endswith("assumed-role/loglake-looker/looker")


def test_a_question_that_is_none_is_refused(tools: ToolLake) -> None:
    answer = ask_locally(tools.lake, " ", None, quiet, [])
    assert (answer["stopped_by"], answer["queries"]) == ("prompt", [])


def test_a_model_is_asked_as_the_caller_whose_keys_stay_in_their_process(tools: ToolLake) -> None:
    with serve([Says(calls=(ToolCall("m1", {"sql": GOOD}),)), Says("Done.")]) as bedrock:
        client = boto3.client(
            "bedrock-runtime",
            region_name="eu-west-1",
            endpoint_url=bedrock.endpoint_url,
            aws_access_key_id="AKIAEXAMPLECALLER",
            aws_secret_access_key="EXAMPLE/SECRET/OF/CALLER",
        )
        answer = ask_locally(tools.lake, "Which tools?", ModelAccess("example.model", client), quiet)
    assert (len(answer["queries"]), answer["stopped_by"]) == (1, None)
    assert {request.path for request in bedrock.requests} == {"/model/example.model/converse"}
    function = tools.lake.client("lambda").get_function_configuration(FunctionName="loglake-looker")
    variables = function["Environment"]["Variables"]
    assert variables["LOOKER_MODEL_ID"] == STAND_IN
    assert not [name for name in variables if name.startswith("AWS_")]

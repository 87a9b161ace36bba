"""The local Athena answers from the catalog's partitions, in Athena's words. ORC, gzip and the server are real."""

import gzip
import io
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import boto3
import pyarrow as pa
import pytest
from botocore.exceptions import ClientError
from pyarrow import orc

from infra.emulator import athena_engine
from infra.emulator.athena_engine import QueryFailed, QueryResult
from infra.emulator.processes import StackInfo, start_stack, stop_stack

ROOT = Path(__file__).parents[1]
LAKE, DB = "readready-bucket", "loglakeblog"
NOT_HERE = "NOT_SUPPORTED: line 1:1: not in the local Athena"
ORC_SERDE = "org.apache.hadoop.hive.ql.io.orc.OrcSerde"
JSON_SERDE = "org.apache.hive.hcatalog.data.JsonSerDe"
REGEX_SERDE = "org.apache.hadoop.hive.serde2.RegexSerDe"
CLOUDTRAIL_INPUT = "com.amazon.emr.cloudtrail.CloudTrailInputFormat"
TABLES = {
    "from_cloudtrail_readready": "eventsource eventname eventtime:timestamp useridentity_arn requestid f_sessionid",
    "from_cloudwatch_readready": "logaccountid loggroup subscriptionfilters eventtime:timestamp session f_sessionid",
    "from_bedrock_readready": "request_time:timestamp modelid requestid input_messages input_inputtokencount:bigint "
    "output_outputbodyjson_content output_outputtokencount:bigint",
}

SESSIONS_SQL = """SELECT t.eventsource
,t.eventname
,t.eventtime
,w.logaccountid
,w.loggroup
,w.subscriptionfilters
,w.eventtime as eventtime_from_cloudwatch
,w."session" as session_from_cloudwatch
 FROM loglakeblog.from_cloudwatch_readready w
 inner join loglakeblog.from_cloudtrail_readready t
on  w.f_sessionid=t.f_sessionid"""

TOOL_USE_SQL = """SELECT
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
FROM loglakeblog.from_cloudtrail_readready t
left outer join loglakeblog.from_bedrock_readready b
on t.requestid = b.requestid
where t.logcalendarday>20240601"""


@dataclass
class Lake:
    """A catalog and its objects in memory. `reads` are the keys that were read."""

    glue: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    placed: dict[tuple[str, str], list[dict[str, Any]]] = field(default_factory=dict)
    objects: dict[str, bytes] = field(default_factory=dict)
    reads: list[str] = field(default_factory=list)

    def table(self, database: str, name: str) -> dict[str, Any] | None:
        return self.glue.get((database, name))

    def databases(self) -> "list[str]":
        return sorted({schema for schema, _ in self.glue})

    def tables(self, database: str) -> "list[str]":
        return [name for schema, name in self.glue if schema == database]

    def partitions(self, database: str, name: str) -> list[dict[str, Any]]:
        return self.placed.get((database, name), [])

    def list(self, bucket: str, prefix: str) -> "list[tuple[str, int]]":
        assert bucket == LAKE
        return [(key, len(body)) for key, body in sorted(self.objects.items()) if key.startswith(prefix)]

    def read(self, bucket: str, key: str) -> bytes:
        self.reads.append(key)
        return self.objects[key]

    def declare(self, name: str, columns: str, keys: str = "", serde: str = ORC_SERDE, **storage: Any) -> None:
        self.glue[DB, name] = table_input(name, columns, keys, serde, **storage)

    def place(self, name: str, *values: str, location: str) -> None:
        partition = {"Values": list(values), "StorageDescriptor": {"Location": f"s3://{LAKE}/{location}"}}
        self.placed.setdefault((DB, name), []).append(partition)

    def ask(self, sql: str, **options: Any) -> QueryResult:
        return athena_engine.run(sql, DB, self, self, **options)

    def rows(self, sql: str, **options: Any) -> "list[list[str | None]]":
        return self.ask(sql, **options).rows

    def reason(self, sql: str, **options: Any) -> str:
        with pytest.raises(QueryFailed) as failure:
            self.ask(sql, **options)
        return str(failure.value)


def table_input(name: str, columns: str, keys: str, serde: str, **storage: Any) -> dict[str, Any]:
    parameters = storage.pop("parameters", {})
    return {
        "Name": name,
        "TableType": "EXTERNAL_TABLE",
        "PartitionKeys": parse_columns(keys),
        "StorageDescriptor": {
            "Columns": parse_columns(columns),
            "SerdeInfo": {"SerializationLibrary": serde, "Parameters": parameters},
            **storage,
        },
    }


def parse_columns(text: str) -> list[dict[str, str]]:
    named = [word.partition(":") for word in text.split()]
    return [{"Name": name, "Type": kind or "string"} for name, _, kind in named]


def orc_bytes(rows: list[dict[str, Any]]) -> bytes:
    sink = io.BytesIO()
    orc.write_table(pa.Table.from_pylist(rows), sink, compression="zlib")
    return sink.getvalue()


def days(lake: Lake, placed: tuple[int, ...] = (20240601, 20240602, 20240603)) -> Lake:
    """CloudTrail of three stored days, of which `placed` are in the catalog; not one path is key=value."""
    lake.declare("t", "eventname n:int", "logcalendarday:int")
    for day in (20240601, 20240602, 20240603):
        lake.objects[f"t/{day}/part.orc"] = orc_bytes([{"eventname": f"E{day}", "n": day % 10}])
        if day in placed:
            lake.place("t", str(day), location=f"t/{day}")
    return lake


@pytest.fixture
def lake() -> Lake:
    return Lake()


@pytest.fixture
def original(lake: Lake) -> Lake:
    """The three tables of the original posts with a row or two each."""
    noon = datetime(2024, 6, 2, 12, 0, 0, 250000)  # noqa: DTZ001 - Athena's timestamps have no zone
    message = '[{"content":[{"input":{"bucket":"b"},"type":"tool_use"}]}]'
    trail = {"eventsource": "ssm", "eventname": "StartSession", "eventtime": noon, "useridentity_arn": "arn:me"}
    stored = {
        "from_cloudtrail_readready": [
            trail | {"requestid": "r1", "f_sessionid": "s1"},
            trail | {"requestid": "r2", "f_sessionid": "s2"},
        ],
        "from_cloudwatch_readready": [
            {"logaccountid": "1", "loggroup": "g", "eventtime": noon, "session": "whoami", "f_sessionid": "s1"}
        ],
        "from_bedrock_readready": [
            {"request_time": noon, "modelid": "m", "requestid": "r1", "input_messages": message}
            | {"input_inputtokencount": 7, "output_outputbodyjson_content": "{}", "output_outputtokencount": 9}
        ],
    }
    for name, rows in stored.items():
        lake.declare(name, TABLES[name], "logcalendarday:int")
        lake.objects[f"{name}/logcalendarday=20240602/run=1/part.orc"] = orc_bytes(rows)
        lake.place(name, "20240602", location=f"{name}/logcalendarday=20240602/run=1")
    return lake


# The catalog decides


def test_a_stored_day_without_a_partition_is_not_answered(lake: Lake) -> None:
    found = days(lake, placed=(20240601, 20240603)).rows("select eventname, logcalendarday from t order by 1")
    assert found == [["E20240601", "20240601"], ["E20240603", "20240603"]]


def test_only_the_objects_of_the_partitions_asked_for_are_read(lake: Lake) -> None:
    result = days(lake).ask("select count(*) from t where logcalendarday >= 20240602 and logcalendarday < 20240603")
    assert result.rows == [["1"]]
    assert lake.reads == ["t/20240602/part.orc"]
    assert result.bytes_scanned == len(lake.objects["t/20240602/part.orc"])


@pytest.mark.parametrize(
    ("predicate", "read"),
    [
        ("logcalendarday = 20240602", [2]),
        ("logcalendarday <> 20240602", [1, 3]),
        ("20240602 < logcalendarday", [3]),
        ("logcalendarday in (20240601, 20240603)", [1, 3]),
        ("logcalendarday between 20240602 and 20240603", [2, 3]),
        ("(logcalendarday = 20240601 or x.LogCalendarDay = 20240602) and n < 9", [1, 2]),
        ("logcalendarday = cast(date_format(timestamp '2024-06-02 00:00:00', '%Y%m%d') as integer)", [2]),
        ("logcalendarday = 20240601 or n = 2", [1, 2, 3]),
    ],
)
def test_predicates_on_keys_prune(lake: Lake, predicate: str, read: list[int]) -> None:
    days(lake).ask(f"select eventname from t x where {predicate}")
    assert lake.reads == [f"t/2024060{day}/part.orc" for day in read]


def test_asking_for_missing_rows_after_an_outer_join_does_not_prune(lake: Lake) -> None:
    days(lake)
    sql = "select a.n from t a left join t b on a.n = b.n where b.logcalendarday is null"
    assert lake.rows(sql) == []
    on = "select count(b.n) from t a left join t b on a.n = b.n and b.logcalendarday = 20240601"
    assert lake.rows(on) == [["1"]]


def test_a_location_is_a_folder_and_hidden_keys_below_it_are_no_rows(lake: Lake) -> None:
    days(lake, placed=(20240601,))
    body = orc_bytes([{"eventname": "ghost", "n": 0}])
    for key in ("t/20240601_other/part.orc", "t/20240601/_temporary/0/part.orc", "t/20240601/.part.orc.crc"):
        lake.objects[key] = body
    lake.objects["t/20240601/_SUCCESS"] = b"x"
    assert lake.rows("select eventname from t") == [["E20240601"]]


def test_the_scan_limit_stops_a_query(lake: Lake) -> None:
    assert days(lake).reason("select * from t", bytes_limit=100) == (
        "Query exhausted resources: Bytes scanned limit was exceeded"
    )


def test_partitions_and_tables_are_shown(lake: Lake) -> None:
    days(lake, placed=(20240601,))
    assert lake.rows("SHOW PARTITIONS loglakeblog.t") == [["logcalendarday=20240601"]]
    assert lake.rows("show tables in loglakeblog") == [["t"]]


def test_a_with_query_hides_the_table_of_its_name_and_sees_it_itself(lake: Lake) -> None:
    days(lake)
    sql = "with t as (select eventname from t where logcalendarday = 20240601) select * from t"
    assert lake.rows(sql) == [["E20240601"]]
    assert lake.reads == ["t/20240601/part.orc"]


def test_a_view_is_its_select_in_its_own_database(lake: Lake) -> None:
    days(lake)
    text = athena_engine.encode_view("with t2 as (select * from t) select n, eventname from t2", DB, [])
    lake.glue["views", "v"] = {"Name": "v", "TableType": "VIRTUAL_VIEW", "ViewOriginalText": text}
    assert lake.rows("select v.eventname from views.v where n = 3") == [["E20240603"]]
    lake.reads.clear()
    assert athena_engine.columns_of("select * from views.v", DB, lake, lake) == [
        ("n", "integer"),
        ("eventname", "varchar"),
    ]
    assert lake.reads == []


# The original's statements


def test_sessions_join_to_api_activity_as_the_original_wrote_it(original: Lake) -> None:
    result = original.ask(SESSIONS_SQL)
    noon = "2024-06-02 12:00:00.250"
    assert result.rows == [["ssm", "StartSession", noon, "1", "g", None, noon, "whoami"]]
    assert result.columns[2] == ("eventtime", "timestamp")
    assert result.columns[-1] == ("session_from_cloudwatch", "varchar")


def test_tool_use_joins_to_api_activity_as_the_original_wrote_it(original: Lake) -> None:
    first, second = sorted(original.rows(TOOL_USE_SQL), key=lambda row: row[5] is None)
    assert first[5:7] == ["m", '{"input":{"bucket":"b"},"type":"tool_use"}']
    assert first[8:] == ["7", "{}", "9"]
    assert second[4:] == [None] * 7


# Formats


def test_orc_is_read_by_name_and_an_older_file_has_nulls(lake: Lake) -> None:
    lake.declare("t", "a b c:bigint", Location=f"s3://{LAKE}/t/")
    lake.objects["t/1.orc"] = orc_bytes([{"c": 5, "A": "x"}])
    lake.objects["t/2.orc"] = orc_bytes([{"b": "y", "a": "z"}])
    assert lake.rows("select * from t order by a") == [["x", None, "5"], ["z", "y", None]]


def test_an_orc_type_that_the_table_does_not_declare_fails_with_its_file(lake: Lake) -> None:
    lake.declare("t", "a:int", Location=f"s3://{LAKE}/t")
    lake.objects["t/1.orc"] = orc_bytes([{"a": "secret"}])
    reason = lake.reason("select a from t")
    assert reason == f"HIVE_BAD_DATA: s3://{LAKE}/t/1.orc has column 'a' as string, the table declares int32"


RECORDS = [
    {"eventName": "PutObject", "eventID": "1", "userIdentity": {"type": "Root", "a": ["é"]}, "readOnly": False},
    {"eventName": "GetObject", "eventID": "2"},
]


def cloudtrail(lake: Lake, columns: str, input_format: str = CLOUDTRAIL_INPUT) -> Lake:
    """One object of two gzip members, without .gz in its name."""
    text = json.dumps({"Records": RECORDS}).encode()
    lake.declare("raw", columns, "logcalendarday:int", JSON_SERDE, InputFormat=input_format)
    lake.objects["AWSLogs/1/2024/06/02/f.json"] = gzip.compress(text[:30]) + gzip.compress(text[30:])
    lake.place("raw", "20240602", location="AWSLogs/1/2024/06/02")
    return lake


def test_raw_cloudtrail_is_a_row_an_object_where_lines_are_read_as_text(lake: Lake) -> None:
    columns = "records:array<struct<eventname:string,eventid:string,useridentity:string,readonly:string>>"
    cloudtrail(lake, columns, "org.apache.hadoop.mapred.TextInputFormat")
    assert lake.rows("select cardinality(records), records[1].eventname, logcalendarday from raw") == [
        ["2", "PutObject", "20240602"]
    ]
    unnest = "select {} from raw cross join unnest(records) as r({}) order by 1"
    assert lake.rows(unnest.format("name, who, ro", "name, id, who, ro")) == [
        ["GetObject", None, None],
        ["PutObject", '{"type":"Root","a":["é"]}', "false"],
    ]
    assert lake.reason(unnest.format("x", "x")).startswith(
        "MISMATCHED_COLUMN_ALIASES: line 1:1: Column alias list has 1 entries but 'r' has 4 columns available"
    )
    assert lake.rows("select r.eventid from raw, unnest(raw.records) as r where r.eventname = 'GetObject'") == [["2"]]


def test_raw_cloudtrail_is_a_row_a_record_where_the_table_holds_its_fields(lake: Lake) -> None:
    cloudtrail(lake, "eventname useridentity readonly:boolean")
    sql = """select eventname, json_extract_scalar(useridentity, '$.type'), readonly, "$path" from raw order by 1"""
    path = f"s3://{LAKE}/AWSLogs/1/2024/06/02/f.json"
    assert lake.rows(sql) == [["GetObject", None, None, path], ["PutObject", "Root", "false", path]]
    assert len(lake.ask("""select *, "$path" from raw""").columns) == 5


def test_json_lines_match_names_in_any_case(lake: Lake) -> None:
    lake.declare("j", "modelid tokens:bigint input:struct<a:int> list:array<string>", "", JSON_SERDE)
    lake.glue[DB, "j"]["StorageDescriptor"]["Location"] = f"s3://{LAKE}/j"
    line = json.dumps({"modelId": "m\u2028", "TOKENS": 3, "input": {"A": 1}, "list": ["x", None]}, ensure_ascii=False)
    lake.objects["j/1"] = gzip.compress(f"{line}\n{{}}\n".encode())
    assert lake.rows("select modelid, tokens, input.a, list, input from j") == [
        ["m\u2028", "3", "1", "[x, null]", "{a=1}"],
        [None] * 5,
    ]


def test_regex_rows_are_lines_and_a_line_that_does_not_match_is_nulls(lake: Lake) -> None:
    options = {"parameters": {"input.regex": r"^(\S+) (?<n>\d+)$"}, "Location": f"s3://{LAKE}/r/"}
    lake.declare("r", "word n:int", "", REGEX_SERDE, **options)
    lake.objects["r/1.gz"] = gzip.compress(b"a 1\nb 22\nnothing\n")
    assert lake.rows("select word, n + 1 from r order by 1") == [["a", "2"], ["b", "23"], [None, None]]


def test_damaged_objects_fail_by_name_and_show_no_content(lake: Lake) -> None:
    lake.declare("j", "a:int", "", JSON_SERDE, Location=f"s3://{LAKE}/j")
    damaged = {"cut gzip": gzip.compress(b'{"a":1}' * 99)[:-9], "no json": b"secret", "no int": b'{"a":"secret"}'}
    for body in damaged.values():
        lake.objects["j/1"] = body
        reason = lake.reason("select * from j")
        assert reason.startswith(f"HIVE_BAD_DATA: s3://{LAKE}/j/1 ")
        assert "secret" not in reason


# Trino's meaning


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("from_iso8601_timestamp('2024-01-02T03:04:05Z')", "2024-01-02 03:04:05.000 UTC"),
        ("date_parse('2024-01-02 03:04:05', '%Y-%m-%d %H:%i:%s')", "2024-01-02 03:04:05.000"),
        ("date_format(timestamp '2024-01-02 03:04:05', '%Y%m%d %H:%i')", "20240102 03:04"),
        ("date_trunc('hour', timestamp '2024-01-02 03:04:05.678')", "2024-01-02 03:00:00.000"),
        ("date_diff('hour', timestamp '2024-01-02 03:30:00', timestamp '2024-01-02 05:00:00')", "1"),
        ("timestamp '2024-01-02 03:04:05.678'", "2024-01-02 03:04:05.678"),
        ("date '2024-01-02'", "2024-01-02"),
        ("from_unixtime(0)", "1970-01-01 00:00:00.000 UTC"),
        ("to_unixtime(timestamp '1970-01-02 00:00:00')", "86400.0"),
        ("at_timezone(from_unixtime(0), 'Asia/Tokyo')", "1970-01-01 09:00:00.000"),
        ("format_datetime(timestamp '2024-01-02 03:04:05', 'yyyy-MM-dd''T''HH:mm')", "2024-01-02T03:04"),
        ("json_extract('{\"a\":{\"b\":1}}', '$.a')", '{"b":1}'),
        ('json_extract_scalar(\'{"a":{"b c":[5]}}\', \'$.a["b c"][0]\')', "5"),
        ("json_extract_scalar('{\"a\":{}}', '$.a')", None),
        ("json_extract_scalar('not json', '$.a')", None),
        ("cast('x' as json)", '"x"'),
        ("json_format(json_parse('{\"a\": 1}'))", '{"a":1}'),
        ("regexp_extract('a1b22', '([a-z])(\\d+)$', 2)", "22"),
        ("regexp_extract('abc', 'z')", None),
        ("regexp_replace('a1b2', '([a-z])(\\d)', '$2$1')", "1a2b"),
        ("regexp_like('abc', 'B|c$')", "true"),
        ("cardinality(array[1, 2])", "2"),
        ("element_at(array[1, 2], 5)", None),
        ("split('a,b', ',')", "[a, b]"),
        ("strpos('abc', 'c')", "3"),
        ("contains(array['a'], 'a')", "true"),
        ("try(cast('x' as integer))", None),
        ("try_cast('7' as bigint)", "7"),
        ("url_decode('a%20b')", "a b"),
        ("7 / 2", "3"),
        ("100 * 3 / 8.0", "37.5"),
        ("1e10", "1.0E10"),
        ("map(array['k'], array[1])", "{k=1}"),
    ],
)
def test_functions_mean_what_they_mean_in_trino(lake: Lake, expression: str, expected: str | None) -> None:
    assert lake.rows(f"select {expression}") == [[expected]]


def test_aggregates_have_athenas_types(lake: Lake) -> None:
    result = lake.ask(
        "select approx_distinct(x), count_if(x > 2), arbitrary(1), array_agg(x order by x), sum(x), map_agg(x, x), "
        "avg(x), max_by(x, x), cast(1 as decimal(5, 2)) from (values 2, 3) as t(x)"
    )
    assert result.rows == [["2", "1", "1", "[2, 3]", "5", "{2=2, 3=3}", "2.5", "3", "1.00"]]
    kinds = ["bigint", "bigint", "integer", "array", "bigint", "map", "double", "integer", "decimal(5,2)"]
    assert [kind for _, kind in result.columns] == kinds


def test_columns_without_a_name_are_called_by_their_position(lake: Lake) -> None:
    sql = "with c as (select 1, max(2), 3 as x) select _col1, x, _col0 + x, (select 7) from c where exists (select 1)"
    result = lake.ask(sql)
    assert [name for name, _ in result.columns] == ["_col1", "x", "_col2", "_col3"]
    assert result.rows == [["2", "3", "4", "7"]]


def test_execution_parameters_stand_where_the_question_marks_are(lake: Lake) -> None:
    sql = "select eventname, '?' from t where n > ? and eventname <> ? and logcalendarday = 20240603"
    assert days(lake).rows(sql, parameters=["1", "'a?'"]) == [["E20240603", "?"]]
    assert lake.reason(sql, parameters=["1"]).startswith("INVALID_PARAMETER_USAGE")
    assert lake.reason(sql, parameters=["1", "n or 1"]).startswith("INVALID_PARAMETER_USAGE")


# Failures


@pytest.mark.parametrize(
    ("sql", "reason"),
    [
        ("select 1\nfrom absent", "TABLE_NOT_FOUND: line 2:6: Table 'loglakeblog.absent' does not exist"),
        ("select * from other.t", "TABLE_NOT_FOUND: line 1:15: Table 'other.t' does not exist"),
        ("select eventnam from t", "COLUMN_NOT_FOUND: line 1:8: Column 'eventnam' cannot be resolved"),
        ("select t.nope from t", "COLUMN_NOT_FOUND: line 1:10: Column 'nope' cannot be resolved"),
        ("select from where", "SYNTAX_ERROR: line 1:17: mismatched input 'where'"),
        ("select 'open", "SYNTAX_ERROR: the statement cannot be split"),
        ("select", "SYNTAX_ERROR"),
        ("select 1; select 2", "SYNTAX_ERROR: exactly one statement is expected, 2 were given"),
        ("", "SYNTAX_ERROR: exactly one statement is expected, 0 were given"),
        ("select nofunction(1)", "FUNCTION_NOT_FOUND: line 1:8: Function 'nofunction' not registered"),
        ("select cast(eventname as integer) from t", "INVALID_CAST_ARGUMENT: a value cannot be cast"),
        (
            "select * from t where logcalendarday = '20240601'",
            "TYPE_MISMATCH: line 1:23: Cannot apply operator: integer",
        ),
        ("select * from read_csv('/etc/passwd')", "NOT_SUPPORTED: line 1:15: not in the local Athena: table functions"),
        ("delete from t", f"{NOT_HERE}: DELETE;"),
        ("insert into t select 1", f"{NOT_HERE}: INSERT;"),
        ("create table x as select 1 a", f"{NOT_HERE}: CREATE TABLE AS SELECT;"),
        ("alter table t add partition (logcalendarday = 1)", f"{NOT_HERE}: ALTER TABLE;"),
        ("msck repair table t", f"{NOT_HERE}: MSCK;"),
    ],
)
def test_failures_are_told_in_athenas_words_without_row_contents(lake: Lake, sql: str, reason: str) -> None:
    told = days(lake).reason(sql)
    assert told.startswith(reason)
    assert "E2024" not in told


# The server


@dataclass(frozen=True)
class Stack:
    """Clients of a real server with the replacements in place."""

    s3: Any
    glue: Any
    athena: Any

    def finished(self, sql: str, **request: Any) -> dict[str, Any]:
        request = {"ResultConfiguration": {"OutputLocation": f"s3://{LAKE}/results/"}} | request
        begun = self.athena.start_query_execution(QueryString=sql, QueryExecutionContext={"Database": DB}, **request)
        return self.ended(begun["QueryExecutionId"])

    def ended(self, query_id: str) -> dict[str, Any]:
        for _ in range(200):
            execution = self.athena.get_query_execution(QueryExecutionId=query_id)["QueryExecution"]
            if execution["Status"]["State"] in ("SUCCEEDED", "FAILED", "CANCELLED"):
                return execution
            time.sleep(0.05)
        raise AssertionError(f"query {query_id} did not end")


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    info = start_stack(tmp_path_factory.mktemp("athena"))
    try:
        yield two_days(stack_of(info))
    finally:
        stop_stack(info)


def stack_of(info: StackInfo) -> Stack:
    def client(name: str) -> Any:
        return boto3.client(  # type: ignore[call-overload]
            name, endpoint_url=info.endpoint_url, region_name="us-east-1", **info.credentials
        )

    return Stack(client("s3"), client("glue"), client("athena"))


def two_days(stack: Stack) -> Stack:
    """Two stored days of CloudTrail; one is in the catalog."""
    stack.s3.create_bucket(Bucket=LAKE)
    stack.glue.create_database(DatabaseInput={"Name": DB})
    table = table_input("t", "eventname n:int", "logcalendarday:int", ORC_SERDE, Location=f"s3://{LAKE}/t/")
    stack.glue.create_table(DatabaseName=DB, TableInput=table)
    rows = [{"eventname": None if n == 0 else f'a "{n}"\n', "n": n} for n in range(5)]
    for day in (20240601, 20240602):
        stack.s3.put_object(Bucket=LAKE, Key=f"t/logcalendarday={day}/part.orc", Body=orc_bytes(rows))
    storage = {**table["StorageDescriptor"], "Location": f"s3://{LAKE}/t/logcalendarday=20240601/"}
    partition = {"Values": ["20240601"], "StorageDescriptor": storage}
    stack.glue.create_partition(DatabaseName=DB, TableName="t", PartitionInput=partition)
    return stack


def test_a_query_over_the_api_sees_what_the_catalog_holds(stack: Stack) -> None:
    execution = stack.finished("select count(*) as rows_count, max(logcalendarday) d from t")
    assert execution["Status"]["State"] == "SUCCEEDED", execution["Status"]
    assert execution["StatementType"] == "DML"
    assert execution["Statistics"]["DataScannedInBytes"] > 0
    assert execution["Status"]["CompletionDateTime"] >= execution["Status"]["SubmissionDateTime"]
    answer = stack.athena.get_query_results(QueryExecutionId=execution["QueryExecutionId"])
    cells = [[cell.get("VarCharValue") for cell in row["Data"]] for row in answer["ResultSet"]["Rows"]]
    assert cells == [["rows_count", "d"], ["5", "20240601"]]
    kinds = [column["Type"] for column in answer["ResultSet"]["ResultSetMetadata"]["ColumnInfo"]]
    assert kinds == ["bigint", "integer"]


def test_results_come_in_pages_and_null_is_not_an_empty_string(stack: Stack) -> None:
    execution = stack.finished("select eventname, '' as empty from t order by n")
    pages = stack.athena.get_paginator("get_query_results").paginate(
        QueryExecutionId=execution["QueryExecutionId"], PaginationConfig={"PageSize": 2}
    )
    rows = [[cell.get("VarCharValue") for cell in row["Data"]] for page in pages for row in page["ResultSet"]["Rows"]]
    assert rows[:3] == [["eventname", "empty"], [None, ""], ['a "1"\n', ""]]
    assert len(rows) == 6
    bucket, _, key = execution["ResultConfiguration"]["OutputLocation"].removeprefix("s3://").partition("/")
    written = stack.s3.get_object(Bucket=bucket, Key=key)["Body"].read()
    assert written.startswith(b'"eventname","empty"\n,""\n"a ""1""\n",""\n')


def test_a_failed_query_has_its_reason_and_no_results(stack: Stack) -> None:
    execution = stack.finished("select nope from t")
    assert execution["Status"]["State"] == "FAILED"
    reason = execution["Status"]["StateChangeReason"]
    assert reason == "COLUMN_NOT_FOUND: line 1:8: Column 'nope' cannot be resolved"
    with pytest.raises(ClientError, match="Final query state: FAILED"):
        stack.athena.get_query_results(QueryExecutionId=execution["QueryExecutionId"])


def test_a_work_groups_location_and_scan_limit_hold(stack: Stack) -> None:
    settings = {"ResultConfiguration": {"OutputLocation": f"s3://{LAKE}/group/"}, "EnforceWorkGroupConfiguration": True}
    settings["BytesScannedCutoffPerQuery"] = 10_000_000
    stack.athena.create_work_group(Name="bounded", Configuration=settings)
    execution = stack.finished("select n from t where n = ?", WorkGroup="bounded", ExecutionParameters=["3"])
    assert execution["ResultConfiguration"]["OutputLocation"].startswith(f"s3://{LAKE}/group/")
    updates = {"BytesScannedCutoffPerQuery": 10_000_000}
    stack.athena.update_work_group(WorkGroup="bounded", ConfigurationUpdates=updates)
    assert execution["Status"]["State"] == "SUCCEEDED"
    stack.s3.put_object(Bucket=LAKE, Key="t/logcalendarday=20240601/big", Body=b"x" * 10_000_001)
    execution = stack.finished("select n from t", WorkGroup="bounded")
    stack.s3.delete_object(Bucket=LAKE, Key="t/logcalendarday=20240601/big")
    assert execution["Status"]["StateChangeReason"] == "Query exhausted resources: Bytes scanned limit was exceeded"


def test_a_view_is_made_replaced_queried_and_dropped(stack: Stack) -> None:
    for _ in range(2):
        made = stack.finished("create or replace view v as select n * 2 as twice from t where n > 2")
        assert made["Status"]["State"] == "SUCCEEDED", made["Status"]
        assert made["StatementType"] == "DDL"
    table = stack.glue.get_table(DatabaseName=DB, Name="v")["Table"]
    assert table["TableType"] == "VIRTUAL_VIEW"
    assert table["StorageDescriptor"]["Columns"] == [{"Name": "twice", "Type": "int"}]
    asked = stack.finished("select sum(twice) from v")
    answer = stack.athena.get_query_results(QueryExecutionId=asked["QueryExecutionId"])
    assert answer["ResultSet"]["Rows"][1]["Data"] == [{"VarCharValue": "14"}]
    assert stack.finished("drop view v")["Status"]["State"] == "SUCCEEDED"
    assert stack.finished("drop view v")["Status"]["StateChangeReason"].startswith("TABLE_NOT_FOUND")
    assert stack.finished("drop view t")["Status"]["StateChangeReason"].startswith("NOT_SUPPORTED")


def test_a_running_query_can_be_stopped(stack: Stack) -> None:
    endless = "select count(*) from unnest(sequence(1, 100000)) a(x), unnest(sequence(1, 10000000)) b(y) where x < y"
    location = {"OutputLocation": f"s3://{LAKE}/results/"}
    begun = stack.athena.start_query_execution(QueryString=endless, ResultConfiguration=location)
    time.sleep(0.5)
    stack.athena.stop_query_execution(QueryExecutionId=begun["QueryExecutionId"])
    execution = stack.ended(begun["QueryExecutionId"])
    assert execution["Status"]["State"] == "CANCELLED"
    assert stack.finished("show partitions t")["Status"]["State"] == "SUCCEEDED"


def test_a_query_with_nowhere_to_write_is_refused_or_fails(stack: Stack) -> None:
    with pytest.raises(ClientError, match="No output location provided"):
        stack.athena.start_query_execution(QueryString="select 1")
    execution = stack.finished("select 1", ResultConfiguration={"OutputLocation": "s3://no-such-bucket/x/"})
    assert "the bucket does not exist" in execution["Status"]["StateChangeReason"]

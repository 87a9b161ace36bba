"""Invocations by each way of delivery: lines in S3, documents of a subscription, messages without their documents."""

import gzip
import json
import random
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from glue_scripts.object_reader import ObjectReader
from glue_scripts.whole_objects import FetchedObject, ObjectRef
from loglake_assets.lake.checks.inflate import text_of
from loglake_assets.sources import load_source
from loglake_assets.sources.bedrock import decode, recount
from loglake_assets.sources.counted_event import NotCountableError
from loglake_assets.sources.placement import Ignored, Placement, place
from tests.job_rows import job_rows
from tests.raw_events import UnreadableError, raw_events

SOURCE = load_source("bedrock")
DAY = 20261101
BY_S3 = (
    "AWSLogs/111122223333/BedrockModelInvocationLogs/eu-west-1/2026/11/01/12/20261101T120000123Z_0123456789abcdef.gz"
)
BY_FIREHOSE = "2026/11/01/12/invocations-1-2026-11-01-12-00-10-0a1b2c3d-0000-4000-8000-000000000001"
EPOCH_MILLISECONDS = 1793534400000
CONTROL = "CWL CONTROL MESSAGE: Checking health of destination Firehose."


def invocation(name: str = "r1", **changes: Any) -> dict[str, Any]:
    return {
        "schemaType": "ModelInvocationLog",
        "schemaVersion": "1.0",
        "timestamp": "2026-11-01T12:00:00Z",
        "accountId": "111122223333",
        "identity": {"arn": "arn:aws:sts::111122223333:assumed-role/Agent/a"},
        "region": "eu-west-1",
        "requestId": name,
        "operation": "Converse",
        "modelId": "amazon.nova-lite-v1:0",
        "input": {
            "inputContentType": "application/json",
            "inputBodyJson": {"messages": [{"role": "user", "content": [{"text": 'é ✓ }{ "logEvents" \\'}]}]},
            "inputTokenCount": 3,
        },
        "output": {
            "outputContentType": "application/json",
            "outputBodyJson": {
                "output": {"message": {"content": [{"toolUse": {"toolUseId": "t1", "name": "look", "input": {}}}]}},
                "stopReason": "tool_use",
            },
            "outputTokenCount": 3,
        },
        **changes,
    }


def compact_json(record: Any) -> str:
    return json.dumps(record, ensure_ascii=False, separators=(",", ":"))


def log_event(message: Any, number: int = 0) -> dict[str, Any]:
    return {"id": f"{number:056}", "timestamp": EPOCH_MILLISECONDS + number, "message": message}


def document(*messages: Any, **changes: Any) -> bytes:
    """A document of a subscription, with a log event of each message."""
    return compact_json(
        {
            "messageType": "DATA_MESSAGE",
            "owner": "111122223333",
            "logGroup": "anything",
            "logStream": "aws/bedrock/modelinvocations",
            "subscriptionFilters": ["all"],
            "logEvents": [log_event(message, number) for number, message in enumerate(messages)],
            **changes,
        }
    ).encode()


def control() -> bytes:
    return document(CONTROL, messageType="CONTROL_MESSAGE", logGroup="", logStream="")


def members(*contents: bytes) -> bytes:
    return b"".join(map(gzip.compress, contents))


def rows(body: bytes, key: str = BY_FIREHOSE) -> list[dict[str, Any]]:
    """What the Glue job makes of an object: its records and what is quarantined, then the object's account."""
    fetched = FetchedObject(ObjectRef(0, "raw", key, DAY), body, "e", None, 1.0)
    return job_rows(ObjectReader("bedrock", "eu-west-1"), fetched)


def reason(body: bytes) -> str | None:
    """Why none of an object is read; the recount does not count it either."""
    last = rows(body)[-1]
    if last["reason"]:
        with pytest.raises(NotCountableError):
            list(recount.events(text_of(body, True)))
    return last["reason"]


def reasons_of_records(body: bytes) -> list[str | None]:
    """Why each record is no row, None where it is; the recount has no key for those that are none."""
    found = rows(body)
    counted = list(recount.events(text_of(body, True)))
    assert [row["reason"] is None and row["eventkey"] for row in found[:-1]] == [e.key or False for e in counted]
    return [row["reason"] for row in found[:-1]]


@pytest.mark.fault(
    64, "one invocation by CloudWatch Logs, with its document and without, and by S3", "the same row, a copy by its key"
)
def test_an_invocation_is_the_same_record_by_every_way_of_delivery() -> None:
    text = compact_json(invocation())
    ways = {
        BY_S3: gzip.compress(text.encode() + b"\n"),
        BY_FIREHOSE: members(document(text)),
        f"company/logs/{BY_FIREHOSE}": gzip.compress(members(document(text) + b"\n")),
        f"extracted/{BY_FIREHOSE}.gz": gzip.compress(text.encode() + b"\n"),
    }
    records = [rows(body, key)[0] for key, body in ways.items()]
    decoded = [name for name, _ in decode.FIELDS]
    same = [{name: record[name] for name in (*decoded, "record_sha256", "raw_ordinal")} for record in records]
    assert same == [same[0]] * 4
    assert same[0]["tool_call_count"] == 1
    assert [record["logaccountid"] for record in records] == ["111122223333", "-", "-", "-"]
    assert (same[0]["accountid"], same[0]["region"], same[0]["otherfields"]) == ("111122223333", "eu-west-1", None)


@pytest.mark.fault(64, "documents with a control message and with events of another log", "each counted under its name")
def test_every_log_event_is_a_record_a_control_message_or_quarantined() -> None:
    first, second = (compact_json(invocation(name)) for name in ("r1", "r2"))
    other = compact_json({"level": "info", "timestamp": "2026-11-01T12:00:00Z"})
    body = members(document(first), control(), document("START RequestId: 1", other, 7, "{}", second))
    *records, closing = rows(body)
    assert [(row["raw_ordinal"], row["reason"] or row["requestid"]) for row in records] == [
        (0, "r1"),
        (2, "message_not_json"),
        (3, "not_a_model_invocation"),
        (4, "message_not_json"),
        (5, "message_not_json"),
        (6, "r2"),
    ]
    assert closing["record_count"] == 7
    assert Counter({rule: n for _, rule, n in closing["counts"]}) == {None: 2, "control_message": 1}
    counted = list(recount.events(text_of(body, True)))
    assert [event.is_excluded for event in counted] == [False, True, *[False] * 5]
    assert [event.key for event in counted if event.key and not event.is_excluded] == [
        row["eventkey"] for row in records if not row["reason"]
    ]
    independent = raw_events("bedrock", body, True)
    assert [(e.key, e.is_excluded) for e in independent] == [(e.key, e.is_excluded) for e in counted]


def test_messages_without_delimiters_are_read_one_by_one() -> None:
    texts = [compact_json(invocation(f"r{n}")) for n in range(4)]
    body = f"{texts[0]}{texts[1]} {texts[2]}\n\n{texts[3]}".encode()
    assert [row["requestid"] for row in rows(body)[:-1]] == ["r0", "r1", "r2", "r3"]
    assert reasons_of_records(body) == [None] * 4


def test_half_of_a_surrogate_pair_in_a_message_costs_no_record() -> None:
    text = compact_json(invocation()).replace("é", "\\ud83d")
    record, _ = rows(members(document(text)))
    assert (record["requestid"], record["body_flag"]) == ("r1", "characters_replaced")
    assert "\ufffd" in record["input_messages"]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (json.dumps(invocation(), indent=2).encode(), "pretty_printed"),
        ("\n".join(json.dumps(invocation(n), indent=1) for n in "ab").encode(), "pretty_printed"),
        (json.dumps([invocation()]).encode(), "json_array"),
        (json.dumps([invocation("a"), invocation("b")], indent=1).encode(), "json_array"),
        (b"START RequestId: 1\nEND RequestId: 1\n", "not_json"),
        (compact_json(invocation()).encode()[:-1], "not_json"),
        (compact_json(invocation()).encode() + b"\n" + compact_json(invocation()).encode()[:-9], "not_json"),
        (b"[" * 100_000, "not_json"),
        (b'{"a":' * 100_000, "not_json"),
        (b'{"rawData":"eA==","errorCode":"x"}', "firehose_failed_records"),
        (document(logEvents={}), "log_events_not_a_list"),
    ],
)
@pytest.mark.fault(89, "records pretty-printed, as an array, as plain text", "quarantined, and the reason says which")
def test_content_in_another_form_is_named_by_it(body: bytes, expected: str) -> None:
    assert rows(body)[-1]["reason"] == expected
    if expected != "firehose_failed_records":
        assert reason(body) == expected


def twice(text: str, said: str, again: str) -> str:
    """The text with another value of a key in front of the one it has."""
    assert said in text
    return text.replace(said, f"{again},{said}", 1)


@pytest.mark.parametrize(
    ("said", "again"),
    [
        ('"requestId":"r1"', '"requestId":"hidden"'),
        ('"requestId":"r1"', '"request\\u0049d":"hidden"'),
        ('"output":{', '"output":{"outputBodyJson":{"content":[]}}'),
        ('"outputBodyJson":{', '"outputBodyJson":{"content":[{"type":"tool_use","id":"t0","name":"wipe"}]}'),
        ('"content":[{"toolUse"', '"content":[{"toolUse":{"toolUseId":"t0","name":"wipe","input":{}}}]'),
        ('"name":"look"', '"name":"wipe"'),
        ('"arn":', '"arn":"arn:aws:iam::111122223333:user/mallory"'),
        ('"modelId":', '"x":1e999,"x":2'),
    ],
)
@pytest.mark.fault(
    62, "a key twice in an invocation, at every depth", "the record is quarantined, those beside it are not"
)
def test_a_key_that_stands_twice_hides_nothing(said: str, again: str) -> None:
    text = twice(compact_json(invocation()), said, again)
    for body in (f"{text}\n{compact_json(invocation('r2'))}".encode(), document(text, compact_json(invocation("r2")))):
        assert reasons_of_records(body) == ["key_twice", None]


@pytest.mark.fault(62, "log events twice in a document", "the object is quarantined")
def test_a_document_that_has_a_key_twice_is_quarantined() -> None:
    text = document(compact_json(invocation())).decode()
    assert reason(twice(text, '"logEvents":[', '"logEvents":[]').encode()) == "key_twice"
    assert reason(twice(text, '"messageType":', '"messageType":"CONTROL_MESSAGE"').encode()) == "key_twice"
    assert reason(twice(text, '"message":', '"message":"hidden"').encode()) == "key_twice"


def test_a_record_that_is_spelled_in_another_way_has_no_key_twice() -> None:
    odd = (
        compact_json(invocation(x=[1.5, {"a": "BIG"}, 10**400], y="\\/")).replace("1.5", "1.50").replace("é", "\\u00e9")
    )
    odd = odd.replace('"BIG"', "1e999")
    assert reasons_of_records(odd.replace(",", " ,\t").encode()) == [None]


@pytest.mark.fault(73, "the Region that an inference profile chose", "a column, and no unseen key")
def test_where_an_invocation_was_processed_has_a_column() -> None:
    record, _ = rows(compact_json(invocation(inferenceRegion="eu-north-1")).encode(), BY_S3)
    assert (record["inferenceregion"], record["otherfields"]) == ("eu-north-1", None)
    odd, _ = rows(compact_json(invocation(inferenceRegion=["eu-north-1"])).encode(), BY_S3)
    assert (odd["inferenceregion"], json.loads(odd["otherfields"])) == (None, {"inferenceRegion": ["eu-north-1"]})
    assert "inferenceRegion" in decode.KNOWN_KEYS


@pytest.mark.parametrize(
    ("key", "values"),
    [
        (BY_S3, ("AWSLogs", "111122223333", "eu-west-1", "20261101", "12")),
        (BY_FIREHOSE, ("-", "-", "-", "20261101", "12")),
        ("invocations/2026/11/01/name", ("invocations", "-", "-", "20261101", "-")),
        ("a/b=c/2026/11/01/12/name.gz", ("a/b=c", "-", "-", "20261101", "12")),
        ("processing-failed/2026/11/01/12/name", ("processing-failed", "-", "-", "20261101", "12")),
    ],
)
def test_a_key_of_either_way_of_delivery_has_its_partition(key: str, values: tuple[str, ...]) -> None:
    placed = place(SOURCE, "raw", key)
    assert isinstance(placed, Placement)
    assert placed.values == values


@pytest.mark.parametrize(
    ("key", "why"),
    [
        ("AWSLogs/2026/11/01/12/name", "unknown_key"),
        ("a/AWSLogs/111122223333/CloudTrail/eu-west-1/2026/11/01/name", "unknown_key"),
        ("AWSLogs/111122223333/BedrockModelInvocationLogs/eu-west-1/more/2026/11/01/12/name", "unknown_key"),
        ("2025/11/01/2026/11/01/12/name", "unknown_key"),
        ("-/2026/11/01/12/name", "unknown_key"),
        ("2026/11/31/12/name", "unknown_key"),
        ("x/AWSLogs/111122223333/BedrockModelInvocationLogs/eu-west-1/2026/11/01/12/data/b.json.gz", "body"),
    ],
)
def test_a_key_of_neither_way_is_ignored(key: str, why: str) -> None:
    assert place(SOURCE, "raw", key) == Ignored(why)


def _mangle(rng: random.Random, content: bytes) -> bytes:
    """The content with a piece gone, doubled, or of other characters."""
    start, length = rng.randrange(len(content)), rng.choice((1, 1, 2, 5, 40))
    piece = content[start : start + length]
    other = rng.choice((b"", piece * 2, b"}{", b'"', b"\\", b"\n", b"{}", b"[", b'{"', b"null", b" ", b",", b"\xff"))
    return content[:start] + other + content[start + length :]


def _join_texts(texts: list[str], rng: random.Random) -> bytes:
    return rng.choice(("\n", "", " ", "\r\n", "\n\n")).join(texts).encode()


def _documents(texts: list[str], rng: random.Random) -> bytes:
    documents = [document(*texts[:2]), control(), document(*texts[2:], "no JSON")]
    return rng.choice((b"\n", b"", b" ")).join(documents)


@pytest.mark.parametrize("made", [_join_texts, _documents])
@pytest.mark.parametrize("seed", range(3))
def test_the_job_the_recount_and_a_third_reader_agree_on_mangled_deliveries(
    made: Callable[[list[str], random.Random], bytes], seed: int
) -> None:
    rng = random.Random(seed)
    met: Counter[bool] = Counter()
    for _ in range(120):
        texts = [compact_json(invocation(f"r{n}")) for n in range(rng.randint(1, 4))]
        content = made(texts, rng)
        for _ in range(rng.randint(0, 3)):
            content = _mangle(rng, content)
        *found, closing = rows(content)
        met[closing["reason"] is None] += 1
        keys = Counter(row["eventkey"] for row in found if row["kind"] == "record")
        text = text_of(content, True)
        if closing["reason"]:
            with pytest.raises(NotCountableError):
                list(recount.events(text))
            with pytest.raises(UnreadableError):
                raw_events("bedrock", content, True)
            continue
        counted = list(recount.events(text)) if text.strip() else []
        assert len(counted) == closing["record_count"]
        expected = Counter(e.key for e in counted if e.key and not e.is_excluded)
        assert not keys - expected
        third = raw_events("bedrock", content, True)
        assert [(e.key, e.is_excluded) for e in third] == [(e.key, e.is_excluded) for e in counted]
    assert min(met[True], met[False]) > 5


def test_no_depth_of_a_body_stops_the_reading() -> None:
    text = compact_json(invocation()).replace('"input":{}', '"input":DEEP')
    reasons = set()
    for depth in (*range(900, 1000, 3), 5_000):
        for body in (
            text.replace("DEEP", "[" * depth + "]" * depth),
            text.replace("DEEP", "[" * depth + " " + "]" * depth),
        ):
            for content in (body.encode(), document(body)):
                reasons |= {row["reason"] for row in rows(content)}
    assert reasons >= {None, "not_json"}
    assert reasons <= {None, "not_json", "nested_too_deep", "message_not_json"}

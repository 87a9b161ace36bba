"""Plain records: the quick way gives what `decode` gives, whatever is delivered, or leaves the record to it."""

import gzip
import json
from collections import Counter
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import msgspec
import pytest

from glue_scripts.object_reader import ObjectReader
from glue_scripts.whole_objects import FetchedObject, ObjectRef
from loglake_assets.sources.cloudtrail import decode, plain, recount
from loglake_assets.sources.counted_event import NotCountableError
from loglake_assets.sources.record import RecordError, plain_microseconds
from tests.job_rows import job_rows
from tests.test_object_reader import DAY, EXCLUDING, IDENTITY, KEY, body, record, sample_contents

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
NAMES = [name for name, _ in decode.FIELDS]


def quick(raw: msgspec.Raw) -> dict[str, Any] | None:
    """The columns that the quick way finds, as decode spells them."""
    found = plain.plain_records([raw])
    assert len(found.columns) == len(NAMES)
    if not found.places:
        return None
    values = [value for (value,) in found.columns]
    fields = {n: v.decode() if isinstance(v, bytes) else v for n, v in zip(NAMES, values, strict=True)}
    fields["eventtime"] = EPOCH + timedelta(microseconds=fields["eventtime"])
    return {name: value for name, value in fields.items() if value is not None}


def decode_record(raw: msgspec.Raw) -> dict[str, Any] | None:
    try:
        return {name: value for name, value in decode.decode(raw).fields.items() if value is not None}
    except RecordError:
        return None


def test_every_sample_record_is_decoded_alike_and_nearly_all_are_plain() -> None:
    seen: Counter[bool] = Counter()
    for content in sample_contents():
        try:
            records = decode.split(gzip.decompress(content))
        except (OSError, ValueError):
            continue
        for raw in records:
            found = quick(raw)
            seen[found is not None] += 1
            assert found in (None, decode_record(raw))
    assert seen[True] > 2_000
    assert seen[False] < seen[True] / 20


ODD: list[Any] = [
    *(None, "", "text", "null", 7, -1.5e300, True, [], {}, [None], {"type": None}, {"type": 7, "arn": "a"}),
    *({"sessionContext": None}, {"sessionContext": "x"}, {"sessionContext": {"sessionIssuer": [1]}}),
    *({"sessionContext": {"attributes": {"mfaAuthenticated": False}}}, {"reason": 1}, {"reason": "r", "new": 2}),
    *("2026-11-01T12:00:00Z", "2026-11-01T24:00:00Z", "2026-02-30T12:00:00Z", "2026-11-01t12:00:00Z"),
    *("2026-11-01T12:00:60Z", "20261101T120000Z", "2026-11-01T12:00:00+00:00", "+026-11-01T12:00:00Z"),
    *("\u0660026-11-01T12:00:00Z", "2026-11-01T\u0661\u0662:00:00Z", " 2026-11-01T12:00:00Z", "\u00e9\U0001f600\u0000"),
]


@pytest.mark.parametrize("seed", range(8))
def test_whatever_a_record_holds_the_quick_way_gives_the_same_or_nothing(seed: int) -> None:
    rng, seen = Random(seed), Counter[str]()
    keys = ["eventTime", *decode.TEXT, *decode.BOOLEAN, *decode.JSON, "unknown"]
    for _ in range(1_500):
        changes = {rng.choice(keys): rng.choice(ODD) for _ in range(rng.randrange(4))}
        given = record(userIdentity=IDENTITY) | changes
        text = json.dumps(given, ensure_ascii=rng.random() < 0.5, indent=rng.choice((None, 2)))
        if rng.random() < 0.2:  # a key twice, which no row may hide
            key = rng.choice(keys)
            text = f"{text[:-1]}, {json.dumps(key)}: {json.dumps(rng.choice(ODD))}}}"
        raw = msgspec.Raw(text.encode())
        found = quick(raw)
        seen["plain" if found is not None else "left"] += 1
        assert found in (None, decode_record(raw))
    assert min(seen["plain"], seen["left"]) > 300


@pytest.mark.parametrize("seed", range(4))
def test_records_that_are_parsed_together_give_what_each_gives_alone(seed: int) -> None:
    """Odd ones in any place among them, also all of them and none."""
    rng = Random(seed)
    keys = ["eventTime", *decode.TEXT, *decode.BOOLEAN, *decode.JSON, "unknown"]
    for share in (0.0, 0.02, 0.5, 1.0):
        raws = []
        for n in range(400):
            changes = {rng.choice(keys): rng.choice(ODD) for _ in range(rng.random() < share)}
            text = json.dumps(record(userIdentity=IDENTITY, eventID=f"e{n}") | changes, separators=(",", ":"))
            if changes and rng.random() < 0.3:
                text = f'{text[:-1]},"eventName":"Harmless"}}'
            raws.append(msgspec.Raw(text.encode()))
        together, alone = plain.plain_records(raws), [plain.plain_records([raw]) for raw in raws]
        assert together.places == [n for n, one in enumerate(alone) if one.places]
        assert together.microseconds == [moment for one in alone for moment in one.microseconds]
        for n, column in enumerate(together.columns):
            assert list(column) == [value for one in alone for value in one.columns[n]], NAMES[n]
        assert (len(together.places) == len(raws)) == (share == 0.0)


@pytest.mark.fault(62, "a key twice in each place that columns are made of", "the quick way leaves it to `decode`")
def test_the_quick_way_says_nothing_of_a_record_that_says_a_key_twice() -> None:
    for given in (record(userIdentity=IDENTITY), record(addendum={"reason": "r", "originalEventID": "o"})):
        for separators in ((",", ":"), (", ", ": ")):
            text = json.dumps(given, separators=separators)
            for key, value in (
                ("eventName", "x"),
                ("type", "x"),
                ("arn", "x"),
                ("mfaAuthenticated", "x"),
                ("reason", "x"),
            ):
                said = f'"{key}"{separators[1]}'
                again = text.replace(said, f'"{key}":"{value}",{said}')
                assert (again == text) == (said not in text)
                assert (quick(msgspec.Raw(again.encode())) is None) == (again != text)


@pytest.mark.parametrize("text", [t for t in ODD if isinstance(t, str)])
def test_a_time_is_plain_only_as_aws_spells_it(text: str) -> None:
    found = plain_microseconds(text)
    assert found in (None, (datetime(2026, 11, 1, 12, tzinfo=UTC) - EPOCH) // timedelta(microseconds=1))
    assert (found is not None) == (text == "2026-11-01T12:00:00Z")


def account(content: bytes, monkeypatch: pytest.MonkeyPatch, with_heads: bool) -> tuple[list[Any], Counter[Any]]:
    """(rows, counts) of an object under exclusion rules, by heads or by decoding everything."""
    if not with_heads:
        monkeypatch.setattr(plain, "head_reader", lambda columns: lambda content: None)
    reader = ObjectReader("cloudtrail", "eu-west-1", EXCLUDING)
    fetched = FetchedObject(ObjectRef(0, "logs", KEY, DAY), content, "etag", "v1", 1.0)
    *found, closing = job_rows(reader, fetched)
    return [*found, closing["reason"], closing["record_count"]], Counter(
        {(day, rule): n for day, rule, n in closing["counts"]}
    )


@pytest.mark.parametrize("seed", range(4))
def test_rules_leave_out_the_same_records_whether_they_are_decoded_or_not(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng, keys = Random(seed), ["eventTime", "eventName", "eventSource", "userIdentity", "unknown"]
    for _ in range(60):
        some = [record(eventName=rng.choice(("GetObject", "PutObject"))) for _ in range(3)]
        for given in some:
            given |= {rng.choice(keys): rng.choice(ODD) for _ in range(rng.randrange(2))}
        content = body(*some, *([rng.choice(ODD)] if rng.random() < 0.2 else []))
        quickly = account(content, monkeypatch, True)
        with monkeypatch.context() as patched:
            assert account(content, patched, False) == quickly


@pytest.mark.parametrize(
    "beside", ['"records":[{"eventName":"DeleteTrail"}]', '"more":{"Records":[]}', '"version":"2"', '"n":null']
)
def test_what_stands_beside_the_records_hides_no_event(beside: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lists and objects may hold events, and both counts refuse them, also where a rule would leave all records out."""
    excluded = body(record(eventName="GetObject"))
    content = excluded[:-1] + f",{beside}}}".encode()
    (*_, reason, _), _ = account(content, monkeypatch, True)
    may_hold_events = "[" in beside or "{" in beside
    assert reason == ("more_than_records" if may_hold_events else None)
    if may_hold_events:
        with pytest.raises(NotCountableError, match="more_than_records"):
            list(recount.events(content.decode()))
    else:
        assert len(list(recount.events(content.decode()))) == 1


@pytest.mark.long
def test_nothing_is_written_longer_than_it_can_be_delivered() -> None:
    """On this rests that one sum says of many records that nothing was lost of any."""
    for code in (*range(0xD800), *range(0xE000, 0x110000)):
        shortest = min(
            (text for text in (json.dumps(chr(code)), json.dumps(chr(code), ensure_ascii=False)) if text),
            key=lambda text: len(text.encode()),
        )
        assert len(msgspec.json.encode(chr(code))) <= len(shortest.encode()), hex(code)


def test_one_record_that_says_a_key_twice_leaves_its_neighbours_plain() -> None:
    records = [json.dumps(record(eventID=str(n)), separators=(",", ":")).encode() for n in range(5)]
    records[2] = records[2][:-1] + b',"eventName":"Harmless"}'
    records[4] = records[4].replace(b'"type":"AWSService"', b'"type":"AWSService","type":"Root"')
    found = plain.plain_records([msgspec.Raw(text) for text in records])
    assert found.places == [0, 1, 3]
    assert found.columns[NAMES.index("eventid")] == ["0", "1", "3"]
    assert plain.plain_records([]).places == []

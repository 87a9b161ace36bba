"""The objects of a plan: the bytes of each delivery, made while iterating."""

import base64
import gzip
import json
import zlib
from collections.abc import Iterator
from datetime import date
from itertools import groupby
from random import Random

from loglake_assets.sources.cloudtrail.samples.session_starts import StartedSession
from loglake_assets.sources.cloudtrail.samples.trail import Json
from loglake_assets.sources.cloudwatch.samples.deliveries import Delivery
from loglake_assets.sources.cloudwatch.samples.plan import Faults, Plan
from loglake_assets.sources.cloudwatch.samples.streams import LogStream
from loglake_assets.sources.cloudwatch.samples.texts import log_event, message
from loglake_assets.sources.cloudwatch.samples.truth import ground_truth
from loglake_assets.sources.sample_deliveries import GroundTruth, SampleObject

_CONTROL = "CWL CONTROL MESSAGE: Checking health of destination Firehose."


class CloudWatchSamples:
    """Deliveries of log groups for some days. Bodies are made while iterating: 50,000 events take a few seconds."""

    def __init__(
        self, first_day: date, days: int, events: int, seed: int, faults: Faults, started: list[StartedSession]
    ) -> None:
        self._seed = seed
        self._plan = Plan(first_day, days, events, seed, faults, started)

    def objects(self) -> Iterator[SampleObject]:
        """Every object in the order of delivery."""
        for delivery in self._plan.deliveries:
            yield SampleObject(delivery.key, self._body(delivery), delivery.kind)

    def late_objects(self) -> Iterator[SampleObject]:
        """Events of the first day under the prefix of the fourth; no object unless `very_late` asks for them."""
        for delivery in self._plan.late_deliveries:
            yield SampleObject(delivery.key, self._body(delivery), delivery.kind)

    def ground_truth(self) -> GroundTruth:
        """What a correct lake must find in `objects()`; counted in the plan, so no body is made."""
        return ground_truth(self._plan, self._seed)

    def _body(self, delivery: Delivery) -> bytes:
        match delivery.kind:
            case "zero_byte" | "folder_marker":
                return b""
            case "unknown_key":
                return b"Put here by hand.\n"
            case "message_extraction":
                return "".join(self._message(index) + "\n" for index in delivery.events).encode()
        return _WRITERS.get(delivery.kind, _members)(self._documents(delivery), delivery)

    def _message(self, index: int) -> str:
        return message(self._seed, index, self._plan.events[index])

    def _documents(self, delivery: Delivery) -> list[bytes]:
        """One document for each few events of a log stream, shuffled; the control messages anywhere among them."""
        rng, events = Random(delivery.unique), self._plan.events
        by_stream = sorted(delivery.events, key=lambda index: _stream_key(events[index].stream))
        documents = [_control(time) for time in delivery.control_times]
        for _, group in groupby(by_stream, key=lambda index: _stream_key(events[index].stream)):
            indices = list(group)
            while indices:
                count = 1 if delivery.kind == "back_to_back" else rng.randint(1, 8)
                documents.append(self._document(indices[:count], rng))
                indices = indices[count:]
        rng.shuffle(documents)
        return [json.dumps(d, ensure_ascii=False, separators=(",", ":")).encode() for d in documents]

    def _document(self, indices: list[int], rng: Random) -> Json:
        events = self._plan.events
        stream = events[indices[0]].stream
        document = {
            "messageType": "DATA_MESSAGE",
            "owner": stream.owner,
            "logGroup": stream.group,
            "logStream": stream.name,
            "subscriptionFilters": ["example-to-firehose"],
            "logEvents": [log_event(self._seed, index, events[index]) for index in indices],
        }
        if rng.random() < 0.1:  # an older order of keys; nobody may rely on one
            document["messageType"] = document.pop("messageType")
        return document


def _stream_key(stream: LogStream) -> tuple[str, str, str]:
    return stream.owner, stream.group, stream.name


def _control(time: int) -> Json:
    return {
        "messageType": "CONTROL_MESSAGE",
        "owner": "CloudwatchLogs",
        "logGroup": "",
        "logStream": "",
        "subscriptionFilters": [],
        "logEvents": [{"id": "", "timestamp": time, "message": _CONTROL}],
    }


def _gzip(content: bytes) -> bytes:
    return gzip.compress(content, compresslevel=6, mtime=0)


def _members(documents: list[bytes], delivery: Delivery) -> bytes:
    """The usual body: one gzip member per document."""
    del delivery
    return b"".join(map(_gzip, documents))


def _newline_json(documents: list[bytes], delivery: Delivery) -> bytes:
    del delivery
    return _gzip(b"".join(document + b"\n" for document in documents))


def _back_to_back(documents: list[bytes], delivery: Delivery) -> bytes:
    del delivery
    return _gzip(b"".join(documents))


def _plain_text(documents: list[bytes], delivery: Delivery) -> bytes:
    del delivery
    return b"".join(documents)


def _gzip_of_gzip(documents: list[bytes], delivery: Delivery) -> bytes:
    return _gzip(_members(documents, delivery))


def _truncate(documents: list[bytes], delivery: Delivery) -> bytes:
    *whole, last = map(_gzip, documents)
    del delivery
    return b"".join(whole) + last[: len(last) * 2 // 3]


def _corrupt(documents: list[bytes], delivery: Delivery) -> bytes:
    """One byte inverted: the first in the last third where reading the members then fails on it."""
    body = _members(documents, delivery)
    for at in range(len(body) * 2 // 3, len(body)):
        damaged = body[:at] + bytes([body[at] ^ 0xFF]) + body[at + 1 :]
        if _is_noticed(damaged):
            return damaged
    raise AssertionError("the checksum of the last member lies in the last third, so there is such a byte")


def _is_noticed(body: bytes) -> bool:
    rest = body
    while rest[:2] == b"\x1f\x8b":
        inflator = zlib.decompressobj(31)
        try:
            inflator.decompress(rest)
        except zlib.error:
            return True
        rest = inflator.unused_data
    return False


def _failure_object(documents: list[bytes], delivery: Delivery) -> bytes:
    """What Firehose could not hand to its transformation: one line per record, with the record as base64."""
    return b"".join(_failure_record(document, delivery.time) + b"\n" for document in documents)


def _failure_record(document: bytes, time: int) -> bytes:
    record = {
        "attemptsMade": 4,
        "arrivalTimestamp": time * 1000 - 61_000,
        "errorCode": "Lambda.FunctionError",
        "errorMessage": "The Lambda function was invoked but it returned an error result.",
        "attemptEndingTimestamp": time * 1000,
        "rawData": base64.b64encode(_gzip(document)).decode(),
        "lambdaArn": "arn:aws:lambda:us-east-1:111122223333:function:example-transform:$LATEST",
    }
    return json.dumps(record, separators=(",", ":")).encode()


_WRITERS = {
    "newline_delimited": _newline_json,
    "back_to_back": _back_to_back,
    "plain_text": _plain_text,
    "gzip_of_gzip": _gzip_of_gzip,
    "truncated": _truncate,
    "corrupt": _corrupt,
    "processing_failed": _failure_object,
}

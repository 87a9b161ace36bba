"""The recount against storage of its own: hostile content, deny rules, ids that are none, and its bounds."""

import gzip
import json
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from infra.cli.lake import OpenedLake
from loglake_assets.lake.checks.coverage import Coverage
from loglake_assets.lake.checks.recount import Recount
from loglake_assets.s3.bounded import results_in_order
from loglake_assets.s3.urls import bucket_and_prefix
from loglake_assets.sources import LogSource
from loglake_assets.sources.rules import load_rules
from tests.test_reading import record

DAY = date(2014, 7, 7)
Put = Callable[[str, bytes], None]


@pytest.fixture
def bucket(lake: OpenedLake) -> str:
    name = f"raw-{uuid.uuid4().hex[:12]}"
    lake.client("s3").create_bucket(Bucket=name)
    return name


@pytest.fixture
def put(lake: OpenedLake, bucket: str) -> Put:
    def put_object(name: str, content: bytes, account: str = "111122223333") -> None:
        key = f"AWSLogs/{account}/CloudTrail/eu-west-1/2014/07/07/{name}"
        lake.client("s3").put_object(Bucket=bucket, Key=key, Body=content)

    return put_object


def recount(lake: OpenedLake, source: LogSource, bucket: str, rules: str = "") -> Recount:
    made = lake.resource.recount(source, 1)
    return replace(made, raw_bucket=bucket, rules=load_rules(source.name, rules), registered=lambda days: ())


def counted(lake: OpenedLake, source: LogSource, bucket: str, rules: str = "") -> Coverage:
    (coverage,) = recount(lake, source, bucket, rules).days([DAY])
    return coverage


def body(*records: Any) -> bytes:
    return gzip.compress(json.dumps({"Records": records}).encode())


def at_noon(**changes: Any) -> dict[str, Any]:
    return record(eventTime="2014-07-07T12:00:00Z", **changes)


@pytest.mark.fault(
    29, "a bomb, nesting, doubled keys before the recount", "unreadable under a reason, the others counted"
)
def test_hostile_objects_are_unreadable_and_the_others_count(
    lake: OpenedLake, source: LogSource, bucket: str, put: Put
) -> None:
    put("bomb", gzip.compress(bytes(80 << 20)))
    put("two-members", body(at_noon()) + body(at_noon()))
    put("no-json", b"{")
    put("doubled-key", b'{"Records":[],"Records":[{"eventTime":"2014-07-07T12:00:00Z"}]}')
    put("nested", b"[" * 100_000)
    put("good", body(at_noon(eventID="1"), at_noon(eventID="2", eventName=["odd"]), at_noon(eventID="")))
    coverage = counted(lake, source, bucket)
    reasons = {name.rsplit("/", 1)[1]: reason for name, reason in coverage.unreadable.items()}
    assert reasons["bomb"] == "inflates_too_large"
    assert reasons["two-members"] == "trailing_bytes"
    assert reasons["no-json"] == reasons["nested"] == "not_json"
    assert "good" not in reasons
    assert coverage.expected >= 3
    assert coverage.pct == 0


@pytest.mark.parametrize("time", ["0001-01-01T00:00:00+01:00", "9999-12-31T23:59:59-01:00", "x", None, 7])
def test_an_event_without_a_day_counts_as_missing_on_its_delivery_day(
    lake: OpenedLake, source: LogSource, bucket: str, put: Put, time: Any
) -> None:
    put("odd", body(record(eventTime=time)))
    coverage = counted(lake, source, bucket)
    assert (coverage.expected, coverage.unplaceable_records, coverage.pct) == (0, 1, 0)


@pytest.mark.fault(34, "a day of one empty object recounted", "no percentage")
def test_a_day_without_events_has_no_percentage(lake: OpenedLake, source: LogSource, bucket: str, put: Put) -> None:
    put("empty", body())
    coverage = counted(lake, source, bucket)
    assert coverage.pct is None
    assert coverage.object_count == 1


@pytest.mark.fault(11, "a day with a denied account", "counted under the rule, not as missing")
def test_what_a_deny_rule_keeps_out_is_neither_missing_nor_complete(
    lake: OpenedLake, source: LogSource, bucket: str, put: Any
) -> None:
    put("kept", body(at_noon(eventID="1")))
    put("denied", body(at_noon(eventID="2")), "444455556666")
    rules = '[[deny]]\nname = "lever"\nsource = "cloudtrail"\naccounts = ["444455556666"]'
    coverage = counted(lake, source, bucket, rules)
    assert (coverage.expected, dict(coverage.denied)) == (1, {"lever": 1})
    assert counted(lake, source, bucket).expected == 2


def test_excluded_events_are_counted_apart(lake: OpenedLake, source: LogSource, bucket: str, put: Put) -> None:
    put("x", body(at_noon(eventID="1"), at_noon(eventID="2", eventName="Decrypt")))
    rules = '[[exclude]]\nname = "decrypts"\nsource = "cloudtrail"\neventname = ["Decrypt"]'
    coverage = counted(lake, source, bucket, rules)
    assert (coverage.expected, coverage.excluded) == (1, 1)


def test_a_percentage_never_rounds_up_to_a_hundred(lake: OpenedLake, source: LogSource, bucket: str, put: Put) -> None:
    put("x", body(at_noon()))
    coverage = replace(counted(lake, source, bucket), expected=10_000_000, missing=1)
    assert coverage.pct is not None
    assert 99.9 < coverage.pct < 100


def test_results_come_in_order_and_no_more_are_begun_than_are_in_flight() -> None:
    begun, lock = [0], threading.Lock()

    def work(n: int) -> int:
        with lock:
            begun[0] += 1
        time.sleep(0.001 * (n % 3))
        return n

    for taken, result in enumerate(results_in_order(work, range(50), 4)):
        assert result == taken
        assert begun[0] <= taken + 5


@pytest.mark.parametrize("prefix", ["a/b", "team#1/AWSLogs", "what?/AWSLogs", "a b/c"])
def test_a_location_is_no_url(prefix: str) -> None:
    assert bucket_and_prefix(f"s3://logs/{prefix}/") == ("logs", f"{prefix}/")

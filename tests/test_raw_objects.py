"""A key pattern is the one description of where a day lies: what is placed is listed, whatever the pattern says."""

import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta

import pytest

from loglake_assets.lake.storage.raw_bucket import RawBucket
from loglake_assets.lake.storage.raw_objects import raw_objects, raw_objects_by_day, unknown_keys
from loglake_assets.sources import load_source
from loglake_assets.sources.model import IgnoredKey, KeyPattern, LogSource
from loglake_assets.sources.placement import Ignored, Placement, place
from tests.test_cloudwatch import Listing

FIRST = date(2026, 11, 1)
DAYS = [FIRST + timedelta(days=n) for n in range(-2, 40)]
_DATE = r"(?P<year>\d{4})/(?P<month>\d{2})/(?P<dayofmonth>\d{2})"
PATTERNS = {
    "a suffix of the file name": (
        rf"^(?P<prefix>(?P<logprefix>flow)/{_DATE})/[^/]+\.log\.gz$",
        "flow/{0:%Y/%m/%d}/{1}.log.gz",
    ),
    "hours and minutes that must be there": (
        rf"^(?P<prefix>(?P<logprefix>flow)/{_DATE}/(?P<loghour>\d{{2}})/\d{{2}})/[^/]+$",
        "flow/{0:%Y/%m/%d}/13/55/{1}",
    ),
    "hive folders": (
        r"^(?P<prefix>(?P<logprefix>flow)/year=(?P<year>\d{4})/month=(?P<month>\d{2})/day=(?P<dayofmonth>\d{2}))/[^/]+$",
        "flow/year={0:%Y}/month={0:%m}/day={0:%d}/{1}",
    ),
    "months and days without a leading zero": (
        r"^(?P<prefix>(?P<logprefix>flow)/(?P<year>\d{4})/(?P<month>\d{1,2})/(?P<dayofmonth>\d{1,2}))/[^/]+$",
        "flow/{0.year}/{0.month}/{0.day}/{1}",
    ),
    "a day with dashes": (
        r"^(?P<prefix>(?P<logprefix>flow)/(?P<year>\d{4})-(?P<month>\d{2})-(?P<dayofmonth>\d{2}))/[^/]+$",
        "flow/{0:%Y-%m-%d}/{1}",
    ),
    "the day first": (rf"^(?P<prefix>{_DATE}/(?P<logprefix>[a-z]+))/[^/]+$", "{0:%Y/%m/%d}/flow/{1}"),
    "the day in the file's name": (
        r"^(?P<prefix>(?P<logprefix>flow))/(?P<year>\d{4})-(?P<month>\d{2})-(?P<dayofmonth>\d{2})-[^/]+$",
        "flow/{0:%Y-%m-%d}-{1}",
    ),
}


KEYS = {
    "cloudtrail": "AWSLogs/111122223333/CloudTrail/eu-west-1/{0:%Y/%m/%d}/a.json.gz",
    "cloudwatch": "app/{0:%Y/%m/%d}/04/x",
    "bedrock": "AWSLogs/111122223333/BedrockModelInvocationLogs/eu-west-1/{0:%Y/%m/%d}/04/a.json.gz",
}


def source_of(pattern: str, *variants: str) -> LogSource:
    ignored = (IgnoredKey("digest", r"/digests/"),)
    return replace(load_source("cloudwatch"), key_pattern=KeyPattern(pattern, ignored, variants))


def keys_of(source: LogSource, keys: Sequence[str], days: Sequence[date]) -> list[str]:
    return sorted(raw.key for raw in raw_objects(RawBucket(Listing(keys), source, "logs"), days))


@pytest.mark.fault(
    54, "each of seven ways in which a pattern may spell a day", "what is placed on a day is listed on it"
)
@pytest.mark.parametrize("name", PATTERNS)
def test_what_is_placed_on_a_day_is_listed_on_it_however_the_pattern_spells_a_day(name: str) -> None:
    pattern, spelling = PATTERNS[name]
    source = source_of(pattern)
    keys = [spelling.format(day, number) for day in DAYS for number in range(3)]
    assert all(isinstance(place(source, "logs", key), Placement) for key in keys)
    assert keys_of(source, keys, [FIRST]) == sorted(spelling.format(FIRST, n) for n in range(3))
    window = DAYS[1:35]
    assert keys_of(source, keys, window) == sorted(spelling.format(day, n) for day in window for n in range(3))
    by_day = dict(raw_objects_by_day(RawBucket(Listing(keys), source, "logs"), window))
    assert {day: len(found) for day, found in by_day.items()} == dict.fromkeys(window, 3)
    assert unknown_keys(RawBucket(Listing(keys), source, "logs"), window) == []


def test_several_patterns_of_one_log_are_listed_together() -> None:
    pattern, spelling = PATTERNS["hive folders"]
    other, other_spelling = PATTERNS["a day with dashes"]
    source = source_of(pattern, other)
    keys = [text.format(day, "x") for day in DAYS for text in (spelling, other_spelling)]
    assert keys_of(source, keys, [FIRST]) == sorted([spelling.format(FIRST, "x"), other_spelling.format(FIRST, "x")])


@pytest.mark.parametrize("name", ["cloudtrail", "cloudwatch", "bedrock"])
def test_no_log_of_the_lake_is_walked_beside_the_days_that_are_asked_for(name: str) -> None:
    keys = KEYS[name]
    source, days = load_source(name), [date(2026, month, day) for month in (10, 11) for day in (1, 9, 23, 30)]
    bucket = Listing([keys.format(day) for day in days])
    found = [raw.key for raw in raw_objects(RawBucket(bucket, source, "logs"), days[5:6])]
    assert found == [keys.format(date(2026, 11, 9))]
    assert [folder for folder in bucket.walked if "/10/" in folder or re.search(r"/11/(01|23|30)/", folder)] == []


def test_folders_of_other_years_and_of_ignored_logs_are_not_walked() -> None:
    pattern, spelling = PATTERNS["a suffix of the file name"]
    keys = [spelling.format(date(year, 11, 1), "x") for year in range(2015, 2027)] + ["flow/digests/2026/11/01/y"]
    bucket = Listing(keys)
    assert len(list(raw_objects(RawBucket(bucket, source_of(pattern), "logs"), [FIRST]))) == 1
    assert bucket.walked == ["", "flow/", "flow/2026/", "flow/2026/11/"]


@pytest.mark.fault(55, "objects in folders that no pattern allows", "named, and none that is known is among them")
def test_keys_that_no_pattern_places_are_named() -> None:
    pattern, spelling = PATTERNS["a suffix of the file name"]
    known = [spelling.format(FIRST, "x"), "flow/digests/2026/11/01/y", "flow/_temporary/z", "flow/2020/05/06/o.log.gz"]
    odd = [
        "notes.txt",
        "flow/readme",
        "flow/2026/11/01/x.parquet",
        "flow/2026/11/01/deep/er.log.gz",
        "else/2026/a.log.gz",
    ]
    assert all(place(source_of(pattern), "logs", key) == Ignored("unknown_key") for key in odd)
    assert sorted(unknown_keys(RawBucket(Listing(known + odd), source_of(pattern), "logs"), [FIRST])) == sorted(odd)


@pytest.mark.fault(55, "an object under the 31st of November, and one under a 13th month", "named")
def test_days_that_the_calendar_does_not_have_are_named() -> None:
    odd = ["app/2026/11/31/04/x", "app/2026/13/02/04/x"]
    known = ["app/2026/11/30/04/x", "app/2024/02/29/04/x"]
    assert sorted(unknown_keys(RawBucket(Listing(odd + known), load_source("cloudwatch"), "logs"), [FIRST])) == odd


def test_of_a_folder_that_no_pattern_allows_a_bounded_number_is_named() -> None:
    pattern, _ = PATTERNS["a suffix of the file name"]
    keys = [f"junk/{number:04d}" for number in range(100)]
    assert unknown_keys(RawBucket(Listing(keys), source_of(pattern), "logs"), [FIRST]) == keys[:20]


def test_a_pattern_without_a_day_is_refused() -> None:
    with pytest.raises(ValueError, match="no group named dayofmonth, month"):
        KeyPattern(r"^(?P<prefix>a/(?P<year>\d{4}))/[^/]+$")


@pytest.mark.fault(
    55, "the prefixes that Firehose writes for other timestamps and without a slash", "placed and listed"
)
@pytest.mark.parametrize(
    ("key", "values", "location"),
    [
        (
            "app/year=2026/month=11/day=01/hour=12/x",
            ("app/year=", "20261101", "12"),
            "app/year=2026/month=11/day=01/hour=12",
        ),
        ("app/dt=2026-11-01/x", ("app/dt=", "20261101", "-"), "app/dt=2026-11-01"),
        ("app/2026-11-01/12/x", ("app/", "20261101", "12"), "app/2026-11-01/12"),
        ("app2026/11/01/12/x", ("app2026", "20261101", "12"), "app2026/11/01/12"),
        ("app/2026/11/01/12/x", ("app", "20261101", "12"), "app/2026/11/01/12"),
    ],
)
def test_prefixes_that_firehose_writes_are_placed_and_listed(key: str, values: tuple[str, ...], location: str) -> None:
    source = load_source("cloudwatch")
    assert place(source, "logs", key) == Placement(values, f"s3://logs/{location}/", FIRST)
    assert keys_of(source, [key], [FIRST]) == [key]


def test_an_object_that_another_pattern_places_on_another_day_is_named_and_not_of_its_folders_day() -> None:
    """The folder says one day by the first pattern, and the file's name says another by the second."""
    by_folder = rf"^(?P<prefix>(?P<logprefix>flow)/{_DATE})/[^/]+\.gz$"
    by_name = (
        r"^(?P<prefix>(?P<logprefix>flow)/\d{4}/\d{2}/\d{2})/"
        r"(?P<year>\d{4})-(?P<month>\d{2})-(?P<dayofmonth>\d{2})\.json$"
    )
    source = source_of(by_folder, by_name)
    own, foreign = "flow/2026/11/01/x.gz", "flow/2026/11/01/2026-11-02.json"
    placement = place(source, "logs", foreign)
    assert isinstance(placement, Placement)
    assert placement.day == date(2026, 11, 2)
    unknown: list[str] = []
    (of_day,) = raw_objects_by_day(RawBucket(Listing([own, foreign]), source, "logs"), [FIRST], unknown)
    assert (of_day[0], [raw.key for raw in of_day[1]]) == (FIRST, [own])
    assert unknown == [foreign]
    assert keys_of(source, [own, foreign], [date(2026, 11, 2)]) == [foreign]

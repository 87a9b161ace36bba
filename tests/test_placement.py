"""Which partition a key belongs to, and why some belong to none."""

from datetime import date

import pytest

from loglake_assets.sources import UnknownSourceError, load_source, source_names
from loglake_assets.sources.calendar_days import day_from_number, day_number
from loglake_assets.sources.placement import Ignored, Placement, place

CLOUDTRAIL = load_source("cloudtrail")
NAME = "111122223333_CloudTrail_eu-west-1_20240229T2355Z_AbCdEfGh12345678.json.gz"


def placement_of(key: str) -> Placement:
    placement = place(CLOUDTRAIL, "logs", key)
    assert isinstance(placement, Placement), placement
    return placement


@pytest.mark.parametrize(
    ("prefix", "first_value"),
    [
        ("AWSLogs", "AWSLogs"),
        ("AWSLogs/o-abcd1234ef", "AWSLogs/o-abcd1234ef"),
        ("my/own prefix/AWSLogs", "my/own prefix/AWSLogs"),
        ("größe/AWSLogs/o-abcd1234ef", "größe/AWSLogs/o-abcd1234ef"),
        ("a+b=c%3D/AWSLogs", "a+b=c%3D/AWSLogs"),
    ],
)
@pytest.mark.fault(10, "prefixes with spaces, umlauts, +, = and %3D", "the prefix as it is")
def test_a_partition_is_its_delivery_prefix(prefix: str, first_value: str) -> None:
    folder = f"{prefix}/111122223333/CloudTrail/eu-west-1/2024/02/29"
    placement = placement_of(f"{folder}/{NAME}")
    assert placement.values == (first_value, "111122223333", "eu-west-1", "20240229")
    assert placement.location == f"s3://logs/{folder}/"
    assert placement.day == date(2024, 2, 29)


@pytest.mark.parametrize("prefix", ["AWSLogs", "AWSLogs/o-abcd1234ef", "a/AWSLogs/b/AWSLogs/o-abcd1234ef"])
@pytest.mark.fault(
    55, "network activity events, which have a folder of their own", "events, in a partition of their own"
)
def test_network_activity_events_are_events_beside_the_others(prefix: str) -> None:
    folder = f"{prefix}/111122223333/CloudTrail-NetworkActivity/eu-west-1/2024/02/29"
    placement = placement_of(
        f"{folder}/111122223333_CloudTrail-NetworkActivity_eu-west-1_20240229T2355Z_AbCdEfGh12345678.json.gz"
    )
    own = f"{prefix}/111122223333/CloudTrail-NetworkActivity"
    assert placement.values == (own, "111122223333", "eu-west-1", "20240229")
    assert placement.location == f"s3://logs/{folder}/"
    others = placement_of(f"{prefix}/111122223333/CloudTrail/eu-west-1/2024/02/29/x")
    assert others.values == (prefix, *placement.values[1:])


@pytest.mark.parametrize("name", ["copy.json", "no-suffix", "x.json.gz"])
def test_the_file_name_does_not_matter(name: str) -> None:
    assert placement_of(f"AWSLogs/111122223333/CloudTrail/eu-west-1/2024/02/29/{name}").day == date(2024, 2, 29)


def test_two_trails_in_one_bucket_get_partitions_of_their_own() -> None:
    day = "111122223333/CloudTrail/eu-west-1/2024/02/29"
    assert placement_of(f"AWSLogs/{day}/a").values != placement_of(f"AWSLogs/o-abcd1234ef/{day}/a").values


@pytest.mark.parametrize(
    ("key", "reason"),
    [
        ("AWSLogs/111122223333/CloudTrail-Digest/eu-west-1/2024/02/29/d.json.gz", "digest"),
        ("AWSLogs/111122223333/CloudTrail-Insight/eu-west-1/2024/02/29/i.json.gz", "insight"),
        ("AWSLogs/111122223333/CloudTrail-NetworkActivityX/eu-west-1/2024/02/29/x", "unknown_key"),
        ("AWSLogs/111122223333/eu-west-1/2024/02/29/x", "unknown_key"),
        ("AWSLogs/111122223333/CloudTrail/eu-west-1/2024/02/29/", "folder_marker"),
        ("AWSLogs/111122223333_$folder$", "folder_marker"),
        ("AWSLogs/111122223333/CloudTrail/eu-west-1/2024/02/29/_temporary/0/x", "hidden"),
        ("AWSLogs/111122223333/CloudTrail/eu-west-1/2024/02/29/.hidden", "hidden"),
        ("AWSLogs/111122223333/CloudTrail/eu-west-1/2024/02/30/x.json.gz", "unknown_key"),
        ("AWSLogs/111122223333/CloudTrail/eu-west-1/2024/2/3/x.json.gz", "unknown_key"),
        ("AWSLogs/111122223333/CloudTrail/eu-west-1/x.json.gz", "unknown_key"),
        ("AWSLogs/11112222333/CloudTrail/eu-west-1/2024/02/29/x.json.gz", "unknown_key"),
        ("AWSLogs/111122223333/Config/eu-west-1/2024/02/29/x.json.gz", "other_log"),
        ("x", "unknown_key"),
        ("", "unknown_key"),
    ],
)
@pytest.mark.fault(9, "digests, insights, folder markers, hidden and temporary keys", "ignored under a reason")
def test_what_is_no_event_is_ignored_under_its_reason(key: str, reason: str) -> None:
    assert place(CLOUDTRAIL, "logs", key) == Ignored(reason)


@pytest.mark.parametrize("day", [date(2024, 2, 29), date(1970, 1, 1), date(2026, 12, 31)])
def test_a_day_number_is_read_back(day: date) -> None:
    assert day_from_number(day_number(day)) == day


@pytest.mark.parametrize("odd", ["", "2026111", "2026-11-01", "20261301", "abcdefgh"])
def test_what_is_no_day_is_refused(odd: str) -> None:
    with pytest.raises(ValueError, match=r"day|month"):
        day_from_number(odd)


def test_a_source_that_does_not_exist_is_refused_with_those_that_do() -> None:
    with pytest.raises(UnknownSourceError, match="cloudtrail"):
        load_source("syslog")


@pytest.mark.parametrize("name", source_names())
def test_every_source_declares_what_the_lake_relies_on(name: str) -> None:
    source = load_source(name)
    columns = [c.name for c in source.readready.all_columns]
    assert source.name == name
    assert len(columns) == len(set(columns))
    assert source.readready.grain
    assert set(source.readready.grain) <= set(columns)
    assert set(source.readready.sort_by) <= set(columns)
    assert "logcalendarday" in {c.name for c in source.raw.partition_keys}
    for regex in source.key_pattern.regexes:
        assert {"year", "month", "dayofmonth", "prefix"} <= set(regex.groupindex)


def test_a_log_is_looked_for_in_its_folder_once_however_often_it_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """A job asks for each of its objects, and in Lambda and Glue the folder is in a zip, which would be opened anew."""
    first = load_source("cloudtrail")
    monkeypatch.setattr("loglake_assets.sources.source_names", None)
    assert load_source("cloudtrail") is first

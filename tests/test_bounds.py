"""What a run is asked for and what it refuses: whole, with a sentence, before anything is read."""

from datetime import date
from pathlib import Path
from typing import Any

import pytest

from glue_scripts.arguments import JobArguments, WindowError, parse_arguments
from glue_scripts.window import slices, window_objects
from infra.cli.command_lake import AwsLake
from infra.cli.day_argument import BuildError, day_of, days_of
from infra.cli.local_lake import LakeHomeError, LocalLake, refuse_full_disk
from infra.cli.submission import submit_days
from infra.cli.terminal_output import escape
from infra.emulator.processes import free_port
from loglake_assets.orchestration.source_config import windows
from loglake_assets.sources import LogSource
from resources.settings import LakeSettings, SettingsError, lake_settings

TODAY = date(2026, 11, 22)
NAMED = ["--source", "cloudtrail", "--run_id", "r", "--database", "d", "--readready_bucket", "b"]


def parse(*arguments: str) -> JobArguments:
    return parse_arguments([*NAMED, *arguments], TODAY)


def test_a_window_is_named_by_its_days_or_relative_to_today() -> None:
    assert parse("--first_day", "20261101", "--last_day", "20261103").days == (
        date(2026, 11, 1),
        date(2026, 11, 2),
        date(2026, 11, 3),
    )
    assert parse("--days_begin", "2", "--days_end", "1").days == (date(2026, 11, 20), date(2026, 11, 21))


def test_arguments_of_glue_itself_are_left_alone() -> None:
    extra = ["--JOB_NAME", "x", "--enable-metrics", "true", "--first_day", "20261101", "--last_day", "20261101"]
    assert parse(*extra).first_day == date(2026, 11, 1)


def test_the_last_prefix_read_is_the_look_ahead_after_the_last_day() -> None:
    window = parse("--first_day", "20261101", "--last_day", "20261103", "--look_ahead", "2")
    assert window.prefix_days == (date(2026, 11, 1), date(2026, 11, 5))


def test_orc_is_zstd_unless_zlib_is_asked_for() -> None:
    days = ["--first_day", "20261101", "--last_day", "20261101"]
    assert parse(*days).compression == "zstd"
    assert parse(*days, "--compression", "zlib").compression == "zlib"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "Name the window"),
        (["--first_day", "20261103", "--last_day", "20261101"], "ends .* before it begins"),
        (["--first_day", "20260101", "--last_day", "20261101"], "has 305 days; one run builds at most 31"),
        (["--first_day", "2026-11-01", "--last_day", "20261101"], "is not a window"),
        (["--first_day", "20261301", "--last_day", "20261301"], "is not a window"),
        (
            ["--first_day", "20261101", "--last_day", "20261101", "--compression", "lzma"],
            "--compression is 'lzma'; accepted: zstd, zlib",
        ),
    ],
)
def test_a_window_that_cannot_be_built_is_refused(arguments: list[str], said: str) -> None:
    with pytest.raises(WindowError, match=said):
        parse(*arguments)


@pytest.mark.parametrize("bound", [["--max_files", "1"], ["--max_bytes", "10"]])
def test_a_window_with_too_much_in_it_is_refused_and_never_cut_short(
    lake: LocalLake, source: LogSource, bound: list[str]
) -> None:
    from tests.test_addapart import partition
    from tests.wait import until

    s3, bucket = lake.client("s3"), lake.settings.raw_bucket(source.name)
    for name in ("a", "b"):
        key = f"AWSLogs/111122223333/CloudTrail/eu-west-1/2015/04/04/{name}.json"
        s3.put_object(Bucket=bucket, Key=key, Body=b'{"Records":[]}')
    until(lambda: partition(lake, source.raw.name, ["AWSLogs", "111122223333", "eu-west-1", "20150404"]))
    days = ["--first_day", "20150404", "--last_day", "20150404"]
    names = ["--database", lake.settings.database, "--readready_bucket", lake.settings.readready_bucket]
    arguments = parse_arguments([*NAMED[:4], *names, *days, *bound], TODAY)
    with pytest.raises(WindowError, match="2 objects of 28 bytes"):
        window_objects(lake.client("glue"), s3, source, arguments)


@pytest.mark.fault(46, "a disk with too little room at the start", "refused before anything starts")
def test_a_full_disk_is_refused_before_anything_starts(tmp_path: Path) -> None:
    with pytest.raises(LakeHomeError, match="MB free, and a local lake needs"):
        refuse_full_disk(tmp_path / "not" / "made", needed=1 << 60)


def test_every_object_is_in_one_slice() -> None:
    refs: list[Any] = list(range(23))
    dealt = list(slices(refs, 5))
    assert sorted(n for hand in dealt for n in hand) == refs
    assert max(map(len, dealt)) - min(map(len, dealt)) <= 1


def test_windows_have_a_size_and_span_no_gap() -> None:
    days = [date(2026, 11, n) for n in (1, 2, 3, 4, 7, 8)]
    assert [[d.day for d in window] for window in windows(days, 3)] == [[1, 2, 3], [4], [7, 8]]


def test_a_day_as_typed_is_a_day_or_refused_with_an_example() -> None:
    assert day_of("2026-11-01") == date(2026, 11, 1)
    assert days_of("2026-11-01") == (date(2026, 11, 1), date(2026, 11, 1))
    assert days_of("2026-11-01..2026-11-07") == (date(2026, 11, 1), date(2026, 11, 7))
    for text in ("yesterday", "2026-11-01..", "..2026-11-01", "2026-11-31", "2026-11-01...2026-11-02"):
        with pytest.raises(BuildError, match="is not a day; expected yyyy-mm-dd, such as"):
            days_of(text)


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({}, "LOGLAKE_NAME is not set"),
        ({"LOGLAKE_NAME": "A b"}, "LOGLAKE_NAME is 'A b'"),
        ({"LOGLAKE_NAME": "lake", "LOGLAKE_ACCOUNT": "12"}, "an AWS account id of 12 digits"),
    ],
)
def test_an_odd_setting_stops_with_its_name_and_what_is_accepted(environment: dict[str, str], said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        lake_settings(environment)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain größe ok", "plain größe ok"),
        ("\x1b[2K\rrm", "\\u{1b}[2K\\u{d}rm"),
        ("a\u202eb\u200bc", "a\\u{202e}b\\u{200b}c"),
        ("\x9b31m", "\\u{9b}31m"),
    ],
)
@pytest.mark.fault(50, "escapes, bidi and zero-width characters on a terminal", "shown as escapes")
def test_text_of_a_log_is_shown_escaped(text: str, shown: str) -> None:
    assert escape(text) == shown


def test_a_dagster_that_does_not_answer_is_said_with_its_address(tmp_path: Path) -> None:
    address = f"http://127.0.0.1:{free_port()}"
    lake = AwsLake(tmp_path, LakeSettings("prod", "111122223333", "eu-west-1"), address)
    with pytest.raises(
        BuildError,
        match=rf"lake at {address} did not take a run of cloudtrail_readready .*nothing of this window was started",
    ):
        submit_days(lake, "cloudtrail", date(2026, 11, 1), date(2026, 11, 1), lambda days: days, {}, print)
    odd = AwsLake(tmp_path, lake.settings, "dagster.example")
    with pytest.raises(BuildError, match="is no address of a Dagster"):
        submit_days(odd, "cloudtrail", date(2026, 11, 1), date(2026, 11, 1), lambda days: days, {}, print)

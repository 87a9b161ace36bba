"""Load to break, on a small scale: what a run reports adds up, and loss is seen. How fast it was is not asserted."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from infra.cli.generate import GenerateError, beside, faults_of, generate_files, write_samples
from infra.cli.load import await_partitions, files_under, put_objects
from infra.cli.local_lake import LocalLake
from infra.cli.main import main
from infra.cli.stress.command import keep, row, stress_settings
from infra.cli.stress.plan import Replay, StressError
from infra.cli.stress.plot import plot
from infra.cli.stress.results import (
    Bounds,
    Depth,
    Loss,
    Put,
    Step,
    failures,
    grows,
    next_rate,
    percentile,
    scale_to,
    verdict,
)
from infra.cli.stress.run import Stress, StressSettings
from infra.cli.stress.watch import is_stamped
from loglake_assets.s3.pages import keys
from loglake_assets.sources import LogSource, load_source, source_names
from loglake_assets.sources.sample_deliveries import generate
from resources.settings import loglake
from tests.wait import until

DAY = date(2027, 3, 1)  # days of this file's own
BOUNDS = Bounds()


# --- pure: percentiles, backlogs, rates, sentences --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "pct", "expected"),
    [([], 95, None), ([7], 50, 7), ([1, 2, 3, 4], 50, 2), ([4, 3, 2, 1], 100, 4), (range(1, 101), 95, 95)],
)
def test_a_percentile_is_a_value_that_was_measured(values: Any, pct: float, expected: float | None) -> None:
    assert percentile(list(values), pct) == expected


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        ([0, 10, 20, 30, 40, 50], True),
        ([50, 50, 50, 50, 50, 50], False),
        ([0, 40, 60, 60, 60, 60], False),  # it rises and stays
        ([60, 50, 40, 30, 20, 10], False),
        ([0, 1, 2, 3, 4, 5], False),  # below the floor
        ([0, 100], False),
    ],
)
def test_only_a_backlog_that_keeps_growing_grows_without_end(counts: list[float], expected: bool) -> None:
    assert grows(counts, 20) is expected


def test_few_new_prefixes_show_a_backlog_by_few() -> None:
    assert [BOUNDS.floor(rate) for rate in (0.2, 5, 50)] == [3, 10, 20]


def test_the_rate_rises_to_the_last_one_and_ends() -> None:
    assert next_rate(50, 1.5, None) == 75
    assert next_rate(100, 1.5, 111) == 111
    assert next_rate(111, 1.5, 111) is None


def step_of(
    rate: float = 10.0,
    count: int = 100,
    late: int = 0,
    refused: int = 0,
    queued: tuple[int, ...] = (),
    pending: tuple[int, ...] = (),
    latency: float = 0.1,
    loss: Loss | None = None,
) -> Step:
    """A step of `count` puts, one in ten opening a prefix, that began at 1000."""
    puts = [
        Put(
            (str(n),),
            f"k{n}",
            5,
            n % 10 == 0,
            1000 + n / rate,
            1000 + n / rate + (1 if n < late else 0),
            None if n >= count - refused else 1000 + n / rate + 1.01,
        )
        for n in range(count)
    ]
    ahead = pending or queued
    depths = [Depth(1000 + n, q, p) for n, (q, p) in enumerate(zip(queued or (0,) * len(ahead), ahead, strict=True))]
    answered = [put.answered for put in puts if put.is_new and put.answered is not None]
    return Step(
        rate, count / rate, tuple(puts), tuple(depths), tuple((at, latency) for at in answered), 0.0, loss or Loss()
    )


RISING = (0, 10, 20, 40, 60, 80, 100, 130, 160)


@pytest.mark.parametrize(
    ("step", "words"),
    [
        (step_of(), []),
        (step_of(late=5), []),
        (step_of(late=6), ["puts fell behind: 6 of 100"]),
        (step_of(refused=1), ["S3 refused 1 of 100"]),
        (step_of(queued=RISING), ["the queue before the consumer grew without end, to 160"]),
        (step_of(pending=RISING), ["the producer fell behind: 160 new prefixes before the queue"]),
        (step_of(latency=6), ["partitions came late: p95 6.0 s"]),
        (step_of(loss=Loss(prefixes=2, dead=1)), ["lost: 2 prefixes without a partition, 1 messages in the dead-"]),
        (step_of(late=50, queued=RISING, latency=9), ["puts fell behind", "the queue before", "partitions came late"]),
    ],
)
def test_what_gave_is_named_in_the_order_of_the_path(step: Step, words: list[str]) -> None:
    gave = failures(step, BOUNDS)
    assert len(gave) == len(words)
    assert all(found.startswith(expected) for found, expected in zip(gave, words, strict=True))


def test_the_verdict_names_the_first_rate_that_gave() -> None:
    steps = [step_of(50), step_of(75, late=60), step_of(112.5, late=99)]
    assert verdict(steps, BOUNDS).startswith("At 75 objects/s gave first: puts fell behind: 60 of 100")
    assert verdict(steps[:1], BOUNDS) == "Nothing gave up to 50 objects/s."


@pytest.mark.parametrize(
    ("steps", "end"),
    [
        ([step_of(75), step_of(112.5)], "held at 112 objects/s, for 1 s and not for the hour."),
        ([step_of(75), step_of(100, late=99)], "not held, it gave at 100."),
        ([step_of(75), step_of(150, late=99)], "not known, held at 75, gave at 150."),
        ([step_of(75)], "not known, held at 75."),
    ],
)
def test_the_busiest_day_within_an_hour_is_held_or_not_or_not_known(steps: list[Step], end: str) -> None:
    said = scale_to(steps, BOUNDS, 0.5)
    assert "(400,000 files) within an hour, is 111 objects/s; with 0.5 % of them opening a prefix: " in said
    assert said.endswith(end)


def test_an_arrival_stamp_is_right_as_long_as_deduplication_may_have_kept_it() -> None:
    at = 1798761600.0  # 2027-01-01, the moment of the stamp
    stamp = {"Parameters": {"loglake.last_arrival": "2027-01-01T00:00:00.000Z"}}
    partition = {**stamp, "Values": ["AWSLogs", "20261230"]}
    assert is_stamped(partition, at + 300)
    assert not is_stamped(partition, at + 3600)
    assert not is_stamped({"Parameters": {}, "Values": []}, at)
    assert not is_stamped({"Parameters": {"loglake.last_arrival": "later"}, "Values": []}, at)
    assert is_stamped({**stamp, "Values": ["AWSLogs", "20270101"]}, at + 3600)  # while its day lasts


def test_a_run_is_drawn_as_well_formed_svg_and_kept_with_its_figures(source: LogSource, tmp_path: Path) -> None:
    steps = [step_of(50, queued=RISING), step_of(75, late=60)]
    ElementTree.fromstring(plot("<a & b>", steps, BOUNDS))
    drawn, figures = keep(tmp_path / "stress", source, steps, StressSettings())
    assert drawn.read_text().count("<circle") == 20
    kept = json.loads(figures.read_text())
    assert [s["object_count"] for s in kept["steps"]] == [100, 100]
    assert kept["verdict"] == verdict(steps, BOUNDS)


@pytest.mark.parametrize(
    ("option", "value"),
    [("--rate", "fast"), ("--rate", "0"), ("--new-prefix-pct", "101"), ("--seconds", "nan"), ("--on", "aws")],
)
def test_an_odd_option_is_refused_by_its_name_and_value(
    option: str, value: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["stress", "cloudtrail", option, value]) == 2
    said = " ".join(capsys.readouterr().err.replace("│", " ").split())
    assert f"Invalid value for '{option}'" in said
    assert value in said
    assert stress_settings(None, None, None, 111) == StressSettings(up_to=111.0)


# --- what is offered --------------------------------------------------------------------------------------------------


@pytest.mark.long
@pytest.mark.parametrize("name", source_names())
def test_any_source_offers_new_prefixes_as_often_as_asked_and_no_key_twice(name: str) -> None:
    replay = Replay(load_source(name), "bucket", "stress-x", DAY)
    warming = replay.warm_objects()
    offered = list(replay.objects(1000, 25))
    opened = [o.values for o in offered if o.is_new]
    known = {o.values for o in warming}
    assert len(opened) == len(set(opened)) == 250
    assert not known & set(opened)
    assert {o.values for o in offered if not o.is_new} <= known
    assert len({o.key for o in (*warming, *offered)}) == len(warming) + 1000
    assert all(o.key.startswith("stress-x/") and o.events > 0 for o in offered)


@pytest.mark.long
def test_a_run_out_of_days_says_so(source: LogSource) -> None:
    replay = Replay(source, "bucket", "stress-x", date(2099, 12, 31))
    with pytest.raises(StressError, match="lower NEW_PREFIX_PCT"):
        list(replay.objects(10, 100))


# --- a real run -------------------------------------------------------------------------------------------------------


@pytest.fixture
def run(lake: LocalLake, source: LogSource) -> Iterator[Stress]:
    settings = StressSettings(rate=5, seconds=3, new_prefix_pct=40, up_to=5, patience_seconds=60, first_day=DAY)
    stress = Stress(lake, source, settings, lambda text: None)
    yield stress
    stress.clear_away()
    stress.clear_away()
    assert not list(keys(lake.client("s3"), lake.settings.raw_bucket(source.name), f"{stress.folder}/"))
    assert not stress.partitions()


def test_a_small_run_adds_up_and_loses_nothing(run: Stress, lake: LocalLake, source: LogSource) -> None:
    (step,) = run.run()
    stored = set(keys(lake.client("s3"), lake.settings.raw_bucket(source.name), f"{run.folder}/"))
    assert len(step.puts) == len(step.answered_puts) == 15
    assert {put.key for put in step.puts} <= stored
    assert step.new_prefixes == len(step.latencies) == 6
    assert {put.values for put in step.puts} <= run.partitions().keys()
    assert step.loss == Loss()
    assert step.events_a_second > step.objects_per_second > 0
    assert row(step, BOUNDS)[3] == 15


@contextmanager
def consumer_disabled(lake: LocalLake, source: LogSource) -> Iterator[None]:
    functions, name = lake.client("lambda"), f"{lake.settings.name}-addapart-raw-{source.name}-consumer"
    (mapping,) = functions.list_event_source_mappings(FunctionName=name)["EventSourceMappings"]
    functions.update_event_source_mapping(UUID=mapping["UUID"], Enabled=False)
    try:
        yield
    finally:
        functions.update_event_source_mapping(UUID=mapping["UUID"], Enabled=True)


def test_prefixes_that_no_consumer_places_are_lost_by_number_and_come_when_it_does(
    lake: LocalLake, source: LogSource
) -> None:
    settings = StressSettings(rate=5, seconds=2, new_prefix_pct=40, patience_seconds=60, first_day=DAY)
    run = Stress(lake, source, settings, lambda text: None)
    try:
        run.warm_up()
        with consumer_disabled(lake, source):
            run.settings = replace(settings, patience_seconds=1)
            step = run.step(5)
        assert step.new_prefixes == 4
        assert step.loss == Loss(prefixes=4)
        assert step.latencies == ()
        assert failures(step, BOUNDS)[-1] == "lost: 4 prefixes without a partition"
        until(lambda: {put.values for put in step.puts} <= run.partitions().keys())
    finally:
        run.clear_away()


# --- samples as files -------------------------------------------------------------------------------------------------


def test_generated_files_load_and_are_what_their_truth_says(lake: LocalLake, source: LogSource, tmp_path: Path) -> None:
    folder = tmp_path / "logs"
    written = write_samples(source.name, folder, DAY, 1, 2_000, {"corrupt": 2, "very_late": 1}, lambda text: None)
    truth = json.loads(written.truth_path.read_text())
    files = dict(files_under(folder))
    objects = list(generate(source.name, DAY, 1, 2_000, corrupt=2, very_late=1).objects())
    assert {key: path.read_bytes() for key, path in files.items()} == {
        o.key: o.body for o in objects if not o.key.endswith("/")
    }
    assert written.skipped_by_kind == {"folder_marker": len(objects) - len(files)}
    loaded = put_objects(lake, source, ((key, path.read_bytes) for key, path in files.items()), lambda text: None)
    try:
        assert not await_partitions(lake, source, loaded.partitions, lambda text: None, 60)
        assert loaded.objects == sum(truth["objects_by_kind"].values()) == written.files
        assert loaded.ignored == truth["ignored_keys"]
        assert len(loaded.partitions) == truth["raw_partitions"]
        assert len(truth["quarantined_objects"]) >= 2
        assert len(list(files_under(written.late_folder))) == truth["very_late_objects"] == written.late_files == 1
    finally:
        remove(lake, source, list(files), loaded.partitions)


def remove(lake: LocalLake, source: LogSource, loaded: list[str], partitions: frozenset[tuple[str, ...]]) -> None:
    s3, bucket = lake.client("s3"), lake.settings.raw_bucket(source.name)
    for key in loaded:
        for version in s3.list_object_versions(Bucket=bucket, Prefix=key).get("Versions", ()):
            s3.delete_object(Bucket=bucket, Key=version["Key"], VersionId=version["VersionId"])
    for values in partitions:
        lake.client("glue").delete_partition(
            DatabaseName=lake.settings.database, TableName=source.raw.name, PartitionValues=list(values)
        )


def test_what_a_folder_already_holds_is_never_mixed_with_samples(tmp_path: Path) -> None:
    said: list[str] = []
    assert generate_files("cloudtrail", tmp_path / "a", None, 1, 1_000, "", said.append) == 0
    assert said[-1] == loglake(f"load cloudtrail {tmp_path / 'a'}")
    before = beside(tmp_path / "a", ".ground_truth.json").read_bytes()
    with pytest.raises(GenerateError, match="already holds files"):
        generate_files("cloudtrail", tmp_path / "a", None, 1, 2_000, "", said.append)
    assert beside(tmp_path / "a", ".ground_truth.json").read_bytes() == before


@pytest.mark.parametrize("text", ["corrupt", "corrupt=-1", "corrupt=x", "=2", "a b=1"])
def test_a_fault_that_is_no_count_is_refused(text: str) -> None:
    with pytest.raises(GenerateError, match="corrupt=2,very_late=1"):
        faults_of(text)
    assert faults_of("corrupt=2, very_late=1,") == {"corrupt": 2, "very_late": 1}

"""What the suite shares: one stack with one deployed lake, and one build of sample days that many tests look at."""

import os
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from infra.cli.build import build_range
from infra.cli.dagster_runs import DayResult, dagster_instance, load_definitions
from infra.cli.home import own_environment
from infra.cli.load import await_partitions, put_objects, samples_to_put
from infra.cli.local_lake import LocalLake, local_lake
from infra.cli.review import build_review_range
from loglake_assets.orchestration.source_config import window_tags
from loglake_assets.reviews import Review, load_review
from loglake_assets.sources import LogSource, load_source
from loglake_assets.sources.model import ENGINE, LOCAL, SPARK
from loglake_assets.sources.sample_deliveries import GroundTruth, Samples, generate
from tests.browser import Page
from tests.damage import stored_lake
from tests.fault_proxy import FaultProxy, fault_proxy
from tests.invariants import verdict_of
from tests.stored_lake import StoredLake, etags_below
from tests.written_day import WrittenDay, written_day

pytest_plugins = ["tests.fault_report"]
FIRST, LAST = date(2026, 11, 1), date(2026, 11, 3)
LARGEST_PICTURE = 200_000  # bytes: a README is read over slow lines too
os.environ["LOGLAKE_SPARK_JAVA_OPTIONS"] = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"
os.environ.setdefault(ENGINE, LOCAL)  # Spark builds where it is what is tested (`by_spark`), or where it is asked for


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--pictures", type=Path, help="renew the pictures of docs/ in this folder: make pictures")
    parser.addoption("--site", type=Path, help="look at the site of the documentation in this folder: make docs")


Picture = Callable[..., None]
"""`picture(name, page)` keeps what the page's window shows; with a height, so many pixels from its top."""


@pytest.fixture(scope="session")
def picture(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Picture:
    folder = request.config.getoption("--pictures") or tmp_path_factory.mktemp("pictures")
    folder.mkdir(parents=True, exist_ok=True)

    def keep(name: str, page: Page, height: int | None = None) -> None:
        shot = page.picture(height)
        assert len(shot) < LARGEST_PICTURE, f"{name} has {len(shot):,} bytes: show less of the page"
        (folder / f"{name}.png").write_bytes(shot)

    return keep


@contextmanager
def by_spark() -> Iterator[None]:
    """Days that are built in this block are built by Spark, as on Glue."""
    with own_environment():
        os.environ[ENGINE] = SPARK
        yield


ON_A_STACK = frozenset({"lake", "spark", "endpoint", "stack", "up", "home", "own", "bare", "running", "hour"})
"""Fixtures that start a stack, Spark or Dagster: a test with one of them is not among those of `make check`."""


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--pictures"):
        items[:] = [item for item in items if "picture" in getattr(item, "fixturenames", ())]
    for item in items:
        if ON_A_STACK.intersection(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.stack)
    seconds = _seconds_by_file()
    items.sort(key=lambda item: -seconds[item.nodeid.partition("::")[0]])  # so that no worker ends with the longest


def _seconds_by_file() -> Counter[str]:
    """What `make slowest` measured last, by file; nothing of files that have no slow test."""
    found = Counter[str]()
    for line in Path(__file__).with_name("slowest.txt").read_text(encoding="utf-8").splitlines():
        seconds, _, test = line.split(maxsplit=2)
        found[test.partition("::")[0]] += float(seconds.removesuffix("s"))
    return found


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """gzip holds the second in which it was made: all workers must call a test by one name."""
    return f"{argname}-in-gzip" if isinstance(val, bytes) and b"\x1f\x8b" in val else None


def quiet(text: str) -> None:
    """Progress that nobody reads."""


@pytest.fixture(scope="session")
def source() -> LogSource:
    return load_source("cloudtrail")


@pytest.fixture(scope="session")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalLake]:
    """A deployed lake on a stack of its own, shared by the suite: each test keeps to days or tables of its own."""
    home = tmp_path_factory.mktemp("lake")
    before = dict(os.environ)
    with local_lake(home, quiet) as opened:
        yield opened
    os.environ.clear()
    os.environ.update(before)
    shutil.rmtree(home, ignore_errors=True)


@pytest.fixture
def written(lake: LocalLake, source: LogSource) -> Iterator[WrittenDay]:
    """A day that the test writes by hand, in buckets of its own."""
    with written_day(lake, source) as day:
        yield day


@pytest.fixture(scope="module")
def running_proxy(lake: LocalLake, tmp_path_factory: pytest.TempPathFactory) -> Iterator[FaultProxy]:
    """microburst in front of the lake, for the tests of a module."""
    with fault_proxy(lake, tmp_path_factory.mktemp("proxy")) as proxy:
        yield proxy


@pytest.fixture
def proxy(running_proxy: FaultProxy) -> Iterator[FaultProxy]:
    """The module's microburst, without rules before the test and after it."""
    running_proxy.break_it()
    yield running_proxy
    running_proxy.break_it()


@dataclass(frozen=True)
class BuiltLake:
    """The sample days after loading and building, with the truth about them."""

    lake: LocalLake
    source: LogSource
    samples: Samples
    truth: GroundTruth
    results: list[DayResult]


def run_asset(built: BuiltLake, key: dg.AssetKey, first: date, last: date) -> dg.ExecuteInProcessResult:
    """Materialize an asset over a range of days, as a backfill does."""
    with dagster_instance(built.lake) as instance:
        return (
            load_definitions()
            .resolve_implicit_global_asset_job_def()
            .execute_in_process(instance=instance, asset_selection=[key], tags=window_tags([first, last]))
        )


@pytest.fixture(scope="session")
def built(lake: LocalLake, source: LogSource) -> BuiltLake:
    """Three sample days, loaded through S3 and AddAPart, built through Dagster by one Glue run."""
    samples = generate(source.name, FIRST, 3, 5_000, very_late=1)
    loaded = put_objects(lake, source, samples_to_put(samples.objects()), quiet)
    assert not await_partitions(lake, source, loaded.partitions, quiet, 60)
    with by_spark():
        results = build_range(lake, source, FIRST, LAST, quiet)
    assert [r.error for r in results] == [None, None, None]
    return BuiltLake(lake, source, samples, samples.ground_truth(), results)


@dataclass(frozen=True)
class ReviewedLake:
    """The sample days of all logs, built, and reviewed."""

    lake: LocalLake
    review: Review
    truth: GroundTruth
    """Of the keystrokes' log, with its sessions."""
    keystroke_days: list[DayResult]
    results: list[DayResult]


@pytest.fixture(scope="session")
def reviewed(built: BuiltLake) -> ReviewedLake:
    """The same days of the log that sessions are typed into, and the review that joins both."""
    lake, review = built.lake, load_review("session_activity")
    typed = load_source("cloudwatch")
    samples = generate(typed.name, FIRST, 3, 5_000)
    loaded = put_objects(lake, typed, samples_to_put(samples.objects()), quiet)
    assert not await_partitions(lake, typed, loaded.partitions, quiet, 60)
    with by_spark():
        days = build_range(lake, typed, FIRST, LAST, quiet)
    assert [r.error for r in days] == [None, None, None]
    results = build_review_range(lake, review, FIRST, LAST, quiet)
    assert [r.error for r in results] == [None, None, None]
    return ReviewedLake(lake, review, samples.ground_truth(), days, results)


@dataclass(frozen=True)
class ToolLake:
    """The sample days of the agents' log, built, and reviewed."""

    lake: LocalLake
    truth: GroundTruth
    days: list[DayResult]
    results: list[DayResult]

    def ask(self, sql: str) -> list[dict[str, Any]]:
        return self.lake.resource.athena.ask(sql).rows


@pytest.fixture(scope="session")
def tools(built: BuiltLake) -> ToolLake:
    """The same days of the log that agents leave, and the review of their tool calls."""
    lake, source = built.lake, load_source("bedrock")
    samples = generate(source.name, FIRST, 3, 5_000)
    loaded = put_objects(lake, source, samples_to_put(samples.objects()), quiet)
    assert not await_partitions(lake, source, loaded.partitions, quiet, 60)
    assert loaded.ignored == samples.ground_truth().ignored_keys
    with by_spark():
        days = build_range(lake, source, FIRST, LAST, quiet)
    results = build_review_range(lake, load_review("agent_tool_use"), FIRST, LAST, quiet)
    assert [r.error for r in (*days, *results)] == [None] * 6
    return ToolLake(lake, samples.ground_truth(), days, results)


@pytest.fixture(scope="session")
def repository() -> Path:
    return Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class JudgedDays:
    """The days of a lake that a test about a fault leaves behind, for the checker of invariants."""

    stored: StoredLake
    days: tuple[date, ...]


JudgeDays = Callable[[], JudgedDays]
"""Asked before and after a test: a stack that was killed comes back on another port."""


@pytest.fixture
def judged_days(request: pytest.FixtureRequest) -> JudgeDays | None:
    """The sample days, where a test works on them; modules with days or a lake of their own say theirs."""
    built = request.getfixturevalue("built") if "built" in request.fixturenames else None
    if not isinstance(built, BuiltLake):
        return None
    return lambda: JudgedDays(stored_lake(built.lake, built.source), (FIRST, date(2026, 11, 2), LAST))


@pytest.fixture(autouse=True)
def invariants_hold(request: pytest.FixtureRequest) -> Iterator[None]:
    """After every test about a fault, the six invariants of the days it worked on, judged from storage alone."""
    is_of_a_fault = request.node.get_closest_marker("fault") is not None
    days: JudgeDays | None = request.getfixturevalue("judged_days") if is_of_a_fault else None
    before = days().stored if days else None
    baseline = etags_below(before.s3, before.raw_bucket) if before else {}
    yield
    if days:
        after = days()
        assert verdict_of(after.stored, baseline=baseline, closed_days=after.days).violations == []

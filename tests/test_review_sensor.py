"""When a review's days are asked for, and which days cannot be built."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import dagster as dg
import pytest

from infra.cli.dagster_runs import dagster_instance, load_definitions, run_window
from infra.cli.day_argument import BuildError
from infra.cli.local_lake import LocalLake
from infra.cli.review import build_review_range
from loglake_assets.orchestration.lake_resource import lake_resources
from loglake_assets.orchestration.review_config import review_config
from loglake_assets.orchestration.review_definitions import build_review
from loglake_assets.orchestration.review_sensor import end_of_wait, wait_sentence
from loglake_assets.orchestration.source_config import source_config
from loglake_assets.orchestration.source_definitions import build_source
from loglake_assets.reviews import UnknownReviewError, load_review
from loglake_assets.reviews.inputs import BUILT, NO_SOURCE, UNBUILT, Input
from loglake_assets.reviews.staleness import STALE, ReviewState
from resources.athena import AthenaError
from tests.conftest import quiet

REVIEW = dg.AssetKey(["review", "session_activity"])
TRAIL = dg.AssetKey(["readready", "from_cloudtrail_readready"])
TYPED = dg.AssetKey(["readready", "from_cloudwatch_readready"])
START = date(2026, 1, 1)


@pytest.fixture(scope="module")
def definitions() -> dg.Definitions:
    """The review with the tables it joins, none of which asks for anything by itself here."""
    return dg.Definitions.merge(
        build_review(review_config("session_activity", start_day=START, heal_days=10)),
        *(build_source(source_config(name, start_day=START)) for name in ("cloudtrail", "cloudwatch")),
        dg.Definitions(resources=lake_resources()),
    )


@pytest.mark.parametrize("table", [TRAIL, TYPED])
def test_a_days_tables_are_those_around_it(definitions: dg.Definitions, table: dg.AssetKey) -> None:
    mapping = definitions.resolve_assets_def(REVIEW).get_partition_mapping(table)
    assert isinstance(mapping, dg.TimeWindowPartitionMapping)
    assert (mapping.start_offset, mapping.end_offset) == (-2, 2)


def test_no_schedule_asks_for_a_day_without_looking_at_its_tables(definitions: dg.Definitions) -> None:
    """A clock knows nothing of logs: the sensor asks, once they are there."""
    of_review = [s.name for s in definitions.schedules or () if "session_activity" in s.name]
    assert of_review == []


NOW = datetime(2026, 11, 3, 6, tzinfo=UTC)


def state(typed: str, status: str = UNBUILT, hours_ago: float = 1) -> ReviewState:
    """A day of the review whose leading table was built some hours ago."""
    day, committed = date(2026, 11, 2), (NOW - timedelta(hours=hours_ago)).isoformat()
    leading = Input("from_cloudtrail_readready", day, BUILT, 1, "r", committed, 100.0)
    return ReviewState(
        day,
        status,
        (),
        {"cloudtrail": {day: leading}, "cloudwatch": {day: Input("from_cloudwatch_readready", day, typed)}},
    )


@pytest.mark.fault(
    78,
    "a day of which one log is built and the other is not, or not even delivered",
    "the review waits for it as long as the setting says, and then builds with what there is",
)
@pytest.mark.parametrize(
    ("given", "settings", "waits"),
    [
        (state(UNBUILT), {}, True),
        (state(NO_SOURCE), {}, True),
        (state(BUILT), {}, False),
        (state(UNBUILT, hours_ago=5.9), {}, True),
        (state(UNBUILT, hours_ago=6), {}, False),
        (state(UNBUILT), {"wait_minutes": 60}, False),
        (state(UNBUILT), {"wait_minutes": 61}, True),
        (state(UNBUILT), {"wait_for": ()}, False),
        (state(UNBUILT, STALE), {}, False),
    ],
)
def test_a_day_waits_for_the_logs_it_joins(given: ReviewState, settings: dict[str, Any], waits: bool) -> None:
    config = review_config("session_activity", start_day=START, **settings)
    end = end_of_wait(config, given, NOW)
    assert (end is not None) is waits
    if end:
        assert "2026-11-02 waits for from_cloudwatch_readready until 2026-11-03" in wait_sentence(config, given, end)


def test_a_backfill_is_cut_into_windows(definitions: dg.Definitions) -> None:
    assert definitions.resolve_assets_def(REVIEW).backfill_policy == dg.BackfillPolicy.multi_run(7)


def test_odd_settings_and_names_are_refused() -> None:
    with pytest.raises(ValueError, match="1 to 31"):
        review_config("session_activity", start_day=START, days_per_run=0)
    with pytest.raises(ValueError, match="accepted: the logs that it joins, cloudwatch"):
        review_config("session_activity", start_day=START, wait_for=("cloudtrail",))
    with pytest.raises(ValueError, match="0 or more"):
        review_config("session_activity", start_day=START, wait_minutes=-1)
    with pytest.raises(UnknownReviewError, match="session_activity"):
        load_review("nothing")


def test_a_day_whose_leading_table_is_not_built_is_refused_with_what_to_do(lake: LocalLake) -> None:
    review = load_review("session_activity")
    with pytest.raises(BuildError, match=r"build cloudtrail 2020-05-05"):
        build_review_range(lake, review, date(2020, 5, 5), date(2020, 5, 6), quiet)


def test_a_run_for_such_a_day_fails_by_name_and_writes_nothing(lake: LocalLake) -> None:
    job = load_definitions().resolve_job_def("session_activity")
    with dagster_instance(lake) as instance:
        _, error = run_window(job, instance, [date(2020, 5, 5)])
    assert error is not None
    assert "2020-05-05" in error
    assert "no logs were delivered" in error
    found = lake.client("s3").list_objects_v2(
        Bucket=lake.settings.readready_bucket, Prefix="commits/session_activity_review/20200505/"
    )
    assert found["KeyCount"] == 0


def test_what_athena_says_of_rows_is_not_repeated(lake: LocalLake) -> None:
    with pytest.raises(AthenaError) as raised:
        lake.resource.athena.ask("SELECT CAST('canary' AS integer)")
    assert "canary" not in str(raised.value)
    assert "INVALID_CAST_ARGUMENT" in str(raised.value)

"""When a review's days are asked for, and which days cannot be built."""

from datetime import UTC, date, datetime

import dagster as dg
import pytest

from infra.local.building import BuildError, dagster_instance, loaded_definitions, run_window
from infra.local.opened import OpenedLake
from infra.local.reviewing import build_review_range
from loglake_assets.config import source_config
from loglake_assets.factory import build_source
from loglake_assets.review_config import review_config
from loglake_assets.reviewing import build_review
from loglake_assets.reviews import UnknownReviewError, load_review
from resources.assembly import lake_resources
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


def test_the_schedule_asks_for_the_day_just_closed_after_its_tables(definitions: dg.Definitions) -> None:
    schedule = definitions.resolve_schedule_def("session_activity_daily")
    context = dg.build_schedule_context(scheduled_execution_time=datetime(2026, 11, 22, 3, tzinfo=UTC))
    requests = schedule.evaluate_tick(context).run_requests
    assert requests is not None
    assert [r.partition_key for r in requests] == ["2026-11-21"]
    assert schedule.cron_schedule == "0 3 * * *"


def test_a_backfill_is_cut_into_windows(definitions: dg.Definitions) -> None:
    assert definitions.resolve_assets_def(REVIEW).backfill_policy == dg.BackfillPolicy.multi_run(7)


def test_odd_settings_and_names_are_refused() -> None:
    with pytest.raises(ValueError, match="1 to 31"):
        review_config("session_activity", start_day=START, days_per_run=0)
    with pytest.raises(UnknownReviewError, match="session_activity"):
        load_review("nothing")


def test_a_day_whose_leading_table_is_not_built_is_refused_with_what_to_do(lake: OpenedLake) -> None:
    review = load_review("session_activity")
    with pytest.raises(BuildError, match="make build SOURCE=cloudtrail FROM=2020-05-05"):
        build_review_range(lake, review, date(2020, 5, 5), date(2020, 5, 6), quiet)


def test_a_run_for_such_a_day_fails_by_name_and_writes_nothing(lake: OpenedLake) -> None:
    job = loaded_definitions().resolve_job_def("session_activity")
    with dagster_instance(lake) as instance:
        _, error = run_window(job, instance, [date(2020, 5, 5)])
    assert error is not None
    assert "2020-05-05" in error
    assert "no logs were delivered" in error
    found = lake.client("s3").list_objects_v2(
        Bucket=lake.settings.readready_bucket, Prefix="commits/session_activity_review/20200505/"
    )
    assert found["KeyCount"] == 0


def test_what_athena_says_of_rows_is_not_repeated(lake: OpenedLake) -> None:
    with pytest.raises(AthenaError) as raised:
        lake.resource.athena.ask("SELECT CAST('canary' AS integer)")
    assert "canary" not in str(raised.value)
    assert "INVALID_CAST_ARGUMENT" in str(raised.value)

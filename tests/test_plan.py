"""A plan before a backfill: what is there, what a build would bring, what it would take; and nothing is built by it."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import dagster as dg
import pytest

from infra.cli.dagster_runs import dagster_instance
from infra.cli.main import main
from loglake_assets.lake.checks.build_plan import LEAST_DPU_SECONDS, BuildPlan, PlannedDay, build_plan
from loglake_assets.lake.versions.commits import sequences
from loglake_assets.orchestration.plan_asset import plan_metadata, plan_sentence
from loglake_assets.orchestration.planned_days import PLAN_AND_ACTUAL
from loglake_assets.orchestration.source_config import source_config
from tests.conftest import FIRST, LAST, BuiltLake, run_asset

DAY = date(2026, 11, 1)


def planned(*offsets: int, brings: str = "new") -> tuple[PlannedDay, ...]:
    return tuple(PlannedDay(DAY + timedelta(days=n), 10, 1_000, brings, "unbuilt") for n in offsets)


def test_windows_hold_so_many_days_and_span_no_gap() -> None:
    assert BuildPlan(planned(*range(14)), 7, None).glue_runs == 2
    assert BuildPlan(planned(*range(15)), 7, None).glue_runs == 3
    assert BuildPlan(planned(0, 1, 3), 7, None).glue_runs == 2
    assert BuildPlan(planned(0, 1, brings="nothing"), 7, None).glue_runs == 0


def test_a_run_costs_a_minute_at_least_and_without_a_build_nothing_is_said_of_cost() -> None:
    cheap = BuildPlan(planned(0), 7, 0.001)
    assert cheap.dpu_seconds == LEAST_DPU_SECONDS
    assert replace(cheap, dpu_seconds_an_object=100.0).dpu_seconds == 1_000
    unknown = replace(cheap, dpu_seconds_an_object=None)
    assert unknown.dpu_seconds is None
    assert "cannot be said" in plan_sentence(unknown)
    assert "usd" not in plan_metadata(unknown)
    assert "DPU-hours" in plan_sentence(cheap)


@pytest.mark.stack
def test_it_says_what_is_there_by_the_lakes_own_rate_and_builds_nothing(
    built: BuiltLake, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lake, source = built.lake.resource, built.source
    before = sequences(lake.table(source.readready.name))
    days = [FIRST + timedelta(days=n) for n in range(-2, 3)]
    found = build_plan(lake.reconciler(source), days, datetime.now(UTC).date(), 7)
    assert [day.day for day in found.to_build] == [FIRST + timedelta(days=n) for n in range(3)]
    assert {day.brings for day in found.to_build} <= {"same", "change"}
    assert [day.brings for day in found.days][:2] == ["nothing", "nothing"]
    assert found.glue_runs == 1
    assert found.objects > 30
    assert found.dpu_seconds is not None
    result = run_asset(built, source_config(source.name, start_day=FIRST).plan_key, FIRST, LAST)
    (event, *_) = result.asset_materializations_for_node(f"plan__{source.name}")
    assert event.metadata["days_to_build"].value == 3
    assert event.metadata["objects"].value == found.objects
    monkeypatch.setenv("LOGLAKE_HOME", str(built.lake.home))
    assert main(["plan", source.name, f"{FIRST}..{LAST}"]) == 0
    said = capsys.readouterr().out
    assert f"3 of 3 days have anything to build: {found.objects:,} objects" in said
    assert "builds them" in said
    assert sequences(lake.table(source.readready.name)) == before


def test_a_plan_stands_beside_what_the_build_took_until_the_next_build(built: BuiltLake) -> None:
    source, day = built.source, FIRST
    config = source_config(source.name, start_day=FIRST)
    run_asset(built, config.plan_key, day, LAST)
    (day_of_plan,) = (
        event
        for event in run_asset(built, config.plan_key, day, day).asset_materializations_for_node(f"plan__{source.name}")
        if event.partition == day.isoformat()
    )
    node = config.readready_key.to_python_identifier()
    rows, said = {}, []
    for attempt in ("after the plan", "once more"):
        result = run_asset(built, config.readready_key, day, day)
        (event,) = result.asset_materializations_for_node(node)
        rows[attempt] = event.metadata.get(PLAN_AND_ACTUAL)
        said.append(messages(built, result.run_id))
    table = rows["after the plan"]
    assert isinstance(table, dg.TableMetadataValue)
    found = {record.data["of the day"]: record.data for record in table.records}
    assert list(found) == ["objects", "DPU-hours", "USD"]
    planned = day_of_plan.metadata["planned_objects"].value
    assert found["objects"]["planned"] == found["objects"]["actual"] == f"{planned:,}"
    assert float(str(found["DPU-hours"]["planned"])) > 0
    assert float(str(found["DPU-hours"]["actual"])) > 0
    assert rows["once more"] is None, "that plan was of the build before"
    for text in (
        "Commit and placement of 1 day",
        f"{day} (1 of 1, ",
        "commit ",
        "Recount of 1 day",
        "Drift of 1 day",
    ):
        assert text in said[0], said[0]


def messages(built: BuiltLake, run_id: str) -> str:
    """What a run's log says, without Dagster's own events."""
    with dagster_instance(built.lake) as instance:
        return "\n".join(entry.user_message for entry in instance.all_logs(run_id) if not entry.is_dagster_event)

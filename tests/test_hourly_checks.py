"""Checks without a day, the jobs that run them, and what an idle lake costs: each as Dagster itself has it."""

import asyncio
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster._core.execution.asset_backfill import AssetBackfillData
from dagster._core.loader import LoadingContextForTest
from dagster._core.op_concurrency_limits_counter import GlobalOpConcurrencyLimitsCounter
from dagster._core.storage.dagster_run import RunOpConcurrency
from dagster._core.test_utils import create_run_for_test
from dagster._utils.schedules import schedule_execution_time_iterator

from infra.cli.build import build_range
from infra.cli.dagster_home import write_dagster_home
from infra.cli.dagster_runs import dagster_instance, load_definitions
from infra.cli.first_day import first_raw_day, hidden_days_hint, lake_first_day, note_first_day
from infra.cli.local_lake import LocalLake, local_lake
from infra.cli.tick import tick_raw_sensor
from infra.cli.up import prepare_instance
from lambdas.addapart.consumer import LAST_ARRIVAL
from loglake_assets.lake.checks.day_report import Verdict
from loglake_assets.orchestration.check_jobs import HOURLY, delete_runs
from loglake_assets.orchestration.check_metadata import NAMES, REMEDY
from loglake_assets.orchestration.hourly_checks import (
    VERDICT_CHECKS,
    checks_asset,
    hourly_checks,
    hourly_checks_name,
    hourly_results,
)
from loglake_assets.orchestration.older_days import OlderDays, put_state, read_state, week_of_turn
from loglake_assets.orchestration.report_asset import REPORT
from loglake_assets.orchestration.source_config import SourceConfig, source_config
from loglake_assets.sources import source_names
from loglake_assets.sources.calendar_days import day_number
from resources.settings import FIRST_DAY, SettingsError, first_day, loglake
from tests.check_names import names_of
from tests.conftest import FIRST, BuiltLake, quiet, run_asset
from tests.damage import put_back
from tests.test_definitions import register
from tests.test_reconciliation import DAY, an_object, newest

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)


@pytest.fixture
def config() -> SourceConfig:
    return source_config("cloudtrail", start_day=date(2020, 1, 1))


def hourly(lake: LocalLake, config: SourceConfig) -> dg.JobDefinition:
    """The hourly job of one log, at noon of 20 November 2026."""
    job = dg.define_asset_job(
        HOURLY,
        selection=dg.AssetSelection.all_asset_checks(),
        config={"ops": {hourly_checks_name(config.source.name): {"config": {"mend": True}}}},
    )
    return dg.Definitions(
        assets=[checks_asset(config)],
        asset_checks=[hourly_checks(config, lambda: NOW)],
        jobs=[job],
        resources={"lake": lake.resource},
        executor=dg.in_process_executor,
    ).resolve_job_def(HOURLY)


def status_in_ui(instance: dg.DagsterInstance, key: dg.AssetCheckKey) -> str:
    """What the UI shows of a check: it leaves out a result that is older than the asset's newest materialization."""
    record = instance.event_log_storage.get_latest_asset_check_execution_by_key([key]).get(key)
    context = LoadingContextForTest(instance)
    if record is None or not asyncio.run(record.targets_latest_materialization(context)):
        return "not evaluated"
    return record.status.value


@pytest.mark.fault(52, "a raw object removed, the check red, and a raw day reported", "the check is still shown red")
def test_a_red_check_stays_red_when_a_raw_day_is_reported(built: BuiltLake, config: SourceConfig) -> None:
    bucket, key = built.lake.settings.raw_bucket("cloudtrail"), an_object(built)
    check = dg.AssetCheckKey(config.checks_key, "changed_since_built")
    s3 = built.lake.client("s3")
    with dagster_instance(built.lake) as instance, put_back(s3, bucket, key):
        s3.delete_object(Bucket=bucket, Key=key)
        hourly(built.lake, config).execute_in_process(instance=instance)
        assert status_in_ui(instance, check) == "FAILED"
        instance.report_runless_asset_event(dg.AssetMaterialization(config.raw_key, partition=str(DAY)))
        assert status_in_ui(instance, check) == "FAILED"
    names = {key for key in load_definitions().resolve_asset_graph().asset_check_keys if "checks" in key.asset_key.path}
    assert {key.name for key in names} >= {"changed_since_built", "digests", "object_lock", "older_days"}


def test_no_check_without_a_day_stands_on_an_asset_that_is_materialized() -> None:
    graph = load_definitions().resolve_asset_graph()
    reported = {source_config(name, start_day=FIRST).raw_key for name in source_names()}
    for key in graph.asset_check_keys:
        if graph.get(key).partitions_def is None:
            assert key.asset_key not in graph.materializable_asset_keys | reported, key


@pytest.mark.fault(53, "the hourly checks three times beside a short ORC file, then a stray file", "both files named")
def test_hourly_checks_run_every_time_beside_a_short_file(built: BuiltLake, config: SourceConfig) -> None:
    s3, bucket = built.lake.client("s3"), built.lake.settings.readready_bucket
    prefix = newest(built, DAY).location.split("/", 3)[3]
    key = s3.list_objects_v2(Bucket=bucket, Prefix=prefix)["Contents"][0]["Key"]
    stray = f"{key.rpartition('/')[0]}/stray.orc"
    job = hourly(built.lake, config)

    def files(instance: dg.DagsterInstance) -> str:
        result = job.execute_in_process(instance=instance)
        found = [
            e for e in result.get_asset_check_evaluations() if (e.check_name, e.partition) == ("coverage", str(DAY))
        ]
        return str([f"{r.data['name']}: {r.data['detail']}" for e in found for r in e.metadata[NAMES].records])

    with dagster_instance(built.lake) as instance, put_back(s3, bucket, key):
        s3.delete_object(Bucket=bucket, Key=key)
        assert f"{key}: absent" in files(instance)
        assert f"{key}: absent" in files(instance)
        try:
            s3.put_object(Bucket=bucket, Key=stray, Body=b"ORC")
            third = files(instance)
        finally:
            s3.delete_object(Bucket=bucket, Key=stray)
        assert f"{key}: absent" in third
        assert f"{stray}: not written by the day's run" in third
    assert run_asset(built, config.audit_key, DAY, DAY).success, "and the day is as it was for the tests that follow"


def raw_reports(instance: dg.DagsterInstance, config: SourceConfig, day: date) -> list[Any]:
    """The reports of a raw day, newest first."""
    asked = dg.AssetRecordsFilter(asset_key=config.raw_key, asset_partitions=[day.isoformat()])
    return list(instance.fetch_materializations(asked, limit=100).records)


def stamp_arrival(lake: LocalLake, day: date) -> None:
    """What AddAPart does when it hears of an arrival: not within five minutes of the last, so it is done here."""
    names = {"DatabaseName": lake.settings.database, "TableName": "from_cloudtrail_raw"}
    glue = lake.client("glue")
    found = glue.get_partitions(**names, Expression=f"logcalendarday = {day_number(day)}")["Partitions"][0]
    partition = {name: found[name] for name in ("Values", "StorageDescriptor", "Parameters")}
    partition["Parameters"][LAST_ARRIVAL] = datetime.now(UTC).isoformat()
    entry = {"PartitionValueList": found["Values"], "PartitionInput": partition}
    glue.batch_update_partition(**names, Entries=[entry])


@pytest.mark.fault(65, "hourly checks three times over a day that is stale", "reported once, with its data version")
def test_a_stale_day_is_reported_when_that_is_news_and_not_every_hour(built: BuiltLake, config: SourceConfig) -> None:
    s3, bucket, job = built.lake.client("s3"), built.lake.settings.raw_bucket("cloudtrail"), hourly(built.lake, config)
    key = an_object(built).rpartition("/")[0] + "/111122223333_CloudTrail_us-east-1_arrived_last.json.gz"
    (result,) = build_range(built.lake, built.source, DAY, DAY, quiet)
    assert result.error is None, "of a day that a test before rolled back nothing would be asked for"
    with dagster_instance(built.lake) as instance:
        tick_raw_sensor(built.lake, instance, built.source)
        before = raw_reports(instance, config, DAY)
        try:
            s3.put_object(Bucket=bucket, Key=key, Body=b'{"Records":[]}')
            stamp_arrival(built.lake, DAY)
            tick_raw_sensor(built.lake, instance, built.source)
            told = raw_reports(instance, config, DAY)
            assert len(told) == len(before) + 1, "the sensor reports the arrival"
            for _ in range(3):
                job.execute_in_process(instance=instance)
            assert len(raw_reports(instance, config, DAY)) == len(told), "that it is still stale is no news"
            # As if the build had ended after the report of what arrived meanwhile: nobody would ask for it again.
            instance.report_runless_asset_event(dg.AssetMaterialization(config.readready_key, partition=str(DAY)))
            for _ in range(3):
                job.execute_in_process(instance=instance)
            last, *others = raw_reports(instance, config, DAY)
            assert len(others) == len(told)
            assert last.asset_materialization.tags == told[0].asset_materialization.tags
            assert last.asset_materialization.metadata["partitions"].value > 0
        finally:
            s3.delete_object(Bucket=bucket, Key=key)


def test_every_verdict_has_a_check_or_needs_none() -> None:
    quiet_ones = {Verdict.BUILT, Verdict.EXCLUDED, Verdict.OPEN}
    of_coverage = {Verdict.SHORT, Verdict.QUARANTINED}
    checked = [verdict for check in VERDICT_CHECKS for verdict in check.verdicts]
    assert len(checked) == len(set(checked)), "one check a verdict"
    assert {*checked, *quiet_ones, *of_coverage} == set(Verdict)


@pytest.mark.fault(80, "a raw object that a build read is removed", "the check names its key")
def test_removed_objects_are_named_in_a_sentence_and_a_table(built: BuiltLake, config: SourceConfig) -> None:
    bucket, key = built.lake.settings.raw_bucket("cloudtrail"), an_object(built)
    s3 = built.lake.client("s3")
    with put_back(s3, bucket, key):
        s3.delete_object(Bucket=bucket, Key=key)
        found = {r.check_name: r for r in hourly_results(config, built.lake.resource, [DAY], date(2026, 11, 20))}
    removed = found["changed_since_built"]
    assert f"gone_since_built: s3://{bucket}/{key}" in str(removed.description)
    assert "restore the object" in str(removed.description)
    assert removed.metadata is not None
    (record,) = (r for r in removed.metadata[NAMES].records if key in r.data["object"])
    assert record.data["day"] == str(DAY)
    assert min(removed.metadata) == REMEDY, "Dagster shows metadata in the order of its keys"


@pytest.mark.fault(70, "closed days without a delivery, expected and not", "a warning, or none; both name the days")
@pytest.mark.parametrize("expected", [True, False])
def test_whether_a_day_without_a_delivery_is_odd_is_a_setting(built: BuiltLake, expected: bool) -> None:
    config = source_config("cloudtrail", start_day=date(2020, 1, 1), expect_every_day=expected)
    days = [FIRST + timedelta(days=n) for n in range(12)]
    found = {r.check_name: r for r in hourly_results(config, built.lake.resource, days, days[-1])}
    delivered = found["delivered"]
    assert delivered.metadata is not None
    assert delivered.passed is not expected
    assert delivered.severity == dg.AssetCheckSeverity.WARN
    assert str(days[-2]) in names_of(delivered.metadata, "day")
    assert ("expect_every_day: false" in delivered.metadata[REMEDY].value) is expected


@pytest.mark.fault(75, "each check of a log run alone", "that check is evaluated, and no other")
def test_each_check_runs_alone(lake: LocalLake) -> None:
    definitions = load_definitions()
    graph = definitions.resolve_asset_graph()
    keys = [k for k in graph.asset_check_keys if k.asset_key.path[0] in {"checks", "lake"} and k.name != "digests"]
    assert len(keys) == 3 * 10 + 2
    with dg.DagsterInstance.ephemeral() as instance:
        for key in keys:
            alone = dg.define_asset_job("alone", selection=dg.AssetSelection.checks(key))
            job = dg.Definitions.merge(definitions, dg.Definitions(jobs=[alone])).resolve_job_def("alone")
            (evaluation,) = job.execute_in_process(instance=instance).get_asset_check_evaluations()
            assert evaluation.asset_check_key == key


@pytest.mark.fault(76, "all checks", "none says that it blocks")
def test_no_check_says_that_it_blocks() -> None:
    graph = load_definitions().resolve_asset_graph()
    assert [key for key in graph.asset_check_keys if graph.get(key).blocking] == []


@pytest.mark.fault(77, "two windows of a backfill queued on an instance that is new", "the second waits")
def test_the_pool_of_glue_runs_has_its_limit_before_anything_runs(tmp_path: Path) -> None:
    write_dagster_home(tmp_path)
    prepare_instance(tmp_path)
    with dg.DagsterInstance.from_config(str(tmp_path)) as instance:
        storage = instance.event_log_storage
        concurrency = RunOpConcurrency(
            root_key_counts={"glue": 1}, has_unconstrained_root_nodes=False, all_pools={"glue"}
        )
        windows = [dg.DagsterRun("window", run_op_concurrency=concurrency) for _ in range(2)]
        counter = GlobalOpConcurrencyLimitsCounter(
            instance,
            windows,
            [],
            concurrency_keys=storage.get_concurrency_keys(),
            pool_limits=storage.get_pool_limits(),
            pool_granularity=instance.get_concurrency_config().pool_config.pool_granularity,
        )
        assert not counter.is_blocked(windows[0])
        counter.update_counters_with_launched_item(windows[0])
        assert counter.is_blocked(windows[1])
        storage.set_concurrency_slots("glue", 3)
    prepare_instance(tmp_path)
    with dg.DagsterInstance.from_config(str(tmp_path)) as instance:
        limits = {pool.name: pool.limit for pool in instance.event_log_storage.get_pool_limits()}
        assert limits == {"glue": 3, "preview": 1}, "a limit that was set stays"


@pytest.mark.filterwarnings(
    "ignore:Function `AssetSelection.sources` is deprecated:DeprecationWarning"
)  # Dagster's own
@pytest.mark.fault(74, "a backfill over all tables and reviews at once", "accepted: they have the same days")
def test_a_backfill_over_every_asset_is_accepted() -> None:
    graph = load_definitions(date(2026, 11, 1)).resolve_asset_graph()
    keys = sorted(graph.materializable_asset_keys)
    days = {key: graph.get(key).partitions_def for key in keys}
    assert {key for key, found in days.items() if found is None} == {REPORT}, "the whole lake's, and no day's"
    assert set(days.values()) == {None, dg.DailyPartitionsDefinition("2026-11-01")}
    with dg.DagsterInstance.ephemeral() as instance:
        data = AssetBackfillData.from_asset_partitions(
            asset_graph=graph,
            partition_names=["2026-11-02", "2026-11-03"],
            asset_selection=keys,
            dynamic_partitions_store=instance,
            backfill_start_timestamp=NOW.timestamp(),
            all_partitions=False,
        )
    for name in source_names():  # reviews bring the days around theirs with them
        key = source_config(name, start_day=FIRST).audit_key
        assert data.target_subset.get_partitions_subset(key).get_partition_keys() == ["2026-11-02", "2026-11-03"]


def test_the_first_day_is_a_setting_and_an_odd_one_is_refused_with_what_is_accepted() -> None:
    assert first_day({FIRST_DAY: "2026-03-04"}) == date(2026, 3, 4)
    assert first_day({}) == date(2020, 1, 1)
    with pytest.raises(SettingsError, match=r"LOGLAKE_FIRST_DAY is 'March', which is no day\. Set it to"):
        first_day({FIRST_DAY: "March"})


@contextmanager
def set_first_day(value: str | None) -> Iterator[None]:
    """An environment with this first day, or without one."""
    before = os.environ.pop(FIRST_DAY, None)
    if value:
        os.environ[FIRST_DAY] = value
    try:
        yield
    finally:
        os.environ.pop(FIRST_DAY, None)
        if before:
            os.environ[FIRST_DAY] = before


@pytest.mark.fault(
    74, "a raw day registered years ago, the first day set later", "the first day is as set or registered"
)
def test_a_local_lake_begins_with_its_first_raw_day(lake: LocalLake, tmp_path: Path) -> None:
    register(lake, date(2009, 5, 6), "111122223333", "2009-05-06T01:00:00Z")
    with set_first_day(None):
        assert first_raw_day(lake) == date(2009, 5, 6)
        assert lake_first_day(lake) == date(2009, 5, 6)
        assert lake_first_day(lake, date(2008, 1, 1)) == date(2008, 1, 1), "a day asked for by name can be built"
    with set_first_day("2026-11-01"):
        assert lake_first_day(lake) == date(2026, 11, 1)
    days = load_definitions(date(2026, 11, 1)).resolve_job_def("bedrock_readready").partitions_def
    assert days is not None
    assert days.get_partition_keys()[0] == "2026-11-01"
    assert FIRST_DAY not in os.environ
    assert hidden_days_hint(tmp_path, date(2026, 1, 1)) is None, "no Dagster runs"
    note_first_day(tmp_path, date(2026, 11, 1))
    assert hidden_days_hint(tmp_path, date(2026, 11, 1)) is None
    assert f"from 2026-11-01 on. Stop `{loglake('up')}`" in str(hidden_days_hint(tmp_path, date(2026, 10, 1)))


def unregister(lake: LocalLake, day: date) -> None:
    """What `register` made, away again."""
    names = {"DatabaseName": lake.settings.database, "TableName": "from_cloudtrail_raw"}
    values = ["AWSLogs", "111122223333", "eu-west-1", f"{day:%Y%m%d}"]
    lake.client("glue").delete_partition(**names, PartitionValues=values)


@pytest.mark.fault(74, "raw days before the lake's first day, and after tomorrow", "named, each with its remedy")
def test_raw_days_that_no_check_would_come_to_are_named(lake: LocalLake) -> None:
    register(lake, date(2009, 5, 7), "111122223333", "2009-05-07T01:00:00Z")
    register(lake, date(2098, 3, 4), "111122223333", "2098-03-04T01:00:00Z")
    config = source_config("cloudtrail", start_day=date(2026, 11, 1))
    check = dg.define_asset_job(
        "older", selection=dg.AssetSelection.checks(dg.AssetCheckKey(config.checks_key, "older_days"))
    )
    definitions = dg.Definitions(
        assets=[checks_asset(config)],
        asset_checks=[hourly_checks(config)],
        jobs=[check],
        resources={"lake": lake.resource},
    )
    try:
        with dg.DagsterInstance.ephemeral() as instance:
            result = definitions.resolve_job_def("older").execute_in_process(instance=instance)
    finally:
        unregister(lake, date(2098, 3, 4))
    (evaluation,) = result.get_asset_check_evaluations()
    assert not evaluation.passed
    assert "2009-05-07" in names_of(evaluation.metadata, "day")
    assert "2098-03-04" in names_of(evaluation.metadata, "day")
    assert evaluation.metadata["days_to_come"].value == 1
    assert "start it by `LOGLAKE_FIRST_DAY=" in str(evaluation.description)
    assert "have the objects moved to the day of their delivery" in str(evaluation.description)


def test_every_older_week_has_its_turn_at_whatever_hours_the_checks_run(lake: LocalLake) -> None:
    """A lake that runs from nine to five, and one that is looked at every six hours, leave no week out."""
    config = source_config("bedrock", start_day=date(2026, 1, 1))
    first, before = date(2026, 1, 1), date(2026, 6, 18)
    for hours in ([24 * day + hour for day in range(20) for hour in range(9, 17)], range(0, 24 * 20, 6)):
        put_state(lake.resource, config, OlderDays())
        seen: set[date] = set()
        for hour in hours:
            state = read_state(lake.resource, config)
            turns = state.turns(hour)
            assert 1 <= len(turns) <= 6
            seen |= {day for turn in turns for day in week_of_turn(first, before, turn)}
            put_state(lake.resource, config, OlderDays(state.wrong, turns.stop, hour))
        assert len(seen) == (before - first).days


@pytest.mark.stack
@pytest.mark.fault(
    79, "every schedule of a day, and the runs it asks for, on an idle lake", "few runs, and little kept"
)
def test_an_idle_lake_is_quiet(tmp_path: Path) -> None:
    """The runs are made, in a Dagster home of their own; what they leave there is measured.

    Those that build days are made last: where one fails, the hourly checks rightly look again.
    """
    with local_lake(tmp_path / "idle", quiet) as lake:
        definitions = load_definitions()
        with dagster_instance(lake) as instance:
            instance.get_runs()
            before, runs = bytes_under(lake.dagster_home), 0
            builds: list[tuple[str, dict[str, str]]] = []
            for minute in range(0, 24 * 60, 10):
                moment = datetime(2026, 11, 19, tzinfo=UTC) + timedelta(minutes=minute)
                for request, name in asked_at(lake, definitions, instance, moment):
                    runs += 1
                    tags = {**request.tags, **day_tags(request)}
                    if request.partition_key:
                        builds.append((name, tags))
                    else:
                        definitions.resolve_job_def(name).execute_in_process(instance=instance, tags=tags)
            for name, tags in builds:
                definitions.resolve_job_def(name).execute_in_process(instance=instance, tags=tags, raise_on_error=False)
            stored = bytes_under(lake.dagster_home) - before
    print(f"an idle day: {runs} runs, {stored:,} bytes")
    assert runs <= 30
    assert stored <= 1_000_000


def day_tags(request: dg.RunRequest) -> dict[str, str]:
    return {"dagster/partition": request.partition_key} if request.partition_key else {}


def asked_at(
    lake: LocalLake, definitions: dg.Definitions, instance: dg.DagsterInstance, moment: datetime
) -> Iterator[tuple[dg.RunRequest, str]]:
    """The runs that the schedules which are on ask for at a moment, with their jobs' names."""
    repository = definitions.get_repository_def()
    for schedule in repository.schedule_defs:
        if schedule.default_status != dg.DefaultScheduleStatus.RUNNING or not is_due(schedule, moment):
            continue
        with dg.build_schedule_context(
            instance=instance,
            scheduled_execution_time=moment,
            repository_def=repository,
            resources={"lake": lake.resource},
        ) as context:
            for request in schedule.evaluate_tick(context).run_requests or ():
                yield request, schedule.job_name


def is_due(schedule: dg.ScheduleDefinition, moment: datetime) -> bool:
    """Whether a schedule ticks at a moment."""
    first = next(schedule_execution_time_iterator(moment.timestamp(), schedule.cron_schedule, "UTC"))
    return first.timestamp() == moment.timestamp()


def bytes_under(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def test_the_hourly_checks_are_skipped_only_while_nothing_changed(lake: LocalLake, tmp_path: Path) -> None:
    write_dagster_home(tmp_path)
    definitions = load_definitions()
    schedule = definitions.resolve_schedule_def(HOURLY)
    start = datetime(2026, 11, 19, 0, 10, tzinfo=UTC)

    def ask(instance: dg.DagsterInstance, hour: int) -> dict[str, str] | None:
        with dg.build_schedule_context(
            instance=instance,
            scheduled_execution_time=start + timedelta(hours=hour),
            repository_def=definitions.get_repository_def(),
            resources={"lake": lake.resource},
        ) as context:
            requests = schedule.evaluate_tick(context).run_requests
        return dict(requests[0].tags) if requests else None

    def run(instance: dg.DagsterInstance, tags: dict[str, str], status: dg.DagsterRunStatus) -> None:
        create_run_for_test(instance, job_name=HOURLY, tags=tags, status=status)

    with dg.DagsterInstance.from_config(str(tmp_path)) as instance:
        first = ask(instance, 0)
        assert first is not None
        run(instance, first, dg.DagsterRunStatus.SUCCESS)
        assert [ask(instance, hour) is None for hour in range(1, 26)] == [True] * 23 + [False] * 2, "once a day"
        register(lake, date(2026, 11, 18), "222233334444", "2026-11-18T10:00:00Z")
        changed = ask(instance, 1)
        assert changed is not None, "a partition is news"
        run(instance, changed, dg.DagsterRunStatus.SUCCESS)
        assert ask(instance, 2) is None
        run(instance, changed, dg.DagsterRunStatus.FAILURE)
        assert ask(instance, 2) is not None, "a run that failed has checked nothing"


def test_old_runs_of_checks_are_deleted_and_their_newest_and_builds_are_kept(lake: LocalLake, tmp_path: Path) -> None:
    write_dagster_home(tmp_path)
    job = hourly(lake, source_config("bedrock", start_day=date(2026, 11, 1)))
    with dg.DagsterInstance.from_config(str(tmp_path)) as instance:
        runs = [job.execute_in_process(instance=instance).run_id for _ in range(3)]
        build = create_run_for_test(instance, job_name="bedrock_readready", status=dg.DagsterRunStatus.SUCCESS)
        files = bytes_under(tmp_path)
        assert delete_runs(instance, (HOURLY,), datetime.now(UTC) - timedelta(days=30)) == 0
        assert delete_runs(instance, (HOURLY,), datetime.now(UTC) + timedelta(minutes=1)) == 2
        assert {run.run_id for run in instance.get_runs()} == {runs[-1], build.run_id}
        assert files - bytes_under(tmp_path) > 100_000, "the runs' files are gone as well"
        key = dg.AssetCheckKey(dg.AssetKey(["checks", "bedrock"]), "catalog_lag")
        assert status_in_ui(instance, key) == "SUCCEEDED"

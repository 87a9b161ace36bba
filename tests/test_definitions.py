"""The Dagster definitions: what loads, what ticks, what is asked for when, and what importing does not do."""

import re
import subprocess
import sys
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from infra.cli.dagster_runs import dagster_instance, load_definitions
from infra.cli.local_lake import LocalLake
from lambdas.addapart.consumer import LAST_ARRIVAL
from loglake_assets.orchestration.components.skeleton import SourceNameError, skeleton_files
from loglake_assets.orchestration.lake_resource import lake_resources
from loglake_assets.orchestration.raw_sensor import SensorCursor, sense
from loglake_assets.orchestration.reconcile_job import day_reports
from loglake_assets.orchestration.source_config import SourceConfig, source_config
from loglake_assets.orchestration.source_definitions import bounded_heal, build_source
from loglake_assets.reviews import review_names
from loglake_assets.sources import LogSource, source_names
from tests.reports import reconcile

TODAY = date(2018, 3, 10)
RAW = dg.AssetKey(["raw", "from_cloudtrail_raw"])
READREADY = dg.AssetKey(["readready", "from_cloudtrail_readready"])


@pytest.fixture
def config() -> SourceConfig:
    return source_config("cloudtrail", start_day=date(2018, 1, 1))


def with_resources(config: SourceConfig) -> dg.Definitions:
    return dg.Definitions.merge(build_source(config), dg.Definitions(resources=lake_resources()))


def test_the_definitions_load_and_hold_every_source() -> None:
    definitions = load_definitions()
    dg.Definitions.validate_loadable(definitions)
    groups = {spec.group_name for spec in definitions.resolve_all_asset_specs()}
    assert set(source_names()) <= groups


def test_everybody_sees_whose_an_asset_is_how_old_it_may_be_and_where_its_code_is() -> None:
    specs = {spec.key: spec for spec in load_definitions().resolve_all_asset_specs()}
    assert [key for key, spec in specs.items() if not spec.owners] == []
    tables = [spec for key, spec in specs.items() if key.path[0] in ("readready", "review")]
    assert len(tables) == len((*source_names(), *review_names()))
    assert [spec.key for spec in tables if not spec.freshness_policy] == []
    coded = [*tables, *(spec for key, spec in specs.items() if key.path[0] == "preview")]
    assert len(coded) > len(tables)
    assert [spec.key for spec in coded if "dagster/code_references" not in spec.metadata] == []


def test_a_schedule_has_the_name_of_its_job() -> None:
    schedules = load_definitions().get_repository_def().schedule_defs
    assert len(schedules) > 2 * len(source_names())
    assert [one.name for one in schedules if one.name != one.job_name] == []


def test_what_is_private_to_dagster_is_used_only_where_a_decision_says_what_for(repository: Path) -> None:
    using = {
        str(path.relative_to(repository))
        for folder in ("loglake_assets", "resources", "glue_scripts", "lambdas", "infra")
        for path in (repository / folder).rglob("*.py")
        if re.search(r"^\s*(?:from|import) dagster\._", path.read_text(), re.M)
    }
    decision = (repository / "docs" / "decisions" / "0028-a-days-colour-is-its-checks.md").read_text()
    assert using == set(re.findall(r"^\| `([\w/]+\.py)`", decision, re.M))


def test_one_tree_holds_every_log_and_review_and_no_other_folder() -> None:
    tree = load_definitions().component_tree
    assert tree is not None
    found = {type(component).__name__ for component in tree.get_all_components(dg.Component)}
    assert {"LogSourceComponent", "SessionActivityComponent", "AgentToolUseComponent"} <= found
    shown = tree.to_string_representation(hide_plain_defs=True)
    assert shown.count("defs.yaml") == len((*source_names(), *review_names()))
    assert "orchestration" not in shown


@pytest.mark.long
def test_importing_needs_no_network_and_no_environment(repository: Path) -> None:
    """Every module is imported in a process whose sockets are closed and whose environment is empty."""
    program = """
import importlib, os, pkgutil, socket, sys
def refuse(*arguments, **named):
    raise AssertionError("a module opened a socket on import")
socket.socket.connect = refuse
for package in ("loglake_assets", "resources", "glue_scripts", "lambdas", "infra"):
    for module in pkgutil.walk_packages(importlib.import_module(package).__path__, package + "."):
        if module.name != "glue_scripts.readready":
            importlib.import_module(module.name)
"""
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=repository, env={"PATH": ""}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]


def test_readready_knows_closed_days_and_raw_knows_today(config: SourceConfig) -> None:
    now = datetime(2026, 11, 22, 12, tzinfo=UTC)
    assert config.raw_days.get_partition_keys(current_time=now)[-1] == "2026-11-22"
    assert config.closed_days.get_partition_keys(current_time=now)[-1] == "2026-11-21"


def test_a_backfill_is_cut_into_windows_of_the_configured_size(config: SourceConfig) -> None:
    asset = with_resources(config).resolve_assets_def(READREADY)
    assert asset.backfill_policy == dg.BackfillPolicy.multi_run(7)
    assert asset.op.pool == "glue"


def test_the_daily_schedule_asks_for_the_day_just_closed(config: SourceConfig) -> None:
    schedule = with_resources(config).resolve_schedule_def("cloudtrail_readready")
    context = dg.build_schedule_context(scheduled_execution_time=datetime(2026, 11, 22, 2, tzinfo=UTC))
    requests = schedule.evaluate_tick(context).run_requests
    assert requests is not None
    assert [r.partition_key for r in requests] == ["2026-11-21"]


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"days_per_run": 0}, "1 to 31"),
        ({"days_per_run": 32}, "1 to 31"),
        ({"look_ahead_days": 8}, "0 to 7"),
        ({"compression": "snappy"}, "compression of cloudtrail is 'snappy'; accepted: zstd, zlib"),
    ],
)
def test_an_odd_setting_is_refused_with_what_is_accepted(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        source_config("cloudtrail", start_day=date(2026, 1, 1), **settings)


def register(lake: LocalLake, day: date, account: str, arrival: str) -> None:
    """A raw partition as AddAPart leaves it."""
    number = f"{day:%Y%m%d}"
    lake.client("glue").batch_create_partition(
        DatabaseName=lake.settings.database,
        TableName="from_cloudtrail_raw",
        PartitionInputList=[
            {
                "Values": ["AWSLogs", account, "eu-west-1", number],
                "StorageDescriptor": {"Location": f"s3://b/{account}/{number}/"},
                "Parameters": {LAST_ARRIVAL: arrival},
            }
        ],
    )


def tick(
    lake: LocalLake, instance: dg.DagsterInstance, config: SourceConfig, cursor: str | None, today: date = TODAY
) -> tuple[list[str], str]:
    """One tick, recorded as the daemon would; returns the days told and the cursor."""
    with dg.build_sensor_context(instance=instance, cursor=cursor) as context:
        result = sense(context, config, lake.resource, today)
    for event in result.asset_events:
        instance.report_runless_asset_event(event)
    return [str(e.partition) for e in result.asset_events], str(result.cursor)


def test_the_raw_sensor_tells_new_days_once_and_changed_days_again(lake: LocalLake, config: SourceConfig) -> None:
    register(lake, TODAY, "111122223333", "2018-03-10T01:00:00Z")
    register(lake, TODAY - timedelta(days=1), "111122223333", "2018-03-09T01:00:00Z")
    register(lake, date(2018, 1, 5), "111122223333", "2018-01-05T01:00:00Z")
    with dg.DagsterInstance.ephemeral() as instance:
        first, cursor = tick(lake, instance, config, None)
        assert first == ["2018-03-09", "2018-03-10", "2018-01-05"]
        idle, cursor = tick(lake, instance, config, cursor)
        assert idle == []
        register(lake, TODAY - timedelta(days=1), "444455556666", "2018-03-10T02:00:00Z")
        late, cursor = tick(lake, instance, config, cursor)
        assert late == ["2018-03-09"]
        assert tick(lake, instance, config, cursor)[0] == []


def test_an_open_day_is_told_for_new_prefixes_and_not_for_every_object(lake: LocalLake, config: SourceConfig) -> None:
    day = date(2018, 6, 1)
    register(lake, day, "111122223333", "2018-06-01T01:00:00Z")
    with dg.DagsterInstance.ephemeral() as instance:
        assert "2018-06-01" in tick(lake, instance, config, None, day)[0]
        _, cursor = tick(lake, instance, config, None, day)
        stamp(lake, day, "2018-06-01T09:00:00Z")
        assert tick(lake, instance, config, cursor, day)[0] == []
        assert "2018-06-01" in tick(lake, instance, config, cursor, day + timedelta(days=1))[0]


def stamp(lake: LocalLake, day: date, arrival: str) -> None:
    values = ["AWSLogs", "111122223333", "eu-west-1", f"{day:%Y%m%d}"]
    entry = {"Values": values, "StorageDescriptor": {"Location": "s3://b/x/"}, "Parameters": {LAST_ARRIVAL: arrival}}
    lake.client("glue").batch_update_partition(
        DatabaseName=lake.settings.database,
        TableName="from_cloudtrail_raw",
        Entries=[{"PartitionValueList": values, "PartitionInput": entry}],
    )


def test_the_cursor_stays_bounded_over_years(lake: LocalLake) -> None:
    config = source_config("cloudtrail", start_day=date(2010, 1, 1))
    for n in range(120):
        register(lake, date(2017, 1, 1) + timedelta(days=n), "777788889999", "2017-06-01T00:00:00Z")
    with dg.DagsterInstance.ephemeral() as instance:
        cursor: str | None = None
        for _ in range(30):
            _, cursor = tick(lake, instance, config, cursor, date(2017, 5, 1))
            assert len(SensorCursor.from_text(cursor).hot) <= 46


def test_a_sweep_finds_what_the_hot_window_never_sees(lake: LocalLake, config: SourceConfig) -> None:
    today = date(2019, 12, 1)
    with dg.DagsterInstance.ephemeral() as instance:
        cursor: str | None = None
        for _ in range(30):
            _, cursor = tick(lake, instance, config, cursor, today)
        register(lake, date(2018, 9, 9), "111122223333", "2018-09-09T00:00:00Z")
        told: list[str] = []
        for _ in range(30):
            days, cursor = tick(lake, instance, config, cursor, today)
            told += days
        assert told == ["2018-09-09"]


@pytest.mark.fault(20, "a built day's raw day told as changed", "its build asked for once a night")
@pytest.mark.fault(21, "a built day's raw day told as changed", "its build asked for once a night")
def test_healing_asks_once_a_night_for_missing_and_changed_days_and_never_for_today() -> None:
    config = source_config("cloudtrail", start_day=date(2026, 1, 1), heal_days=10)
    definitions = with_resources(config)
    with dg.DagsterInstance.ephemeral() as instance:
        for day in ("2026-11-18", "2026-11-20", "2026-11-21", "2026-11-22", "2026-06-01"):
            instance.report_runless_asset_event(dg.AssetMaterialization(RAW, partition=day))
        instance.report_runless_asset_event(dg.AssetMaterialization(READREADY, partition="2026-11-20"))
        night = [datetime(2026, 11, 22, 2, 58, 30, tzinfo=UTC) + timedelta(minutes=n) for n in range(5)]
        assert days_requested(definitions, instance, night) == [
            set(),
            set(),
            {"2026-11-18", "2026-11-21"},
            set(),
            set(),
        ]


def days_requested(
    definitions: dg.Definitions, instance: dg.DagsterInstance, moments: list[datetime]
) -> list[set[str]]:
    """The readready days that the condition requests at each moment, one evaluation after the other."""
    found, cursor = [], None
    for moment in moments:
        result = dg.evaluate_automation_conditions(definitions, instance, cursor=cursor, evaluation_time=moment)
        cursor = result.cursor
        found.append(set(result.get_requested_partitions(READREADY)))
    return found


def test_the_condition_has_a_name_a_person_can_find(config: SourceConfig) -> None:
    assert bounded_heal(config).get_label() == "bounded_heal"


@pytest.mark.fault(3, "an object put while the bucket tells nobody", "reconciling makes its partition, once")
def test_reconciling_registers_a_prefix_whose_notification_was_lost(lake: LocalLake, source: LogSource) -> None:
    s3, bucket = lake.client("s3"), lake.settings.raw_bucket(source.name)
    configuration = s3.get_bucket_notification_configuration(Bucket=bucket)
    configuration.pop("ResponseMetadata")
    key = "AWSLogs/111122223333/CloudTrail/eu-west-1/2016/05/05/lost.json.gz"
    try:
        s3.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration={})
        s3.put_object(Bucket=bucket, Key=key, Body=b"")
    finally:
        s3.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration=configuration)
    day = date(2016, 5, 5)
    assert reconcile(source, lake.resource, [day])[0] == 1
    from tests.test_addapart import partition
    from tests.wait import until

    until(lambda: partition(lake, source.raw.name, ["AWSLogs", "111122223333", "eu-west-1", "20160505"]))
    assert reconcile(source, lake.resource, [day])[0] == 0


@pytest.mark.fault(3, "an object put while the bucket tells nobody", "the prefix is named as lagging")
def test_the_catalog_lag_check_is_red_while_a_prefix_is_missing(lake: LocalLake, source: LogSource) -> None:
    from loglake_assets.lake.checks.catalog_gaps import unregistered_prefixes

    s3, bucket = lake.client("s3"), lake.settings.raw_bucket(source.name)
    configuration = s3.get_bucket_notification_configuration(Bucket=bucket)
    configuration.pop("ResponseMetadata")
    key = "AWSLogs/o-exampleorg1/111122223333/CloudTrail/eu-west-1/2016/06/06/lost.json.gz"
    try:
        s3.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration={})
        s3.put_object(Bucket=bucket, Key=key, Body=b"")
        (lagging,) = unregistered_prefixes(source, day_reports(source, lake.resource, [date(2016, 6, 6)]))
    finally:
        s3.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration=configuration)
        s3.delete_object(Bucket=bucket, Key=key)
    assert lagging.location.endswith("/2016/06/06/")
    assert lagging.object_count == 1


def test_dagster_still_drops_the_day_of_a_check_result_in_a_range_run(tmp_path: Path) -> None:
    """Why orchestration/day_checks.py is there. When this fails, upstream keeps the day, and that module can go."""
    days = dg.DailyPartitionsDefinition("2026-01-01")

    @dg.asset(
        partitions_def=days,
        backfill_policy=dg.BackfillPolicy.single_run(),
        check_specs=[dg.AssetCheckSpec("seen", asset="checked", partitions_def=days)],
    )
    def checked() -> Any:
        yield dg.MaterializeResult()
        yield dg.AssetCheckResult(passed=True)

    with dg.DagsterInstance.ephemeral() as instance:
        result = dg.materialize(
            [checked],
            instance=instance,
            tags={
                "dagster/asset_partition_range_start": "2026-01-01",
                "dagster/asset_partition_range_end": "2026-01-03",
            },
        )
        assert result.success
        assert [e.partition for e in result.get_asset_check_evaluations()] == [None]


@pytest.mark.long
@pytest.mark.fault(
    67, "honest repeats of a line within an object of a scaffolded log", "every one an event to both paths"
)
def test_a_new_source_is_scaffolded_and_loads(repository: Path, tmp_path: Path) -> None:
    """One folder and no edit elsewhere: the skeleton of a fourth source imports, declares itself and has its views."""
    folder = tmp_path / "loglake_assets" / "sources" / "guardduty"
    folder.mkdir(parents=True)
    for name, text in skeleton_files("guardduty").items():
        (folder / name).write_text(text)
    program = f"""
import loglake_assets.sources as sources
sources.__path__.append({str(folder.parent)!r})
sources._HERE = __import__("pathlib").Path({str(folder.parent)!r})
source = sources.load_source("guardduty")
import importlib
decode, recount = importlib.import_module(source.decoder), importlib.import_module(source.recount)
from glue_scripts.whole_objects import FetchedObject, ObjectRef
from glue_scripts.object_reader import ObjectReader
from tests.job_rows import job_rows
line, other = (b'{{"eventTime":"2026-11-01T00:00:0%dZ","a":1}}' % n for n in range(2))
def read(content):
    reader = ObjectReader("guardduty", "eu-west-1", "")
    made = FetchedObject(ObjectRef(0, "logs", "k", 20261101), content, "etag", "v1", 1.0)
    *rows, closing = job_rows(reader, made)
    assert len(rows) == closing["record_count"]
    keys = [row.get("eventkey") for row in rows]
    assert keys == [event.key for event in recount.events(content.decode("utf-8-sig", "replace"))]
    return keys, [row["reason"] for row in rows]
keys, _ = read(b"\\n".join([line, line, other, line]))
assert len(set(keys)) == 4, "lines that stand twice in one object are two events"
assert read(b"\\n".join([line, line, other, line])) == (keys, [None] * 4), "the same object again is a copy"
assert not set(keys) & set(read(line)[0]), "another object with the same line is none"
odd = [b'{{"eventTime":"2026-11-01T00:00:00Z","eventTime":"2026-11-02T00:00:00Z"}}', b"[1]", b"\\xff", b"{{}}",
       b'{{"eventTime":"2026-11-01T00:00:00"}}', b'{{"eventTime":7}}']
decoded = read(b"\\xef\\xbb\\xbf" + b"\\n\\x0b\\n".join([line, *odd[:3], line]) + b"\\n")
assert decoded[1] == [None, "key_twice", "record_not_an_object", "record_not_an_object", None]
assert len(decoded[0]) - decoded[0].count(None) == 2
for text in odd[3:]:
    (row,) = [r for r in map(decode.split, [text])][0]
    try:
        decode.decode(row)
        raise AssertionError(text)
    except ValueError as error:
        assert str(error).startswith("eventtime_")
from loglake_assets.sources.views import view_statements
assert len(view_statements(source)) == 3
from datetime import date
from loglake_assets.orchestration.lake_resource import lake_resources
from loglake_assets.orchestration.source_config import source_config
from loglake_assets.orchestration.source_definitions import build_source
import dagster as dg
dg.Definitions.validate_loadable(dg.Definitions.merge(
    build_source(source_config("guardduty", start_day=date(2026, 1, 1))),
    dg.Definitions(resources=lake_resources())))
"""
    done = subprocess.run([sys.executable, "-c", program], cwd=repository, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]


UNUSABLE = ("vpc_flow", "VPCFlow", "flow.logs", "flow-logs", "1log", "x", "", "ä", "rules", "model", "lambda", "a" * 21)


@pytest.mark.parametrize("name", UNUSABLE)
def test_a_name_that_no_bucket_or_package_can_carry_is_refused_with_a_sentence(name: str) -> None:
    with pytest.raises(SourceNameError, match=r"cannot be the name of a log source.*, such as '\w+'\.$"):
        skeleton_files(name)
    for usable in ("vpcflow", "guardduty", "waf2", "a" * 20):
        assert skeleton_files(usable)


@pytest.mark.long
def test_the_scaffolder_refuses_such_a_name_and_leaves_nothing(repository: Path) -> None:
    component = "loglake_assets.orchestration.components.LogSourceComponent"
    command = [
        Path(sys.executable).parent / "dg",
        "scaffold",
        "defs",
        component,
        "sources/vpc_flow",
    ]
    done = subprocess.run(command, cwd=repository, capture_output=True, text=True, check=False)
    said = " ".join(done.stderr.split())
    assert done.returncode != 0
    assert "'vpc_flow' cannot be the name of a log source." in said
    assert "Traceback" not in said
    assert not (repository / "loglake_assets" / "sources" / "vpc_flow").exists()


def test_only_the_folders_of_sources_and_reviews_name_a_log(repository: Path) -> None:
    named = []
    for folder in ("loglake_assets", "resources", "glue_scripts", "lambdas", "infra"):
        for path in (repository / folder).rglob("*"):
            declared = {"sources", "reviews"} & set(path.parts) and len(path.relative_to(repository / folder).parts) > 2
            if path.suffix in {".py", ".yaml", ".sql", ".toml"} and not declared:
                text = path.read_text(encoding="utf-8").lower()
                named += [f"{path.relative_to(repository)}: {n}" for n in source_names() if _names(text, n)]
    allowed = {
        "infra/emulator/athena_engine": "CloudTrailInputFormat is a Hive class that Athena reads with",
        "infra/emulator/trails.py": "the service whose trails it stands in for",
        "infra/emulator/replacements.py": "the same",
        "infra/cli/main.py": "the examples in its help texts",
        "infra/cli/looker_questions.toml": "what a model is asked, about the logs that there are",
        "loglake_assets/rules.toml": "a rule is of one log: its example names one",
        "infra/aws/examination.py": "alarms are CloudWatch's",
        "loglake_assets/orchestration/console_links.py": "the page of what a job printed is CloudWatch's",
    }
    assert [n for n in named if not n.startswith(tuple(allowed))] == []


def _names(text: str, log: str) -> bool:
    """Whether a text names a log. They are services too, which the lake uses: for metrics, models and public keys."""
    text = text.replace("cloudtrail:listpublickeys", "")
    if log in {"cloudwatch", "bedrock"}:
        return any(mark in text for mark in (f"from_{log}", f"sources.{log}", f'"{log}"', f"'{log}'"))
    return log in text


def test_the_instance_of_a_local_lake_is_as_its_file_says(lake: LocalLake) -> None:
    with dagster_instance(lake) as instance:
        settings = instance.get_settings("concurrency")
        assert settings["pools"]["granularity"] == "run"
        assert not instance.telemetry_enabled

"""Object Lock against the emulator's S3: what is locked as promised passes, and exactly what is not is named."""

import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from botocore.exceptions import ClientError

from infra.cli.dagster_runs import load_definitions
from infra.cli.local_lake import LocalLake
from loglake_assets.lake.checks.object_lock import (
    BEYOND,
    BUCKET_NOT_VERSIONED,
    BUCKET_WITHOUT_LOCK,
    SHORTER_RETENTION,
    UNLOCKED,
    WEAKER_MODE,
    LockTerms,
    LockUnreadableError,
    ObjectLock,
    bucket_lock,
    lock_result,
)
from loglake_assets.lake.checks.sample import spread
from loglake_assets.lake.lake import Lake
from loglake_assets.lake.storage.keys import commit_key
from loglake_assets.orchestration.lake_resource import lake_resources
from loglake_assets.orchestration.object_lock_check import commit_lock_result, locked_days, raw_lock_result
from loglake_assets.orchestration.source_config import SourceConfig, source_config
from loglake_assets.orchestration.source_definitions import build_source
from resources.settings import LakeSettings
from tests.check_names import names_of

PROMISED = {"object_lock_mode": "COMPLIANCE", "object_lock_days": 30}
PROMISED_COMMITS = {"commit_lock_mode": "GOVERNANCE", "commit_lock_days": 10}
START = date(2026, 1, 1)


def config_with(**settings: Any) -> SourceConfig:
    return source_config("cloudtrail", start_day=START, **settings)


@dataclass(frozen=True)
class LockedLake:
    """A lake of its own name, of which there are the two buckets that the check looks at."""

    resource: Lake
    s3: Any

    @property
    def raw(self) -> str:
        return self.resource.settings.raw_bucket("cloudtrail")

    @property
    def readready(self) -> str:
        return self.resource.settings.readready_bucket

    def put(self, name: str, **lock: Any) -> str:
        """An object delivered today; its key."""
        key = f"AWSLogs/111122223333/CloudTrail/eu-west-1/{datetime.now(UTC):%Y/%m/%d}/{name}.json.gz"
        self.s3.put_object(Bucket=self.raw, Key=key, Body=b"", **lock)
        return key

    def commit(self, seq: int, **lock: Any) -> str:
        key = commit_key("from_cloudtrail_readready", 20260301, seq)
        self.s3.put_object(Bucket=self.readready, Key=key, Body=b"{}", **lock)
        return key


def retention(mode: str, days: int) -> dict[str, Any]:
    return {"ObjectLockMode": mode, "ObjectLockRetainUntilDate": datetime.now(UTC) + timedelta(days=days)}


def default_retention(s3: Any, bucket: str, mode: str, days: int) -> None:
    """What the template's parameters give a bucket on AWS; the emulator's CloudFormation passes over them."""
    rule = {"DefaultRetention": {"Mode": mode, "Days": days}}
    s3.put_object_lock_configuration(
        Bucket=bucket, ObjectLockConfiguration={"ObjectLockEnabled": "Enabled", "Rule": rule}
    )


@pytest.fixture
def bare(lake: LocalLake) -> LockedLake:
    """Without buckets: what is locked cannot be deleted, so each test has names of its own."""
    named = lake.settings
    name = f"worm-{uuid.uuid4().hex[:12]}"
    resource = Lake(LakeSettings(name, named.account, named.region, lake.info.endpoint_url))
    return LockedLake(resource, lake.client("s3"))


@pytest.fixture
def locked(bare: LockedLake) -> LockedLake:
    for bucket in (bare.raw, bare.readready):
        bare.s3.create_bucket(Bucket=bucket, ObjectLockEnabledForBucket=True)
    return bare


@pytest.fixture
def unlocked(bare: LockedLake) -> Iterator[LockedLake]:
    for bucket in (bare.raw, bare.readready):
        bare.s3.create_bucket(Bucket=bucket)
    yield bare
    for bucket in (bare.raw, bare.readready):
        for entry in bare.s3.list_objects_v2(Bucket=bucket).get("Contents", ()):
            bare.s3.delete_object(Bucket=bucket, Key=entry["Key"])
        bare.s3.delete_bucket(Bucket=bucket)


def today() -> date:
    return datetime.now(UTC).date()


def test_exactly_the_objects_that_are_locked_less_than_promised_are_named(locked: LockedLake) -> None:
    before = locked.put("before-the-lock")
    default_retention(locked.s3, locked.raw, "COMPLIANCE", 30)
    locked.put("by-default")
    longer = locked.put("longer", **retention("COMPLIANCE", 60))
    shorter = locked.put("shorter", **retention("COMPLIANCE", 29))
    weaker = locked.put("weaker", **retention("GOVERNANCE", 31))
    both = locked.put("both", **retention("GOVERNANCE", 3))
    result = raw_lock_result(config_with(**PROMISED), locked.resource, today())
    assert result.faulty == {
        before: [UNLOCKED],
        shorter: [SHORTER_RETENTION],
        weaker: [WEAKER_MODE],
        both: [WEAKER_MODE, SHORTER_RETENTION],
    }
    assert result.beyond == [longer]
    assert result.verdict_counts == {UNLOCKED: 1, SHORTER_RETENTION: 2, WEAKER_MODE: 2, BEYOND: 1}
    assert result.conforming_pct == 33.3333
    assert not result.bucket_faults
    assert not result.is_conforming


def test_all_that_the_default_retention_locks_is_as_promised(locked: LockedLake) -> None:
    default_retention(locked.s3, locked.raw, "COMPLIANCE", 30)
    for n in range(3):
        locked.put(f"object-{n}")
    result = raw_lock_result(config_with(**PROMISED), locked.resource, today())
    assert (result.conforming_pct, result.beyond, result.is_conforming) == (100, [], True)
    assert str(result.bucket_lock) == "Object Lock, by default COMPLIANCE for 30 days; versioning Enabled"


def test_the_current_version_is_judged_and_not_one_below_it(locked: LockedLake) -> None:
    locked.put("overwritten", **retention("COMPLIANCE", 31))
    key = locked.put("overwritten")
    assert raw_lock_result(config_with(**PROMISED), locked.resource, today()).faulty == {key: [UNLOCKED]}


def test_a_stricter_mode_satisfies_a_weaker_promise_and_is_told(locked: LockedLake) -> None:
    right = locked.commit(1, **retention("GOVERNANCE", 10))
    stricter = locked.commit(2, **retention("COMPLIANCE", 10))
    missing = locked.commit(3)
    locked.s3.put_object(Bucket=locked.readready, Key="commits/from_cloudtrail_readready/x.txt", Body=b"")
    result = commit_lock_result(config_with(**PROMISED_COMMITS), locked.resource, today())
    assert {o.key for o in result.sampled} == {right, stricter, missing}
    assert result.faulty == {missing: [UNLOCKED]}
    assert result.beyond == [stricter]


def test_a_legal_hold_is_told_and_makes_up_for_no_retention(locked: LockedLake) -> None:
    key = locked.put("held", ObjectLockLegalHoldStatus="ON")
    result = raw_lock_result(config_with(**PROMISED), locked.resource, today())
    assert result.faulty == {key: [UNLOCKED]}
    assert result.legal_hold_count == 1
    with pytest.raises(ClientError, match="AccessDenied"):
        delete_version(locked, key)


def test_a_bucket_without_versions_and_lock_fails_though_it_is_empty(unlocked: LockedLake) -> None:
    result = raw_lock_result(config_with(**PROMISED), unlocked.resource, today())
    assert result.bucket_faults == [BUCKET_NOT_VERSIONED, BUCKET_WITHOUT_LOCK]
    assert result.conforming_pct is None
    assert not result.is_conforming


def test_objects_of_a_bucket_without_lock_are_unlocked(unlocked: LockedLake) -> None:
    unlocked.s3.put_bucket_versioning(Bucket=unlocked.raw, VersioningConfiguration={"Status": "Enabled"})
    key = unlocked.put("object")
    try:
        result = raw_lock_result(config_with(**PROMISED), unlocked.resource, today())
        assert result.bucket_faults == [BUCKET_WITHOUT_LOCK]
        assert result.faulty == {key: [UNLOCKED]}
    finally:
        delete_version(unlocked, key)


def delete_version(lake: LockedLake, key: str, **bypass: bool) -> None:
    version = lake.s3.head_object(Bucket=lake.raw, Key=key)["VersionId"]
    lake.s3.delete_object(Bucket=lake.raw, Key=key, VersionId=version, **bypass)


def test_a_locked_version_cannot_be_deleted_and_a_delete_marker_hides_it(locked: LockedLake) -> None:
    default_retention(locked.s3, locked.raw, "COMPLIANCE", 30)
    compliance = locked.put("compliance")
    governance = locked.put("governance", **retention("GOVERNANCE", 30))
    for key, bypass in ((compliance, {}), (compliance, {"BypassGovernanceRetention": True}), (governance, {})):
        with pytest.raises(ClientError, match="AccessDenied"):
            delete_version(locked, key, **bypass)
    delete_version(locked, governance, BypassGovernanceRetention=True)
    locked.s3.delete_object(Bucket=locked.raw, Key=compliance)
    assert raw_lock_result(config_with(**PROMISED), locked.resource, today()).sampled == ()
    versions = locked.s3.list_object_versions(Bucket=locked.raw)["Versions"]
    assert [v["Key"] for v in versions] == [compliance]


def test_an_object_that_goes_between_listing_and_looking_is_counted(locked: LockedLake) -> None:
    keys = [locked.put("there", **retention("COMPLIANCE", 31)), "gone"]
    result = lock_result(locked.s3, locked.raw, bucket_lock(locked.s3, locked.raw), LockTerms("COMPLIANCE", 30), keys)
    assert (len(result.sampled), result.vanished_count, result.is_conforming) == (1, 1, True)


def test_a_bucket_that_cannot_be_asked_is_an_error_with_what_to_do(bare: LockedLake) -> None:
    with pytest.raises(LockUnreadableError, match=r"NoSuchBucket to GetBucketVersioning of s3://worm-.*the jobs stack"):
        bucket_lock(bare.s3, bare.raw)


# --- in Dagster -------------------------------------------------------------------------------------------------------


def run_check(lake: LockedLake, config: SourceConfig) -> tuple[bool, dict[str, Any]]:
    """The check run alone; whether it passed, and what it tells."""
    resources = {**lake_resources(), "lake": lake.resource}
    key = dg.AssetCheckKey(config.checks_key, "object_lock")
    alone = dg.define_asset_job("object_lock", selection=dg.AssetSelection.checks(key))
    definitions = dg.Definitions.merge(build_source(config), dg.Definitions(resources=resources, jobs=[alone]))
    with dg.DagsterInstance.ephemeral() as instance:
        result = definitions.resolve_job_def("object_lock").execute_in_process(instance=instance)
        assert result.success
        (record,) = instance.event_log_storage.get_asset_check_execution_history(key, limit=5)
    assert record.evaluation is not None
    assert record.evaluation.severity == dg.AssetCheckSeverity.ERROR
    return record.evaluation.passed, {name: value.value for name, value in record.evaluation.metadata.items()}


def test_the_check_names_what_is_less_than_promised(locked: LockedLake) -> None:
    default_retention(locked.s3, locked.raw, "COMPLIANCE", 30)
    locked.put("right")
    key = locked.put("weaker", **retention("GOVERNANCE", 31))
    locked.commit(1, **retention("GOVERNANCE", 10))
    passed, told = run_check(locked, config_with(**PROMISED, **PROMISED_COMMITS))
    assert not passed
    assert names_of(told, "what") == ["object locked less"]
    assert names_of(told) == [f"s3://{locked.raw}/{key}"]
    assert names_of(told, "detail") == [WEAKER_MODE]
    assert told["raw_conforming_pct"] == 50
    assert told["raw_configured"] == "COMPLIANCE for 30 days"
    assert told["commits_conforming_pct"] == 100
    assert told["commits_not_conforming"] == 0
    assert told["raw_sample"].startswith("2 current versions written")


def test_without_a_promise_the_check_passes_and_tells_what_the_buckets_have(unlocked: LockedLake) -> None:
    unlocked.put("object")
    passed, told = run_check(unlocked, config_with())
    assert passed
    for layer in ("raw", "commits"):
        assert told[f"{layer}_conforming_pct"] == "n/a: no lock is configured"
        assert told[f"{layer}_bucket_has"] == "no Object Lock; versioning never enabled"
        assert told[f"{layer}_sampled"] == 0


def test_without_a_promise_what_is_locked_anyway_is_told(locked: LockedLake) -> None:
    default_retention(locked.s3, locked.raw, "COMPLIANCE", 30)
    key = locked.put("locked-by-somebody")
    passed, told = run_check(locked, config_with())
    assert passed
    assert told["raw_conforming_pct"] == "n/a: no lock is configured"
    assert told["raw_bucket_has"].startswith("Object Lock, by default COMPLIANCE for 30 days")
    assert names_of(told, "what") == ["object locked more"]
    assert names_of(told) == [f"s3://{locked.raw}/{key}"]


def test_the_check_has_a_daily_job_and_is_in_no_other() -> None:
    """Locks change with configuration: the hourly checks need not read them."""
    definitions = load_definitions()
    named = {
        job.name: {key.name for key in job.asset_layer.asset_graph.asset_check_keys}
        for job in definitions.resolve_all_job_defs()
        if not job.name.startswith("__")
    }
    assert {name for name, checks in named.items() if "object_lock" in checks} == {"daily_checks"}
    assert definitions.resolve_schedule_def("daily_checks").cron_schedule == "40 6 * * *"


# --- what is promised, what is sampled --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"object_lock_mode": "compliance", "object_lock_days": 1}, "object_lock_mode of cloudtrail is 'compliance'"),
        ({"object_lock_mode": "COMPLIANCE"}, "1 to 36,500 days"),
        ({"object_lock_days": 7}, "0 where no mode is set"),
        ({"commit_lock_mode": "GOVERNANCE", "commit_lock_days": 36_501}, "commit_lock_days of cloudtrail is 36501"),
    ],
)
def test_an_odd_promise_is_refused_with_what_is_accepted(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        config_with(**settings)


@pytest.mark.parametrize(
    ("late", "faults"),
    [(timedelta(0), []), (timedelta(seconds=59), []), (timedelta(seconds=61), [SHORTER_RETENTION])],
)
def test_a_retention_may_be_a_minute_short(late: timedelta, faults: list[str]) -> None:
    written = datetime(2026, 3, 1, tzinfo=UTC)
    lock = ObjectLock("k", "v", written, "GOVERNANCE", written + timedelta(days=7) - late, False)
    assert lock.faults(LockTerms("GOVERNANCE", 7)) == faults


def test_a_sample_has_the_newest_the_oldest_and_others_between_each_day() -> None:
    ages = range(25_000)
    first, again, next_day = (spread(ages, 9, seed, float, str) for seed in ("a", "a", "b"))
    assert first == again != next_day
    for sample in (first, next_day):
        assert len(set(sample)) == 9
        assert sample[:3] == [0, 1, 2]
        assert sample[-3:] == [24_997, 24_998, 24_999]
    assert spread(range(4), 9, "a", float, str) == [0, 1, 2, 3]
    assert spread((), 9, "a", float, str) == []


def test_the_look_back_is_as_long_as_the_lock_and_begins_with_the_lake() -> None:
    day = date(2026, 11, 20)
    assert locked_days(config_with(), LockTerms(), day)[0] == day - timedelta(days=35)
    assert locked_days(config_with(), LockTerms("COMPLIANCE", 100), day)[0] == day - timedelta(days=100)
    assert locked_days(config_with(), LockTerms("COMPLIANCE", 3650), day)[0] == START
    assert locked_days(config_with(), LockTerms(), START - timedelta(days=9)) == [START - timedelta(days=9)]


# --- the template, whose properties are looked at in test_infrastructure.py -------------------------------------------


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"ObjectLockMode": "COMPLIANCE"}, "needs ObjectLockDays of 1 or more"),
        ({"ObjectLockDays": "7"}, "lock nothing without ObjectLockMode"),
        (
            {"ObjectLockMode": "GOVERNANCE", "ObjectLockDays": "7", "BucketVersioning": "Suspended"},
            "needs BucketVersioning to be Enabled",
        ),
    ],
)
def test_half_a_lock_is_refused_before_anything_is_deployed(
    lake: LocalLake, repository: Path, given: dict[str, str], said: str
) -> None:
    named = {"LakeName": "half", "Layer": "readready", "Database": "half", "ArtifactsBucket": "b", "LambdaCodeKey": "k"}
    parameters = [{"ParameterKey": n, "ParameterValue": v} for n, v in {**named, **given}.items()]
    template = (repository / "infra" / "aws" / "cloudformation" / "addapart.yaml").read_text(encoding="utf-8")
    with pytest.raises(ClientError, match=said):
        lake.client("cloudformation").create_stack(
            StackName="half-a-lock", TemplateBody=template, Parameters=parameters, Capabilities=["CAPABILITY_NAMED_IAM"]
        )

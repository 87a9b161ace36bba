"""Faults on the way to S3: microburst between the code and the emulator cuts, damages, refuses and delays."""

import gzip
import json
import uuid
from dataclasses import replace
from datetime import date
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from glue_scripts.object_reader import ObjectReader
from glue_scripts.whole_objects import FetchError, ObjectRef, fetch, fetch_all
from infra.cli.local_lake import LocalLake
from loglake_assets.lake.checks.coverage import Coverage
from loglake_assets.lake.storage.table import Table
from loglake_assets.lake.versions.commits import CommitError, append, commits
from loglake_assets.lake.versions.manifests import ManifestRefusedError, put_of_run
from loglake_assets.s3.objects import CutObjectError
from loglake_assets.sources import LogSource
from tests.fault_proxy import FaultProxy, s3_error
from tests.test_addapart import commit
from tests.test_object_reader import record

DAY = date(2013, 12, 12)
KEY = "AWSLogs/111122223333/CloudTrail/eu-west-1/2013/12/12/x.json.gz"
CONTENT = gzip.compress(
    json.dumps(
        {"Records": [record(eventID=f"e{n}", eventTime="2013-12-12T12:00:00Z", x=uuid.uuid4().hex) for n in range(200)]}
    ).encode()
)
CUT = {"service": "s3", "operation": "GetObject", "response": {"abort_frac": 0.5}}
DAMAGED = {"service": "s3", "operation": "GetObject", "response": {"corrupt_bytes": 3}}


@pytest.fixture(scope="module")
def ref(lake: LocalLake) -> ObjectRef:
    """An object of a bucket of its own."""
    bucket = f"faults-{uuid.uuid4().hex[:12]}"
    lake.client("s3").create_bucket(Bucket=bucket)
    lake.client("s3").put_object(Bucket=bucket, Key=KEY, Body=CONTENT)
    return ObjectRef(0, bucket, KEY, 20131212)


def recount_day(lake: LocalLake, proxy: FaultProxy, source: LogSource, ref: ObjectRef) -> Coverage:
    """The recount of the object's day, with all its requests through the proxy."""
    made = proxy.resource(lake).recount(source, 1)
    (coverage,) = replace(made, raw=replace(made.raw, name=ref.bucket), registered=lambda days: ()).days([DAY])
    return coverage


@pytest.mark.parametrize("rule", [CUT, DAMAGED, {**CUT, "response": {"truncate_frac": 0.5}}])
@pytest.mark.fault(40, "bodies cut or damaged twice before the job", "read again as a whole: the same bytes")
def test_a_body_that_comes_cut_or_damaged_is_read_again(
    proxy: FaultProxy, ref: ObjectRef, rule: dict[str, Any]
) -> None:
    proxy.break_it({**rule, "times": 2})
    assert fetch(proxy.client("s3"), ref, pause_seconds=0.01).body == CONTENT
    assert proxy.firings("GetObject") == 2


@pytest.mark.parametrize("rule", [CUT, DAMAGED])
@pytest.mark.fault(40, "every body cut or damaged", "the read fails after four tries, naming the object")
def test_a_body_that_comes_cut_or_damaged_every_time_fails_by_name(
    proxy: FaultProxy, ref: ObjectRef, rule: dict[str, Any]
) -> None:
    proxy.break_it(rule)
    with pytest.raises(FetchError, match=rf"s3://{ref.bucket}/{KEY} was cut or damaged 4 times.*Nothing was committed"):
        fetch(proxy.client("s3"), ref, pause_seconds=0.01)
    assert proxy.firings("GetObject") == 4


@pytest.mark.parametrize("rule", [CUT, DAMAGED])
@pytest.mark.fault(40, "bodies cut or damaged before the recount", "read again: every event counted")
def test_a_recount_reads_a_cut_body_again(
    lake: LocalLake, proxy: FaultProxy, source: LogSource, ref: ObjectRef, rule: dict[str, Any]
) -> None:
    proxy.break_it({**rule, "times": 1})
    coverage = recount_day(lake, proxy, source, ref)
    assert (coverage.expected, dict(coverage.unreadable)) == (200, {})
    assert proxy.firings("GetObject") == 1


@pytest.mark.fault(40, "every body cut before the recount", "it fails by name and counts nothing as missing")
def test_a_recount_that_cannot_read_says_so_instead_of_counting_less(
    lake: LocalLake, proxy: FaultProxy, source: LogSource, ref: ObjectRef
) -> None:
    proxy.break_it(CUT)
    with pytest.raises(CutObjectError, match=ref.bucket):
        recount_day(lake, proxy, source, ref)


@pytest.mark.fault(39, "three of four GetObject answered 503", "the job's reader waits them out: every record")
def test_a_storm_of_503_is_waited_out_by_the_job(
    proxy: FaultProxy, ref: ObjectRef, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.url)
    proxy.break_it(s3_error("GetObject", "SlowDown", sequence={"fail": 3, "pass": 1}))
    (batch,) = ObjectReader("cloudtrail", "us-east-1").batches(fetch_all(boto3.client("s3"), [ref]))
    assert (batch.records.num_rows, [account.record_count for account in batch.accounts]) == (200, [200])
    assert proxy.firings("GetObject") == 3


@pytest.mark.fault(39, "503 for listings and objects while days are recounted", "waited out: every event counted")
def test_a_storm_of_503_is_waited_out_by_the_recount(
    lake: LocalLake, proxy: FaultProxy, source: LogSource, ref: ObjectRef
) -> None:
    storm = {"sequence": {"fail": 2, "pass": 1}}
    proxy.break_it(s3_error("GetObject", "SlowDown", **storm), s3_error("ListObjectsV2", "ServiceUnavailable", **storm))
    assert recount_day(lake, proxy, source, ref).expected == 200
    assert proxy.firings("GetObject") >= 2
    assert proxy.firings("ListObjectsV2") >= 2


@pytest.mark.parametrize(
    ("code", "status"),
    [
        pytest.param("SlowDown", 503, marks=pytest.mark.fault(39, "503 without end", "FetchError: run again")),
        pytest.param(
            "ExpiredToken", 400, marks=pytest.mark.fault(41, "the job's token expires", "FetchError: run again")
        ),
    ],
)
def test_what_s3_refuses_without_end_is_a_clean_failure(
    proxy: FaultProxy, ref: ObjectRef, code: str, status: int
) -> None:
    proxy.break_it(s3_error("GetObject", code, status))
    with pytest.raises(FetchError, match=f"{KEY}: {code}. Nothing was committed; run the same days again"):
        fetch(proxy.client("s3", retries={"total_max_attempts": 2}), ref)


@pytest.mark.fault(39, "503 for reads and writes of commits", "waited out: one commit")
def test_a_commit_survives_a_storm_of_503(lake: LocalLake, proxy: FaultProxy) -> None:
    storm = {"sequence": {"fail": 2, "pass": 1}}
    proxy.break_it(*(s3_error(name, "SlowDown", **storm) for name in ("PutObject", "ListObjectsV2", "GetObject")))
    s3, bucket = proxy.resource(lake).s3, lake.settings.readready_bucket
    assert append(s3, bucket, commit(20131201, "stormy"), lambda head: True).seq == 1
    assert append(s3, bucket, commit(20131201, "next"), lambda head: True).seq == 2
    assert proxy.firings("PutObject") == 4


@pytest.mark.fault(39, "the answer to a commit's write is lost", "the repeated write finds its own commit: one commit")
def test_a_commit_whose_answer_is_lost_is_one_commit(lake: LocalLake, proxy: FaultProxy) -> None:
    proxy.break_it({"service": "s3", "operation": "PutObject", "times": 1, "response": {"abort_bytes": 0}})
    s3, bucket = proxy.resource(lake).s3, lake.settings.readready_bucket
    made = append(s3, bucket, commit(20131202, "lost"), lambda head: True)
    assert proxy.firings("PutObject") == 1
    assert [c.run_id for c in commits(Table(made.table, s3, bucket), 20131202)] == ["lost"]
    assert made.seq == 1


@pytest.mark.fault(39, "an answer that takes longer than the client waits", "read again: the same bytes")
def test_a_read_that_takes_too_long_is_tried_again(proxy: FaultProxy, ref: ObjectRef) -> None:
    proxy.break_it({"service": "s3", "operation": "GetObject", "times": 1, "latency": 4000})
    assert fetch(proxy.client("s3", read_timeout=1), ref).body == CONTENT


@pytest.mark.parametrize(
    ("code", "said"),
    [
        pytest.param(
            "ExpiredToken",
            "The provided token has expired.",
            marks=pytest.mark.fault(41, "the orchestrator's token expires at the commit", "CommitError; no commit"),
        ),
        pytest.param(
            "AccessDenied",
            "not authorized to perform: kms:GenerateDataKey on resource: arn:aws:kms:eu-west-1:111122223333:key/any",
            marks=pytest.mark.fault(42, "KMS denies the commit", "the failure names object and key; no commit"),
        ),
    ],
)
def test_a_refused_commit_names_its_key_and_is_none(lake: LocalLake, proxy: FaultProxy, code: str, said: str) -> None:
    rule = s3_error("PutObject", code, 403)
    rule["error"]["message"] = said
    proxy.break_it(rule)
    s3, bucket = proxy.resource(lake).s3, lake.settings.readready_bucket
    with pytest.raises(CommitError) as caught:
        append(s3, bucket, commit(20131203, "denied"), lambda head: True)
    assert f"s3://{bucket}/commits/from_cloudtrail_readready/20131203/00000001.json: {code}. {said}" in str(
        caught.value
    )
    proxy.break_it()
    assert list(commits(Table("from_cloudtrail_readready", s3, bucket), 20131203)) == []


@pytest.mark.fault(42, "KMS denies the job's manifest", "the failure names object and key; nothing to commit")
def test_a_refused_manifest_names_its_key(lake: LocalLake, proxy: FaultProxy) -> None:
    rule = s3_error("PutObject", "AccessDenied", 403)
    rule["error"]["message"] = "not authorized to perform: kms:GenerateDataKey on resource: arn:aws:kms:x"
    proxy.break_it(rule)
    bucket = lake.settings.readready_bucket
    with pytest.raises(
        ManifestRefusedError, match=f"s3://{bucket}/manifests/t/20131204/r.json.gz: AccessDenied.*kms:x"
    ):
        put_of_run(proxy.client("s3"), bucket, "manifests/t/20131204/r.json.gz", b"{}")
    with pytest.raises(ClientError, match="404"):
        lake.client("s3").head_object(Bucket=bucket, Key="manifests/t/20131204/r.json.gz")

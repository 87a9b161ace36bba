"""Every way in which stored files and digests can differ from what was delivered is found, and nothing else is."""

import gzip
import json
import re
import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from botocore.stub import Stubber

from infra.cli.dagster_runs import dagster_instance, load_definitions
from infra.cli.digests import HEADINGS, _row, print_digests, summary_lines, validate_days
from infra.cli.local_lake import LocalLake
from infra.cli.main import main
from loglake_assets.lake.storage.keys import check_key
from loglake_assets.orchestration.check_metadata import ALL_NAMES, REMEDY
from loglake_assets.orchestration.digest_checks import digest_check, digest_remedy, digest_result
from loglake_assets.orchestration.source_config import source_config
from loglake_assets.s3.gzip_stream import GzipError, content
from loglake_assets.sources import LogSource, source_names
from loglake_assets.sources.cloudtrail.digests import find_vouching_digest, trusted_keys, validate
from loglake_assets.sources.cloudtrail.digests.public_keys import GivenKeys
from loglake_assets.sources.digest_report import KINDS, DigestReport, PublicKeysError
from loglake_assets.sources.sample_deliveries import sample_keys
from tests.check_names import names_of
from tests.conftest import FIRST, LAST, BuiltLake, quiet, run_asset
from tests.damage import put_back
from tests.signed_trails import Trail, moment, signer

DAY = date(2015, 3, 10)
KEYS = Path("keys.json")
Found = Callable[..., DigestReport]


@pytest.fixture
def bucket(lake: LocalLake) -> str:
    name = f"raw-{uuid.uuid4().hex[:12]}"
    lake.client("s3").create_bucket(Bucket=name)
    return name


@pytest.fixture
def trail() -> Trail:
    """Hourly files and digests from the evening before the day to the morning after it."""
    return Trail().hours(moment("09 20:00"), moment("11 04:00"))


@pytest.fixture
def validate_files(lake: LocalLake, source: LogSource, bucket: str) -> Found:
    def put_and_validate(trail: Trail, move: tuple[str, str] = ("", ""), day: date = DAY) -> DigestReport:
        trail.put(lake.client("s3"), bucket, move)
        (report,) = validate(
            lake.client("s3"), source, bucket, [day], GivenKeys({signer().fingerprint: signer().der}, KEYS)
        )
        return report

    return put_and_validate


def found(report: DigestReport) -> list[tuple[str, str]]:
    """(kind, key) of every finding."""
    return [(f.kind, f.key) for f in report.findings]


def test_untouched_objects_are_proved(validate_files: Found, trail: Trail) -> None:
    report = validate_files(trail)
    assert found(report) == []
    assert (report.chains, report.digests_expected, report.digests_found, report.digests_valid) == (1, 24, 24, 24)
    assert (report.files_named, report.files_matching, report.pct) == (24, 24, 100)
    assert (report.files_unvouched, report.files_undecided, dict(report.unproved)) == (0, 0, {})
    assert report.object_count == 48


def test_a_deleted_file_is_named(validate_files: Found, trail: Trail) -> None:
    key = trail.file_key(moment("10 13:20"))
    del trail.objects[key]
    report = validate_files(trail)
    assert found(report) == [("missing_file", key)]
    assert (report.files_named, report.files_matching) == (24, 23)
    assert report.pct is not None
    assert report.pct < 100


def test_an_edited_file_is_named_and_a_recompressed_one_is_not(validate_files: Found, trail: Trail) -> None:
    edited, packed = trail.file_key(moment("10 13:20")), trail.file_key(moment("10 14:20"))
    trail.edit(edited, b"eventID", b"eventId")
    body, metadata = trail.objects[packed]
    trail.objects[packed] = (gzip.compress(gzip.decompress(body), 1, mtime=7), metadata)
    assert found(validate_files(trail)) == [("changed_file", edited)]


def test_files_that_changed_places_are_swapped_and_not_merely_changed(validate_files: Found, trail: Trail) -> None:
    one, other = trail.file_key(moment("10 13:20")), trail.file_key(moment("10 17:20"))
    trail.swap(one, other)
    report = validate_files(trail)
    assert found(report) == [("swapped_file", one), ("swapped_file", other)]
    assert report.findings[0].detail == f"what it holds was delivered as {other}"


@pytest.mark.parametrize(
    ("more", "kind"),
    [
        (gzip.compress(b'{"Records":[]}'), "trailing_gzip_member"),
        (b"\0", "trailing_bytes"),
        (b"{}", "trailing_bytes"),
    ],
)
def test_what_follows_the_delivered_member_is_never_overlooked(
    validate_files: Found, trail: Trail, more: bytes, kind: str
) -> None:
    key = trail.file_key(moment("10 13:20"))
    trail.append(key, more)
    assert found(validate_files(trail)) == [(kind, key)]


@pytest.mark.parametrize(("kept", "kind"), [(-9, "truncated_file"), (5, "truncated_file"), (0, "changed_file")])
def test_a_truncated_file_is_named(validate_files: Found, trail: Trail, kept: int, kind: str) -> None:
    key = trail.file_key(moment("10 13:20"))
    body, metadata = trail.objects[key]
    trail.objects[key] = (body[:kept], metadata)
    assert found(validate_files(trail)) == [(kind, key)]


def test_a_file_that_no_digest_names_was_put_there(validate_files: Found, trail: Trail) -> None:
    injected = trail.file_key(moment("10 13:25"), "INJECTED")
    trail.objects[injected] = (gzip.compress(b'{"Records":[]}'), {})
    unnamed = trail.file_key(moment("10 13:30")).replace("_EXAMPLE", "").replace("T1330Z", "")
    trail.objects[unnamed] = (b"", {})
    report = validate_files(trail)
    assert set(found(report)) == {("unvouched_file", injected), ("unvouched_file", unnamed)}
    assert report.files_unvouched == 2


@pytest.mark.fault(61, "objects whose names tell times outside of the digests' hours", "unvouched, whatever the name")
@pytest.mark.parametrize("stamp", ["20311231T2359Z", "19990101T0000Z", "20261013T1325Z"])
def test_a_name_with_a_time_of_another_day_hides_nothing(validate_files: Found, trail: Trail, stamp: str) -> None:
    key = trail.file_key(moment("10 13:25"), "INJECTED")
    hidden = re.sub(r"\d{8}T\d{4}Z", stamp, key)
    assert hidden != key
    trail.objects[hidden] = (gzip.compress(b'{"Records":[]}'), {})
    report = validate_files(trail)
    assert found(report) == [("unvouched_file", hidden)]
    assert (report.files_unvouched, report.files_undecided) == (1, 0)


def test_what_is_stored_in_an_hour_without_digest_is_undecided_and_the_hour_is_red(
    validate_files: Found, trail: Trail
) -> None:
    gone = trail.digest_key(moment("10 14:00"))
    del trail.objects[gone]
    report = validate_files(trail)
    assert found(report) == [("missing_digest", gone)]
    assert (report.digests_expected, report.digests_found) == (24, 23)
    assert (report.files_named, report.files_undecided, report.files_unvouched) == (23, 1, 0)


def test_three_missing_digests_in_a_row_are_named_one_by_one(validate_files: Found, trail: Trail) -> None:
    gone = [trail.digest_key(moment(f"10 {hour}:00")) for hour in (14, 15, 16)]
    for key in gone:
        del trail.objects[key]
    assert found(validate_files(trail)) == [("missing_digest", key) for key in gone]


def test_digests_missing_over_midnight_are_told_each_on_its_day(validate_files: Found, trail: Trail) -> None:
    for end in (moment("10 23:00"), moment("11 00:00"), moment("11 01:00")):
        del trail.objects[trail.digest_key(end)]
    ended = [("missing_digest", trail.digest_key(moment(f"{t}:00"))) for t in ("10 23", "11 00")]
    assert found(validate_files(trail)) == ended
    first = ("missing_digest", trail.digest_key(moment("11 01:00")))
    assert first in found(validate_files(Trail(), day=DAY + timedelta(days=1)))


def test_digests_missing_at_the_end_of_the_day_are_named(validate_files: Found) -> None:
    trail = Trail().hours(moment("09 20:00"), moment("10 21:00"))
    expected = [trail.digest_key(moment(f"{t}:00")) for t in ("10 22", "10 23", "11 00")]
    assert found(validate_files(trail)) == [("missing_digest", key) for key in expected]


def test_a_chain_that_ended_is_red_for_a_day_more_and_then_proves_nothing(validate_files: Found) -> None:
    trail = Trail().hours(moment("08 20:00"), moment("09 12:00"))
    trail.file(moment("11 12:20"))
    assert validate_files(trail).counts == {"missing_digest": 24}
    later = validate_files(trail, day=DAY + timedelta(days=1))
    assert (later.findings, dict(later.unproved), later.pct) == (
        (),
        {"AWSLogs/111122223333/CloudTrail/eu-west-1/": 1},
        None,
    )


@pytest.mark.fault(
    98, "a trail that stopped a day and a half ago, and one digest removed before", "a line for each run"
)
def test_hours_in_a_row_without_a_digest_are_one_line_and_the_total_is_said(
    lake: LocalLake, source: LogSource, bucket: str, capsys: pytest.CaptureFixture[str]
) -> None:
    trail = Trail().hours(moment("09 20:00"), moment("10 12:00"))
    alone, edited = trail.digest_key(moment("10 05:00")), trail.file_key(moment("10 08:20"))
    del trail.objects[alone]
    trail.edit(edited, b"eventID", b"eventId")
    trail.put(lake.client("s3"), bucket, ("", ""))
    keys = GivenKeys({signer().fingerprint: signer().der}, KEYS)
    print_digests(source, list(validate(lake.client("s3"), source, bucket, [DAY, DAY + timedelta(days=1)], keys)))
    said = [line for line in capsys.readouterr().out.splitlines() if line.startswith("FOUND") or "in all" in line]
    first, last = trail.digest_key(moment("10 13:00")), trail.digest_key(moment("12 00:00"))
    assert said[0].startswith(f"FOUND 2015-03-10: missing_digest: s3://{bucket}/{alone}: ")
    assert said[1].startswith(
        f"FOUND 2015-03-10 13:00 to 2015-03-12 00:00: 36 hours without a digest: missing_digest: s3://{bucket}/{first} "
        f"to {last.rpartition('/')[2]}: the chain ends before it"
    )
    assert said[2].startswith(f"FOUND 2015-03-10: changed_file: s3://{bucket}/{edited}: ")
    assert said[3:] == ["Found in all: 1 changed_file, 37 missing_digest"]


def test_the_first_digest_of_a_trail_has_no_predecessor_and_needs_none(validate_files: Found) -> None:
    report = validate_files(Trail().hours(moment("10 06:00"), moment("11 04:00")))
    assert found(report) == []
    assert report.digests_expected == 19


def test_the_first_digest_removed_is_named_by_the_second(validate_files: Found) -> None:
    trail = Trail().hours(moment("10 06:00"), moment("11 04:00"))
    del trail.objects[trail.digest_key(moment("10 06:00"))]
    assert found(validate_files(trail)) == [("missing_digest", trail.digest_key(moment("10 06:00")))]


def test_a_chain_that_begins_anew_leaves_no_hour_unnamed(validate_files: Found) -> None:
    trail = Trail().hours(moment("09 20:00"), moment("10 12:00"))
    trail.previous = None
    trail.hours(moment("10 15:00"), moment("11 04:00"))
    expected = [trail.digest_key(moment(f"10 {hour}:00")) for hour in (13, 14)]
    assert found(validate_files(trail)) == [("missing_digest", key) for key in expected]


def test_a_flipped_signature_is_invalid_and_its_content_is_still_proved_by_the_next(
    validate_files: Found, trail: Trail
) -> None:
    key = trail.digest_key(moment("10 14:00"))
    body, metadata = trail.objects[key]
    flipped = f"{int(metadata['signature'][0], 16) ^ 1:x}{metadata['signature'][1:]}"
    trail.objects[key] = (body, {**metadata, "signature": flipped})
    report = validate_files(trail)
    assert found(report) == [("invalid_signature", key)]
    assert (report.digests_valid, report.files_matching) == (23, 24)


def test_an_edited_digest_is_changed_and_proves_none_of_its_files(validate_files: Found, trail: Trail) -> None:
    key = trail.digest_key(moment("10 14:00"))
    trail.edit(key, b'"awsAccountId"', b'"awsaccountid"')
    report = validate_files(trail)
    assert found(report) == [("changed_digest", key)]
    assert (report.digests_valid, report.files_named, report.files_matching) == (23, 24, 23)


def test_the_last_digest_edited_has_no_valid_signature(validate_files: Found) -> None:
    trail = Trail().hours(moment("10 06:00"), moment("11 00:00"))
    key = trail.digest_key(moment("11 00:00"))
    trail.edit(key, b'"awsAccountId"', b'"awsaccountid"')
    assert found(validate_files(trail)) == [("invalid_signature", key)]


def test_digests_that_changed_places_are_swapped_and_their_files_are_still_proved(
    validate_files: Found, trail: Trail
) -> None:
    one, other = trail.digest_key(moment("10 14:00")), trail.digest_key(moment("10 17:00"))
    trail.swap(one, other)
    report = validate_files(trail)
    assert found(report) == [("swapped_digest", one), ("swapped_digest", other)]
    assert report.files_matching == 24


def test_a_digest_that_names_another_predecessor_breaks_the_chain(validate_files: Found) -> None:
    trail = Trail().hours(moment("09 20:00"), moment("10 12:00"))
    before = trail.previous
    trail.hours(moment("10 13:00"), moment("10 13:00"))
    trail.previous = before
    trail.hours(moment("10 14:00"), moment("11 04:00"))
    assert found(validate_files(trail)) == [("broken_chain", trail.digest_key(moment("10 14:00")))]


def test_a_digest_signed_by_a_stranger_is_of_an_unknown_key(validate_files: Found, trail: Trail) -> None:
    stranger = Trail(by=signer("f" * 32))
    stranger.previous = trail.previous
    key = stranger.hours(moment("11 05:00"), moment("11 05:00")).digest_key(moment("11 05:00"))
    trail.objects |= stranger.objects
    report = validate_files(trail, day=DAY + timedelta(days=1))
    assert ("unknown_public_key", key) in found(report)
    assert (report.digests_found, report.digests_valid) == (5, 4)


def test_a_stranger_who_names_the_trusted_key_has_no_valid_signature(validate_files: Found, trail: Trail) -> None:
    made_up = Trail(by=signer("e" * 32))
    key = made_up.digest(moment("10 14:00"), digestPublicKeyFingerprint=signer().fingerprint)
    trail.objects[key] = made_up.objects[key]
    report = validate_files(trail)
    assert ("changed_digest", key) in found(report)
    assert report.digests_valid == 23


def test_a_made_up_backfill_vouches_for_nothing(validate_files: Found, trail: Trail) -> None:
    made_up = Trail(by=signer("d" * 32))
    injected = made_up.file(moment("10 13:25"), "INJECTED")
    key = made_up.digest(moment("10 14:00"), "_backfill")
    trail.objects |= made_up.objects
    assert set(found(validate_files(trail))) == {("unvouched_file", injected), ("unknown_public_key", key)}


@pytest.mark.parametrize(
    "changes",
    [
        {"digestStartTime": "0001-01-01T00:00:00Z"},
        {"digestEndTime": "9999-12-31T23:00:00Z"},
        {"digestPublicKeyFingerprint": "<script>"},
        {"digestS3Object": "x" * 2000},
        {"previousDigestS3Object": "x" * 2000},
        {"logFiles": [{"s3Bucket": "b", "s3Object": "k", "hashValue": "0", "hashAlgorithm": "SHA-256"}]},
    ],
)
def test_a_made_up_digest_is_one_finding_and_costs_nothing(
    validate_files: Found, trail: Trail, changes: dict[str, Any]
) -> None:
    made_up = Trail(by=signer("c" * 32))
    key = made_up.digest_key(moment("10 13:30"))
    made_up.digest(moment("10 13:30"), **changes)
    trail.objects[key] = made_up.objects[key]
    report = validate_files(trail)
    assert found(report) == [("unreadable_digest", key)]
    assert "script" not in report.findings[0].sentence


def test_a_strangers_digest_between_two_accuses_neither(validate_files: Found, trail: Trail) -> None:
    stranger = Trail(by=signer("c" * 32))
    key = stranger.digest(moment("10 13:30"))
    trail.objects |= stranger.objects
    assert found(validate_files(trail)) == [("unknown_public_key", key)]


def test_without_any_key_every_digest_is_unknown_and_gaps_are_still_named(
    lake: LocalLake, source: LogSource, bucket: str, trail: Trail
) -> None:
    gone = trail.digest_key(moment("10 14:00"))
    del trail.objects[gone]
    trail.put(lake.client("s3"), bucket)
    (report,) = validate(lake.client("s3"), source, bucket, [DAY], GivenKeys({"of somebody else": b"x"}, KEYS))
    assert report.counts == {"missing_digest": 1, "unknown_public_key": 23}
    assert (report.pct, report.digests_valid, report.files_matching) == (0, 0, 0)


def test_a_digest_under_a_key_of_another_day_is_no_digest(validate_files: Found, trail: Trail) -> None:
    key = trail.digest_key(moment("10 13:00"))
    trail.objects[key.replace("T130000Z", "T131500Z").replace("_20150310", "_99991231")] = trail.objects[key]
    assert found(validate_files(trail)) == []


@pytest.mark.parametrize("body", [b"", b"{}", b"[" * 100_000, gzip.compress(b"{}")[:-3], gzip.compress(b"null")])
def test_a_digest_that_cannot_be_read_is_named_once(validate_files: Found, trail: Trail, body: bytes) -> None:
    key = trail.digest_key(moment("10 14:00"))
    trail.objects[key] = (body, trail.objects[key][1])
    report = validate_files(trail)
    assert found(report) == [("unreadable_digest", key)]
    assert report.files_undecided == 1


def test_a_digest_with_another_member_behind_it_is_not_read(validate_files: Found, trail: Trail) -> None:
    key = trail.digest_key(moment("10 14:00"))
    trail.append(key, gzip.compress(b"{}"))
    (finding,) = validate_files(trail).findings
    assert (finding.kind, finding.detail) == ("unreadable_digest", "it cannot be read: trailing_gzip_member")


def test_backfill_digests_vouch_for_their_files_and_are_no_gap_in_the_hours(
    validate_files: Found, trail: Trail
) -> None:
    backfill = Trail()
    backfill.file(moment("10 13:50"), "LATE")
    backfill.digest(moment("10 14:00"), "_backfill")
    trail.objects |= backfill.objects
    report = validate_files(trail)
    assert found(report) == []
    assert (report.digests_expected, report.backfills_found, report.backfills_valid, report.files_named) == (
        24,
        1,
        1,
        25,
    )


def test_without_its_backfill_a_file_is_vouched_for_by_none(validate_files: Found, trail: Trail) -> None:
    backfill = Trail()
    late = backfill.file(moment("10 13:50"), "LATE")
    backfill.digest(moment("10 14:00"), "_backfill")
    trail.objects[late] = backfill.objects[late]
    assert found(validate_files(trail)) == [("unvouched_file", late)]


@pytest.mark.parametrize(
    ("lead", "move"),
    [("", ("", "copies/2015/")), ("logs/", ("logs/", "")), ("logs/", ("logs/", "other/")), ("logs/", ("", ""))],
)
def test_a_moved_bucket_is_proved_where_it_lies_now(validate_files: Found, lead: str, move: tuple[str, str]) -> None:
    trail = Trail(lead=lead).hours(moment("09 20:00"), moment("11 04:00"))
    gone = trail.file_key(moment("10 13:20"))
    del trail.objects[gone]
    report = validate_files(trail, move)
    assert found(report) == [("missing_file", move[1] + gone.removeprefix(move[0]))]
    assert report.digests_valid == 24


def test_a_copy_without_metadata_takes_signatures_from_the_digests_that_follow(
    validate_files: Found, trail: Trail
) -> None:
    trail.objects = {key: (body, {}) for key, (body, _) in trail.objects.items()}
    report = validate_files(trail)
    assert found(report) == []
    assert (report.digests_valid, report.pct) == (24, 100)


def test_of_a_copy_without_metadata_the_last_signature_is_lost(validate_files: Found) -> None:
    trail = Trail().hours(moment("10 06:00"), moment("11 00:00"))
    trail.objects = {key: (body, {}) for key, (body, _) in trail.objects.items()}
    report = validate_files(trail)
    assert found(report) == [("signature_lost", trail.digest_key(moment("11 00:00")))]
    assert report.digests_valid == report.digests_found - 1


def test_a_file_of_the_late_evening_is_named_by_a_digest_of_the_next_day(validate_files: Found) -> None:
    trail = Trail().hours(moment("09 20:30"), moment("11 04:30"))
    evening = trail.file_key(moment("10 23:50"))
    assert found(validate_files(trail)) == []
    trail.edit(evening, b"eventID", b"eventId")
    report = validate_files(trail)
    assert found(report) == [("changed_file", evening)]
    assert report.files_named == 24


def test_two_trails_of_one_account_are_two_chains(validate_files: Found, trail: Trail) -> None:
    class Second(Trail):
        def digest_key(self, end: datetime, suffix: str = "") -> str:
            return super().digest_key(end, suffix).replace("example-trail", "second_trail")

    second = Second()
    second.file(moment("10 11:30"), "SECOND")
    second.hours(moment("10 12:00"), moment("11 04:00"))
    trail.objects = {**second.objects, **trail.objects}
    report = validate_files(trail)
    assert (found(report), report.chains, report.digests_expected) == ([], 2, 24 + 13)


def test_runs_of_days_are_read_once_and_told_by_day(lake: LocalLake, source: LogSource, bucket: str) -> None:
    trail = Trail().hours(moment("09 20:00"), moment("13 04:00"))
    keys = [trail.file_key(moment(f"{day} 13:20")) for day in ("10", "12")]
    for key in keys:
        del trail.objects[key]
    s3 = lake.client("s3")
    trail.put(s3, bucket)
    days = [DAY + timedelta(days=n) for n in (2, 0, 1)]
    trusted = GivenKeys({signer().fingerprint: signer().der}, KEYS)
    reports = list(validate(s3, source, bucket, days, trusted, in_flight=2))
    assert [(r.day, [f.key for f in r.findings]) for r in reports] == [
        (20150310, [keys[0]]),
        (20150311, []),
        (20150312, [keys[1]]),
    ]


def test_files_without_digests_are_unproved_and_the_check_passes_with_a_note(
    validate_files: Found, source: LogSource, lake: LocalLake
) -> None:
    trail = Trail()
    trail.file(moment("10 13:20"))
    report = validate_files(trail)
    result = digest_result(source, [report], lake.settings)
    assert result.passed
    assert str(result.metadata["valid_pct"].value).startswith("n/a")
    assert result.metadata["groups_without_digests"].value == 1
    assert "log file validation" in str(result.metadata[REMEDY].value)


def test_the_check_is_red_with_names_counts_and_what_to_do(
    validate_files: Found, trail: Trail, source: LogSource, lake: LocalLake
) -> None:
    for hour in range(24):
        del trail.objects[trail.file_key(moment(f"10 {hour}:20"))]
    result = digest_result(source, [validate_files(trail)], lake.settings)
    assert not result.passed
    assert result.severity == dg.AssetCheckSeverity.ERROR
    assert result.metadata["missing_file_findings"].value == 24
    assert names_of(result.metadata, "what") == ["missing_file"] * 20
    assert result.metadata["valid_pct"].value == 50
    assert "tampering" in str(result.metadata[REMEDY].value)
    assert "LOGLAKE_DIGEST_KEYS" in digest_remedy({"unknown_public_key": 1}, {})


# --- one object, and keys ---------------------------------------------------------------------------------------------


def test_one_object_has_its_digest_as_evidence(lake: LocalLake, source: LogSource, bucket: str, trail: Trail) -> None:
    s3, trusted = lake.client("s3"), GivenKeys({signer().fingerprint: signer().der}, KEYS)
    edited, evening = trail.file_key(moment("10 13:20")), trail.file_key(moment("10 23:20"))
    trail.edit(edited, b"eventID", b"eventId")
    stranger = trail.file_key(moment("10 13:25"), "INJECTED")
    trail.objects[stranger] = (b"", {})
    trail.put(s3, bucket)
    good = find_vouching_digest(s3, source, bucket, evening, trusted)
    assert good is not None
    assert (good.is_same_content, good.is_signature_valid, good.fault) == (True, True, "")
    assert (good.digest_key, good.fingerprint) == (trail.digest_key(moment("11 00:00")), signer().fingerprint)
    bad = find_vouching_digest(s3, source, bucket, edited, trusted)
    assert bad is not None
    assert (bad.is_same_content, bad.is_signature_valid, bad.fault) == (False, True, "changed_file")
    unsure = find_vouching_digest(s3, source, bucket, evening, GivenKeys({"of somebody else": b"x"}, KEYS))
    assert unsure is not None
    assert (unsure.is_same_content, unsure.is_signature_valid, unsure.fault) == (True, False, "unknown_public_key")
    assert find_vouching_digest(s3, source, bucket, stranger, trusted) is None
    assert find_vouching_digest(s3, source, bucket, "notes.txt", trusted) is None


def no_client(service: str, region: str) -> Any:
    raise AssertionError("nothing is asked where a file is named")


def key_of(file: Path) -> bytes | None:
    return trusted_keys(file, no_client, moment("10 00:00"), moment("11 00:00")).key(signer().fingerprint, "eu-west-1")


def test_keys_come_from_a_file_of_either_form(tmp_path: Path) -> None:
    file, keys = tmp_path / "keys.json", signer().file_of_keys
    file.write_text(json.dumps(keys))
    assert key_of(file) == signer().der
    ((fingerprint, value),) = keys.items()
    file.write_text(json.dumps({"PublicKeyList": [{"Fingerprint": fingerprint, "Value": value}]}))
    assert key_of(file) == signer().der


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"a": 1}', '{"a": "%"}', '{"PublicKeyList": [{}]}'])
def test_a_file_that_holds_no_keys_is_refused_in_a_sentence(tmp_path: Path, text: str) -> None:
    file = tmp_path / "keys.json"
    file.write_text(text)
    with pytest.raises(PublicKeysError, match="file of public keys"):
        key_of(file)


def test_each_region_is_asked_once_for_all_pages_of_its_keys(lake: LocalLake) -> None:
    client = lake.resource.client("cloudtrail", "eu-central-1")
    since, until = moment("08 00:00"), moment("12 00:00")
    asked = {"StartTime": since, "EndTime": until}
    other = {"Value": b"other", "Fingerprint": "other", "ValidityStartTime": since, "ValidityEndTime": until}
    ours = {**other, "Value": signer().der, "Fingerprint": signer().fingerprint}
    with Stubber(client) as stub:
        stub.add_response("list_public_keys", {"PublicKeyList": [other], "NextToken": "more"}, asked)
        stub.add_response("list_public_keys", {"PublicKeyList": [ours]}, {**asked, "NextToken": "more"})
        keys = trusted_keys(None, lambda service, region: client, since, until)
        assert keys.key(signer().fingerprint, "eu-central-1") == signer().der
        assert keys.key("other", "eu-central-1") == b"other"
        assert keys.key("none", "eu-central-1") is None
        stub.assert_no_pending_responses()


def test_a_cloud_that_lists_no_keys_is_told_in_a_sentence(lake: LocalLake) -> None:
    keys = trusted_keys(None, lake.resource.client, moment("08 00:00"), moment("12 00:00"))
    with pytest.raises(PublicKeysError, match="LOGLAKE_DIGEST_KEYS"):
        keys.key(signer().fingerprint, "eu-west-1")


def test_content_is_read_in_pieces_and_a_bomb_is_refused() -> None:
    def pieces() -> Iterator[bytes]:
        body = gzip.compress(bytes(5 << 20))
        yield from (body[n : n + 100] for n in range(0, len(body), 100))

    assert sum(map(len, content(pieces()))) == 5 << 20
    with pytest.raises(GzipError, match="inflates_too_large"):
        list(content(pieces(), largest=1 << 20))
    assert b"".join(content([b"{", b"}"])) == b"{}"


def test_every_kind_that_is_found_has_its_meaning(repository: Path) -> None:
    folder = repository / "loglake_assets" / "sources" / "cloudtrail" / "digests"
    text = "".join(path.read_text() for path in folder.glob("*.py"))
    assert [kind for kind in KINDS if f'"{kind}"' not in text] == []


# --- the built lake ---------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def keys_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("keys") / "sample-keys.json"
    file.write_text(json.dumps(sample_keys("cloudtrail")))
    return file


@pytest.fixture
def with_keys(keys_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOGLAKE_DIGEST_KEYS", str(keys_file))


def reports_of(built: BuiltLake, keys_file: Path) -> list[DigestReport]:
    return validate_days(built.lake, built.source, FIRST, LAST, keys_file, quiet)


def test_the_sample_days_are_as_delivered(built: BuiltLake, keys_file: Path) -> None:
    reports = reports_of(built, keys_file)
    assert [f.sentence for r in reports for f in r.findings] == []
    assert [r.digests_valid for r in reports] == [24, 24, 24]
    assert [r.pct for r in reports] == [100, 100, 100]
    assert all(r.files_named == r.files_matching > 0 for r in reports)
    assert all(len(r.unproved) == 11 for r in reports), "the other accounts and Regions have no digests"
    assert all(r.proved_pct is not None and r.proved_pct < 50 for r in reports), "and nothing of them is proved"


def test_a_hundred_percent_is_said_where_every_file_is_proved_and_nowhere_else(
    validate_files: Found, trail: Trail, source: LogSource, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = validate_files(trail)
    assert (whole.files, whole.proved_pct) == (24, 100)
    strangers = replace(whole, unproved={f"AWSLogs/{n:012}/CloudTrail/us-east-1/": n for n in range(1, 12)})
    assert (strangers.files, strangers.pct) == (90, 100)
    assert strangers.proved_pct == 26.6666
    assert strangers.document()["files_proved_pct"] == 26.6666
    print_digests(source, [strangers, replace(strangers, day=20150311, files_undecided=3)])
    said = capsys.readouterr().out
    assert "100.0000" not in said
    assert "26.6666" in said
    assert "48 of 183 files are proved" in said
    assert "Not proved, hour without digest: 3 files." in said
    assert "Not proved, day without digest: 132 files of 11 accounts and Regions on 2 days: log file validation" in said
    assert said.count("day without digest: ") == 1, "one line, however many accounts there are"
    assert "AWSLogs/000000000011/CloudTrail/us-east-1/ (22)" in said
    assert "and 8 more" in said


def test_each_file_of_a_day_counts_once(validate_files: Found, trail: Trail) -> None:
    del trail.objects[trail.file_key(moment("10 13:20"))]
    trail.objects[trail.file_key(moment("10 14:25"), "INJECTED")] = (gzip.compress(b'{"Records":[]}'), {})
    report = validate_files(trail)
    cells = dict(zip(HEADINGS, _row(report), strict=True))
    parts = ("proved", "not as named", "named by none", "hour without digest", "day without digest")
    assert [cells[name] for name in parts] == [23, 1, 1, 0, 0]
    assert cells["files"] == 25
    assert cells["% of files proved"] == "92.0000"


def test_of_days_just_over_it_is_said_that_their_digests_may_still_come() -> None:
    report = DigestReport("cloudtrail", 20150310, unproved={"a/": 2})
    later = [list(summary_lines([report], DAY + timedelta(days=n))) for n in (0, 1, 2)]
    assert ["have not arrived" in lines[-1] for lines in later] == [True, True, False]


@pytest.mark.parametrize("kind", ["missing_file", "changed_file", "missing_digest"])
def test_one_touched_object_of_the_lake_is_exactly_one_finding(
    built: BuiltLake, keys_file: Path, kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    s3, bucket = built.lake.client("s3"), built.lake.settings.raw_bucket(built.source.name)
    folder = "CloudTrail-Digest" if kind == "missing_digest" else "CloudTrail"
    prefix = f"AWSLogs/o-exampleorg1/111122223333/{folder}/us-east-1/{FIRST + timedelta(days=1):%Y/%m/%d}/"
    key = s3.list_objects_v2(Bucket=bucket, Prefix=prefix)["Contents"][2]["Key"]
    with put_back(s3, bucket, key):
        if kind == "changed_file":
            s3.put_object(Bucket=bucket, Key=key, Body=gzip.compress(b'{"Records":[]}'))
        else:
            s3.delete_object(Bucket=bucket, Key=key)
        reports = reports_of(built, keys_file)
        assert [(f.kind, f.key) for r in reports for f in r.findings] == [(kind, key)]
        print_digests(built.source, reports)
        assert f"FOUND {FIRST + timedelta(days=1)}: {kind}: s3://{bucket}/{key}" in capsys.readouterr().out
        asked = ["digests", "cloudtrail", f"{FIRST}..{LAST}", "--keys", str(keys_file)]
        environment_home(built)
        assert main(asked) == 1
    assert main(asked) == 0


def environment_home(built: BuiltLake) -> None:
    """The command finds the lake of the suite by LOGLAKE_HOME, which opening it has set."""
    import os

    assert os.environ["LOGLAKE_HOME"] == str(built.lake.home)


def test_the_audit_keeps_every_days_result_with_its_names(built: BuiltLake, with_keys: None) -> None:
    key = dg.AssetKey(["audit", "cloudtrail_digests"])
    assert run_asset(built, key, FIRST, LAST).success
    with dagster_instance(built.lake) as instance:
        records = instance.fetch_materializations(dg.AssetRecordsFilter(asset_key=key), limit=3).records
    told = {r.partition_key: r.asset_materialization.metadata for r in records if r.asset_materialization}
    assert set(told) == {str(FIRST + timedelta(days=n)) for n in range(3)}
    assert {m["valid_pct"].value for m in told.values()} == {100}
    s3, bucket = built.lake.client("s3"), built.lake.settings.readready_bucket
    body = s3.get_object(Bucket=bucket, Key=check_key(built.source.raw.name, 20261102, "digests"))["Body"].read()
    assert (json.loads(body)["digests_valid"], json.loads(body)["findings"]) == (24, [])


def test_the_check_looks_at_the_days_just_closed(built: BuiltLake, with_keys: None) -> None:
    config = source_config("cloudtrail", start_day=date(2020, 1, 1))
    definitions = dg.Definitions(
        assets=[dg.AssetSpec(config.checks_key)],
        asset_checks=[digest_check(config)],
        resources={"lake": built.lake.resource},
    )
    with dg.DagsterInstance.ephemeral() as instance:
        job = definitions.resolve_implicit_global_asset_job_def()
        result = job.execute_in_process(instance=instance)
    (evaluation,) = result.get_asset_check_evaluations()
    assert evaluation.passed
    days = [datetime.now(UTC).date() - timedelta(days=n) for n in (2, 1)]
    names = [check_key(config.source.raw.name, int(f"{day:%Y%m%d}"), "digests") for day in days]
    bucket = built.lake.settings.readready_bucket
    assert [r.data["file"] for r in evaluation.metadata[ALL_NAMES].records] == [
        f"s3://{bucket}/{name}" for name in names
    ]


def test_the_check_is_in_the_daily_job_and_not_in_the_hourly_one() -> None:
    definitions = load_definitions()
    hourly = definitions.resolve_job_def("hourly_checks").asset_layer.asset_graph.asset_check_keys
    assert "digests" not in {key.name for key in hourly}
    assert definitions.resolve_schedule_def("daily_checks").cron_schedule == "40 6 * * *"
    daily = definitions.resolve_job_def("daily_checks").asset_layer.asset_graph.asset_check_keys
    checks = {name: dg.AssetKey(["checks", name]) for name in source_names()}
    wanted = {dg.AssetCheckKey(key, "object_lock") for key in checks.values()}
    assert set(daily) == {dg.AssetCheckKey(checks["cloudtrail"], "digests"), *wanted}


def test_a_log_without_digests_has_nothing_to_validate(built: BuiltLake) -> None:
    assert main(["digests", "cloudwatch", "2026-11-01..2026-11-02"]) == 2
    keys = load_definitions().resolve_asset_graph().asset_check_keys
    assert dg.AssetCheckKey(dg.AssetKey(["checks", "cloudwatch"]), "digests") not in keys

"""A reviewer's verdict: who may give it, that it is never changed, and which sessions owe one until when."""

import hashlib
import json
from dataclasses import asdict, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from infra.cli.home import REPOSITORY
from infra.cli.local_lake import LocalLake
from infra.cli.main import main
from infra.cli.review import WhichSessions, write_review
from infra.cli.verdicts import VerdictRequest, record_verdicts, verdicts_in
from loglake_assets.lake.storage.keys import judged_packet_key, verdict_key, verdicts_prefix
from loglake_assets.report.figures import LakeFigures, lake_figures, period_of
from loglake_assets.report.page import report_page
from loglake_assets.reviews.session_activity.reviewer_scope import (
    Reviewer,
    ReviewersError,
    days_to_review,
    find_reviewer,
    load_reviewers,
)
from loglake_assets.reviews.session_activity.verdicts import (
    AWAITED,
    CHANGED,
    OVERDUE,
    RECORDING_AWAITED,
    UNREADABLE,
    BrokenVerdict,
    SessionReview,
    Verdict,
    VerdictError,
    check_verdict,
    facts_of,
    objects_sha256,
    reviews_with_backlog,
    session_reviews,
    verdict_on,
)
from loglake_assets.s3.pages import keys
from tests.conftest import FIRST, LAST, ReviewedLake, quiet

DAY = date(2026, 11, 1)
EVERYBODY = Reviewer("dana", frozenset(), ("*",))
ALICE = "arn:aws:iam::111122223333:user/alice"
ROW: dict[str, Any] = {
    "session_key": "0a1b2c",
    "sessionid": "alice-0a1b2c",
    "started": datetime(2026, 11, 1, 9, tzinfo=UTC),
    "useridentity_arn": ALICE,
    "useridentity_sourceidentity": "alice",
    "target": "i-0example",
    "flags": "sudo",
    "packet": "s3://b/packets/0a1b2c.html",
    "logcalendarday": 20261101,
    "state": "recorded",
    "transcript_lines": 3,
    "transcript_bytes": 30,
    "keystroke_events": 2,
    "api_call_count": 5,
}


def verdict(**changes: Any) -> Verdict:
    given = Verdict(
        "0a1b2c", 20261101, "appropriate", "", "dana", "arn:d", "2026-11-02", "s3://b/p", "00", facts_of(ROW)
    )
    return replace(given, **changes)


@pytest.mark.parametrize(
    ("row", "given", "today", "status"),
    [
        ({}, None, DAY + timedelta(days=7), AWAITED),
        ({}, None, DAY + timedelta(days=8), OVERDUE),
        ({"state": "awaiting"}, None, DAY + timedelta(days=8), RECORDING_AWAITED),
        ({}, verdict(), DAY + timedelta(days=8), "appropriate"),
        ({"transcript_lines": 4}, verdict(), DAY, CHANGED),
        ({}, BrokenVerdict("verdicts/k", "it is empty"), DAY, UNREADABLE),
    ],
)
def test_a_session_owes_a_verdict_until_one_is_given_on_its_present_record(
    row: dict[str, Any], given: Verdict | BrokenVerdict | None, today: date, status: str
) -> None:
    assert SessionReview({**ROW, **row}, DAY + timedelta(days=7), given).status(today) == status


def packet(*objects: tuple[str, str, list[int]]) -> bytes:
    named = [dict(zip(("table", "sha256", "ordinals"), one, strict=True)) for one in objects]
    return json.dumps({"objects": named, "made_at": f"{datetime.now(UTC)}"}).encode()


def test_a_packet_is_of_what_was_judged_where_its_raw_records_are_the_same() -> None:
    one, other = ("trail", "aa", [3]), ("typed", "bb", [0, 1])
    judged = objects_sha256(packet(one, other))
    assert objects_sha256(packet(other, one)) == judged, "made again of the same"
    assert objects_sha256(packet(one, ("typed", "cc", [0, 1]))) != judged, "a raw object has other bytes"
    assert objects_sha256(packet(one, ("typed", "bb", [0]))) != judged, "a record is no longer of the session"
    assert objects_sha256(b"{") == ""
    changed = SessionReview(ROW, DAY + timedelta(days=7), verdict(), is_same_packet=False)
    assert changed.status(DAY) == CHANGED


@pytest.mark.parametrize(
    ("row", "word", "note", "who", "given_by", "why"),
    [
        ({}, "fine", "", EVERYBODY, "arn:d", "A verdict is one of"),
        ({}, "not_appropriate", " ", EVERYBODY, "arn:d", "needs a note"),
        ({}, "appropriate", "x" * 10_001, EVERYBODY, "arn:d", "10,001 characters"),
        ({"state": "awaiting"}, "appropriate", "", EVERYBODY, "arn:d", "too early"),
        ({}, "appropriate", "", Reviewer("dana", frozenset({"bob"}), ()), "arn:d", "nobody whom dana reviews"),
        ({}, "appropriate", "", EVERYBODY, ALICE, "cannot give the verdict on it"),
    ],
)
def test_a_verdict_that_may_not_be_given_is_refused(
    row: dict[str, Any], word: str, note: str, who: Reviewer, given_by: str, why: str
) -> None:
    with pytest.raises(VerdictError, match=why) as refused:
        check_verdict({**ROW, **row}, word, note, who, given_by)
    assert str(refused.value).endswith("Nothing was recorded.")
    check_verdict(ROW, "appropriate", "", EVERYBODY, "arn:d")


@pytest.mark.parametrize(("text", "days"), [("version = 1", 7), ("days_to_review = 14", 14)])
def test_the_days_to_review_stand_beside_the_reviewers(text: str, days: int, tmp_path: Path) -> None:
    path = tmp_path / "reviewers.toml"
    path.write_text(text)
    assert (days_to_review(path), load_reviewers(path)) == (days, {})
    path.write_text('days_to_review = "soon"')
    with pytest.raises(ReviewersError, match="expected a number of days"):
        days_to_review(path)


def test_the_report_says_how_many_verdicts_are_due_and_names_nobody() -> None:
    hostile = {**ROW, "session_key": "<script>1</script>", "flags": None}
    now = datetime(2026, 11, 9, 6, tzinfo=UTC)
    due = DAY + timedelta(days=7)
    reviews = (SessionReview(hostile, due), SessionReview(ROW, due, verdict()))
    page = report_page(LakeFigures("loglake", "here", now, period_of(now.date()), (), reviews=reviews))
    assert "Overdue: 1, Appropriate: 1." in page
    assert "1 session owes a verdict" in page
    assert '<td data-label="Due">2026-11-08</td><td data-label="Status">Overdue</td>' in page
    assert not [name for name in ("script", "0a1b2c", "alice") if name in page], "who may read it may not read reviews"


@pytest.fixture
def reviewers(tmp_path: Path) -> Path:
    path = tmp_path / "reviewers.toml"
    path.write_text('[[reviewer]]\nname = "dana"\narns = ["*"]\n\n[[reviewer]]\nname = "erin"\n')
    return path


@pytest.mark.parametrize(
    ("written", "said"),
    [
        (b'reviewer = "x"', "no list of tables"),
        (b"[reviewer]\nname = 'dana'", "no list of tables"),
        (b"reviewer = [3]", "no list of tables"),
        (b"\xff", "not written in UTF-8"),
        (b"[", "is not TOML"),
        (None, "cannot be read: No such file"),
    ],
)
def test_a_file_of_reviewers_that_cannot_be_meant_is_named(written: bytes | None, said: str, tmp_path: Path) -> None:
    path = tmp_path / "reviewers.toml"
    if written is not None:
        path.write_bytes(written)
    with pytest.raises(ReviewersError, match=f"{path}.*{said}"):
        load_reviewers(path)


@pytest.mark.stack
def test_verdicts_are_kept_beside_each_other_and_the_newest_counts(
    reviewed: ReviewedLake, reviewers: Path, tmp_path: Path
) -> None:
    lake = reviewed.lake
    dana = load_reviewers(reviewers)["dana"]
    before = session_reviews(lake.resource, FIRST, LAST, 7)
    one, other = [found.row for found in before if found.row["state"] == "recorded" and not found.verdict][:2]
    record_verdicts(lake, [VerdictRequest(one["session_key"], "needs_follow_up", "why sudo?")], dana, quiet)
    prefix = verdicts_prefix("session_activity", one["logcalendarday"], one["session_key"])
    bucket = lake.settings.readready_bucket
    (first,) = keys(lake.client("s3"), bucket, prefix)
    kept = lake.client("s3").get_object(Bucket=bucket, Key=first)["Body"].read()

    folder = tmp_path / "packets"
    write_review(lake, WhichSessions(session=one["session_key"]), dana, folder, quiet)
    (path,) = folder.glob(f"*{one['session_key']}*.json")
    packet = json.loads(path.read_text())
    assert packet["verdict_before"]["note"] == "why sudo?"
    assert "why sudo?" in path.with_suffix(".html").read_text()
    with pytest.raises(VerdictError, match="No packet in"):
        verdicts_in(folder, "dana")  # what was said before is not said again
    packet["verdict"] |= {"verdict": "appropriate", "note": "it was asked for"}
    path.write_text(json.dumps({**packet, "session": {**packet["session"], "transcript_lines": 1}}))
    with pytest.raises(VerdictError, match="another now than in the packet"):
        record_verdicts(lake, verdicts_in(folder, "dana"), dana, quiet)
    path.write_text(json.dumps(packet))
    record_verdicts(lake, verdicts_in(folder, "dana"), dana, quiet)

    assert lake.client("s3").get_object(Bucket=bucket, Key=first)["Body"].read() == kept
    assert len(list(keys(lake.client("s3"), bucket, prefix))) == 2
    found = {one.row["session_key"]: one for one in session_reviews(lake.resource, FIRST, LAST, 7)}
    newest = found[one["session_key"]].verdict
    assert isinstance(newest, Verdict)
    assert (newest.verdict, newest.note, newest.reviewer) == ("appropriate", "it was asked for", "dana")
    assert newest.given_by.startswith("arn:aws:")
    judged = lake.client("s3").get_object(
        Bucket=bucket, Key=judged_packet_key("session_activity", newest.packet_sha256)
    )
    assert hashlib.sha256(judged["Body"].read()).hexdigest() == newest.packet_sha256
    assert found[one["session_key"]].status(LAST + timedelta(days=99)) == "appropriate"
    assert found[other["session_key"]].status(LAST + timedelta(days=99)) == OVERDUE

    stored = newest.packet.split("/", 3)[3].removesuffix(".html") + ".json"
    as_judged = lake.client("s3").get_object(Bucket=bucket, Key=stored)["Body"].read()
    lake.client("s3").put_object(Bucket=bucket, Key=stored, Body=as_judged.replace(b"recorded", b"Recorded", 1))
    try:
        forged = {one.row["session_key"]: one for one in session_reviews(lake.resource, FIRST, LAST, 7)}
    finally:
        lake.client("s3").put_object(Bucket=bucket, Key=stored, Body=as_judged)
    assert forged[one["session_key"]].status(LAST) == CHANGED, "the packet is not what was judged"

    broken = {"Bucket": bucket, "Key": f"{prefix}99990101T000000000000.json"}
    lake.client("s3").put_object(**broken, Body=b'{"verdict": "appro')
    try:
        again = {one.row["session_key"]: one for one in session_reviews(lake.resource, FIRST, LAST, 7)}
    finally:
        lake.client("s3").delete_object(**broken)
    assert again[one["session_key"]].status(LAST) == UNREADABLE, "no broken record hides behind an older one"
    assert again[other["session_key"]].status(LAST) == AWAITED, "and it stops nothing else"


@pytest.mark.stack
def test_what_is_owed_is_owed_until_it_is_judged(
    reviewed: ReviewedLake, reviewers: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """On day 36 as on day 1,000, in the report as in the command."""
    lake = reviewed.lake
    every = session_reviews(lake.resource, FIRST, LAST, 7)
    owed = {one.row["session_key"] for one in every if one.status(LAST + timedelta(days=99)) == OVERDUE}
    judged = next(iter(owed))
    dana = load_reviewers(reviewers)["dana"]
    record_verdicts(lake, [VerdictRequest(judged, "appropriate", "")], dana, quiet)
    for days in (36, 1_000):
        last = LAST + timedelta(days=days)
        found = reviews_with_backlog(lake.resource, last - timedelta(days=35), last, 7)
        late = {one.row["session_key"] for one in found if one.status(last) == OVERDUE and FIRST <= one.day <= LAST}
        assert late == owed - {judged}
        assert not [one for one in found if one.row["session_key"] == judged], "and no longer"
    report = lake_figures(lake.resource, "here", datetime(2029, 1, 1, tzinfo=UTC))
    assert sum(report.sessions.values()), "a lake that stands still shows the sessions of its last days"
    assert {one.row["session_key"] for one in report.reviews if one.status(last) == OVERDUE} >= owed - {judged}
    monkeypatch.setenv("LOGLAKE_HOME", str(lake.home))
    monkeypatch.setattr("infra.cli.verdicts.LOOK_BACK_DAYS", -36_500)  # as if the sessions were long ago
    assert main(["verdicts", "--format", "json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert {row["session"] for row in shown} >= owed - {judged}
    monkeypatch.setattr("infra.cli.verdicts.ROWS_SHOWN", 1)
    assert main(["verdicts"]) == 0
    said = capsys.readouterr().out
    assert f"And {len(shown) - 1} more, due from {shown[1]['due']}: --format json has them all." in said
    assert f"and {len(shown)} of days before that owe a verdict" in said


@pytest.mark.stack
@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({}, None),
        ({"verdict": ["x"]}, "a verdict that is none"),
        ({"verdict": "fine"}, "a verdict that is none"),
        ({"session_key": "another"}, "of another session"),
        ({"day": "x"}, "of another session"),
        ({"given_at": 7}, "of another kind"),
        ({"given_at": "9999-01-01T00:00:00+00:00"}, "of another session or time, or of the future"),
    ],
)
def test_a_record_that_is_not_what_its_key_says_is_unreadable_and_stops_nothing(
    lake: LocalLake, changes: dict[str, Any], why: str | None
) -> None:
    at = datetime(2026, 11, 2, 9, tzinfo=UTC)
    key = verdict_key("session_activity", 20261101, "of-no-session", at)
    record = {**asdict(verdict(session_key="of-no-session", given_at=at.isoformat())), **changes}
    bucket = lake.settings.readready_bucket
    lake.client("s3").put_object(Bucket=bucket, Key=key, Body=json.dumps(record).encode())
    try:
        found = verdict_on(lake.resource, "of-no-session", 20261101)
    finally:
        lake.client("s3").delete_object(Bucket=bucket, Key=key)
    if why is None:
        assert isinstance(found, Verdict)
    else:
        assert isinstance(found, BrokenVerdict)
        assert why in found.why


@pytest.mark.stack
def test_all_or_none_of_several_verdicts_is_recorded(reviewed: ReviewedLake, reviewers: Path) -> None:
    lake = reviewed.lake
    of = load_reviewers(reviewers)
    row = next(found.row for found in session_reviews(lake.resource, FIRST, LAST, 7) if not found.verdict)
    good = VerdictRequest(row["session_key"], "appropriate", "")
    for asked, who in (
        ([good, VerdictRequest("no-such-session", "appropriate", "")], of["dana"]),
        ([good, replace(good, verdict="not_appropriate")], of["dana"]),
        ([good], of["erin"]),
    ):
        with pytest.raises(VerdictError):
            record_verdicts(lake, asked, who, quiet)
    prefix = verdicts_prefix("session_activity", row["logcalendarday"], row["session_key"])
    assert not list(keys(lake.client("s3"), lake.settings.readready_bucket, prefix))


@pytest.mark.stack
def test_the_commands_list_what_is_due_and_refuse_what_is_half_said(
    reviewed: ReviewedLake, reviewers: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LOGLAKE_HOME", str(reviewed.lake.home))
    days = f"{FIRST}..{LAST}"
    assert main(["verdicts", "--days", days, "--all", "--format", "json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert {row["due"] for row in rows} == {str(FIRST + timedelta(days=n)) for n in (7, 8, 9)}
    assert len(rows) == len(session_reviews(reviewed.lake.resource, FIRST, LAST, 7))
    assert main(["verdicts", "--days", days, "--reviewer", "erin", "--reviewers", str(reviewers)]) == 0
    assert "0 sessions from" in capsys.readouterr().out
    assert main(["verdicts", "--days", days, "--all"]) == 0
    said = capsys.readouterr().out
    own = str(REPOSITORY / "loglake_assets" / "reviewers.toml")
    assert f"Nobody can give a verdict yet: {own} names no reviewer." in said
    assert said.count('[[reviewer]]\n    name = "dana"\n    source_identities = [') == 1
    assert main(["verdicts", "--days", days, "--all", "--reviewers", str(reviewers)]) == 0
    said = capsys.readouterr().out
    assert f"--reviewer NAME --reviewers {reviewers}; NAME is one of those in {reviewers}: dana, erin" in said
    assert main(["verdicts", "--days", days, "--reviewer", "dana"]) == 2
    said = capsys.readouterr().err
    assert f"There is no reviewer 'dana'; {own} has none." in said
    assert '    [[reviewer]]\n    name = "dana"\n    source_identities = ["alice", "bob"]\n' in said
    assert "--reviewers" in said
    for given in (["x"], ["x", "appropriate", "--packets", "folder"], []):
        assert main(["verdict", *given, "--reviewer", "dana", "--reviewers", str(reviewers)]) == 2
        assert "Give a session and a verdict" in capsys.readouterr().err


def test_the_lines_to_add_make_a_reviewer_whatever_name_was_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "reviewers.toml"
    path.write_text("")
    for name, made in (("dana", "dana"), ('x"\n[evil]', "dana"), ("erin", "erin")):
        with pytest.raises(ReviewersError) as refused:
            find_reviewer(name, path)
        assert str(path) in str(refused.value)
        lines = [line.strip() for line in str(refused.value).splitlines() if line.startswith("    ")]
        assert len(lines) == 3
        (tmp_path / "added.toml").write_text("\n".join(lines))
        assert list(load_reviewers(tmp_path / "added.toml")) == [made]


def test_a_folder_without_a_verdict_or_with_anothers_is_refused(tmp_path: Path) -> None:
    with pytest.raises(VerdictError, match="No packet in"):
        verdicts_in(tmp_path, "dana")
    packet = {"session": {"key": "k"}, "verdict": {"verdict": "appropriate", "reviewer": "erin"}}
    (tmp_path / "k.json").write_text(json.dumps(packet))
    with pytest.raises(VerdictError, match="another reviewer than dana"):
        verdicts_in(tmp_path, "dana")
    (tmp_path / "k.json").write_text("{}")
    with pytest.raises(VerdictError, match="no packet that can be read"):
        verdicts_in(tmp_path, "dana")

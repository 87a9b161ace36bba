"""Sessions of a real lake: S3, AddAPart, Spark, Athena and Dagster from the sample logs to rows, packets and checks."""

import hashlib
import json
from collections import Counter
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster import AssetCheckKey, DagsterInstance

from infra.cli.build import build_range
from infra.cli.dagster_runs import dagster_instance, load_definitions
from infra.cli.demo_truth import session_problems
from infra.cli.review import ReviewError, WhichSessions, build_review_range, write_review
from infra.cli.status import print_review
from lambdas.looker.guard import Policy, check_statement
from lambdas.looker.prompt import table_cards
from loglake_assets.lake.storage.keys import commit_key
from loglake_assets.lake.storage.table import Table
from loglake_assets.lake.versions.commits import head
from loglake_assets.orchestration import review_days
from loglake_assets.orchestration.check_metadata import ALL_NAMES, NOTHING_TO_MEND, REMEDY
from loglake_assets.orchestration.review_config import review_config
from loglake_assets.orchestration.review_sensor import changed_days
from loglake_assets.reviews.inputs import read_inputs
from loglake_assets.reviews.secret_masks import secrets_in
from loglake_assets.reviews.session_activity import session_builder
from loglake_assets.reviews.session_activity.reviewer_scope import Reviewer
from loglake_assets.reviews.staleness import review_states
from loglake_assets.sources import load_source
from loglake_assets.sources.calendar_days import day_number
from loglake_assets.sources.sample_deliveries import SessionTruth
from resources.athena import sql_literal
from resources.settings import loglake
from tests.check_names import names_of
from tests.conftest import FIRST, LAST, ReviewedLake, quiet

ASSET = dg.AssetKey(["review", "session_activity"])
DAYS = [FIRST + timedelta(days=n) for n in range(3)]
ALL_DAYS = f"logcalendarday BETWEEN {day_number(FIRST)} AND {day_number(LAST)}"


def rows_of_query(reviewed: ReviewedLake, sql: str) -> list[dict[str, Any]]:
    return reviewed.lake.resource.athena.ask(sql).rows


def sessions(reviewed: ReviewedLake) -> list[SessionTruth]:
    return [s for s in reviewed.truth.sessions if FIRST.isoformat() <= s.day <= LAST.isoformat()]


def of_state(reviewed: ReviewedLake, *states: str) -> set[str]:
    return {s.f_sessionid for s in sessions(reviewed) if s.state in states}


def test_every_session_has_its_state_and_all_its_lines(reviewed: ReviewedLake) -> None:
    assert session_problems(reviewed.lake, reviewed.truth.sessions, FIRST, LAST) == []
    assert len({s.state for s in sessions(reviewed)}) >= 6


def test_transcripts_are_what_was_typed_line_by_line(reviewed: ReviewedLake) -> None:
    rows = rows_of_query(reviewed, f"SELECT f_sessionid, transcript FROM session_activity WHERE {ALL_DAYS}")
    found = {row["f_sessionid"]: row["transcript"] for row in rows if row["transcript"] is not None}
    wanted = {s.f_sessionid: "\n".join(s.lines) for s in sessions(reviewed) if s.lines}
    assert found == wanted
    kinds = {s.kind for s in sessions(reviewed) if s.lines}
    assert {"keystrokes", "plain", "hostile", "long", "across_midnight", "two_midnights", "secrets"} <= kinds


def test_lines_are_a_table_of_their_own_that_sql_can_search(reviewed: ReviewedLake) -> None:
    rows = rows_of_query(
        reviewed,
        f"SELECT l.*, raw_key, raw_ordinal FROM session_lines_review l WHERE {ALL_DAYS} ORDER BY session_key, line",
    )
    found: dict[str, list[str]] = {}
    for row in rows:
        found.setdefault(row["session_key"], []).append(row["text"])
        assert row["line"] == len(found[row["session_key"]])
    assert found == {s.f_sessionid: list(s.lines) for s in sessions(reviewed) if s.lines}
    assert all(row["raw_key"] and row["raw_ordinal"] >= 0 and row["eventid"] for row in rows)
    of_lines = rows_of_query(
        reviewed,
        "SELECT session_key, count(*) AS lines, max(useridentity_arn) AS arn FROM session_lines "
        f"WHERE {ALL_DAYS} AND flags LIKE '%sudo%' GROUP BY session_key",
    )
    of_sessions = rows_of_query(
        reviewed,
        f"SELECT session_key, useridentity_arn AS arn FROM session_activity WHERE {ALL_DAYS} AND flags LIKE '%sudo%'",
    )
    assert of_lines
    assert {(r["session_key"], r["arn"]) for r in of_lines} == {(r["session_key"], r["arn"]) for r in of_sessions}


def test_the_query_of_the_original_returns_the_same_sessions(reviewed: ReviewedLake) -> None:
    database = reviewed.lake.settings.database
    sql = f"""SELECT t.eventsource
,t.eventname
,t.eventtime
,w.logaccountid
,w.loggroup
,w.subscriptionfilters
,w.eventtime as eventtime_from_cloudwatch
,w."session" as session_from_cloudwatch
 FROM {database}.from_cloudwatch_readready w
 inner join {database}.from_cloudtrail_readready t
on  w.f_sessionid=t.f_sessionid"""
    joined = rows_of_query(reviewed, sql)
    typed = [row for row in joined if row["eventname"] == "StartSession"]
    wanted = [s for s in sessions(reviewed) if s.state in {"recorded", "recorded_partly"}]
    assert len(typed) == sum(s.events for s in wanted)
    assert {row["loggroup"] for row in typed} == {"/aws/ssm/sessionlogs"}
    counted = rows_of_query(
        reviewed,
        "SELECT w.f_sessionid, count(*) AS events FROM from_cloudwatch_readready w JOIN from_cloudtrail_readready t "
        f"ON w.f_sessionid = t.f_sessionid WHERE t.eventname = 'StartSession' AND t.{ALL_DAYS} GROUP BY 1",
    )
    assert {row["f_sessionid"]: row["events"] for row in counted} == {s.f_sessionid: s.events for s in wanted}


def test_a_row_says_who_it_was_and_where(reviewed: ReviewedLake) -> None:
    rows = rows_of_query(reviewed, f"SELECT * FROM session_activity WHERE {ALL_DAYS}")
    for row in rows:
        if row["state"] in {"recorded", "recorded_partly", "not_loggable", "lost"}:
            assert row["useridentity_arn"]
            assert row["target"]
            assert row["sourceipaddress"]
            assert row["logaccountid"]
        if row["state"] in {"lost", "awaiting", "orphan", "recorded_partly", "denied", "not_loggable"}:
            assert row["state_reason"]
    assert any(row["useridentity_sourceidentity"] for row in rows)
    assert any(row["useridentity_onbehalfof_userid"] for row in rows)
    assert any(row["ended_how"] == "terminated" for row in rows)


def test_calls_of_the_same_principal_stand_around_the_session(reviewed: ReviewedLake) -> None:
    sql = (
        "SELECT f_sessionid, useridentity_arn, started, api_calls, api_call_count FROM session_activity "
        f"WHERE {ALL_DAYS} AND f_sessionid IS NOT NULL AND state <> 'orphan'"
    )
    for row in rows_of_query(reviewed, sql):
        calls = json.loads(row["api_calls"])
        assert len(calls) == row["api_call_count"]
        own = [c for c in calls if c["eventname"] == "StartSession" and c["about_session"]]
        assert [c["time"] for c in own] == [row["started"].isoformat().replace("+00:00", "Z")]


# --- packets ----------------------------------------------------------------------------------------------------------


def packet(reviewed: ReviewedLake, address: str) -> str:
    bucket, _, key = address.removeprefix("s3://").partition("/")
    body: bytes = reviewed.lake.client("s3").get_object(Bucket=bucket, Key=key)["Body"].read()
    return body.decode()


def test_every_session_has_its_packet_and_an_index_leads_to_all(reviewed: ReviewedLake) -> None:
    rows = rows_of_query(
        reviewed, f"SELECT session_key, state, packet FROM session_activity WHERE logcalendarday = {20261102}"
    )
    metadata = reviewed.results[1].metadata
    index = packet(reviewed, metadata["packets"])
    assert len(rows) == metadata["dagster/row_count"] == sum(s.day == "2026-11-02" for s in sessions(reviewed))
    for row in rows:
        document = json.loads(packet(reviewed, row["packet"].removesuffix(".html") + ".json"))
        assert (document["session"]["key"], document["session"]["state"]) == (row["session_key"], row["state"])
        assert row["packet"].rsplit("/", 1)[1] in index
        assert "default-src" in packet(reviewed, row["packet"])


def test_a_packet_leads_back_to_raw_bytes(reviewed: ReviewedLake) -> None:
    from loglake_assets.s3.gzip_content import inflate
    from loglake_assets.sources.cloudwatch import decode

    name = next(s.f_sessionid for s in sessions(reviewed) if s.kind == "long" and s.state == "recorded")
    (row,) = rows_of_query(reviewed, f"SELECT packet FROM session_activity WHERE f_sessionid = '{name}' AND {ALL_DAYS}")
    document = json.loads(packet(reviewed, row["packet"].removesuffix(".html") + ".json"))
    entry = next(o for o in document["objects"] if o["table"] == "from_cloudwatch_readready")
    body = reviewed.lake.client("s3").get_object(Bucket=entry["bucket"], Key=entry["key"])
    assert body["ETag"].strip('"') == entry["etag"]
    content = body["Body"].read()
    assert hashlib.sha256(content).hexdigest() == entry["sha256"]
    events = [decode.decode(raw).fields for raw in decode.split(inflate(content, True))]
    number = document["objects"].index(entry)
    typed = {event["eventid"] for event in document["timeline"] if event["object"] == number}
    assert {events[n]["eventid"] for n in entry["ordinals"]} == typed
    assert {c["coverage_pct"] for c in document["coverage"]} != {None}


def test_packets_of_one_session_and_of_a_person(reviewed: ReviewedLake, tmp_path: Path) -> None:
    chosen = next(s for s in sessions(reviewed) if s.state == "recorded")
    for number, name in enumerate((chosen.f_sessionid, chosen.session_id)):
        written = write_review(reviewed.lake, WhichSessions(session=name), None, tmp_path / str(number), quiet)
        names = {f"{chosen.f_sessionid}.html", f"{chosen.f_sessionid}.json", "index.html"}
        assert {path.name for path in written} == names
    person = WhichSessions(who="*/alice", first=FIRST, last=LAST)
    written = write_review(reviewed.lake, person, None, tmp_path / "person", quiet)
    documents = [json.loads(path.read_text()) for path in written if path.suffix == ".json"]
    assert len(documents) > 1
    assert all(d["session"]["useridentity_arn"].endswith("/alice") for d in documents)


def test_everybodys_sessions_are_all_of_the_table_also_those_of_nobody(reviewed: ReviewedLake, tmp_path: Path) -> None:
    rows = rows_of_query(reviewed, f"SELECT session_key, state FROM session_activity WHERE {ALL_DAYS}")
    assert "orphan" in {row["state"] for row in rows}
    everybody = Reviewer("dana", frozenset(), ("*",))
    for number, who_reads in enumerate((None, everybody)):
        wanted = WhichSessions(who="*", first=FIRST, last=LAST)
        written = write_review(reviewed.lake, wanted, who_reads, tmp_path / str(number), quiet)
        documents = [json.loads(path.read_text()) for path in written if path.suffix == ".json"]
        assert {d["session"]["key"] for d in documents} == {row["session_key"] for row in rows}
        assert f">{len(rows):,} sessions:" in written[-1].read_text(), "the index counts what the table holds"


@pytest.mark.parametrize("name", ["nobody", "' OR '1'='1", "x' OR f_sessionid LIKE '%", "%", "*", "'; DROP TABLE x --"])
def test_a_session_that_is_not_there_is_refused_whatever_its_name(
    reviewed: ReviewedLake, tmp_path: Path, name: str
) -> None:
    with pytest.raises(ReviewError, match="Nothing was written"):
        write_review(reviewed.lake, WhichSessions(session=name), None, tmp_path / "out", quiet)
    assert not (tmp_path / "out").exists()


DANA = Reviewer("dana", frozenset({"alice"}), ("arn:aws:iam::*:user/alice",), frozenset({"erin"}))


def test_a_reviewer_gets_nobody_elses_sessions_however_they_ask(reviewed: ReviewedLake, tmp_path: Path) -> None:
    rows = rows_of_query(reviewed, f"SELECT * FROM session_activity WHERE {ALL_DAYS}")
    own = {r["session_key"] for r in rows if DANA.reviews(r["useridentity_sourceidentity"], r["useridentity_arn"])}
    assert 0 < len(own) < len(rows)
    everything = WhichSessions(who="*", first=FIRST, last=LAST)
    written = write_review(reviewed.lake, everything, DANA, tmp_path / "all", quiet)
    documents = [json.loads(path.read_text()) for path in written if path.suffix == ".json"]
    assert {d["session"]["key"] for d in documents} == own
    other = next(r for r in rows if r["session_key"] not in own and r["f_sessionid"])
    for name in (other["f_sessionid"], other["sessionid"], other["session_key"]):
        with pytest.raises(ReviewError):
            write_review(reviewed.lake, WhichSessions(session=name), DANA, tmp_path / "other", quiet)
    with pytest.raises(ReviewError):
        write_review(
            reviewed.lake,
            WhichSessions(who=other["useridentity_arn"], first=FIRST, last=LAST),
            DANA,
            tmp_path / "other",
            quiet,
        )
    assert not (tmp_path / "other").exists()


def test_lookers_guard_shows_a_reviewer_the_sessions_of_their_people_alone(
    reviewed: ReviewedLake,
) -> None:
    alice = Reviewer("dana", frozenset({"alice"}), ())
    everything = rows_of_query(reviewed, f"SELECT * FROM session_activity WHERE {ALL_DAYS}")
    wanted = {
        row["session_key"]
        for row in everything
        if alice.reviews(row["useridentity_sourceidentity"], row["useridentity_arn"])
    }
    assert 0 < len(wanted) < len(everything)
    cards = {card.name: card.column_names for card in table_cards()}
    policy = Policy(reviewed.lake.settings.database, cards, row_limit=999, rows=alice.condition())
    for sql in (
        f"SELECT session_key FROM session_activity WHERE {ALL_DAYS}",
        f"SELECT s.session_key FROM session_activity s WHERE s.{ALL_DAYS} AND s.session_key IS NOT NULL",
        f"WITH w AS (SELECT session_key FROM session_activity WHERE {ALL_DAYS}) SELECT session_key FROM w",
    ):
        found = rows_of_query(reviewed, check_statement(sql, policy).sql)
        assert {row["session_key"] for row in found} == wanted


def test_a_reviewers_view_holds_what_the_mapping_says(reviewed: ReviewedLake) -> None:
    rows = rows_of_query(reviewed, f"SELECT * FROM session_activity WHERE {ALL_DAYS}")
    rest = Reviewer("rest", frozenset(), ("*",), frozenset({"alice"}))
    for reviewer in (DANA, rest, Reviewer("nobody", frozenset(), ())):
        rows_of_query(reviewed, reviewer.view_sql())
        seen = rows_of_query(reviewed, f"SELECT session_key FROM session_activity_of_{reviewer.name} WHERE {ALL_DAYS}")
        wanted = {
            r["session_key"] for r in rows if reviewer.reviews(r["useridentity_sourceidentity"], r["useridentity_arn"])
        }
        assert {row["session_key"] for row in seen} == wanted


@pytest.mark.parametrize("arn", ["a/b_b!%'c", "a/bXb!%'c", "a/b_b!Z'c", "a/b_b!%'", "*", None])
def test_a_condition_says_what_the_mapping_says_whatever_characters_are_in_it(
    reviewed: ReviewedLake, arn: str | None
) -> None:
    reviewer = Reviewer("odd", frozenset({"it's"}), ("*/b_b!%'*",), frozenset({"o'hara"}))
    for identity in (None, "it's", "its", "o'hara"):
        names = [f"CAST({'NULL' if v is None else sql_literal(v)} AS varchar)" for v in (identity, arn)]
        (row,) = rows_of_query(
            reviewed,
            f"SELECT count(*) AS seen FROM (SELECT {names[0]} AS useridentity_sourceidentity, {names[1]} AS "
            f"useridentity_arn) t WHERE {reviewer.condition()}",
        )
        assert bool(row["seen"]) is reviewer.reviews(identity, arn)


# --- Dagster ----------------------------------------------------------------------------------------------------------


def evaluation(instance: DagsterInstance, check: str, day: date) -> Any:
    records = instance.event_log_storage.get_asset_check_execution_history(AssetCheckKey(ASSET, check), limit=50)
    evaluations = [r.evaluation for r in records if isinstance(r.evaluation, dg.AssetCheckEvaluation)]
    return next(e for e in evaluations if e.partition == day.isoformat())


@pytest.mark.parametrize("day", [FIRST, LAST])
def test_checks_name_the_sessions_that_were_not_recorded_and_the_orphans(reviewed: ReviewedLake, day: date) -> None:
    of_day = [s for s in sessions(reviewed) if s.day == day.isoformat()]
    lost = {s.f_sessionid for s in of_day if s.state == "lost"}
    have = sum(s.state in {"recorded", "recorded_partly"} for s in of_day)
    with dagster_instance(reviewed.lake) as instance:
        keystrokes, orphans = (evaluation(instance, c, day) for c in ("keystroke_coverage", "orphans"))
    assert keystrokes.passed is (not lost)
    assert set(names_of(keystrokes.metadata)) == lost
    assert keystrokes.metadata["sessions_that_should_have_keystrokes"].value == have + len(lost)
    pct = keystrokes.metadata["keystroke_coverage_pct"].value
    assert pct == int(10_000 * 100 * have / (have + len(lost))) / 10_000
    assert (keystrokes.severity == dg.AssetCheckSeverity.ERROR) is (pct < 90)
    assert set(names_of(orphans.metadata)) == {s.f_sessionid for s in of_day if s.state == "orphan"}
    assert orphans.severity == dg.AssetCheckSeverity.WARN
    for found in (keystrokes, orphans):
        remedy = found.metadata[REMEDY].value
        assert (remedy == NOTHING_TO_MEND) is found.passed
        assert found.passed or found.description.endswith(remedy)
        assert found.passed or loglake(f"build session_activity {day}") in remedy
    names = json.loads(packet(reviewed, keystrokes.metadata[ALL_NAMES].value))
    assert set(names["names"]) == lost


def test_a_materialization_counts_the_states(reviewed: ReviewedLake) -> None:
    for result in reviewed.results:
        counts = Counter(s.state for s in sessions(reviewed) if s.day == result.day.isoformat())
        found = {n: result.metadata[n] for n in ("recorded", "lost", "denied", "orphan", "awaiting")}
        assert found == {name: counts[name] for name in found}


def test_no_keystroke_stands_in_what_dagster_keeps(reviewed: ReviewedLake) -> None:
    with dagster_instance(reviewed.lake) as instance:
        (run,) = {r.run_id for r in instance.get_runs(dg.RunsFilter(job_name="session_activity"), limit=1)}
        told = json.dumps([str(record) for record in instance.all_logs(run)])
    typed = {line for s in sessions(reviewed) for line in s.lines if len(line) > 12}
    assert len(typed) > 100
    assert not [line for line in typed if line in told]


def test_a_day_is_asked_for_when_and_only_when_its_tables_are_not_what_it_read(reviewed: ReviewedLake) -> None:
    config = review_config("session_activity", start_day=FIRST, heal_days=5)
    lake, today = reviewed.lake.resource, LAST + timedelta(days=1)
    build_review_range(reviewed.lake, reviewed.review, FIRST, LAST, quiet)
    assert changed_days(config, lake, today) == {}
    table, bucket = reviewed.review.table.name, reviewed.lake.settings.readready_bucket
    s3, key = reviewed.lake.client("s3"), f"commits/{table}/{day_number(FIRST)}/"
    newest = max(e["Key"] for e in s3.list_objects_v2(Bucket=bucket, Prefix=key)["Contents"])
    body = s3.get_object(Bucket=bucket, Key=newest)["Body"].read()
    s3.put_object(Bucket=bucket, Key=newest, Body=body.replace(json.loads(body)["run_id"].encode(), b"another"))
    assert set(changed_days(config, lake, today)) == {FIRST}
    s3.put_object(Bucket=bucket, Key=newest, Body=body)
    typed = load_source("cloudwatch")
    build_range(reviewed.lake, typed, LAST, LAST, quiet)
    assert set(changed_days(config, lake, today)) == {FIRST, FIRST + timedelta(days=1), LAST}
    floor = review_config("session_activity", start_day=FIRST, heal_days=5, leading_coverage_floor_pct=99.99)
    whole = {
        day for day, i in read_inputs(lake, load_source("cloudtrail"), DAYS).items() if (i.coverage_pct or 0) >= 99.99
    }
    assert set(changed_days(floor, lake, today)) == whole < set(DAYS)


@pytest.mark.parametrize("damage", [b"{", None])
def test_a_commit_record_that_cannot_be_read_stops_no_review(reviewed: ReviewedLake, damage: bytes | None) -> None:
    lake, source = reviewed.lake.resource, load_source("cloudtrail")
    before = read_inputs(lake, source, [FIRST])[FIRST]
    assert before.run_id
    assert before.commit_seq
    bucket = lake.settings.readready_bucket
    key = commit_key(source.readready.name, day_number(FIRST), before.commit_seq)
    body = lake.s3.get_object(Bucket=bucket, Key=key)["Body"].read()
    try:
        if damage is None:
            lake.s3.delete_object(Bucket=bucket, Key=key)
        else:
            lake.s3.put_object(Bucket=bucket, Key=key, Body=damage)
        found = read_inputs(lake, source, [FIRST])[FIRST]
    finally:
        lake.s3.put_object(Bucket=bucket, Key=key, Body=body)
    assert (found.status, found.commit_seq, found.run_id) == (before.status, before.commit_seq, None)
    assert read_inputs(lake, source, [FIRST])[FIRST] == before


@pytest.mark.fault(80, "a log that a review joins is built again", "the review is stale, says why, and is asked for")
def test_a_day_is_stale_and_says_why_until_it_is_built_again(
    reviewed: ReviewedLake, capsys: pytest.CaptureFixture[str]
) -> None:
    build_review_range(reviewed.lake, reviewed.review, FIRST, LAST, quiet)
    lake, review = reviewed.lake.resource, reviewed.review
    assert {state.status for state in review_states(lake, review, DAYS)} == {"built"}
    build_range(reviewed.lake, load_source("cloudwatch"), LAST, LAST, quiet)
    found = review_states(lake, review, DAYS)
    assert {state.status for state in found} == {"stale"}
    assert {len(state.reasons) for state in found} == {1}
    assert f"from_cloudwatch_readready {LAST} is at commit" in found[0].reasons[0]
    print_review(reviewed.lake, review)
    assert f"stale: {FIRST}: from_cloudwatch_readready {LAST} is at commit" in capsys.readouterr().out
    sensor = load_definitions().resolve_sensor_def("session_activity_changed_inputs")
    context = dg.build_sensor_context(resources={"lake": lake})
    first = sensor.evaluate_tick(context)
    assert first.cursor
    again = sensor.evaluate_tick(dg.build_sensor_context(resources={"lake": lake}, cursor=first.cursor))
    assert not again.run_requests
    assert again.skip_message == "Readers of its tables see what they saw at the last look."
    build_review_range(reviewed.lake, review, FIRST, LAST, quiet)
    assert {state.status for state in review_states(lake, review, DAYS)} == {"built"}


@pytest.mark.fault(93, "packets into a folder that holds somebody else's", "refused, and what is there stays")
def test_a_folder_that_is_not_empty_is_refused(reviewed: ReviewedLake, tmp_path: Path) -> None:
    everything, folder = WhichSessions(who="*", first=FIRST, last=FIRST), tmp_path / "out"
    folder.mkdir()
    written = write_review(reviewed.lake, everything, DANA, folder, quiet)
    before = {path: path.read_bytes() for path in folder.iterdir()}
    assert set(before) == set(written)
    for target in (folder, written[0]):
        with pytest.raises(ReviewError, match="not an empty folder"):
            write_review(reviewed.lake, everything, None, target, quiet)
    assert {path: path.read_bytes() for path in folder.iterdir()} == before


@pytest.mark.fault(66, "packets over days that are not built", "the command and the index name each day and log")
def test_packets_over_days_that_are_not_built_say_so(reviewed: ReviewedLake, tmp_path: Path) -> None:
    said: list[str] = []
    after = LAST + timedelta(days=1)
    written = write_review(
        reviewed.lake, WhichSessions(who="*", first=LAST, last=after), None, tmp_path / "out", said.append
    )
    sentences = [text for text in said if text.startswith("NOT COMPLETE: ")]
    assert any(f"session_activity, {after}: this day has not been built" in text for text in sentences)
    assert any(f"from_cloudwatch_readready, {after}: " in text for text in sentences)
    index = written[-1].read_text()
    assert "Not all of the logs is here" in index
    assert f"session_activity, {after}: this day has not been built" in index


@pytest.mark.fault(94, "packets for one who may read secrets", "masked by default; as typed where that is asked for")
def test_packets_are_masked_unless_somebody_asks_for_what_was_typed(reviewed: ReviewedLake, tmp_path: Path) -> None:
    chosen = {s.f_sessionid: list(s.lines) for s in sessions(reviewed) if s.kind == "secrets" and s.lines}
    assert chosen
    name, lines = next(iter(chosen.items()))
    found = []
    for is_masked in (True, False):
        said: list[str] = []
        folder = tmp_path / str(is_masked)
        write_review(reviewed.lake, WhichSessions(session=name), None, folder, said.append, is_masked)
        document = json.loads((folder / f"{name}.json").read_text())
        typed = [line for e in document["timeline"] if e["kind"] == "keystrokes" for line in e["lines"]]
        found.append((document["masked"]["is_masked"], typed == lines, any("Nothing is masked" in t for t in said)))
    has_secret = bool(secrets_in(lines))
    assert found == [(True, not has_secret, False), (False, True, True)]


def test_the_sensor_asks_once_for_the_same_change(reviewed: ReviewedLake) -> None:
    sensor = load_definitions().resolve_sensor_def("session_activity_changed_inputs")
    context = dg.build_sensor_context(resources={"lake": reviewed.lake.resource})
    requests = [list(sensor.evaluate_tick(context).run_requests or ()) for _ in range(2)]
    assert [r.run_key for r in requests[0]] == [r.run_key for r in requests[1]]
    for request in requests[0]:
        assert {"dagster/asset_partition_range_start", "dagster/asset_partition_range_end"} <= set(request.tags)


def test_building_again_gives_the_same_rows_under_a_new_commit(reviewed: ReviewedLake) -> None:
    s3, bucket = reviewed.lake.client("s3"), reviewed.lake.settings.readready_bucket
    build_review_range(reviewed.lake, reviewed.review, FIRST, FIRST, quiet)
    before = head(Table(reviewed.review.table.name, s3, bucket), day_number(FIRST))
    (result,) = build_review_range(reviewed.lake, reviewed.review, FIRST, FIRST, quiet)
    after = head(Table(reviewed.review.table.name, s3, bucket), day_number(FIRST))
    assert before
    assert after
    assert result.error is None
    assert (after.seq, after.content_hash) == (before.seq + 1, before.content_hash)
    assert session_problems(reviewed.lake, reviewed.truth.sessions, FIRST, LAST) == []


def test_a_day_that_cannot_be_made_hides_none_beside_it(
    reviewed: ReviewedLake, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Packets of the second day fail on a text of a log: the first is told, and the text is not."""

    def row_of(session: Any, packet: str) -> dict[str, Any]:
        if session.day != FIRST:
            raise ValueError("canary from a log")
        return make(session, packet)

    make = session_builder.row_of
    monkeypatch.setattr(session_builder, "row_of", row_of)
    first, second, third = build_review_range(reviewed.lake, reviewed.review, FIRST, LAST, quiet)
    assert first.metadata["dagster/row_count"] == sum(s.day == FIRST.isoformat() for s in sessions(reviewed))
    assert (second.metadata, third.metadata) == ({}, {})
    assert second.error is not None
    assert "2026-11-02: ValueError at" in second.error
    assert "canary" not in second.error


def test_a_day_that_another_run_committed_meanwhile_is_no_failure(
    reviewed: ReviewedLake, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A person and the sensor may ask for the same day; the later run leaves what the earlier made."""
    tables = [reviewed.lake.table(table.name) for table in reviewed.review.tables]
    before = [head(table, day_number(FIRST)) for table in tables]
    assert all(before)
    monkeypatch.setattr(review_days, "_newest_seq", lambda lake, table, day: 0)  # as before the other one's commit
    (result,) = build_review_range(reviewed.lake, reviewed.review, FIRST, FIRST, quiet)
    assert (result.error, result.metadata) == (None, {})
    assert [head(table, day_number(FIRST)) for table in tables] == before

"""From rows to sessions: each state, and what puts a session into it; lines put together again; who reviews whom."""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from loglake_assets.reviews.inputs import BUILT, NO_SOURCE, UNBUILT, Input
from loglake_assets.reviews.session_activity.documents import document_of, load_plain, row_of
from loglake_assets.reviews.session_activity.facts import Facts, Keystrokes, Session, group_facts
from loglake_assets.reviews.session_activity.reviewer_scope import (
    Reviewer,
    ReviewersError,
    find_reviewer,
    load_reviewers,
    matches,
)
from loglake_assets.reviews.session_activity.sessions import STATES, SessionRules, sessions_of
from loglake_assets.reviews.session_activity.transcripts import (
    PIECE_BYTES,
    Block,
    blocks,
    event_lines,
    is_piece,
    transcript,
)

DAY = date(2026, 11, 1)
NOON = datetime(2026, 11, 1, 12, tzinfo=UTC)
LATER = datetime(2026, 11, 20, tzinfo=UTC)
ID = "alice-0123456789abcdef0"
F_ID = "0123456789abcdef0"
EVIDENCE = {
    "raw_bucket": "raw",
    "raw_key": "key",
    "raw_versionid": "v1",
    "raw_etag": "etag",
    "raw_ordinal": 0,
    "raw_objectsha256": "aa",
    "f_run": "run",
}


def start(time: datetime = NOON, session: str | None = ID, **changed: Any) -> dict[str, Any]:
    row = {
        "eventid": f"start-{session}-{time:%d%H%M%S}",
        "eventname": "StartSession",
        "eventtime": time,
        "useridentity_type": "AssumedRole",
        "useridentity_arn": "arn:aws:sts::111122223333:assumed-role/Administrator/alice",
        "useridentity_sourceidentity": "alice",
        "useridentity_onbehalfof_userid": None,
        "useridentity_onbehalfof_identitystorearn": None,
        "logaccountid": "111122223333",
        "awsregion": "eu-west-1",
        "sourceipaddress": "203.0.113.1",
        "useragent": "aws-cli",
        "errorcode": None,
        "errormessage": None,
        "f_sessionid": session.rsplit("-", 1)[1] if session else None,
        "requestparameters": json.dumps({"target": "i-0example", "reason": "CHG-1"}),
        "responseelements": json.dumps({"sessionId": session}) if session else None,
        **EVIDENCE,
    }
    return {**row, **changed}


def keys(time: datetime, lines: str, number: int = 0, session: str = ID, **changed: Any) -> Keystrokes:
    row = {
        "f_sessionid": session.rsplit("-", 1)[1],
        "sessionid": session,
        "eventid": f"{number:056d}",
        "eventtime": time,
        "logaccountid": "111122223333",
        "loggroup": "/aws/ssm/sessionlogs",
        "extractedfields": None,
        "session": lines,
        "session_linecount": lines.count("\n") + 1,
        "session_isplain": False,
        "session_target": "i-0example",
        "session_runasuser": "ssm-user",
        "session_useridentity_arn": "arn:aws:iam::111122223333:user/alice",
        "session_awsregion": "eu-west-1",
        "f_flags": None,
        **EVIDENCE,
    }
    return Keystrokes.of({**row, **changed})


def call(time: datetime, name: str, about: str | None = None) -> dict[str, Any]:
    return {
        "of_session": F_ID,
        "eventid": f"{name}-{time:%H%M%S}",
        "eventtime": time,
        "eventsource": "s3.amazonaws.com",
        "eventname": name,
        "errorcode": None,
        "awsregion": "eu-west-1",
        "sourceipaddress": "203.0.113.1",
        "about_session": about,
        "call_count": 2,
        **EVIDENCE,
    }


def inputs(table: str, **special: Any) -> dict[date, Input]:
    """Days from two before to two after DAY, built and complete, but for those given as d1="unbuilt" (d0 is DAY)."""
    days = {}
    for offset in range(-2, 3):
        day, given = DAY + timedelta(days=offset), special.get(f"d{offset}", BUILT)
        days[day] = given if isinstance(given, Input) else Input(table, day, given, coverage_pct=100.0)
    return days


def facts(
    *rows: Mapping[str, Any],
    typed: Mapping[str, Sequence[Keystrokes]] | Sequence[Keystrokes] = (),
    ends: Mapping[str, datetime] | None = None,
    calls: Sequence[dict[str, Any]] = (),
    trail_days: dict[date, Input] | None = None,
    typed_days: dict[date, Input] | None = None,
) -> Facts:
    by_session = typed if isinstance(typed, Mapping) else {F_ID: list(typed)} if typed else {}
    return Facts(
        starts=rows,
        ends=ends or {},
        keystrokes=by_session,
        calls=group_facts(calls, "of_session"),
        trail=trail_days or inputs("trail"),
        typed=typed_days or inputs("typed"),
    )


def only(found: Facts, now: datetime = LATER, day: date = DAY) -> Session:
    (session,) = sessions_of(found, day, now, SessionRules())
    return session


# --- states -----------------------------------------------------------------------------------------------------------


def test_a_session_with_keystrokes_of_whole_days_is_recorded() -> None:
    session = only(facts(start(), typed=[keys(NOON + timedelta(minutes=1), "sh$ ls\nfile")]))
    assert (session.state, session.state_reason, list(session.lines)) == ("recorded", "", ["sh$ ls", "file"])


def test_a_refused_start_is_denied_and_has_a_key_of_its_own() -> None:
    one, two = (start(NOON + timedelta(seconds=n), None, errorcode="AccessDenied") for n in range(2))
    found = sessions_of(facts(one, two), DAY, LATER, SessionRules())
    assert [s.state for s in found] == ["denied", "denied"]
    assert len({s.key for s in found}) == 2
    assert all(s.session_id is None for s in found)


@pytest.mark.fault(63, "a document named by its ARN", "what AWS calls so, in every partition, and no account's own")
@pytest.mark.parametrize(
    ("document", "state"),
    [
        ("AWS-StartPortForwardingSession", "not_loggable"),
        ("AWS-StartPortForwardingSessionToRemoteHost", "not_loggable"),
        ("AWS-StartSSHSession", "not_loggable"),
        ("arn:aws:ssm:eu-west-1::document/AWS-StartPortForwardingSession", "not_loggable"),
        ("arn:aws-cn:ssm:cn-north-1::document/AWS-StartSSHSession", "not_loggable"),
        ("arn:aws-us-gov:ssm:us-gov-west-1::document/AWS-StartPortForwardingSessionToRemoteHost", "not_loggable"),
        ("arn:aws:ssm:eu-west-1:111122223333:document/AWS-StartSSHSession", "lost"),
        ("arn:aws:ssm:eu-west-1::document/SSM-SessionManagerRunShell", "lost"),
        ("arn:aws:s3:::document/AWS-StartSSHSession", "lost"),
        ("AWS-StartInteractiveCommand", "lost"),
        ("SSM-SessionManagerRunShell", "lost"),
        (None, "lost"),
    ],
)
def test_only_documents_that_are_never_logged_explain_missing_keystrokes(document: str | None, state: str) -> None:
    request = json.dumps({"target": "i-0example", "documentName": document})
    session = only(facts(start(requestparameters=request)))
    assert session.state == state
    assert state != "not_loggable" or str(document) in session.state_reason


def test_a_document_of_an_account_is_never_logged_where_it_is_listed_by_its_arn() -> None:
    arn = "arn:aws:ssm:eu-west-1:111122223333:document/Tunnel"
    rules = SessionRules(not_loggable=("arn:aws:ssm:*:111122223333:document/Tunnel",))
    for name, state in ((arn, "not_loggable"), (arn.replace("1111", "9999"), "lost"), ("Tunnel", "lost")):
        found = facts(start(requestparameters=json.dumps({"documentName": name})))
        assert [s.state for s in sessions_of(found, DAY, LATER, rules)] == [state]


def test_keystrokes_of_a_kind_that_is_never_logged_are_still_shown() -> None:
    request = json.dumps({"documentName": "AWS-StartSSHSession"})
    assert only(facts(start(requestparameters=request), typed=[keys(NOON, "sh$")])).state == "recorded"


def test_keystrokes_are_awaited_until_their_delivery_is_late() -> None:
    rules = SessionRules()
    due = NOON + rules.idle + rules.delivery_delay
    early, late = only(facts(start()), due - timedelta(seconds=1)), only(facts(start()), due)
    assert (early.state, early.keystrokes_due) == ("awaiting", due)
    assert (late.state, late.keystrokes_due) == ("lost", None)


def test_a_session_that_was_ended_at_once_is_not_waited_for_longer() -> None:
    ended = {F_ID: NOON + timedelta(seconds=3)}
    due = NOON + timedelta(seconds=3) + SessionRules().delivery_delay
    assert only(facts(start(), ends=ended), due).state == "lost"


@pytest.mark.parametrize(("status", "state"), [(UNBUILT, "awaiting"), (NO_SOURCE, "lost"), (BUILT, "lost")])
def test_a_day_that_is_delivered_and_not_built_is_waited_for(status: str, state: str) -> None:
    session = only(facts(start(), typed_days=inputs("typed", d0=status)))
    assert session.state == state
    assert DAY.isoformat() in session.state_reason


def test_a_start_before_midnight_waits_for_the_next_day_only_where_it_may_go_on() -> None:
    tomorrow = inputs("typed", d1=UNBUILT)
    late = datetime(2026, 11, 1, 23, 30, tzinfo=UTC)
    assert only(facts(start(late), typed_days=tomorrow)).state == "awaiting"
    assert only(facts(start(late), typed_days=tomorrow, ends={F_ID: late + timedelta(minutes=5)})).state == "lost"
    assert only(facts(start(), typed_days=tomorrow)).state == "lost"


def test_keystrokes_without_a_start_are_an_orphan_of_the_day_they_began() -> None:
    typed = {F_ID: [keys(NOON, "sh$"), keys(NOON + timedelta(days=1), "more", 1)]}
    orphan = only(facts(typed=typed))
    assert (orphan.state, orphan.start, orphan.day) == ("orphan", None, DAY)
    assert "No StartSession" in orphan.state_reason
    assert sessions_of(facts(typed=typed), DAY + timedelta(days=1), LATER, SessionRules()) == []


def test_an_orphan_tells_of_days_in_which_its_start_may_be() -> None:
    found = only(facts(typed=[keys(NOON, "sh$")], trail_days=inputs("trail", **{"d-1": UNBUILT})))
    assert "2026-10-31 is not built" in found.state_reason


def test_keystrokes_after_midnight_belong_to_the_session_that_started_the_day_before() -> None:
    events = [keys(NOON + timedelta(hours=6 * n), f"line {n}", n) for n in range(8)]  # to the day after the next
    found = facts(start(), typed=events, ends={F_ID: events[-1].time})
    assert list(only(found).lines) == [f"line {n}" for n in range(8)]
    assert sessions_of(found, DAY + timedelta(days=1), LATER, SessionRules()) == []


# --- recorded in part -------------------------------------------------------------------------------------------------


def in_part(found: Facts) -> str:
    session = only(found)
    assert session.state == "recorded_partly", session.state
    return session.state_reason


EARLY, LAST = keys(NOON + timedelta(minutes=1), "sh$ ls"), keys(NOON + timedelta(minutes=30), "sh$ exit", 1)


def test_events_that_coverage_names_as_missing_are_told() -> None:
    missing = (f"111122223333:/aws/ssm/sessionlogs:{ID}:{7:056d}", f"111122223333:/g:bob-0{'1' * 16}:1")
    days = inputs("typed", d0=Input("typed", DAY, BUILT, coverage_pct=99.0, missing_events=missing))
    assert "1 of its log events" in in_part(facts(start(), typed=[EARLY, LAST], typed_days=days))


@pytest.mark.parametrize(
    ("arrival", "is_named"),
    [("11-44-59", False), ("11-45-00", True), ("12-10-00", True), ("12-45-00", True), ("12-45-01", False)],
)
def test_an_unreadable_object_matters_to_the_sessions_that_went_on_when_it_arrived(
    arrival: str, is_named: bool
) -> None:
    name = f"s3://raw/2026/11/01/12/logs-1-2026-11-01-{arrival}-0e8f8c5e-1a2b-4c3d-8e9f-0a1b2c3d4e5f"
    days = inputs("typed", d0=Input("typed", DAY, BUILT, coverage_pct=99.0, unreadable={name: "corrupt_gzip"}))
    found = facts(start(), typed=[EARLY, LAST], typed_days=days)
    assert (only(found).state == "recorded_partly") is is_named
    assert (name in only(found).state_reason) is is_named


def test_a_session_that_is_not_seen_to_end_may_have_gone_on_into_a_day_that_is_not_built() -> None:
    typed = [keys(datetime(2026, 11, 1, 23, 30, tzinfo=UTC), "sh$ vi")]
    days = inputs("typed", d1=UNBUILT)
    assert "2026-11-02" in in_part(facts(start(), typed=typed, typed_days=days))
    ended = {F_ID: datetime(2026, 11, 1, 23, 31, tzinfo=UTC)}
    assert only(facts(start(), typed=typed, typed_days=days, ends=ended)).state == "recorded"
    assert only(facts(start(), typed=[LAST], typed_days=days)).state == "recorded"


def test_a_day_in_the_middle_that_is_not_built_is_a_hole() -> None:
    typed = [EARLY, keys(NOON + timedelta(days=2), "sh$ exit", 1)]
    ended = {F_ID: NOON + timedelta(days=2)}
    reason = in_part(facts(start(), typed=typed, ends=ended, typed_days=inputs("typed", d1=UNBUILT)))
    assert "2026-11-02" in reason


def test_a_piece_without_what_follows_it_is_told() -> None:
    assert "last line is a piece" in in_part(facts(start(), typed=[EARLY, keys(LAST.time, "x" * PIECE_BYTES, 1)]))


def test_an_event_that_is_not_in_the_agents_form_is_told() -> None:
    broken = keys(LAST.time, '{"sessionData":', 1, f_flags="session_unreadable")
    assert "Session Manager's form" in in_part(facts(start(), typed=[EARLY, broken]))


def test_a_session_that_goes_silent_long_before_it_is_ended_lacks_the_rest() -> None:
    ended = {F_ID: NOON + timedelta(hours=8)}
    found = facts(start(), typed=[EARLY], ends=ended)
    assert "nothing is recorded of the 7 h 59 min" in in_part(found)
    assert [(b - a) > timedelta(hours=7) for a, b in only(found).gaps] == [True]
    soon = {F_ID: EARLY.time + timedelta(minutes=59)}
    assert only(facts(start(), typed=[EARLY], ends=soon)).state == "recorded"


def test_the_last_of_a_session_that_ended_at_midnight_lies_in_the_next_day() -> None:
    last = datetime(2026, 11, 1, 23, 59, 50, tzinfo=UTC)
    found = facts(start(), typed=[keys(last, "sh$")], ends={F_ID: last}, typed_days=inputs("typed", d1=UNBUILT))
    assert "the last of it may lie in 2026-11-02" in in_part(found)
    assert only(facts(start(last), ends={F_ID: last}, typed_days=inputs("typed", d1=UNBUILT))).state == "awaiting"


def test_a_long_session_without_a_line_is_waited_for_until_it_was_ended() -> None:
    """A session that is not streamed uploads at its end."""
    ended = NOON + timedelta(hours=11)
    assert only(facts(start(), ends={F_ID: ended}), ended + timedelta(minutes=1)).state == "awaiting"
    assert only(facts(start(), ends={F_ID: ended}), ended + timedelta(hours=3)).state == "lost"


def test_log_events_without_lines_record_nothing() -> None:
    assert "no line" in in_part(facts(start(), typed=[keys(NOON, "", session_linecount=0)]))


def test_a_loss_that_coverage_knows_of_is_told_with_what_mends_it() -> None:
    missing = (f"111122223333:/aws/ssm/sessionlogs:{ID}:{7:056d}",)
    days = inputs("typed", d0=Input("typed", DAY, BUILT, coverage_pct=99.0, missing_events=missing))
    session = only(facts(start(), typed_days=days))
    assert (session.state, "build the day again" in session.state_reason) == ("lost", True)


# --- whose keystrokes -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("forged", [{"session": f"evil-{F_ID}"}, {"logaccountid": "999988887777"}])
def test_keystrokes_of_another_stream_or_account_are_never_a_sessions_own(forged: dict[str, str]) -> None:
    other = keys(EARLY.time, "sh$ harmless", 5, **forged)
    for typed, state in (([], "lost"), ([EARLY], "recorded")):
        found = sessions_of(facts(start(), typed=[*typed, other]), DAY, LATER, SessionRules())
        own = next(s for s in found if s.key == F_ID)
        orphan = next(s for s in found if s.key != F_ID)
        assert (own.state, list(own.lines)) == (state, ["sh$ ls"] if typed else [])
        assert "1 log events of other streams or accounts claim its id" in own.state_reason
        assert (orphan.state, list(orphan.lines)) == ("orphan", ["sh$ harmless"])


def test_a_forged_event_does_not_hide_that_others_are_missing() -> None:
    missing = (f"111122223333:/aws/ssm/sessionlogs:{ID}:{7:056d}",)
    days = inputs("typed", d0=Input("typed", DAY, BUILT, coverage_pct=99.0, missing_events=missing))
    forged = keys(NOON, "sh$", 5, session=f"evil-{F_ID}")
    found = sessions_of(facts(start(), typed=[forged, EARLY], typed_days=days), DAY, LATER, SessionRules())
    assert next(s for s in found if s.key == F_ID).state == "recorded_partly"


def test_an_orphan_is_nobodys_however_its_own_record_calls_itself() -> None:
    session = only(facts(typed=[EARLY]))
    row = row_of(session, "")
    assert (row["useridentity_arn"], row["claimed_arn"]) == (None, "arn:aws:iam::111122223333:user/alice")
    assert "which nothing confirms" in session.state_reason
    assert document_of(session, "loglake", LATER)["session"]["useridentity_arn"] is None


def test_equal_ids_of_two_accounts_are_two_sessions() -> None:
    rows = [start(), start(NOON + timedelta(hours=1), logaccountid="444455556666")]
    found = sessions_of(facts(*rows, typed=[EARLY]), DAY, LATER, SessionRules())
    assert {s.key: s.state for s in found} == {F_ID: "recorded", f"{F_ID}@444455556666": "lost"}


def test_a_day_is_the_same_in_whatever_window_it_is_built() -> None:
    far = DAY + timedelta(days=10)
    wide = facts(start(), start(NOON + timedelta(days=10), session=f"bob-{F_ID}"), typed=[EARLY])
    assert [s.key for s in sessions_of(wide, DAY, LATER, SessionRules())] == [F_ID]
    assert [s.key for s in sessions_of(wide, far, LATER, SessionRules())] == [F_ID]


# --- log groups that are copied into a central account ----------------------------------------------------------------

CENTRAL = "555566667777"
TRUSTED = SessionRules(central_accounts=frozenset({CENTRAL}))


def forwarded(time: datetime, lines: str, number: int, of_account: Any = "111122223333", **changed: Any) -> Keystrokes:
    extracted = json.dumps({"@aws.account": of_account, "@aws.region": "eu-west-1"})
    return keys(time, lines, number, **{"logaccountid": CENTRAL, "extractedfields": extracted, **changed})


def states(found: Facts, rules: SessionRules = TRUSTED) -> dict[str, tuple[str, list[str]]]:
    return {s.key: (s.state, list(s.lines)) for s in sessions_of(found, DAY, LATER, rules)}


@pytest.mark.fault(
    63,
    "keystrokes that lie in a trusted central account only, and some that lie there as well",
    "each event is one of the account it was copied from, once",
)
def test_an_event_of_a_trusted_central_account_is_one_of_the_account_it_was_copied_from() -> None:
    only_there = [forwarded(EARLY.time, "sh$ ls", 7), forwarded(LAST.time, "sh$ exit", 8)]
    both = [EARLY, LAST, *only_there]
    in_part = [EARLY, *only_there]
    for typed in (only_there, both, in_part, both[::-1]):
        assert states(facts(start(), typed=typed)) == {F_ID: ("recorded", ["sh$ ls", "sh$ exit"])}


@pytest.mark.fault(
    63, "equal lines of one moment, copied into a central account", "none is dropped and none is doubled"
)
def test_what_was_honestly_there_twice_is_there_twice_whatever_was_copied() -> None:
    own = [keys(EARLY.time, "sh$ ls", n) for n in range(2)]
    copies = [forwarded(EARLY.time, "sh$ ls", n) for n in range(5, 8)]
    assert states(facts(start(), typed=[*own, *copies[:2]])) == {F_ID: ("recorded", ["sh$ ls"] * 2)}
    assert states(facts(start(), typed=[*own[:1], *copies])) == {F_ID: ("recorded", ["sh$ ls"] * 3)}


@pytest.mark.fault(
    63, "an account that nobody trusts says that its events are of another", "it claims nobody's session"
)
@pytest.mark.parametrize("owner", ["888877776666", CENTRAL])
def test_whoever_writes_into_an_account_that_is_not_trusted_claims_no_session(owner: str) -> None:
    forged = forwarded(EARLY.time, "sh$ harmless", 5, logaccountid=owner)
    rules = SessionRules() if owner == CENTRAL else TRUSTED
    assert states(facts(start(), typed=[forged]), rules) == {
        F_ID: ("lost", []),
        f"{ID}@{owner}": ("orphan", ["sh$ harmless"]),
    }


@pytest.mark.parametrize(
    "fields", [None, "", "[]", "{", "{}", '{"@aws.account": 111122223333}', '{"@aws.account": null}']
)
def test_an_event_of_a_central_account_that_names_no_account_is_its_own(fields: str | None) -> None:
    own = start(logaccountid=CENTRAL)
    event = forwarded(EARLY.time, "sh$", 1, extractedfields=fields)
    assert states(facts(own, typed=[event])) == {F_ID: ("recorded", ["sh$"])}
    assert states(facts(start(), typed=[event]))[F_ID] == ("lost", [])


# --- sessions in containers -------------------------------------------------------------------------------------------

EXEC_ID = "ecs-execute-command-0fedcba9876543210"


def execution(**changed: Any) -> dict[str, Any]:
    request = {"cluster": "shop", "command": "/bin/bash -l", "container": "web", "task": "f" * 32, "interactive": True}
    response = {
        "session": {"sessionId": EXEC_ID},
        "taskArn": "arn:aws:ecs:eu-west-1:111122223333:task/shop/" + "f" * 32,
        "containerName": "web",
    }
    given = {
        "eventname": "ExecuteCommand",
        "requestparameters": json.dumps(request),
        "responseelements": json.dumps(response),
        "f_sessionid": EXEC_ID.rsplit("-", 1)[1],
    }
    return start(**given | changed)


@pytest.mark.fault(
    63,
    "a shell in a container, by ECS Exec",
    "a session with who, from where, which command, container and task",
)
def test_ecs_exec_is_a_session_with_its_command_container_and_task() -> None:
    typed = {EXEC_ID.rsplit("-", 1)[1]: [keys(EARLY.time, "# id", session=EXEC_ID, session_target=None)]}
    session = only(facts(execution(), typed=typed))
    row, document = row_of(session, ""), document_of(session, "loglake", LATER)["session"]
    assert (session.state, list(session.lines)) == ("recorded", ["# id"])
    for found in (row, document):
        assert (found["command"], found["container"]) == ("/bin/bash -l", "web")
        assert found["target"] == "arn:aws:ecs:eu-west-1:111122223333:task/shop/" + "f" * 32
        assert (found["useridentity_sourceidentity"], found["sourceipaddress"]) == ("alice", "203.0.113.1")


@pytest.mark.fault(63, "a refused ExecuteCommand", "a denied session that names the call")
def test_a_refused_execute_command_is_denied() -> None:
    row = execution(errorcode="AccessDeniedException", responseelements=None, f_sessionid=None)
    session = only(facts(row))
    assert (session.state, "ExecuteCommand failed" in session.state_reason) == ("denied", True)
    assert row_of(session, "")["container"] == "web"


def test_execute_command_says_more_than_the_start_that_ecs_makes_for_it() -> None:
    started = start(NOON - timedelta(seconds=1), session=EXEC_ID)
    session = only(facts(started, execution()))
    assert session.of_row("eventname") == "ExecuteCommand"


@pytest.mark.parametrize(
    ("parameters", "command"),
    [
        ({"command": ["top", "-b"]}, "top -b"),
        ({"command": [7]}, None),
        ({"command": "x"}, None),
        ("x", None),
        (None, None),
    ],
)
def test_the_command_of_an_interactive_document_is_in_the_row(parameters: Any, command: str | None) -> None:
    request = json.dumps({"documentName": "AWS-StartInteractiveCommand", "parameters": parameters})
    assert row_of(only(facts(start(requestparameters=request))), "")["command"] == command


# --- lines ------------------------------------------------------------------------------------------------------------


def test_a_session_of_2_500_lines_comes_out_whole_and_in_order_whatever_the_order_of_arrival() -> None:
    wanted = [f"line {n:04d}" for n in range(2_500)]
    events = [keys(NOON + timedelta(seconds=n // 500), "\n".join(wanted[n : n + 100]), n) for n in range(0, 2_500, 100)]
    session = only(facts(start(), typed=events[::-1]))
    assert list(session.lines) == wanted
    assert [b.first_line for b in session.blocks] == [n + 1 for n in range(0, 2_500, 100)]


def test_events_of_the_same_moment_are_ordered_by_their_ids() -> None:
    events = [keys(NOON, str(n), n) for n in (2, 10, 1)]
    assert list(only(facts(start(), typed=events)).lines) == ["1", "2", "10"]


def test_a_line_that_was_cut_is_one_line_again() -> None:
    line = "".join(chr(97 + n % 26) for n in range(2 * PIECE_BYTES + 17))
    pieces = [line[:PIECE_BYTES], line[PIECE_BYTES : 2 * PIECE_BYTES], line[2 * PIECE_BYTES :] + "\nnext"]
    events = [keys(NOON, "before", 0), *(keys(NOON, piece, n) for n, piece in enumerate(pieces, 1))]
    session = only(facts(start(), typed=events))
    assert list(session.lines) == ["before", line, "next"]
    assert [(b.first_line, b.continues) for b in session.blocks] == [(1, False), (2, False), (2, True), (2, True)]


def test_whole_lines_that_fill_an_event_are_not_joined() -> None:
    full = ("x" * 16_000, "y" * 17_000)
    assert transcript(joined_blocks(full, ("z",))) == [*full, "z"]


def test_an_event_without_lines_changes_nothing() -> None:
    assert transcript(joined_blocks(("a",), (), ("b",))) == ["a", "b"]
    assert transcript(joined_blocks(("x" * PIECE_BYTES,), (), ("b",))) == ["x" * PIECE_BYTES + "b"]


@pytest.mark.parametrize("size", [PIECE_BYTES - 1, PIECE_BYTES + 7, 40_000])
def test_a_long_line_that_is_no_piece_is_not_joined_with_the_next(size: int) -> None:
    assert transcript(joined_blocks(("x" * size,), ("b",))) == ["x" * size, "b"]


def test_text_that_was_uploaded_whole_is_never_joined() -> None:
    events = [keys(NOON, "x" * PIECE_BYTES, 0, session_isplain=True), keys(NOON, "b", 1, session_isplain=True)]
    session = only(facts(start(), typed=events))
    assert (list(session.lines), session.state) == (["x" * PIECE_BYTES, "b"], "recorded")


def joined_blocks(*events: tuple[str, ...]) -> list[Block]:
    return blocks((lines, is_piece(lines)) for lines in events)


def test_a_plain_transcript_has_the_lines_of_its_text() -> None:
    assert event_lines("sh$ ls\r\nfile\n", 3, True) == ("sh$ ls", "file")
    assert event_lines("sh$ ls\r", 1, False) == ("sh$ ls\r",)
    assert event_lines("", 0, False) == ()


# --- the row and the packet's document --------------------------------------------------------------------------------


def test_row_and_document_tell_the_same() -> None:
    calls = [call(NOON + timedelta(minutes=2), "GetObject"), call(NOON, "StartSession", F_ID)]
    typed = [EARLY, keys(NOON + timedelta(minutes=50), "sh$ sudo su -\nexit", 1)]
    session = only(facts(start(), typed=typed, calls=calls))
    row, document = row_of(session, "s3://packet"), document_of(session, "loglake", LATER)
    assert row["transcript"] == "sh$ ls\nsh$ sudo su -\nexit"
    assert (row["target"], row["reason"], row["runasuser"], row["ended_how"]) == (
        "i-0example",
        "CHG-1",
        "ssm-user",
        "exited",
    )
    assert row["flags"] == "sudo"
    assert document["flags"] == [{"flag": "sudo", "line": 2}]
    assert json.loads(row["gaps"]) == document["gaps"]
    assert [gap["seconds"] for gap in document["gaps"]] == [49 * 60]
    assert [e["kind"] for e in document["timeline"]] == ["api", "keystrokes", "api", "keystrokes"]
    assert [e["about_session"] for e in document["timeline"] if e["kind"] == "api"] == [True, False]
    named = {name for name in row if name in document["session"] and name not in {"started", "ended", "api_calls"}}
    assert {name: row[name] for name in named} == {name: document["session"][name] for name in named}
    assert len(named) > 20


def test_calls_after_the_sessions_end_are_marked() -> None:
    late = NOON + timedelta(minutes=51)
    calls = [call(NOON, "StartSession", F_ID), call(late, "DeleteTrail")]
    session = only(facts(start(), typed=[EARLY, keys(NOON + timedelta(minutes=50), "exit", 1)], calls=calls))
    assert session.end_time == NOON + timedelta(minutes=50)
    timeline = document_of(session, "loglake", LATER)["timeline"]
    after = {entry["eventname"]: entry["after_session"] for entry in timeline if entry["kind"] == "api"}
    assert after == {"StartSession": False, "DeleteTrail": True}
    assert [c["after_session"] for c in json.loads(row_of(session, "s3://packet")["api_calls"])] == [False, True]


def test_every_fact_of_a_document_names_the_object_it_lies_in() -> None:
    other = keys(LAST.time, "exit", 1, raw_key="other", raw_ordinal=5)
    document = document_of(only(facts(start(), typed=[EARLY, other], calls=[call(NOON, "A")])), "loglake", LATER)
    assert {document["objects"][e["object"]]["key"] for e in document["timeline"]} == {"key", "other"}
    assert [o["ordinals"] for o in document["objects"] if o["key"] == "other"] == [[5]]
    assert all(o["sha256"] and o["version_id"] and o["etag"] for o in document["objects"])


SECRET_WORD = "Hunter2Zz9"  # made up


@pytest.mark.fault(
    94,
    "passwords typed in a session, one of them cut in two by the log, and one as the reason of the session",
    "masked in the packet with kind and place, flagged, and as typed in the row",
)
def test_a_document_masks_secrets_and_the_row_keeps_them() -> None:
    long = "echo " + "x" * (PIECE_BYTES - 25) + " DB_PASSWORD=" + SECRET_WORD
    typed = [
        keys(NOON, f"sh$ mysql -p{SECRET_WORD} shop\nok", 1),
        keys(NOON, long[:PIECE_BYTES], 2),
        keys(NOON, long[PIECE_BYTES:] + "\nsh$ exit", 3),
    ]
    request = json.dumps({"reason": f"password: {SECRET_WORD}"})
    session = only(facts(start(requestparameters=request), typed=typed))
    row, document = row_of(session, ""), document_of(session, "loglake", LATER)
    assert (row["transcript"].count(SECRET_WORD), row["reason"]) == (2, f"password: {SECRET_WORD}")
    text = json.dumps(document)
    assert not [piece for piece in (SECRET_WORD, SECRET_WORD[:5], SECRET_WORD[-5:]) if piece in text]
    assert {(p.get("line"), p.get("field"), p["kind"]) for p in document["masked"]["places"]} == {
        (1, None, "option"),
        (3, None, "assignment"),
        (None, "reason", "assignment"),
    }
    assert document["masked"]["counts"] == {"option": 1, "assignment": 2}
    assert [f["line"] for f in document["flags"] if f["flag"] == "secret"] == [1, 3]
    assert "secret" in (row["flags"] or "")
    plain = document_of(session, "loglake", LATER, is_masked=False)
    assert plain["masked"] == {"is_masked": False, "counts": {}, "places": []}
    assert load_plain(document, row, {k.row["eventid"]: k for k in typed}) == plain
    with pytest.raises(KeyError):
        load_plain(document, row, {})


@pytest.mark.fault(66, "a packet over days of which not all is there", "its JSON names each with its log")
def test_a_document_names_the_days_and_logs_that_are_not_whole() -> None:
    days = inputs("typed", d0=Input("typed", DAY, BUILT, coverage_pct=99.5, missing_events=("x",)))
    found = facts(start(), typed=[EARLY, LAST], typed_days=days, trail_days=inputs("trail", d0=UNBUILT))
    sentences = document_of(only(found), "loglake", LATER)["incomplete"]
    assert [s.split(":")[0] for s in sentences] == ["trail, 2026-11-01", "typed, 2026-11-01"]
    assert "not been built" in sentences[0]
    assert "99.5 %" in sentences[1]
    whole = facts(start(), typed=[EARLY, LAST])
    assert document_of(only(whole), "loglake", LATER)["incomplete"] == []


def test_a_document_says_of_every_day_it_touches_how_complete_it_is() -> None:
    days = inputs("typed", d1=UNBUILT)
    document = document_of(only(facts(start(), typed=[EARLY, LAST], typed_days=days)), "loglake", LATER)
    assert {(c["table"], c["day"], c["status"]) for c in document["coverage"]} == {
        ("trail", "2026-11-01", BUILT),
        ("typed", "2026-11-01", BUILT),
    }
    evening = datetime(2026, 11, 1, 23, 10, tzinfo=UTC)  # its calls are shown until 00:25
    document = document_of(only(facts(start(evening), typed=[keys(evening, "sh$")], typed_days=days)), "l", LATER)
    assert ("typed", "2026-11-02", UNBUILT) in {(c["table"], c["day"], c["status"]) for c in document["coverage"]}


def test_every_state_is_one_that_the_packet_explains() -> None:
    from loglake_assets.reviews.session_activity.states import STATES as EXPLAINED

    assert set(EXPLAINED) == set(STATES)


# --- who reviews whom -------------------------------------------------------------------------------------------------

REVIEWERS = """
version = 1

[[reviewer]]
name = "dana"
source_identities = ["alice", "b_b%"]
arns = ["arn:aws:iam::*:user/alice", "arn:aws:sts::111122223333:assumed-role/*/alice"]

[[reviewer]]
name = "eve"
source_identities = ["mallory"]
"""


@pytest.fixture
def mapping(tmp_path: Any) -> Any:
    path = tmp_path / "reviewers.toml"
    path.write_text(REVIEWERS)
    return path


@pytest.mark.parametrize(
    ("identity", "arn", "seen_by_dana"),
    [
        ("alice", "arn:aws:sts::1:assumed-role/Admin/whatever", True),
        (None, "arn:aws:iam::111122223333:user/alice", True),
        (None, "arn:aws:iam::111122223333:user/alice2", False),
        (None, "arn:aws:sts::111122223333:assumed-role/Admin/alice", True),
        ("mallory", "arn:aws:sts::111122223333:assumed-role/Admin/alice", False),  # chose alice's name for the session
        ("nobody_lists", "arn:aws:sts::111122223333:assumed-role/Admin/alice", True),
        (None, None, False),
        ("bxb%", None, False),
        ("ALICE", None, False),
    ],
)
def test_a_reviewer_sees_their_own_people_and_no_others(
    mapping: Any, identity: str | None, arn: str | None, seen_by_dana: bool
) -> None:
    assert find_reviewer("dana", mapping).reviews(identity, arn) is seen_by_dana


def test_one_reviewer_can_have_all_that_nobody_else_has() -> None:
    rest = Reviewer("rest", frozenset(), ("*",), frozenset({"alice"}))
    assert rest.reviews(None, None)
    assert rest.reviews("carol", None)
    assert not rest.reviews("alice", "arn:aws:iam::1:user/alice")


def test_an_empty_name_is_no_reviewer_and_not_everybody(mapping: Any) -> None:
    with pytest.raises(ReviewersError):
        find_reviewer("", mapping)


def test_only_a_star_is_special_in_a_pattern() -> None:
    assert matches("arn:*:user/a.b", "arn:aws:iam::1:user/a.b")
    assert not matches("arn:*:user/a.b", "arn:aws:iam::1:user/aXb")
    assert not matches("[ab]?", "a1")
    assert matches("*", "any\nthing")


def test_a_reviewer_that_is_not_named_and_a_mapping_that_cannot_be_meant_are_refused(mapping: Any) -> None:
    with pytest.raises(ReviewersError, match="dana, eve"):
        find_reviewer("mallory", mapping)
    for text in ('[[reviewer]]\nname = "a b"', '[[reviewer]]\nname = "a"\narn = ["x"]', "[[reviewer]]\nname = 1", "["):
        mapping.write_text(text)
        with pytest.raises(ReviewersError):
            load_reviewers(mapping)


def test_the_projects_own_mapping_loads() -> None:
    assert load_reviewers() == {}

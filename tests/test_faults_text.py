"""Text that acts, in every text column of a built day: stored as it was, inert on a terminal and nowhere in Dagster."""

import gzip
import json
import re
from dataclasses import dataclass
from datetime import date
from typing import Any

import pytest

from infra.cli.ask import print_looker_answer
from infra.cli.build import build_range
from infra.cli.dagster_runs import DayResult, dagster_instance
from infra.cli.local_lake import LocalLake
from infra.cli.query import ask, print_answer
from loglake_assets.reviews.secret_masks import KINDS
from loglake_assets.sources import LogSource
from loglake_assets.sources.cloudtrail import decode
from resources.athena import Answer
from tests.conftest import quiet
from tests.test_addapart import partition
from tests.test_object_reader import record
from tests.wait import until

DAY = date(2020, 10, 10)
CANARY = "canary50"
ACTS = f"{CANARY}\x1b[31m<img src=x onerror=alert(1)>[x](javascript:alert(1))\u202e\u200b\u2066|\x07\r\x9b2J"
ACTING = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]")
LEFT_ALONE = {"eventID", "eventTime", "eventVersion"}


@dataclass(frozen=True)
class HostileDay:
    """A day of two records with such text in every field that can hold text, built."""

    lake: LocalLake
    result: DayResult
    answer: Answer


@pytest.fixture(scope="module")
def hostile(lake: LocalLake, source: LogSource) -> HostileDay:
    texts = {key: ACTS for key in decode.TEXT if key not in LEFT_ALONE}
    blocks: dict[str, Any] = {key: {ACTS: [ACTS]} for key in decode.JSON}
    identity = {"type": ACTS, "arn": ACTS, "userName": ACTS, "sessionContext": {"sourceIdentity": ACTS}}
    of_day = {"eventTime": f"{DAY}T12:00:00Z", **texts, **blocks, "userIdentity": identity, ACTS: ACTS}
    odd = record(eventTime=ACTS)
    body = gzip.compress(json.dumps({"Records": [record(**of_day), odd]}).encode())
    key = f"AWSLogs/555500001111/CloudTrail/eu-west-1/{DAY:%Y/%m/%d}/x.json.gz"
    lake.client("s3").put_object(Bucket=lake.settings.raw_bucket(source.name), Key=key, Body=body)
    until(lambda: partition(lake, source.raw.name, ["AWSLogs", "555500001111", "eu-west-1", f"{DAY:%Y%m%d}"]))
    (result,) = build_range(lake, source, DAY, DAY, quiet)
    assert result.error is None
    sql = f"SELECT * FROM {source.readready.name} WHERE logcalendarday = {DAY:%Y%m%d}"
    return HostileDay(lake, result, ask(lake, sql))


@pytest.mark.fault(50, "text that acts in every text column of a built day", "stored and answered as it was")
def test_text_that_acts_is_stored_as_it_was(hostile: HostileDay) -> None:
    (row,) = hostile.answer.texts
    cells = dict(zip(hostile.answer.columns, row, strict=True))
    assert cells["useragent"] == cells["eventname"] == cells["useridentity_arn"] == ACTS
    assert sum(CANARY in (cell or "") for cell in row) > 15


@pytest.mark.parametrize("form", ["table", "jsonl"])
@pytest.mark.fault(50, "such rows shown by loglake query", "nothing that acts reaches the terminal")
def test_rows_are_inert_on_a_terminal(hostile: HostileDay, form: str, capsys: pytest.CaptureFixture[str]) -> None:
    print_answer(hostile.answer, form)
    shown = capsys.readouterr().out
    assert CANARY in shown
    assert ACTING.findall(shown) == []


@pytest.mark.fault(
    50, "such text in Looker's words, SQL, refusals and next step", "nothing that acts reaches the terminal"
)
def test_lookers_answers_are_inert_on_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    query = {"query_id": "q", "row_count": 1, "bytes_scanned": 1, "sql": ACTS}
    answer = {"final_response": ACTS, "queries": [query], "refused": [{"reason": ACTS}], "coverage": []}
    mask = {"query_id": "q", "column": ACTS, "kind": next(iter(KINDS)), "count": 1}
    print_looker_answer(
        {**answer, "masked": [mask], "stopped_by": None, "next_step": ACTS, "next_step_by": "program"}, print
    )
    shown = capsys.readouterr().out
    assert shown.count(CANARY) == 5
    assert ACTING.findall(shown) == []


@pytest.mark.fault(
    98, "an answer whose next step stands in the model's words, and one whose step is the program's", "once"
)
@pytest.mark.parametrize(("words", "by"), [("Two.\nNext step: look at one.", "model"), ("Two.", "program")])
def test_a_next_step_is_printed_once(words: str, by: str, capsys: pytest.CaptureFixture[str]) -> None:
    answer: dict[str, Any] = {"final_response": words, "queries": [], "refused": [], "coverage": [], "masked": []}
    print_looker_answer({**answer, "stopped_by": None, "next_step": "look at one.", "next_step_by": by}, print)
    assert capsys.readouterr().out.lower().count("next step: look at one.") == 1


@pytest.mark.fault(50, "such a day built by Dagster", "nothing of it in its events, metadata and checks")
def test_no_text_of_a_log_stands_in_what_dagster_keeps(hostile: HostileDay) -> None:
    with dagster_instance(hostile.lake) as instance:
        run = instance.get_run_records(limit=1)[0].dagster_run
        kept = [str(entry) for entry in instance.all_logs(run.run_id)]
    assert any("quarantined_records" in entry for entry in kept), "these are the events of the build"
    assert [entry for entry in kept if CANARY in entry] == []
    assert hostile.result.metadata["quarantined_records"] == 1

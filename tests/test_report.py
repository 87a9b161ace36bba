"""The report: what it says is what the lake holds, a picture shows it, and nothing that a log names acts in it."""

import json
import re
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from xml.etree import ElementTree

import dagster as dg
import pytest

from infra.cli.build import build_range
from infra.cli.dagster_runs import dagster_instance
from loglake_assets.definitions import defs as load_definitions
from loglake_assets.lake.checks.day_report import REMEDIES
from loglake_assets.lake.checks.ledger import LedgerDay, read_ledger_day
from loglake_assets.lake.storage.keys import report_key
from loglake_assets.lake.storage.partitions import delivered_days
from loglake_assets.orchestration.report_asset import REPORT
from loglake_assets.report.charts import (
    _KIND_OF_WORD,
    BROKEN,
    KINDS,
    PARTLY,
    QUIET,
    WAITING,
    WHOLE,
    heat_map,
    kind_of,
    monthly_bars,
)
from loglake_assets.report.figures import (
    NOTHING_DELIVERED,
    DayFigure,
    DigestDay,
    LakeFigures,
    LogFigures,
    Problem,
    lake_figures,
    log_figures,
    put_report,
)
from loglake_assets.report.page import report_page
from loglake_assets.report.words import FINDINGS, SESSIONS, state_words
from loglake_assets.reviews.session_activity.states import STATES
from loglake_assets.reviews.session_activity.verdicts import SessionReview
from loglake_assets.sources.placement import day_number
from resources.settings import loglake
from tests.browser import start_browser
from tests.conftest import FIRST, LAST, BuiltLake, quiet

NOW = datetime(2026, 11, 10, 6, 30, tzinfo=UTC)
HOSTILE = 's3://b/<script>document.title="taken"</script><img src=http://127.0.0.1:9/x onerror=alert(1)>\u202e"{{7*7}}'


def a_year(
    today: date, states: tuple[str, ...] = ("complete", "incomplete", "unbuilt", NOTHING_DELIVERED)
) -> LogFigures:
    days = [
        DayFigure(
            today - timedelta(days=n),
            states[n % len(states)],
            100.0 if n % 4 == 0 else 99.5,
            1_000 + n,
            50_000,
            n % 3,
            LedgerDay(0, 1, "jr", {"content_bytes": 9_000, "duplicates": 1, "excluded": 2}, {"ours": 2}, 60, 120, 0.01),
        )
        for n in range(364, -1, -1)
    ]
    problem = Problem(today, today, "unreadable", f"restore it, then build {HOSTILE}", (HOSTILE,))
    digests = (DigestDay(today, 100.0, 0), DigestDay(today, 99.0, 2))
    return LogFigures("anylog", "Any log", tuple(days), (problem,), digests, True)


def figures() -> LakeFigures:
    tools = ({"agent": f"arn:aws:iam::1:role/{HOSTILE}", "tool": HOSTILE, "calls": 7},)
    changes = (f"anylog 2026-11-08: unbuilt before, complete now {HOSTILE}",)
    return LakeFigures(
        "loglake", "AWS account 1", NOW, (a_year(NOW.date()),), {"recorded": 3, "lost": 1}, tools, changes, "2026-11-09"
    )


def test_the_gravest_word_of_a_day_is_its_colour() -> None:
    assert kind_of("complete") == WHOLE
    assert kind_of("incomplete, surplus") == PARTLY
    assert kind_of("damaged") == BROKEN
    assert {kind_of(state) for state in ("unbuilt", "unchecked", "stale")} == {WAITING}
    assert {kind_of(state) for state in ("empty", "open", "excluded")} == {QUIET}
    assert kind_of("a word that nobody knows") == PARTLY, "what is not known is not shown as whole"


def test_a_heat_map_has_a_square_a_day_with_its_words() -> None:
    svg = heat_map(a_year(NOW.date()))
    tree = ElementTree.fromstring(svg)
    said = [label for element in tree.iter() if re.match(r"\d{4}-", label := element.get("aria-label", ""))]
    assert len(said) == 365
    assert f"{NOW.date()}: complete, 100.0000 %" in said
    assert "var(--whole)" in svg
    assert not re.search(r"https?://(?!www\.w3\.org)|<script|<image|href", svg), "nothing is loaded"
    assert heat_map(replace(a_year(NOW.date()), days=())) == ""
    assert monthly_bars({"2026-11": 0.0}, "Any log", "events") == ""


def test_the_page_says_it_in_words_and_numbers_too() -> None:
    page = report_page(figures())
    for words in (
        "1 open problem",
        "Since the report of 2026-11-09",
        "Of 2 audited days of the last 35, 1 are proved in full",
        "Of the day that is proved least, 99 % of the files are.",
        "2 findings",
        "365 further copies of events that were delivered more than once",
        "objects that cannot be read",
        "by ours",
    ):
        assert words in page, words
    assert page.count("<tr>") > 12, "a table for each picture"
    for kind in KINDS:
        assert f'class="number">{kind}</th>' in page
    assert "Nothing is open" in report_page(replace(figures(), logs=()))


def test_every_finding_and_every_state_has_words_for_who_knows_no_code() -> None:
    assert set(FINDINGS) == set(REMEDIES)
    shown = [*FINDINGS.values(), *map(state_words, _KIND_OF_WORD)]
    assert not [words for words in shown if re.search("_|unbuilt|unregistered|unplace|partition|commit", words)]
    assert state_words("incomplete, raw_gone") == "incomplete, raw objects gone"
    assert set(SESSIONS) == set(STATES)
    assert not [text for text in SESSIONS.values() if re.search("below|packet|verdict", text)]
    page = report_page(replace(figures(), sessions=dict.fromkeys(STATES, 2)))
    assert [text for text in SESSIONS.values() if text not in page.replace("&#39;", "'")] == []
    assert not re.search("stands below|this packet|registered unbuilt|further delivered", page)


def test_a_log_of_which_no_day_was_audited_says_what_audits_it() -> None:
    page = report_page(replace(figures(), logs=(replace(a_year(NOW.date()), digests=()),)))
    assert loglake("digests anylog 2026-10-06..2026-11-09") in page
    assert "daily_checks" in page
    assert "audit/anylog_digests" in page


def test_a_validation_of_now_takes_the_place_of_what_an_audit_kept() -> None:
    log, today = a_year(NOW.date()), NOW.date()
    log = replace(log, digests=(DigestDay(today - timedelta(days=1), 50.0, 1),))
    fresh = [DigestDay(today - timedelta(days=n), 100.0, 0) for n in (1, 2, 99)]
    assert log.with_digests(fresh).digests == (fresh[1], fresh[0])


@pytest.mark.stack
def test_a_phone_shows_every_table_without_a_sideways_scroll(tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    path.write_text(report_page(replace(figures(), reviews=_reviews())))
    with start_browser(tmp_path / "profile", "--window-size=390,844") as browser, browser.page(path.as_uri()) as page:
        size = {"width": 390, "height": 844, "deviceScaleFactor": 1, "mobile": True}
        page.ask("Emulation.setDeviceMetricsOverride", **size)
        page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
        assert page.evaluate("innerWidth") == 390
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        narrow = "[...document.querySelectorAll('td')].filter(one => one.getBoundingClientRect().width < 250).length"
        assert page.evaluate(narrow) == 0, "each cell has the page's width"
        unnamed = "[...document.querySelectorAll('td')].filter(one => !one.dataset.label).length"
        assert page.evaluate(unnamed) == 0, "each cell says what it is, where its heading is not seen"


def _reviews() -> tuple[SessionReview, ...]:
    row = {"state": "recorded", "session_key": "s", "flags": None}
    return (SessionReview(row, NOW.date() - timedelta(days=1)),)


@pytest.mark.stack
def test_nothing_acts_or_is_loaded_in_a_browser(tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    path.write_text(report_page(figures()))
    wide = "document.documentElement.scrollWidth <= document.documentElement.clientWidth"
    for size in ("1200,900", "780,900", "380,800"):
        with start_browser(tmp_path / f"profile-{size[:3]}", f"--window-size={size}") as browser:
            with browser.page(path.as_uri()) as page:
                assert page.evaluate("document.title") == "Log Lake loglake, 2026-11-10"
                assert page.evaluate("performance.getEntriesByType('resource').length") == 0
                assert page.evaluate("document.querySelectorAll('script, img, iframe, a[href]').length") == 0
                assert page.evaluate("document.querySelectorAll('svg.chart').length") >= 4
                assert page.evaluate(wide), f"nothing is cut off at {size}"
                assert page.evaluate("document.body.innerText.includes('<script>')"), "a hostile name is shown as text"


@pytest.mark.stack
def test_it_says_what_the_lake_holds_and_what_changed_since(built: BuiltLake) -> None:
    lake = built.lake.resource
    results = build_range(built.lake, built.source, LAST, LAST, quiet)
    log = log_figures(lake, built.source, NOW.date())
    days = {figure.day: figure for figure in log.days}
    assert log.days[0].state != NOTHING_DELIVERED, "before its first day a log has nothing to be missing"
    nothing = {figure.day for figure in log.days if figure.state == NOTHING_DELIVERED}
    assert nothing
    assert not nothing & delivered_days(lake.catalog, built.source)
    for result in results:
        figure = days[result.day]
        assert figure.rows == result.metadata["dagster/row_count"]
        assert figure.ledger is not None
        assert figure.ledger.totals["records_read"] == result.metadata["records_read"]
        assert figure.ledger.usd == pytest.approx(result.metadata["estimated_cost_usd"])
    assert [p for p in log.problems if p.finding == "unreadable" and p.names and p.first in days]
    table = lake.table(built.source.readready.name)
    assert read_ledger_day(table, day_number(min(nothing))) is None

    first = lake_figures(lake, "here", NOW)
    put_report(lake, first, report_page(first))
    states = first.states
    states[built.source.name][FIRST.isoformat()] = "unbuilt"
    document = json.dumps({"made_at": NOW.isoformat(), "states": states})
    bucket = lake.settings.readready_bucket
    lake.s3.put_object(Bucket=bucket, Key=report_key(NOW.date(), "json"), Body=document.encode())
    second = lake_figures(lake, "here", NOW + timedelta(days=1))
    was = f"{built.source.name} {FIRST}: not built before, {state_words(days[FIRST].state)} now"
    assert (second.before, was in second.changes) == (f"{NOW.date()}", True)


@pytest.mark.stack
def test_dagster_makes_it_and_keeps_it_with_a_picture_and_no_name_from_a_log(built: BuiltLake) -> None:
    with dagster_instance(built.lake) as instance:
        job = load_definitions().resolve_implicit_global_asset_job_def()
        result = job.execute_in_process(instance=instance, asset_selection=[REPORT])
    (event,) = result.asset_materializations_for_node("report__lake")
    picture = event.metadata[f"heat_map_{built.source.name}"]
    assert isinstance(picture, dg.MarkdownMetadataValue)
    assert str(picture.value).startswith(f"![{built.source.title}](data:image/svg+xml;base64,")
    address = str(event.metadata["report"].value)
    bucket, _, key = address.removeprefix("s3://").partition("/")
    stored = built.lake.client("s3").get_object(Bucket=bucket, Key=key)
    assert stored["ContentType"].startswith("text/html")
    assert b"How whole the logs are" in stored["Body"].read()
    assert not [value for value in event.metadata.values() if "AWSLogs/" in str(value)]

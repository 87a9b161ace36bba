"""The report: what it says is what the lake holds, a picture shows it, and nothing that a log names acts in it."""

import base64
import json
import re
import zlib
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from xml.etree import ElementTree

import dagster as dg
import pytest

from infra.cli.build import build_range
from infra.cli.dagster_runs import dagster_instance
from loglake_assets.definitions import defs as load_definitions
from loglake_assets.lake.checks.day_report import LOOK_BACK_DAYS, REMEDIES
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
    REPORT_DAYS,
    DayFigure,
    DigestDay,
    LakeFigures,
    LogFigures,
    Problem,
    lake_figures,
    log_figures,
    period_of,
    put_report,
)
from loglake_assets.report.page import report_page
from loglake_assets.report.report_words import FINDINGS, SESSIONS, state_words
from loglake_assets.reviews.session_activity.states import STATES
from loglake_assets.reviews.session_activity.verdicts import SessionReview
from loglake_assets.sources.calendar_days import day_number
from loglake_assets.sources.rules import ExcludeRule
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
        "loglake",
        "AWS account 1",
        NOW,
        period_of(NOW.date()),
        (a_year(NOW.date()),),
        {"recorded": 3, "lost": 1},
        tools,
        changes,
        "2026-11-09",
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
    said = [element.text or "" for element in tree.iter() if element.tag.endswith("}title")]
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
        "Of 2 audited days of the last 35 days, 1 are proved in full",
        "Of the day that is proved least, 99 % of the files are.",
        "2 findings",
        "365 further copies of events that were delivered more than once",
        "objects that cannot be read",
        '<td data-label="Rule">ours</td><td data-label="Events" class="number">730</td>',
        "no longer in rules.toml",
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
    fresh = [DigestDay(today - timedelta(days=n), 100.0, 0) for n in (1, 2)]
    assert log.with_digests(fresh).digests == (fresh[1], fresh[0])


def test_what_is_open_is_named_by_its_day_however_old_and_however_many() -> None:
    today = NOW.date()
    asked = [today - timedelta(days=2 * n) for n in range(1, 151)]
    problems = tuple(Problem(day, day, "missing", "build it") for day in asked)
    page = report_page(replace(figures(), logs=(replace(a_year(today), problems=problems),)))
    assert "150 open problems" in page
    assert f'<td data-label="Days" class="days">{asked[99]}</td>' in page
    assert f"And 50 more of anylog, of days from {asked[-1]} to {asked[100]}: the table of its days" in page
    table = page.partition("Days that are not complete")[2].partition("</table>")[0]
    days = [figure for figure in a_year(today).days if figure.state in ("incomplete", "unbuilt")]
    assert [figure for figure in days if str(figure.day) not in table] == []
    assert "complete</td>" not in table.replace(">incomplete</td>", "")


def test_each_day_has_a_row_of_its_ledger() -> None:
    page = report_page(figures())
    table = page.partition("Days, the newest first")[2].partition("</table>")[0]
    log = a_year(NOW.date())
    rows = sum(figure.state != NOTHING_DELIVERED for figure in log.days)
    assert table.count('<td data-label="Day"') == rows
    assert '<td data-label="Raw bytes" class="number">9,000</td>' in table
    none = replace(log, days=tuple(replace(figure, ledger=None) for figure in log.days))
    page = report_page(replace(figures(), logs=(none,)))
    table = page.partition("Days, the newest first")[2].partition("</table>")[0]
    assert '<td data-label="Raw bytes" class="number">\N{EN DASH}</td>' in table, "none is kept"


def test_a_rule_is_shown_with_who_decided_it_since_when_and_why() -> None:
    rules = (
        ExcludeRule("ours", "cloudtrail", (), "Dana <head>", date(2026, 3, 1), "noise"),
        ExcludeRule("new", "cloudtrail", ()),
    )
    page = report_page(replace(figures(), logs=(replace(a_year(NOW.date()), rules=rules),)))
    for label, said in (("Decided by", "Dana &lt;head&gt;"), ("Since", "2026-03-01"), ("Why", "noise")):
        assert f'<td data-label="{label}">{said}</td>' in page
    assert '<td data-label="Rule">new</td><td data-label="Events" class="number">0</td>' in page
    assert '<td data-label="Since">rules.toml does not say</td>' in page
    assert "no longer in rules.toml" not in page


def test_a_month_that_begins_in_its_middle_has_its_name() -> None:
    log = a_year(NOW.date())
    for first in (15, 20, 29):
        days = tuple(figure for figure in log.days if figure.day >= date(2026, 10, first))
        tree = ElementTree.fromstring(heat_map(replace(log, days=days), legend=False))
        shown = [element for element in tree.iter() if element.text in ("Oct", "Nov")]
        assert [element.text for element in shown] == ["Oct", "Nov"]
        ends = shown[0].get("text-anchor") == "end"
        assert ends is (first > 15), "where there is no room before the next name, it ends there"


def test_a_report_is_of_the_last_days_or_of_the_newest_that_are_built_or_of_those_asked_for() -> None:
    today = NOW.date()
    usual = period_of(today, today - timedelta(days=LOOK_BACK_DAYS))
    assert (usual.words, usual.recent[0], usual.recent[-1]) == (
        "the last 35 days",
        today - timedelta(days=LOOK_BACK_DAYS),
        today,
    )
    assert (len(usual.shown), usual.compared_days) == (REPORT_DAYS, [*usual.recent])
    stopped = today - timedelta(days=500)
    still = period_of(today, stopped)
    assert still.words == f"the 35 days to {stopped}, the newest day that is built"
    assert (len(still.recent), still.recent[-1], still.shown[-1]) == (35, stopped, today)
    assert still.recent[0] in still.shown, "what was built is not taken away by a year that went by"
    assert still.compared_days == [*still.recent, *usual.recent], "what arrives now is looked for too"
    asked = period_of(today, None, (date(2024, 2, 1), date(2024, 2, 29)))
    assert (asked.words, asked.shown[-1], len(asked.shown)) == (
        "the days from 2024-02-01 to 2024-02-29",
        date(2024, 2, 29),
        REPORT_DAYS,
    )
    assert {*asked.recent} <= {*asked.compared_days}
    assert period_of(today, None, (FIRST, FIRST)).words == f"the day {FIRST}"


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
    row = {"state": "recorded", "session_key": "s", "flags": None, "logcalendarday": day_number(NOW.date())}
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


FAINT = """() => {
  const numbers = colour => colour.match(/[\\d.]+/g).map(Number);
  const linear = part => (part /= 255) <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  const light = ([r, g, b]) => 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
  const behind = one => {
    for (; one; one = one.parentElement) {
      const [r, g, b, a = 1] = numbers(getComputedStyle(one).backgroundColor);
      if (a > 0) return [r, g, b];
    }
    return [255, 255, 255];
  };
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const faint = [];
  let seen = 0;
  while (walker.nextNode()) {
    const one = walker.currentNode.parentElement, text = walker.currentNode.data.trim();
    if (!text || one.localName === 'title' || !one.checkVisibility()) continue;
    const colour = getComputedStyle(one)[one.namespaceURI.endsWith('svg') ? 'fill' : 'color'];
    const [less, more] = [light(numbers(colour)), light(behind(one))].sort((a, b) => a - b);
    seen += 1;
    if ((more + 0.05) / (less + 0.05) < 4.5) faint.push([text.slice(0, 40), colour, behind(one)]);
  }
  return [seen, faint];
}"""
"""How many texts can be seen, and those that have less contrast to what is behind them than WCAG's AA asks for."""


@pytest.mark.stack
def test_every_text_is_readable_by_day_by_night_and_on_paper(tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    path.write_text(report_page(replace(figures(), reviews=_reviews())))
    papers = set()
    with start_browser(tmp_path / "profile", "--window-size=1200,900") as browser, browser.page(path.as_uri()) as page:
        page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
        for media, scheme in (("screen", "light"), ("screen", "dark"), ("print", "light"), ("print", "dark")):
            features = [{"name": "prefers-color-scheme", "value": scheme}]
            page.ask("Emulation.setEmulatedMedia", media=media, features=features)
            seen, faint = page.evaluate(f"({FAINT})()")
            assert (seen > 1_000, faint) == (True, []), (media, scheme)
            papers.add(page.evaluate("getComputedStyle(document.querySelector('section')).backgroundColor"))
    assert len(papers) == 2, "the night has a paper of its own, and what is printed is never on it"


@pytest.mark.stack
def test_it_can_be_printed(tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    path.write_text(report_page(replace(figures(), reviews=_reviews())))
    with start_browser(tmp_path / "profile") as browser, browser.page(path.as_uri()) as page:
        printed = page.ask("Page.printToPDF", preferCSSPageSize=True)
    pdf = base64.b64decode(printed["data"])
    sheets = re.findall(rb"/Type /Page\b[^s].*?/MediaBox \[0 0 ([\d.]+) ([\d.]+)\]", pdf, re.DOTALL)
    assert len(sheets) >= 2
    assert {(round(float(width)), round(float(height))) for width, height in sheets} == {(595, 842)}, "A4"
    drawn = re.findall(rb"<([0-9A-F]+)>", b"".join(_drawings(pdf)))
    assert sum(map(len, drawn)) > 8_000, "text, and no picture of it"


def _drawings(pdf: bytes) -> Iterator[bytes]:
    """The compressed streams of a PDF that draw text."""
    for found in re.finditer(rb"/FlateDecode[^>]*>>\s*stream\r?\n", pdf):
        stream = zlib.decompressobj().decompress(pdf[found.end() :])
        if b" Tf\n" in stream:
            yield stream


@pytest.mark.stack
def test_a_mouse_finds_what_each_square_says(tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    path.write_text(report_page(figures()))
    found = """(() => {
      const square = [...document.querySelectorAll('.heat title')].at(-1).parentElement;
      square.scrollIntoView({block: 'center'});
      const {x, y, width, height} = square.getBoundingClientRect();
      return document.elementFromPoint(x + width / 2, y + height / 2).querySelector('title')?.textContent;
    })()"""
    with start_browser(tmp_path / "profile", "--window-size=1200,900") as browser, browser.page(path.as_uri()) as page:
        assert page.evaluate(found) == f"{NOW.date()}: complete, 100.0000 %"


@pytest.mark.stack
def test_it_says_what_the_lake_holds_and_what_changed_since(built: BuiltLake) -> None:
    lake = built.lake.resource
    results = build_range(built.lake, built.source, LAST, LAST, quiet)
    log = log_figures(lake, built.source, NOW.date(), period_of(NOW.date()))
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
    old = NOW.date() + timedelta(days=54)
    later = log_figures(lake, built.source, old, period_of(old, old))
    (kept,) = [p for p in later.problems if p.finding == "unreadable" and p.first == FIRST]
    assert kept.names, "a day is no less open for having left the look-back"
    asked = lake_figures(lake, "here", NOW + timedelta(days=700), (FIRST, LAST))
    (shown,) = [one for one in asked.logs if one.name == built.source.name]
    assert {FIRST, LAST} <= {figure.day for figure in shown.days}
    assert [p for p in shown.problems if p.finding == "unreadable" and p.first == FIRST], "of an older month too"
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

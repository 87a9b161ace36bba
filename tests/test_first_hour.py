"""The first hour: the commands of its page, and what a person then sees and does in Dagster's UI and in the report."""

import json
import re
import shlex
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from infra.cli.home import REPOSITORY, local_program
from loglake_assets.orchestration.check_metadata import ALL_NAMES, NAMES, REMEDY
from loglake_assets.sources.calendar_days import day_number
from tests.browser import Browser, Page, start_browser
from tests.commands import command
from tests.conftest import Picture
from tests.running_lake import RunningLake
from tests.wait import until

pytestmark = pytest.mark.stack

PICTURED_HOME = REPOSITORY / "build" / "lake"
"""Of the lake that pictures are taken of: they show the commands that name it."""
PAGE = REPOSITORY / "docs" / "first-hour.md"
ASSET = "/assets/readready/from_cloudtrail_readready"
GROUPS = ("bedrock", "cloudtrail", "cloudwatch", "lake", "review")
IN_DETAIL = "[role=tab]:not(a)"
"""The tabs of one check; those of the asset are links."""


def commands_of_page() -> list[list[str]]:
    """The words of each command of the page, in order; a statement may go over lines."""
    blocks = re.findall(r"(?:^ {4}.*\n)+", PAGE.read_text(), re.M)
    lines = "".join(blocks).replace('"select', '\n"select').split("    loglake ")[1:]
    return [shlex.split(line.replace("\n", " ")) for line in lines]


@dataclass(frozen=True)
class Hour:
    """A lake that is up, with files of some days loaded; `first` and the day after it are to be built by clicks."""

    up: RunningLake
    days: tuple[date, ...]
    first: date
    red: date
    """The one of these two that has the damaged object."""
    damaged: str
    """Its key."""
    built: int
    """Days that are built once these two are."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.up.port}"

    def run(self, words: list[str]) -> str:
        """What a command of the page prints, on days of this lake in place of the page's."""
        last = self.days[-1]
        days = {"2026-11-01": f"{self.days[0]}", "2026-11-03": f"{last}"}
        days |= {"20261101": f"{day_number(self.days[0])}", "20261103": f"{day_number(last)}"}
        given = [re.sub("|".join(days), lambda found: days[found[0]], word) for word in words]
        done = command(self.up.home, *given)
        assert done.returncode == 0, f"{given}\n{done.stdout}\n{done.stderr}"
        return done.stdout + done.stderr


@pytest.fixture(scope="module")
def hour(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[Hour]:
    """What stands on the page before the UI is looked at. For pictures of more days, all but two are built."""
    folder, asked = tmp_path_factory.mktemp("hour"), request.config.getoption("--pictures")
    count, yesterday = 14 if asked else 3, datetime.now(UTC).date() - timedelta(days=1)
    days = tuple(yesterday - timedelta(days=n) for n in range(count - 1, -1, -1))
    generate, load, up = commands_of_page()[:3]
    assert [generate[0], load[0], up] == ["generate", "load", ["up"]]
    logs, home = str(folder / generate[2]), PICTURED_HOME if asked else folder / "home"
    shutil.rmtree(PICTURED_HOME, ignore_errors=True)
    options = ["--events", f"{500 * count}", "--days", f"{count}", "--from", f"{days[0]}"]
    for words in ([*generate[:2], logs, *options], [*load[:2], logs]):
        done = command(home, *words)
        assert done.returncode == 0, done.stdout + done.stderr
    truth = json.loads((folder / "logs.ground_truth.json").read_text())
    (damaged,) = (key for key, reason in truth["quarantined_objects"].items() if reason == "corrupt_gzip")
    found = re.search(r"/(\d{4})/(\d\d)/(\d\d)/", damaged)
    assert found
    red = date(*map(int, found.groups()))
    first = min(red, days[-2])
    for before, after in ((days[0], first - timedelta(days=1)), (first + timedelta(days=2), days[-1])):
        if asked and before <= after:
            assert command(home, "build", "cloudtrail", f"{before}..{after}").returncode == 0
    running = RunningLake(home)
    try:
        until(running.ui.answers, 300)
        yield Hour(running, days, first, red, damaged, count if asked else 2)
    finally:
        running.stop()


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with start_browser(tmp_path_factory.mktemp("profile"), "--window-size=1280,1000", "--hide-scrollbars") as found:
        yield found


def test_two_days_are_built_by_clicks_and_the_red_one_explains_itself(
    hour: Hour, browser: Browser, picture: Picture
) -> None:
    with browser.page(f"{hour.url}/asset-groups") as page:
        page.read(*GROUPS)
    with browser.page(f"{hour.url}{ASSET}?view=partitions") as page:
        backfill(page, hour.first, hour.first + timedelta(days=1))
        page.read(f"Materialized ({hour.built})", "Materializing (0)", "Failed (0)", seconds=400)
        picture("partitions", page)
    with browser.page(f"{hour.url}{ASSET}?view=checks&checkDetail=coverage") as page:
        page.read("Latest execution")
        page.click("Hide navigation", "*")
        page.click("Partitions", IN_DETAIL)
        page.click(f"{hour.red}", "div, span", is_last=True)  # in the list, not at an end of the range above it
        said = page.read("Failed", "unreadable object", Path(hour.damaged).name, "corrupt_gzip")
        assert f"{local_program(hour.up.home)} requeue cloudtrail {hour.red}" in said
        assert f"{hour.red}: 9" in said, "the percentage stands before all else"
        shown = [said.index(f"\n{key}") for key in (REMEDY, NAMES, ALL_NAMES, "bytes_recounted")]
        assert shown == sorted(shown), "what mends it and the names stand above the figures"
        picture("red-day", page)


def backfill(page: Page, first: date, last: date) -> None:
    """Build the days as a person does: Materialize, the range typed, Launch backfill."""
    page.read("Missing (", "Materialized (")
    page.click("Materialize…")
    page.read("Partition selection")
    page.focus('[role=dialog] [placeholder="No matching partitions"]')
    page.type(f"[{first}...{last}]")
    page.press("Enter")
    page.read("2 partitions")
    page.click("Launch backfill")
    page.read("Created backfill")


def test_the_commands_of_the_page_run_and_the_report_has_the_red_day(
    hour: Hour, browser: Browser, picture: Picture
) -> None:
    said = {words[0]: hour.run(words) for words in commands_of_page()[3:]}
    assert list(said) == ["plan", "build", "status", "report", "questions", "ask-sql", "tables", "query"]
    assert "not whole" in said["query"], "under the answer stands which day is not whole"
    assert hour.damaged in said["build"]
    (address,) = re.findall(r"file://\S+\.html", said["report"])
    with browser.page(address) as page:
        seen = page.read(
            "How whole the logs are", "objects that cannot be read", f"{hour.red}", Path(hour.damaged).name
        )
        assert f"{local_program(hour.up.home)} requeue cloudtrail {hour.red}" in seen
        titles = "[...document.querySelectorAll('svg title')].map(one => one.textContent)"
        assert any(title.startswith(f"{hour.red}: incomplete") for title in page.evaluate(titles)), "its square"
        picture("report", page, 1150)

"""The documentation: what is made is fresh, links lead somewhere, statements run, and the site loads nothing."""

import functools
import json
import re
import subprocess
import sys
import threading
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import sqlglot

from glue_scripts import sql_on_arrow
from glue_scripts.sql_on_arrow import OnlySparkError, in_duckdb
from infra.aws.template import read_template
from infra.cli.home import REPOSITORY
from infra.cli.main import main
from infra.cli.tables import tables_page
from infra.emulator.athena_engine.statements import with_parameters
from loglake_assets.orchestration.components.skeleton import skeleton_files
from loglake_assets.questions import question
from tests.browser import start_browser
from tests.commands import PROGRAM, environment
from tests.conftest import BuiltLake

DOCS = REPOSITORY / "docs"
PAGES = sorted(
    [*REPOSITORY.glob("*.md"), *DOCS.rglob("*.md"), *REPOSITORY.glob("lakes/*.md"), *REPOSITORY.glob("bench/*.md")]
)


def text_of(page: Path) -> str:
    """A page without what stands in it as code."""
    text = re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.M | re.S)
    return re.sub(r"^ {4}.*$|`[^`\n]*`", "", text, flags=re.M)


def anchors_of(page: Path) -> set[str]:
    """The anchors that headings have, by the rule that GitHub and the site share for plain words."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(), re.M)
    return {re.sub(r"[^\w -]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


def broken_links(page: Path) -> list[str]:
    """The links of a page that lead to no file of the repository, or to no heading of it."""
    broken = []
    for link in re.findall(r"\]\(([^)\s]+)\)", text_of(page)):
        address, _, anchor = link.partition("#")
        target = (page.parent / address).resolve() if address else page
        is_elsewhere = re.match(r"https?://", link)
        if not is_elsewhere and not (target.exists() and (not anchor or anchor in anchors_of(target))):
            broken.append(link)
    return broken


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(REPOSITORY)))
def test_every_link_leads_somewhere(page: Path) -> None:
    assert broken_links(page) == []


def test_a_broken_link_is_found(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "# One thing\n[a](#one-thing) [b](#another) [c](gone.md) `[d](code.md)` [e](https://example.com/x)\n"
    )
    assert broken_links(page) == ["#another", "gone.md"]


def test_the_page_of_tables_is_made_of_the_declarations() -> None:
    assert (DOCS / "tables.md").read_text() == tables_page(), "loglake tables --page > docs/tables.md"


def test_tables_and_columns_are_found_by_words(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["tables"]) == 0
    assert "session_activity" in capsys.readouterr().out
    assert main(["tables", "person", "role"]) == 0
    said = capsys.readouterr().out
    assert "useridentity_sourceidentity" in said
    assert "eventsource" not in said
    assert main(["tables", "nothing", "like", "this"]) == 1


def test_the_site_has_every_page() -> None:
    def pages(entry: Any) -> Iterator[str]:
        if isinstance(entry, str):
            yield entry
        else:
            for one in entry.values() if isinstance(entry, dict) else entry:
                yield from pages(one)

    settings = tomllib.loads((DOCS / "site" / "zensical.toml").read_text())
    named = list(pages(settings["project"]["nav"]))
    there = sorted(str(page.relative_to(REPOSITORY)) for page in PAGES)
    assert sorted(named) == there, "docs/site/zensical.toml names the pages in the order of the site"


def test_the_rights_of_who_deploys_name_every_service_that_a_template_uses() -> None:
    table = (DOCS / "deploy.md").read_text().partition("## Rights of who deploys")[2].partition("## Lake Formation")[0]
    named = set(re.findall(r"`([a-z0-9]+):", table))
    templates = (REPOSITORY / "infra" / "aws" / "cloudformation").glob("*.yaml")
    kinds = {kind for file in templates for kind in re.findall(r"^    Type: AWS::(\w+)::", file.read_text(), re.M)}
    services = {kind.lower().removesuffix("v2") for kind in kinds}
    assert len(services) > 10
    assert services | {"cloudformation", "glue", "kms", "sts"} == named


def test_the_policy_of_a_key_names_every_service_that_writes_to_what_it_encrypts() -> None:
    page = (DOCS / "deploy.md").read_text()
    (written,) = re.findall(r"^```json\n(.*?)^```$", page, re.M | re.S)
    statements = {one["Sid"]: one for one in json.loads(written)["Statement"]}
    services = {one for found in statements.values() for one in _services(found)}
    storage = read_template((REPOSITORY / "infra" / "aws" / "cloudformation" / "storage.yaml").read_text())
    told = storage["Resources"]["AlarmTopicPolicy"]["Properties"]["PolicyDocument"]["Statement"]
    assert {one for found in told for one in _services(found)} | {"logs.eu-west-1.amazonaws.com"} <= services
    delivering = set(re.findall(r'DeliveryServices = \["([^"]+)"\]', page))
    assert delivering == set(_services(statements["ServicesDeliver"]))
    assert all(f"`{sid}`" in page for sid in statements)


def _services(statement: dict[str, Any]) -> list[str]:
    found = statement["Principal"].get("Service", [])
    return [found] if isinstance(found, str) else found


RUNBOOKS = sorted((DOCS / "runbooks").glob("*.md"))
RINGING = {"AWS::CloudWatch::Alarm": "AlarmName", "AWS::Events::Rule": "Name", "AWS::Budgets::Budget": "BudgetName"}


def alarm_sources() -> dict[str, dict[str, Any]]:
    """What of the templates tells the topic of alarms, by its name without the lake's and the layer's."""
    found: dict[str, dict[str, Any]] = {}
    for file in (REPOSITORY / "infra" / "aws" / "cloudformation").glob("*.yaml"):
        for one in read_template(file.read_text())["Resources"].values():
            described = one.get("Properties", {}).get("Budget", one.get("Properties", {}))
            if one["Type"] in RINGING and "AlarmTopicArn" in json.dumps(one):
                name = described[RINGING[one["Type"]]]["Fn::Sub"]
                found[name.removeprefix("${LakeName}-").removeprefix("addapart-${Layer}-")] = described
    return found


def unnamed(names: Iterable[str], index: str, pages: Mapping[str, str]) -> list[str]:
    """Alarms that the index sends to no page, or to one that does not speak of it or has no command."""
    rows = re.findall(r"^\| (.+) \| \[([a-z-]+\.md)\]", index, re.M)
    page = {name: target for words, target in rows for name in re.findall(r"`([a-z-]+)`", words)}
    told = {name: pages.get(page.get(name, ""), "") for name in names}
    return [n for n, text in told.items() if not re.search(rf"`(?:<lake>-)?{n}`", text) or "    loglake " not in text]


def test_a_runbook_says_what_to_do_about_each_alarm() -> None:
    pages = {page.name: page.read_text() for page in RUNBOOKS}
    alarms = alarm_sources()
    assert len(alarms) >= 11
    assert unnamed(alarms, pages["README.md"], pages) == []
    assert unnamed(["of-nobody"], pages["README.md"], pages) == ["of-nobody"]
    unsaid = {"README.md": "| `dead` | [queues.md](queues.md) |", "queues.md": "    loglake status"}
    assert unnamed(["dead"], unsaid["README.md"], unsaid) == ["dead"]


def test_each_alarm_names_the_page_that_is_about_it() -> None:
    index = (DOCS / "runbooks" / "README.md").read_text()
    for name, described in alarm_sources().items():
        said = described.get("AlarmDescription", described.get("Description", ""))
        if said:
            (page,) = re.findall(r"docs/runbooks/([a-z-]+\.md)", said)
            assert re.search(rf"`{name}`.*\({page}\)", index), name


def test_the_page_on_sources_names_what_is_scaffolded() -> None:
    page = (DOCS / "add-a-source.md").read_text()
    assert set(re.findall(r"^\| `([^`]+)`", page, re.M)) == set(skeleton_files("flows"))


def its_sql() -> str:
    """What the page on sources says of SQL."""
    return (DOCS / "add-a-source.md").read_text().partition("## 3. Its SQL")[2].partition("\n## ")[0]


def as_statement(code: str) -> str:
    """SQL as the page has it, a statement or a part of one, as a statement."""
    return code if code.startswith("SELECT") else f"SELECT {code} AS c FROM t"


def test_the_page_on_sources_lists_all_that_sql_may_use_on_arrow_and_nothing_else() -> None:
    rows = re.findall(r"^\| \w.*? \| (`.*`) \|$", its_sql(), re.M)
    listed = [as_statement(code) for row in rows for code in re.findall(r"`([^`]+)`", row)]
    for statement in listed:
        assert in_duckdb("some_view", statement)
    named = {type(node) for statement in listed for node in sqlglot.parse_one(statement, read="spark").walk()}
    assert {*sql_on_arrow._OF_ROWS, *sql_on_arrow._REWRITES} - named == set(), "the page has no example of these"


def test_what_the_page_on_sources_keeps_from_arrow_is_refused() -> None:
    items = re.findall(r"^- [^`]*(`.*`)", its_sql(), re.M)
    codes = [code for item in items for code in re.findall(r"`([^`]+)`", item) if not code.isidentifier()]
    assert len(codes) >= 10
    for code in [*codes, "upper(a)"]:  # the last one's line is on the page
        with pytest.raises(OnlySparkError) as raised:
            in_duckdb("identified_as_view", as_statement(code))
    assert f"\n    {raised.value} Spark SQL builds the window.\n" in its_sql()


@pytest.mark.stack
def test_the_steps_of_the_page_on_sources_make_a_log_that_is_built_and_compared(tmp_path: Path) -> None:
    """In a copy of the repository, as the page has it: scaffold, check, load, build, ask."""
    copy, home = tmp_path / "copy", tmp_path / "home"
    tracked = subprocess.run(["git", "ls-files"], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    for name in tracked.stdout.split("\n"):
        if name.startswith(("loglake_assets/", "resources/", "glue_scripts/", "lambdas/", "infra/", "pyproject")):
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            (copy / name).write_bytes((REPOSITORY / name).read_bytes())
    folder = copy / "flows" / "AWSLogs" / "111122223333" / "flows" / "eu-west-1" / "2026" / "11" / "01"
    folder.mkdir(parents=True)
    lines = [f'{{"eventTime":"2026-11-01T00:00:{n:02}Z","bytes":{n}}}' for n in range(40)]
    (folder / "one.json").write_text("\n".join(lines))
    page = (DOCS / "add-a-source.md").read_text().replace("\n                   ", " ")
    commands = re.findall(r"^ {4}((?:\.venv/bin/dg|loglake) .*)$", page, re.M)
    assert len(commands) == 7
    said = ""
    for line in commands:
        program, *words = [word.strip('"') for word in re.findall(r'"[^"]*"|\S+', line)]
        known = [str(Path(sys.executable).parent / "dg")] if program.endswith("dg") else PROGRAM
        done = subprocess.run(
            [*known, *words],
            cwd=copy,
            env=environment(home, PYTHONPATH=str(copy)),
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{line}\n{done.stdout}\n{done.stderr}"
        said += done.stdout
    assert re.search(r"^2026-11-01 .*100\.0000.* complete$", said, re.M), said
    assert said.count('{"eventTime":"2026-11-01T00:00:') == 5, said


@pytest.mark.stack
def test_the_statement_for_team_finds_the_person_and_nobody_else(built: BuiltLake) -> None:
    page = (DOCS / "team.md").read_text()
    (sql,) = re.findall(r"```sql\n(.*?)```", page, re.S)
    (values,) = map(json.loads, re.findall(r"```json\n(.*?)```", page, re.S))
    text = question("team_session_activity").text
    assert sql == re.sub(r"\{\w+\}", "?", re.sub(r"^--.*\n", "", text, flags=re.M)), "it is the question's"
    ask = built.lake.resource.athena.ask
    found = ask(with_parameters(sql, values))
    assert list(found.rows[0]) == ["eventid", "eventname", "eventsource", "eventtime"]
    assert all("2026-11-01 09" <= str(row["eventtime"]) < "2026-11-01 18" for row in found.rows)
    who = ask(
        "SELECT DISTINCT useridentity_arn AS arn, recipientaccountid AS account FROM from_cloudtrail_readready "
        f"WHERE logcalendarday = 20261101 AND eventid IN ({', '.join(repr(row['eventid']) for row in found.rows)})"
    ).rows
    assert {(row["arn"].rpartition("/")[2], row["account"]) for row in who} == {("dave@example.com", "444455556666")}


@contextmanager
def folder_address(folder: Path) -> Iterator[str]:
    """The address of a folder, served on this machine."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, format: str, *arguments: Any) -> None:
            """Says nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(folder))) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def elsewhere(html: str) -> list[str]:
    """What a page would load from another place than its own."""
    tags = re.findall(r"<(?:script|link|img|iframe|source|video|object|embed|use)\b[^>]*>", html)
    return [tag for tag in tags if re.search(r"(?:src|href|srcset|data)=[\"']?(?:https?:)?//", tag)]


def test_what_is_loaded_from_elsewhere_is_found() -> None:
    assert elsewhere('<a href="https://example.com">x</a><img src="one.png">') == []
    assert len(elsewhere('<script src="https://example.com/a.js"></script><link href=//example.com/font.css>')) == 2


@pytest.fixture
def site(request: pytest.FixtureRequest) -> Path:
    folder = request.config.getoption("--site")
    if folder is None:
        pytest.skip("`make docs` makes the site and looks at it")
    return Path(folder)


def test_no_page_of_the_site_names_anything_to_load_from_elsewhere(site: Path) -> None:
    pages = list(site.rglob("*.html"))
    assert len(pages) > len(PAGES)
    assert {page.name: found for page in pages if (found := elsewhere(page.read_text()))} == {}
    assert not [
        css for css in site.rglob("*.css") if re.search(r"(?:@import|url\()\s*[\"']?https?://", css.read_text())
    ]


@pytest.mark.stack
def test_a_browser_loads_the_site_from_its_own_place_alone(site: Path, tmp_path: Path) -> None:
    with folder_address(site) as address, start_browser(tmp_path / "profile", "--window-size=1280,900") as browser:
        for name in ("index.html", "docs/first-hour.html", "docs/tables.html", "docs/performance.html"):
            with browser.page(f"{address}/{name}") as page:
                loaded = page.evaluate("performance.getEntriesByType('resource').map(one => one.name)")
                assert loaded
                assert [one for one in loaded if not one.startswith((address, "data:", "blob:"))] == []

"""The fault suite's report: a line for each row of tests/faults.toml, from the tests that carry its number.

A pytest plugin. `@pytest.mark.fault(number, done, held)` says which row a test is about, what is done, and what held
when it passes; a test may carry several. `--faults` prints the report. What the rows are does not belong here.
"""

import tomllib
from collections.abc import Iterator
from dataclasses import astuple, dataclass, field
from pathlib import Path
from typing import Any

import pytest

CATALOGUE = Path(__file__).with_name("faults.toml")
REPORT = pytest.StashKey["FaultReport"]()
HELD, BROKE, NOT_RUN, UNSHOWN = "held", "BROKE", "not run", "cannot be shown here"


@dataclass(frozen=True)
class Fault:
    """A row of the catalogue. `reason` says why it cannot be a test here, `limits` what its tests do not show.

    `found` is the id of a row that was found by trying the lake, beside those that were listed beforehand.
    """

    number: int
    fault: str
    outcome: str
    reason: str = ""
    limits: str = ""
    found: str = ""


@dataclass(frozen=True)
class Claim:
    """What a marker says of its test."""

    number: int
    done: str
    held: str
    test: str


@dataclass
class FaultReport:
    """Claims of all collected tests, deselected ones among them, and the outcomes of those that ran."""

    claims: list[Claim] = field(default_factory=list)
    passed: set[str] = field(default_factory=set)
    failed: set[str] = field(default_factory=set)

    def lines(self, faults: list[Fault]) -> Iterator[str]:
        """One line a fault, in order."""
        for fault in faults:
            claims = [claim for claim in self.claims if claim.number == fault.number]
            yield f"{fault.number:>2}  {self.verdict(fault):<20}  {_report_line(fault, claims)}{self._tests(claims)}"

    def verdict(self, fault: Fault) -> str:
        """`BROKE` if any of its tests failed, `held` if those that ran passed."""
        tests = {claim.test for claim in self.claims if claim.number == fault.number}
        if tests & self.failed:
            return BROKE
        if tests & self.passed:
            return HELD
        return NOT_RUN if tests or not fault.reason else UNSHOWN

    def _tests(self, claims: list[Claim]) -> str:
        tests = list(dict.fromkeys(claim.test for claim in claims))
        if not tests:
            return ""
        ran = [test for test in tests if test in self.passed | self.failed]
        count = "" if len(ran) == len(tests) else f"{len(ran)} of {len(tests)} run: "
        return f"  [{count}{', '.join(_short(test) for test in tests)}]"


def catalogue(path: Path = CATALOGUE) -> list[Fault]:
    """The rows, in order."""
    return [Fault(**row) for row in tomllib.loads(path.read_text(encoding="utf-8"))["fault"]]


def _report_line(fault: Fault, claims: list[Claim]) -> str:
    if not claims:
        return f"{fault.fault}: {fault.reason or 'no test of it was collected'}"
    done = "; ".join(dict.fromkeys(claim.done for claim in claims))
    held = "; ".join(dict.fromkeys(claim.held for claim in claims))
    named = f"({fault.found}) " if fault.found else ""
    return f"{named}{fault.fault} | done: {done} | held: {held}" + (
        f" | not shown: {fault.limits}" if fault.limits else ""
    )


def _short(test: str) -> str:
    return test.partition("::")[2] or test


def claims_of(item: pytest.Item) -> Iterator[Claim]:
    """What the markers of a test say. The parameters of a test are no tests of their own here."""
    test = item.nodeid.partition("[")[0]
    for mark in item.iter_markers("fault"):
        number, done, held = mark.args
        yield Claim(number, done, held, test)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--faults", action="store_true", help="print a line for each fault of tests/faults.toml")


def pytest_configure(config: pytest.Config) -> None:
    config.stash[REPORT] = FaultReport()
    config.pluginmanager.register(_Outcomes(config.stash[REPORT]), "fault-outcomes")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Before anything is deselected: what was left out is told as not run."""
    config.stash[REPORT].claims = list(dict.fromkeys(claim for item in items for claim in claims_of(item)))


class _Outcomes:
    def __init__(self, report: FaultReport) -> None:
        self._report = report

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        test = report.nodeid.partition("[")[0]
        if report.failed:
            self._report.failed.add(test)
        elif report.when == "call" and report.passed:
            self._report.passed.add(test)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any, error: object) -> None:
    """A worker of pytest-xdist has ended: it collected, and this process reports."""
    report = node.config.stash[REPORT]
    claims = [Claim(*claim) for claim in getattr(node, "workeroutput", {}).get("claims", ())]
    report.claims = list(dict.fromkeys([*report.claims, *claims]))


def pytest_sessionfinish(session: pytest.Session) -> None:
    """A fault that broke is no success, whatever else the run makes of it."""
    report = session.config.stash[REPORT]
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["claims"] = [astuple(claim) for claim in report.claims]
    broke = any(report.verdict(fault) == BROKE for fault in catalogue())
    if session.config.getoption("--faults") and broke and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    if not config.getoption("--faults"):
        return
    terminalreporter.section("faults")
    faults, report = catalogue(), config.stash[REPORT]
    for line in report.lines(faults):
        terminalreporter.write_line(line)
    verdicts = [report.verdict(fault) for fault in faults]
    counts = (f"{verdicts.count(verdict)} {verdict}" for verdict in (HELD, BROKE, NOT_RUN, UNSHOWN))
    terminalreporter.write_line(f"{len(faults)} faults: {', '.join(counts)}")

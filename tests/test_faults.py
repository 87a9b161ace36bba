"""The fault suite as a whole: every row has a test or a reason, and the report says what became of it."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from tests.fault_report import BROKE, HELD, NOT_RUN, UNSHOWN, Claim, Fault, FaultReport, catalogue

TESTS = Path(__file__).parent


@pytest.fixture(scope="module")
def claims() -> list[tuple[int, str, str]]:
    """Number, what was done and what held, of every `pytest.mark.fault` that the suite's files have."""
    calls = (node for path in sorted(TESTS.glob("*.py")) for node in ast.walk(ast.parse(path.read_text())))
    marks = (call for call in calls if isinstance(call, ast.Call) and ast.unparse(call.func) == "pytest.mark.fault")
    found = [tuple(map(ast.literal_eval, mark.args)) for mark in marks]
    assert len(found) > 200
    return [(int(number), str(done), str(held)) for number, done, held in found]


def test_the_catalogue_has_every_row_once_and_in_order() -> None:
    assert [fault.number for fault in catalogue()] == list(range(1, 103))
    assert all(fault.fault.strip() and fault.outcome.strip() for fault in catalogue())


def test_every_row_has_a_test_or_a_reason_and_not_both(claims: list[tuple[int, str, str]]) -> None:
    tested = {number for number, _, _ in claims}
    for fault in catalogue():
        assert (fault.number in tested) != bool(fault.reason.strip()), fault
        assert fault.number in tested or not fault.limits, fault


def test_no_marker_names_a_row_that_is_not_there_or_says_nothing(claims: list[tuple[int, str, str]]) -> None:
    known = {fault.number for fault in catalogue()}
    assert [claim for claim in claims if claim[0] not in known or not all(text.strip() for text in claim[1:])] == []


def test_a_line_tells_what_was_done_what_held_and_whether_it_did() -> None:
    report = FaultReport([Claim(1, "a was cut", "b stayed", "t.py::test_one"), Claim(2, "x", "y", "t.py::test_two")])
    report.claims.append(Claim(1, "a was cut", "c came", "t.py::test_three"))
    report.passed, report.failed = {"t.py::test_one"}, {"t.py::test_two"}
    faults = [Fault(1, "one", "-"), Fault(2, "two", "-"), Fault(3, "three", "-", reason="no such thing here")]
    assert [report.verdict(fault) for fault in faults] == [HELD, BROKE, UNSHOWN]
    assert report.verdict(Fault(4, "four", "-")) == NOT_RUN
    one, two, three = report.lines(faults)
    assert one == f" 1  {HELD:<20}  one | done: a was cut | held: b stayed; c came  [1 of 2 run: test_one, test_three]"
    assert two.startswith(f" 2  {BROKE}")
    assert three.endswith("three: no such thing here")


def test_a_fault_that_broke_ends_the_run_with_its_line(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    (tmp_path / "test_it.py").write_text(
        "import pytest\n\n@pytest.mark.fault(1, 'done', 'held')\ndef test_it():\n    assert False\n"
    )
    command = [sys.executable, "-m", "pytest", "-p", "tests.fault_report", "-p", "no:cacheprovider", "--faults"]
    command += [f"--rootdir={tmp_path}", "-W", "ignore", "-c", str(TESTS.parent / "pyproject.toml"), str(tmp_path)]
    done = subprocess.run(command, cwd=request.config.rootpath, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert f" 1  {BROKE}" in done.stdout
    assert f" 2  {NOT_RUN}" in done.stdout

"""Why something is not loaded: every reason that the code gives is explained to the person who reads it."""

import ast
import re
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest

from loglake_assets.orchestration.components.skeleton import skeleton_files
from loglake_assets.s3.content_kind import MAGIC
from loglake_assets.sources.reasons import ADVICE, advice, form_of
from loglake_assets.sources.repetition import KEY_TWICE

_RAISED = {"NotThisLogError", "RecordError", "UnreadableObjectError", "NotCountableError"}


def texts(repository: Path) -> Iterator[str]:
    for folder in ("glue_scripts", "loglake_assets"):
        yield from (path.read_text(encoding="utf-8") for path in (repository / folder).rglob("*.py"))
    yield from (text for name, text in skeleton_files("mylog").items() if name.endswith(".py"))


def reasons(text: str) -> Iterator[str]:
    """Every reason that stands as text where one of the four errors is made."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in _RAISED:
            yield from (
                n.value for a in node.args for n in ast.walk(a) if isinstance(n, ast.Constant) and n.value != "rawData"
            )


@pytest.mark.fault(89, "any reason for which an object or a record is not loaded", "what it means and what to do")
def test_every_reason_has_its_advice(repository: Path) -> None:
    found = {str(reason) for text in texts(repository) for reason in reasons(text)}
    found |= {reason for _, reason in MAGIC} | {KEY_TWICE, "gone_while_reading", "archived", "key_unavailable"}
    found |= {form_of(text) for text in ("text", "[1]", "{}\n{}", "{}{}", "{\n}", "[NaN]")}
    assert len(found) > 25
    assert found - ADVICE.keys() == set()
    assert ADVICE.keys() - found == set(), "advice for what is never said"
    assert all(text.endswith(".") and len(text) < 300 for text in ADVICE.values())


@pytest.mark.fault(89, "the advice for each reason, for a source and its days", "commands that can be pasted")
def test_advice_has_commands_that_can_be_pasted() -> None:
    first, last = date(2026, 11, 1), date(2026, 11, 2)
    said = [advice(reason, "loglake", "cloudtrail", first, last) for reason in ADVICE]
    assert [text for text in said if re.search(r"[<>{}]", text)] == []
    commands = {command for text in said for command in re.findall("`(loglake [^`]+)`", text)}
    days = "cloudtrail 2026-11-01..2026-11-02"
    assert commands == {f"loglake requeue {days}", f"loglake build {days}"}

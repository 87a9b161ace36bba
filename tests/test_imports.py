"""No import runs back up the house: a module imports its own floor's folder, or floors below it."""

import ast
from collections.abc import Collection, Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

FLOORS = (
    ("resources",),
    ("loglake_assets.s3",),
    ("loglake_assets.sources",),
    ("loglake_assets.lake.storage",),
    ("loglake_assets.lake.addapart",),
    ("loglake_assets.lake.versions",),
    ("loglake_assets.lake.checks",),
    ("loglake_assets.lake",),
    ("loglake_assets.reviews",),
    ("loglake_assets.questions",),
    ("loglake_assets.report",),
    ("loglake_assets.orchestration", "lambdas.addapart", "lambdas.looker", "glue_scripts"),
    ("loglake_assets", "infra.emulator", "infra.aws"),
    ("infra.cli",),
)
"""From the ground up. Folders of one floor do not import each other."""
PACKAGES = ("loglake_assets", "resources", "glue_scripts", "lambdas", "infra")
ALONE = "infra.emulator"
"""It stands in for AWS, so it knows nothing of the lake that runs on it."""


def place(module: str) -> tuple[int, str] | None:
    """(number of the floor, folder) of a module: the nearest folder that is named; None of what no floor has."""
    above = [(folder, n) for n, floor in enumerate(FLOORS) for folder in floor if f"{module}.".startswith(f"{folder}.")]
    folder, number = max(above, key=lambda found: len(found[0]), default=("", -1))
    return (number, folder) if folder else None


def imports(text: str) -> Iterator[str]:
    """Every module that a text imports, also within functions, and names that may be modules."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def climbs(module: str, text: str) -> list[str]:
    """What a module imports that is not below it: `module -> imported`."""
    own, found = place(module), []
    for name in imports(text):
        if name.split(".")[0] not in PACKAGES:
            continue
        other = place(name)
        if own is None or other is None:
            found.append(f"{module} -> {name}: on no floor")
        elif own[1] != other[1] and (other[0] >= own[0] or own[1] == ALONE):
            found.append(f"{module} -> {name}")
    return found


@pytest.fixture(scope="module")
def texts(repository: Path) -> dict[str, str]:
    """The text of every module, by its name."""
    paths = sorted(file for folder in PACKAGES for file in (repository / folder).rglob("*.py"))
    names = (path.relative_to(repository).with_suffix("").as_posix().replace("/", ".") for path in paths)
    found = {
        n.removesuffix(".__init__"): path.read_text(encoding="utf-8") for n, path in zip(names, paths, strict=True)
    }
    assert len(found) > 200
    return found


def test_no_import_runs_back_up(texts: dict[str, str]) -> None:
    assert [climb for module, text in texts.items() for climb in climbs(module, text)] == []


def of_name(name: str, known: Collection[str]) -> str:
    """The module that an imported name is, or is of; empty for one that is not known."""
    return next((module for module in (name, name.rpartition(".")[0]) if module in known), "")


def circle(texts: Mapping[str, str]) -> list[str]:
    """Modules that import each other in a circle, or none; imports within functions count."""
    known = {module: set(imports(text)) for module, text in texts.items()}
    graph = {module: {of_name(name, known) for name in names} - {module, ""} for module, names in known.items()}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def test_no_modules_import_each_other_in_a_circle(texts: dict[str, str]) -> None:
    assert circle(texts) == []


def test_a_circle_is_found_within_functions_too() -> None:
    made = {"a": "import b", "b": "def f():\n    from c import g", "c": "from a import h", "d": "import a"}
    assert set(circle(made)) == {"a", "b", "c"}
    assert circle({**made, "c": ""}) == []


@pytest.mark.parametrize(
    ("module", "text"),
    [
        ("loglake_assets.s3.pages", "from loglake_assets.sources import load_source"),
        ("loglake_assets.lake.versions.commits", "def f():\n    from lambdas.addapart.consumer import handle"),
        ("loglake_assets.reviews.inputs", "import loglake_assets.orchestration.changes"),
        ("loglake_assets.lake.checks.recount", "from loglake_assets.lake.lake import Lake"),
        ("resources.access", "from loglake_assets.sources import load_source"),
        ("infra.emulator.stack", "from resources.settings import LakeSettings"),
        ("lambdas.looker.handler", "from glue_scripts.job import run_job"),
        ("infra.aws.deploy", "from infra.cli.terminal_output import print_table"),
    ],
)
def test_an_import_that_runs_back_up_is_found(module: str, text: str) -> None:
    assert len(climbs(module, text)) == 1

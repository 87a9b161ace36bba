"""What can go stale: the lock, the pages that name commands, the definitions as the tools load them."""

import importlib.metadata
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from infra.cli.main import app

LOCKS = ("bench/requirements.lock", "requirements.lock")
IMAGE_LOCK = "infra/aws/dagster/requirements.lock"


def pinned_versions(repository: Path, locks: Iterable[str] = LOCKS) -> dict[str, str]:
    """Version by name, as locks pin it; by default everybody's, and what `make bench` needs besides."""
    text = "".join((repository / lock).read_text() for lock in locks)
    return {canonicalize_name(m[1]): m[2] for m in re.finditer(r"^([A-Za-z0-9._-]+)(?:\[[^]]*\])?==(\S+)", text, re.M)}


def declared_requirements(repository: Path) -> Iterator[Requirement]:
    project = tomllib.loads((repository / "pyproject.toml").read_text())["project"]
    for text in [*project["dependencies"], *(r for extra in project["optional-dependencies"].values() for r in extra)]:
        yield Requirement(text)


def test_the_lock_pins_everything_that_is_declared(repository: Path) -> None:
    pins = pinned_versions(repository)
    for requirement in declared_requirements(repository):
        assert pins.get(canonicalize_name(requirement.name)) in requirement.specifier, f"{requirement}: make lock"


def test_the_lock_holds_all_that_its_packages_need(repository: Path) -> None:
    pins = pinned_versions(repository)
    for name in pins:
        try:
            needed = importlib.metadata.requires(name) or []
        except importlib.metadata.PackageNotFoundError:
            continue  # a pin for another platform
        for requirement in map(Requirement, needed):
            if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
                pinned = pins.get(canonicalize_name(requirement.name))
                assert pinned, f"{name} needs {requirement}: make lock"
                assert requirement.specifier.contains(pinned, prereleases=True), f"{name} needs {requirement}"


def test_the_image_has_the_versions_that_are_tested_and_all_that_dagster_needs(repository: Path) -> None:
    pins, tested = pinned_versions(repository, [IMAGE_LOCK]), pinned_versions(repository)
    assert {name: tested.get(name) for name in pins} == pins, "make lock"
    project = tomllib.loads((repository / "pyproject.toml").read_text())["project"]
    needed = [*project["dependencies"], *project["optional-dependencies"]["production"]]
    assert {canonicalize_name(Requirement(text).name) for text in needed} <= pins.keys()


def test_dagster_on_aws_keeps_and_tries_again_as_it_does_on_one_machine(repository: Path) -> None:
    paths = ("infra/cli/dagster.yaml", "infra/aws/dagster/dagster.yaml")
    local, deployed = (yaml.safe_load((repository / path).read_text()) for path in paths)
    for setting in ("telemetry", "nux", "run_retries", "retention"):
        assert deployed[setting] == local[setting], setting
    assert deployed["concurrency"]["pools"] == local["concurrency"]["pools"]


def test_glues_lock_pins_what_glue_is_said_to_have(repository: Path) -> None:
    said = (repository / "infra/aws/glue.in").read_text().split()
    assert len(said) == 4
    assert set(said) <= set(re.findall(r"^\S+==\S+", (repository / "infra/aws/glue.lock").read_text(), re.M))


@pytest.mark.parametrize(
    ("lock", "least"),
    [*((lock, 50) for lock in (*LOCKS, IMAGE_LOCK)), ("infra/aws/glue.lock", 10), ("infra/aws/checkov.lock", 50)],
)
def test_every_pin_has_hashes_and_no_address(repository: Path, lock: str, least: int) -> None:
    text = (repository / lock).read_text()
    entries = re.split(r"\n(?=[A-Za-z0-9])", text.strip())
    assert len(entries) > least
    assert all("--hash=sha256:" in entry for entry in entries)
    assert "://" not in text
    assert "--index-url" not in text


def test_every_command_a_page_names_exists(repository: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (repository / "Makefile").read_text(), re.M))
    commands = {one.name or one.callback.__name__ for one in app.registered_commands if one.callback}
    docs = repository / "docs"
    pages = [repository / "README.md", repository / "CONTRIBUTING.md", *docs.glob("*.md"), *docs.glob("runbooks/*.md")]
    text = "\n".join(page.read_text() for page in pages)
    named = set(re.findall(r"(?:^ {4}|`)make ([a-z-]+)", text, re.M))
    asked = set(re.findall(r"(?:^ {4}|`)(?:[A-Z_]+=\S+ )*loglake (?:--[a-z]+ \S+ )*([a-z]+(?:-[a-z]+)*)", text, re.M))
    assert named
    assert named <= targets
    assert asked == commands, "every command is named, and every one that is named exists"


def test_no_text_speaks_of_commands_as_variables_and_targets_of_make(repository: Path) -> None:
    """They were that once; each is a command of its own, with options."""
    targets = set(re.findall(r"^([a-z-]+):", (repository / "Makefile").read_text(), re.M))
    commands = {one.name or str(getattr(one.callback, "__name__", "")) for one in app.registered_commands}
    others = "|".join(sorted(commands - targets))
    left_over = re.compile(
        rf"`make (?:{others})\b|\bmake commands?\b"
        r"|(?<![\w$-])(?:APPLY|DAY|DIR|FROM|ID|KEEP|KEYS|LAKE|NAME|ON|OUT|REVIEWER|RUN|SESSION|SOURCE|SQL|TO|WHO)="
    )
    assert left_over.search("`make status`, with every make command, FROM=2026-11-01")
    listed = subprocess.run(["git", "ls-files"], cwd=repository, capture_output=True, text=True, check=True)
    texts = [
        repository / name for name in listed.stdout.split() if name.endswith((".md", ".py", ".toml", ".yaml", ".j2"))
    ]
    found = {
        str(path.relative_to(repository)): left_over.findall(path.read_text())
        for path in [*texts, repository / "Makefile"]
        if path.name != Path(__file__).name
    }
    assert {name: words for name, words in found.items() if words} == {}


def test_a_tool_that_only_the_environment_has_is_named_by_its_path(repository: Path) -> None:
    for page in (repository / "README.md", repository / "CONTRIBUTING.md", *(repository / "docs").rglob("*.md")):
        found = re.findall(r"(?:^ {4}|`)(?:dg|dagster|pytest|ruff|mypy) [a-z-]", page.read_text(), re.M)
        assert found == [], f"{page.name}: write .venv/bin/ before it, or the make target"


SETUP_PYTHON = """#!/usr/bin/env bash
[ "$1" = -c ] && exit 0
mkdir -p "$3/bin"
printf '#!/usr/bin/env bash\\nfor n in $(seq 45); do echo "Collecting p$n"; done; echo Installing them; exit %s\\n' \\
  "$PIP_ENDS" > "$3/bin/pip"
chmod +x "$3/bin/pip"
"""


@pytest.mark.fault(98, "make setup, with an installer that takes its time, or fails", "it says how far it is; it fails")
@pytest.mark.parametrize("code", ["0", "1"])
def test_setup_says_how_far_it_is(repository: Path, tmp_path: Path, code: str) -> None:
    python = tmp_path / "python"
    python.write_text(SETUP_PYTHON)
    python.chmod(0o755)
    outside_make = {name: value for name, value in os.environ.items() if name not in ("MAKEFLAGS", "MAKELEVEL")}
    done = subprocess.run(
        ["make", "setup", f"PYTHON={python}", f"VENV={tmp_path / 'venv'}"],
        cwd=repository,
        env={**outside_make, "PIP_ENDS": code},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode == 0) == (code == "0"), done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].endswith("1 of 3, a new environment")
    assert lines[2:5] == ["  20 are here", "  40 are here", "  all 45 are here, and being installed"]
    assert (tmp_path / "venv" / ".ready").exists() == (code == "0")


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md"])
def test_every_path_a_page_names_exists(repository: Path, page: str) -> None:
    text = (repository / page).read_text()
    paths = re.findall(r"`((?:loglake_assets|resources|glue_scripts|lambdas|infra|docs|tests)/[^`<]*)`", text)
    paths += re.findall(r"\]\(([^)]+)\)", text)
    assert paths
    assert [p for p in paths if not (repository / p).exists()] == []


def test_the_locks_pin_nothing_twice_over(repository: Path) -> None:
    texts = [(repository / lock).read_text() for lock in LOCKS]
    bench, everybody = (dict(re.findall(r"^([A-Za-z0-9._-]+)(?:\[[^]]*\])?==(\S+)", t, re.M)) for t in texts)
    assert {n: (v, everybody[n]) for n, v in bench.items() if everybody.get(n, v) != v} == {}, "make lock"


def test_the_fixed_top_level_is_there(repository: Path) -> None:
    for name in ("loglake_assets", "resources", "glue_scripts", "lambdas", "infra", "tests"):
        assert (repository / name).is_dir()
    for name in ("workspace.yaml", "pyproject.toml", "LICENSE", "Makefile", ".ci/run", "requirements.lock"):
        assert (repository / name).is_file()


@pytest.mark.long
@pytest.mark.parametrize(
    "command",
    [
        ["dagster", "definitions", "validate", "-w", "workspace.yaml"],
        ["dg", "check", "defs"],
        ["dg", "check", "yaml"],
    ],
    ids=" ".join,
)
def test_the_tools_load_the_project_from_its_root(repository: Path, command: list[str]) -> None:
    program = Path(sys.executable).parent / command[0]
    done = subprocess.run([program, *command[1:]], cwd=repository, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr

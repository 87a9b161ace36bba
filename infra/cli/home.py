"""Where the lake of this machine is kept, and how commands for it are typed. Imports nothing heavy."""

import os
import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
DEFAULT_HOME = REPOSITORY / ".loglake"
LAKES = "LOGLAKE_LAKES"
"""Names the folder of lake files, lakes/ of the repository without it."""


def lake_home() -> Path:
    """Where the local lake is kept: LOGLAKE_HOME, or .loglake/ in the repository."""
    return Path(os.environ.get("LOGLAKE_HOME") or DEFAULT_HOME).expanduser().resolve()


def home_text(home: Path) -> str:
    """A home as a person in the repository types it."""
    return str(home.relative_to(REPOSITORY) if home.is_relative_to(REPOSITORY) else home)


def local_program(home: Path) -> str:
    """How a command for the lake of a home begins."""
    return "loglake" if home == DEFAULT_HOME else f"loglake --home {shlex.quote(home_text(home))}"


def aws_home(name: str) -> Path:
    """Where this machine keeps what commands on a lake of AWS leave, such as the records of their runs."""
    return lakes_folder().parent / f".loglake-{name}"


def lakes_folder() -> Path:
    """The folder of the lakes' files: LOGLAKE_LAKES, or lakes/ in the repository."""
    return Path(os.environ.get(LAKES) or REPOSITORY / "lakes").expanduser().resolve()


def aws_program(name: str, profile: str | None = None) -> str:
    """How a command for a lake of AWS begins."""
    return f"loglake --lake {name}" + (f" --profile {shlex.quote(profile)}" if profile else "")


@contextmanager
def own_environment() -> Iterator[None]:
    """What a block changes in the environment of this process ends with it, and so do credentials found there."""
    before = dict(os.environ)
    _forget_credentials()
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
        _forget_credentials()


def _forget_credentials() -> None:
    """boto3 keeps for the process what it finds in the environment first; another lake has other credentials."""
    if boto3 := sys.modules.get("boto3"):
        boto3.DEFAULT_SESSION = None  # type: ignore[attr-defined]

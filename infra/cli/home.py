"""Where the lake of this machine is kept, and how commands for it are typed. Imports nothing heavy."""

import os
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
DEFAULT_HOME = REPOSITORY / ".loglake"


def lake_home() -> Path:
    """Where the local lake is kept: LOGLAKE_HOME, or .loglake/ in the repository."""
    return Path(os.environ.get("LOGLAKE_HOME") or DEFAULT_HOME).expanduser().resolve()


def home_text(home: Path) -> str:
    """A home as a person in the repository types it."""
    return str(home.relative_to(REPOSITORY) if home.is_relative_to(REPOSITORY) else home)


def local_program(home: Path) -> str:
    """How a command for the lake of a home begins."""
    return "loglake" if home == DEFAULT_HOME else f"loglake --home {shlex.quote(home_text(home))}"


@contextmanager
def own_environment() -> Iterator[None]:
    """What a block changes in the environment of this process ends with it."""
    before = dict(os.environ)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)

"""Commands of the local lake as a person gives them: real processes on a home."""

import os
import subprocess
import sys
from pathlib import Path

from infra.cli.home import REPOSITORY

PROGRAM = [sys.executable, "-m", "infra.cli.main"]


def environment(home: Path, **given: str) -> dict[str, str]:
    """What a person's shell has: nothing of a lake but its home and the engine."""
    ours = ("LOGLAKE_", "AWS_", "DAGSTER_")
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    kept = {name: os.environ[name] for name in ("LOGLAKE_SPARK_JAVA_OPTIONS",) if name in os.environ}
    return {**inherited, **kept, "LOGLAKE_HOME": str(home), "LOGLAKE_ENGINE": "local", **given}


def line_of_lake(home: Path) -> str:
    """The line on stderr by which a command says which lake it works on."""
    return f"lake loglake: {home}\n"


def command(home: Path, *arguments: str, **given: str) -> "subprocess.CompletedProcess[str]":
    """Run one command to its end; stdout and stderr apart, without the line that names the lake."""
    done = subprocess.run(
        [*PROGRAM, *arguments],
        cwd=REPOSITORY,
        env=environment(home, **given),
        capture_output=True,
        text=True,
        check=False,
    )
    done.stderr = done.stderr.removeprefix(line_of_lake(home))
    return done

"""Commands of the local lake as a person gives them: real processes on a home."""

import os
import subprocess
import sys
from pathlib import Path

from infra.cli.lake import REPOSITORY

PROGRAM = [sys.executable, "-m", "infra.cli"]


def environment(home: Path, **given: str) -> dict[str, str]:
    """What a person's shell has: nothing of a lake but its home and the engine."""
    ours = ("LOGLAKE_", "AWS_", "DAGSTER_")
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    kept = {name: os.environ[name] for name in ("LOGLAKE_SPARK_JAVA_OPTIONS",) if name in os.environ}
    return {**inherited, **kept, "LOGLAKE_HOME": str(home), "LOGLAKE_ENGINE": "light", **given}


def command(home: Path, *arguments: str, **given: str) -> "subprocess.CompletedProcess[str]":
    """Run one command to its end; stdout and stderr apart."""
    return subprocess.run(
        [*PROGRAM, *arguments],
        cwd=REPOSITORY,
        env=environment(home, **given),
        capture_output=True,
        text=True,
        check=False,
    )


def make(home: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run a target of the Makefile with the environment that is here already."""
    return subprocess.run(
        ["make", "-s", "READY=", *arguments],
        cwd=REPOSITORY,
        env={n: v for n, v in environment(home).items() if n != "LOGLAKE_HOME"},
        capture_output=True,
        text=True,
        check=False,
    )

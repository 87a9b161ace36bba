"""`loglake up` in a process of its own, and the API of its Dagster UI."""

import json
import os
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any

from infra.cli.home import REPOSITORY
from infra.emulator.processes import free_port
from tests.commands import PROGRAM, environment

BACKFILL = """
mutation($params: LaunchBackfillParams!) {
  launchPartitionBackfill(backfillParams: $params) {
    __typename
    ... on LaunchBackfillSuccess { backfillId }
    ... on PythonError { message }
  }
}"""
STATUS = """
query($id: String!) {
  partitionBackfillOrError(backfillId: $id) { ... on PartitionBackfill { status numPartitions } }
}"""


class Ui:
    """Dagster's GraphQL API of one running lake."""

    def __init__(self, port: int) -> None:
        self._url = f"http://127.0.0.1:{port}/graphql"

    def ask(self, query: str, **variables: Any) -> Any:
        body = json.dumps({"query": query, "variables": variables}).encode()
        request = urllib.request.Request(self._url, body, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=30) as answer:
            found = json.load(answer)
        assert "errors" not in found, found
        return found["data"]

    def answers(self) -> bool:
        try:
            return bool(self.ask("{ version }"))
        except OSError:
            return False


class RunningLake:
    """`loglake up` on a home of its own."""

    def __init__(self, home: Path) -> None:
        self.home, self.port = home, free_port()
        self.log = (home.parent / f"up-{self.port}.log").open("w")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "infra.cli.main", "up", "--port", str(self.port)],
            cwd=REPOSITORY,
            env={**os.environ, "LOGLAKE_HOME": str(home)},
            stdout=self.log,
            stderr=subprocess.STDOUT,
        )
        self.ui = Ui(self.port)

    def stop(self) -> int:
        self.process.send_signal(signal.SIGINT)
        code = self.process.wait(timeout=60)
        self.log.close()
        return code


def command(home: Path, *arguments: str, **given: str) -> "subprocess.CompletedProcess[str]":
    """Run one command to its end, with what it says on stderr in its stdout, as a terminal shows both."""
    return subprocess.run(
        [*PROGRAM, *arguments],
        cwd=REPOSITORY,
        env=environment(home, **given),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )

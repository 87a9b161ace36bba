"""What the fault tests share: microburst as a process between boto3 and the emulator, and clients that go through it.

What a fault is, and what must hold, is in the tests.
"""

import json
import os
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

from infra.cli.local_lake import REGION, LocalLake
from infra.emulator.processes import free_port
from loglake_assets.lake.lake import Lake
from resources.settings import LakeSettings
from tests.answer_proxy import rewriting_proxy
from tests.wait import until


class FaultProxy:
    """A running microburst. Rules are microburst's own: `service`, `operation`, `resource`, and what goes wrong."""

    def __init__(self, upstream: str, log: Path) -> None:
        self.url = f"http://127.0.0.1:{free_port()}"
        port = self.url.rpartition(":")[2]
        with log.open("wb") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "microburst", "--upstream", upstream, "--host", "127.0.0.1", "--port", port],
                stdout=output,
                stderr=output,
                env={**os.environ, "PYTHONWARNINGS": "ignore"},
            )
        until(self._is_up, 30)

    def break_it(self, *rules: dict[str, Any]) -> None:
        """From now on exactly these rules hold; none at all is a proxy that only passes on."""
        self._ask("rules", "POST", list(rules))
        self._ask("fired", "DELETE")

    def firings(self, operation: str) -> int:
        """How often a rule fired on an operation since the rules were set."""
        return sum(event["operation"] == operation for event in self._ask("fired?limit=2000"))

    def stop(self) -> None:
        self._process.kill()  # a clean stop would wait for the requests that it holds
        self._process.wait()

    def client(self, service: str, **config: Any) -> Any:
        """A client with botocore's defaults, as a job or a Lambda makes it."""
        session: Any = boto3.session.Session()
        return session.client(service, region_name=REGION, endpoint_url=self.url, config=Config(**config))

    def resource(self, lake: LocalLake) -> Lake:
        """The lake as assets get it, with this between."""
        named = lake.settings
        return Lake(LakeSettings(named.name, named.account, named.region, self.url))

    def _is_up(self) -> bool:
        assert self._process.poll() is None, "microburst ended; is it installed?"
        try:
            return bool(self._ask("health"))
        except OSError:
            return False

    def _ask(self, path: str, method: str = "GET", body: Any = None) -> Any:
        given = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.url}/_microburst/{path}", given, method=method)
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.load(answer)


@contextmanager
def fault_proxy(lake: LocalLake, folder: Path) -> Iterator[FaultProxy]:
    """microburst in front of a lake's endpoint, for as long as the block runs.

    It sends requests on under another host name than they are signed for, so they are signed again behind it.
    """
    with rewriting_proxy(lake.info.endpoint_url) as signing:
        proxy = FaultProxy(signing, folder / "microburst.log")
        try:
            yield proxy
        finally:
            proxy.stop()


def s3_error(operation: str, code: str, status: int = 503, **limits: Any) -> dict[str, Any]:
    """A rule: an operation of S3 is answered with an error, `times` or in a `sequence`."""
    return {"service": "s3", "operation": operation, "error": {"code": code, "status": status}, **limits}

"""A real Chromium, driven through its DevTools: pages are opened in it, and what a page may do is tried inside it."""

import http.client
import itertools
import json
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from websockets.sync.client import ClientConnection, connect

from tests.waiting import until

FLAGS = ("--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking")


class Page:
    """A page that is open in the browser."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection
        self._numbers = itertools.count(1)

    def evaluate(self, expression: str) -> Any:
        """What an expression gives in the page, once its promise is kept. A rejected one fails."""
        asked = {"expression": expression, "awaitPromise": True, "returnByValue": True, "userGesture": True}
        found = self._ask("Runtime.evaluate", asked)
        assert "exceptionDetails" not in found, found["exceptionDetails"]
        return found["result"].get("value")

    def _ask(self, method: str, parameters: dict[str, Any]) -> dict[str, Any]:
        number = next(self._numbers)
        self._connection.send(json.dumps({"id": number, "method": method, "params": parameters}))
        while True:
            message: dict[str, Any] = json.loads(self._connection.recv(timeout=60))
            if message.get("id") == number:
                assert "error" not in message, message
                found: dict[str, Any] = message["result"]
                return found


class Browser:
    """A running Chromium with a new profile."""

    def __init__(self, port: int) -> None:
        self._port = port

    @contextmanager
    def page(self, url: str) -> Iterator[Page]:
        """A page of this address, loaded; it is closed when the block ends."""
        target = self._ask("PUT", f"/json/new?{quote(url, safe='')}")
        with connect(target["webSocketDebuggerUrl"], max_size=None) as connection:
            page = Page(connection)
            until(
                lambda: (
                    page.evaluate(f"location.href.startsWith({json.dumps(url)}) && document.readyState") == "complete"
                )
            )
            yield page
        self._ask("GET", f"/json/close/{target['id']}")

    def _ask(self, method: str, path: str) -> Any:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=30)
        connection.request(method, path)
        text = connection.getresponse().read().decode()
        connection.close()
        return json.loads(text) if text.startswith(("{", "[")) else text


@contextmanager
def start_browser(profile: Path, *flags: str) -> Iterator[Browser]:
    """A Chromium for as long as the block runs; the test is skipped where there is none."""
    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if program is None:
        pytest.skip("no Chromium on PATH: what a web page may do was tried with made-up headers only")
    command = [program, *FLAGS, "--remote-debugging-port=0", f"--user-data-dir={profile}", *flags, "about:blank"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    try:
        ports = profile / "DevToolsActivePort"
        yield Browser(int(until(lambda: ports.exists() and ports.read_text().split(), 60)[0]))
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()

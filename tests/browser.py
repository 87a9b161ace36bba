"""A real Chromium, driven through its DevTools: pages are opened in it, and what a page may do is tried inside it."""

import base64
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

import pytest
from websockets.sync.client import ClientConnection, connect

from tests.wait import until

FLAGS = ("--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking")


class Page:
    """A page that is open in the browser."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection
        self._numbers = itertools.count(1)

    def open(self, url: str) -> None:
        """Go to this address; return once its document is loaded, wherever it led."""
        self.ask("Page.navigate", url=url)
        until(self._is_loaded)

    def evaluate(self, expression: str) -> Any:
        """What an expression gives in the page, once its promise is kept. A rejected one fails."""
        asked = {"expression": expression, "awaitPromise": True, "returnByValue": True, "userGesture": True}
        found = self.ask("Runtime.evaluate", **asked)
        assert "exceptionDetails" not in found, found["exceptionDetails"]
        return found["result"].get("value")

    @property
    def text(self) -> str:
        """What a person can read of the page, folded parts left out."""
        return str(self.evaluate("document.body.innerText"))

    def read(self, *words: str, seconds: float = 60) -> str:
        """The page's text, once all of these stand in it."""
        try:
            until(lambda: all(word in self.text for word in words), seconds, 0.2)
        except AssertionError as late:
            raise AssertionError(f"{words} are not all on the page, which says:\n{self.text}") from late
        return self.text

    def click(
        self, label: str, selector: str = "a, button, [role=tab]", seconds: float = 30, is_last: bool = False
    ) -> None:
        """Click with the mouse on the first element that a person sees under this label, or the last, once it acts."""
        find = f"({_POINT})({json.dumps(selector)}, {json.dumps(label)}, {json.dumps(is_last)})"
        x, y = until(lambda: self.evaluate(find), seconds, 0.2)
        for kind in ("mousePressed", "mouseReleased"):
            self.ask("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    def focus(self, selector: str) -> None:
        """Give the focus to the first element of a selector."""
        assert self.evaluate(f"!!document.querySelector({json.dumps(selector)})"), f"no {selector} on the page"
        self.evaluate(f"document.querySelector({json.dumps(selector)}).focus()")

    def type(self, text: str) -> None:
        """Type into what has the focus."""
        self.ask("Input.insertText", text=text)

    def press(self, key: str) -> None:
        """Press a key that has a name, such as Enter."""
        for kind in ("keyDown", "keyUp"):
            self.ask("Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=_KEYS[key])

    def picture(self, height: int | None = None) -> bytes:
        """The page as a PNG: what the window shows, or this many pixels of it from the top."""
        width = self.evaluate("innerWidth")
        area = {"clip": {"x": 0, "y": 0, "width": width, "height": height, "scale": 1}} if height else {}
        shot = self.ask("Page.captureScreenshot", format="png", captureBeyondViewport=bool(height), **area)
        return base64.b64decode(shot["data"])

    def ask(self, method: str, **parameters: Any) -> dict[str, Any]:
        """One command of the DevTools protocol, and its result."""
        message = self._exchange(method, parameters)
        assert "error" not in message, message
        found: dict[str, Any] = message["result"]
        return found

    def _is_loaded(self) -> bool:
        """False too while the old document is gone and the new one is not there."""
        state = "location.href != 'about:blank' && document.readyState"
        result = self._exchange("Runtime.evaluate", {"expression": state}).get("result", {})
        return bool(result.get("result", {}).get("value") == "complete")

    def _exchange(self, method: str, parameters: dict[str, Any]) -> dict[str, Any]:
        number = next(self._numbers)
        self._connection.send(json.dumps({"id": number, "method": method, "params": parameters}))
        while True:
            message: dict[str, Any] = json.loads(self._connection.recv(timeout=60))
            if message.get("id") == number:
                return message


_KEYS = {"Enter": 13, "Escape": 27}
_POINT = """(selector, label, isLast) => {
  const acts = one => one.checkVisibility({visibilityProperty: true}) && !one.disabled && one.ariaDisabled !== 'true';
  const named = [...document.querySelectorAll(selector)].filter(one => one.innerText?.trim() === label && acts(one));
  const shown = named.at(isLast ? -1 : 0);
  if (!shown) return null;
  shown.scrollIntoView({block: 'nearest', inline: 'nearest'});
  const {x, y, width, height} = shown.getBoundingClientRect();
  return [x + width / 2, y + height / 2];
}"""
"""The middle of the first visible element with a label, or of the last."""


class Browser:
    """A running Chromium with a new profile."""

    def __init__(self, port: int) -> None:
        self._port = port

    @contextmanager
    def page(self, url: str) -> Iterator[Page]:
        """A page of this address, loaded; it is closed when the block ends."""
        target = self._ask("PUT", "/json/new?about:blank")
        try:
            with connect(target["webSocketDebuggerUrl"], max_size=None) as connection:
                page = Page(connection)
                page.open(url)
                yield page
        finally:
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

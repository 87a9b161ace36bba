"""A loopback proxy that rewrites JSON answers of the emulator: states it never has, answers spoiled after the fact.

microburst answers instead of the endpoint, or damages what comes back; it does not change a word in an answer.
"""

import http.client
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

Change = Callable[[str, dict[str, Any]], tuple[int, dict[str, Any]]]
"""Called with the operation and the answer's body; gives the status and the body that the client gets."""


def _unchanged(operation: str, answer: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    return 200, answer


@contextmanager
def rewriting_proxy(upstream: str, change: Change = _unchanged, heads: str | None = None) -> Iterator[str]:
    """The URL of a proxy before `upstream` for as long as the block runs.

    HEAD requests go to `heads`: microburst loses the length that they ask for.
    """

    class Forwarding(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _forward(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            to = heads if heads and self.command == "HEAD" else upstream
            connection = http.client.HTTPConnection(urlsplit(to).netloc, timeout=600)
            connection.request(self.command, self.path, body, dict(self.headers))
            answer = connection.getresponse()
            status, content = answer.status, answer.read()
            operation = self.headers.get("X-Amz-Target", "").rpartition(".")[2]
            if operation and status == 200:
                status, changed = change(operation, json.loads(content))
                content = json.dumps(changed).encode()
            self.send_response(status)
            for name, value in answer.getheaders():
                if name.lower() not in {"content-length", "transfer-encoding", "connection"}:
                    self.send_header(name, value)
            length = answer.getheader("Content-Length") if self.command == "HEAD" else str(len(content))
            self.send_header("Content-Length", length or "0")
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(content)
            connection.close()

        do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = _forward

        def log_message(self, format: str, *arguments: Any) -> None:
            """Says nothing."""

    class Quiet(ThreadingHTTPServer):
        def handle_error(self, request: Any, client_address: Any) -> None:
            """A client that was killed is no error here."""

    server = Quiet(("127.0.0.1", 0), Forwarding)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()

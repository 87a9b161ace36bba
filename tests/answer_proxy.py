"""A loopback proxy that rewrites JSON answers of the emulator: states it never has, answers spoiled after the fact.

microburst answers instead of the endpoint, or damages what comes back; it does not change a word in an answer.

What goes through is signed again, with the credentials of the environment, for the host that it goes to: a signature
holds for one host only.
"""

import http.client
import json
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import boto3
from botocore.auth import S3SigV4Auth, SigV4Auth
from botocore.awsrequest import AWSRequest

Change = Callable[[str, dict[str, Any]], tuple[int, dict[str, Any]]]
"""Called with the operation and the answer's body; gives the status and the body that the client gets."""


OF_ONE_CONNECTION = {"host", "content-length", "transfer-encoding", "connection", "expect"}
OF_THE_SIGNATURE = {"authorization", "x-amz-date", "x-amz-security-token"}


def _no_change(operation: str, answer: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    return 200, answer


def sign_again(method: str, url: str, headers: Message, body: bytes) -> dict[str, str]:
    """The headers of a request that was signed for another host, for the host that it is sent to."""
    kept = {name: value for name, value in headers.items() if name.lower() not in OF_ONE_CONNECTION | OF_THE_SIGNATURE}
    scope = re.search(r"Credential=[^/]+/\d+/([^/]+)/([^/]+)/", headers.get("Authorization", ""))
    if scope is None:
        return kept
    region, service = scope.groups()
    signer: Any = S3SigV4Auth if service == "s3" else SigV4Auth
    address, _, query = url.partition("?")
    parameters = parse_qsl(
        query, keep_blank_values=True
    )  # signed as encoded anew: a proxy may have decoded parts of it
    request: Any = AWSRequest(method, address, kept, body, params=dict(parameters))
    request.context["payload_signing_enabled"] = True
    signer(boto3.session.Session().get_credentials(), service, region).add_auth(request)
    return dict(request.headers)


@contextmanager
def rewriting_proxy(upstream: str, change: Change = _no_change, heads: str | None = None) -> Iterator[str]:
    """The URL of a proxy before `upstream` for as long as the block runs.

    HEAD requests go to `heads`: microburst loses the length that they ask for.
    """

    class Forwarding(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _body(self) -> bytes:
            if "chunked" not in self.headers.get("Transfer-Encoding", ""):
                return self.rfile.read(int(self.headers.get("Content-Length") or 0))
            parts = []
            while size := int(self.rfile.readline(), 16):
                parts.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            return b"".join(parts)

        def _forward(self) -> None:
            body = self._body()
            to = heads if heads and self.command == "HEAD" else upstream
            connection = http.client.HTTPConnection(urlsplit(to).netloc, timeout=600)
            headers = sign_again(self.command, f"{to}{self.path}", self.headers, body)
            connection.request(self.command, self.path, body, headers)
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

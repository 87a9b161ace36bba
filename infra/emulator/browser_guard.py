"""What a web page in somebody's browser sends to a server of this machine, known by its headers.

A browser lets any page send requests to 127.0.0.1. A page on a name that its owner points at 127.0.0.1 (DNS rebinding)
sends that name as Host; other pages are known by Origin and Sec-Fetch-Site, which no page can change or leave out.
Both servers of a local lake, the emulator (stack_guard.py) and the UI (ui.py), ask here before anything else.
"""

from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any

HOST_NAMES = ("127.0.0.1", "localhost", "[::1]")

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]
Headers = Iterable[tuple[bytes, bytes]]


def own_hosts(port: int) -> frozenset[str]:
    """The values of Host that name a server of this machine on `port`."""
    return frozenset(f"{name}:{port}" for name in HOST_NAMES) | (frozenset(HOST_NAMES) if port == 80 else frozenset())


def header_values(headers: Headers, name: str) -> list[str]:
    """Every value of a header, in order."""
    wanted = name.encode()
    return [value.decode("latin-1") for key, value in headers if key.lower() == wanted]


def host_refusal(headers: Headers, hosts: frozenset[str]) -> str | None:
    """Why a request is refused that was sent to another host name; None where its Host is one of `hosts`."""
    given = header_values(headers, "host")
    if len(given) == 1 and given[0].lower() in hosts:
        return None
    return (
        f"This server answers only on {', '.join(sorted(hosts))}, and the request names another host. "
        "Trying it again does not help; use one of these addresses (S3 clients: path style, not bucket.host)."
    )


def origin_refusal(headers: Headers, origins: frozenset[str] = frozenset(), navigation: bool = False) -> str | None:
    """Why a request of a web page is refused; None for pages of `origins` and for what is not a browser's.

    `navigation` lets a link on another page open a page here in a window of its own, which that page cannot read.
    """
    site = (header_values(headers, "sec-fetch-site") or ["none"])[-1]
    opened = navigation and "document" in header_values(headers, "sec-fetch-dest")
    from_elsewhere = site not in {"none", "same-origin"} and not opened
    if from_elsewhere or any(origin not in origins for origin in header_values(headers, "origin")):
        return "Web pages of another origin may not use this server. Nothing was done; trying it again does not help."
    return None


async def send_refusal(scope: Message, send: Send, status: int, content_type: str, body: bytes) -> None:
    """Answer a request with a refusal; a WebSocket is closed before it opens, which its client sees as status 403."""
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1008})
        return
    headers = [
        (b"content-type", content_type.encode()),
        (b"content-length", str(len(body)).encode()),
        (b"x-content-type-options", b"nosniff"),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})


async def send_sentence(scope: Message, send: Send, status: int, sentence: str) -> None:
    """A refusal that is one plain sentence."""
    await send_refusal(scope, send, status, "text/plain; charset=utf-8", sentence.encode())

"""The Dagster UI of a local lake, behind a guard.

    python -m infra.cli.dagster_ui dev <options of `dagster dev`>

Dagster's webserver takes GraphQL from any web page, mutations by GET included: an image's address launches a run. It
runs here with UiGuard in the same process, so that no second port leads past it. What `dagster dev` starts as webserver
is exchanged for the guarded one; where the command is not the one that is known here, nothing starts.
"""

import sys
from collections.abc import Sequence
from typing import Any

from infra.emulator.browser_guard import (
    App,
    Message,
    Receive,
    Send,
    host_refusal,
    origin_refusal,
    own_hosts,
    send_sentence,
)

FRAME_HEADERS = (
    (b"x-frame-options", b"DENY"),
    (b"content-security-policy", b"frame-ancestors 'none'"),
    (b"x-content-type-options", b"nosniff"),
    (b"cross-origin-resource-policy", b"same-origin"),
)
_WEBSERVER = ["-m", "dagster_webserver"]
_DAEMON = ["-m", "dagster._daemon"]
_GUARDED_WEBSERVER = ["-m", "infra.cli.dagster_ui", "webserver"]


class UiError(RuntimeError):
    """The UI cannot be started behind its guard; the message says why and what to do."""


class UiGuard:
    """An ASGI application before Dagster's webserver: its own pages get through, and clients that are no browser."""

    def __init__(self, app: App) -> None:
        self._app = app

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        refusal = None if scope["type"] == "lifespan" else _refusal(scope)
        if refusal:
            await send_sentence(scope, send, *refusal)
        else:
            await self._app(scope, receive, _without_frames(send))


def _refusal(scope: Message) -> tuple[int, str] | None:
    headers, hosts = scope["headers"], own_hosts(scope["server"][1])
    is_get = scope["type"] == "http" and scope["method"] in {"GET", "HEAD"}
    is_graphql = scope["path"].rstrip("/").endswith("/graphql")
    origins = frozenset(f"http://{host}" for host in hosts if host.encode() == dict(headers).get(b"host", b"").lower())
    refusal = host_refusal(headers, hosts) or origin_refusal(headers, origins, navigation=is_get and not is_graphql)
    if refusal:
        return 403, refusal
    if is_get and is_graphql:
        return 405, "GraphQL is answered by POST only: a GET may be sent by any web page. Send the query in a POST."
    return None


def _without_frames(send: Send) -> Send:
    """`send`, which tells the browser to show no page of the UI inside another page, and to guess no content type."""

    async def send_without_frames(message: Message) -> None:
        if message["type"] == "http.response.start":
            kept = [pair for pair in message.get("headers", []) if not pair[0].lower().startswith(b"access-control-")]
            present = {name.lower() for name, _ in kept} - {b"content-security-policy"}
            added = [pair for pair in FRAME_HEADERS if pair[0] not in present]
            message = {**message, "headers": kept + added}
        await send(message)

    return send_without_frames


def guard_command(command: Sequence[str]) -> list[str]:
    """A command of `dagster dev` with its webserver behind the guard. Raises UiError for one that is not known."""
    module, rest = list(command[1:3]), list(command[3:])
    if module == _WEBSERVER:
        return [command[0], *_GUARDED_WEBSERVER, *rest]
    if module == _DAEMON:
        return list(command)
    raise UiError(
        f"`dagster dev` starts {' '.join(module)}, which this lake does not know, and the UI would stand open to every "
        "web page. Nothing was started. Install Dagster as requirements.lock has it: make setup"
    )


def run_dev(arguments: Sequence[str]) -> None:
    """`dagster dev`, with the webserver behind the guard."""
    from dagster._cli import dev

    names: dict[str, Any] = vars(dev)
    start = names["open_ipc_subprocess"]

    def start_with_guard(command: Sequence[str], **options: Any) -> Any:
        return start(guard_command(command), **options)

    names["open_ipc_subprocess"] = start_with_guard
    try:
        dev.dev_command(args=list(arguments), prog_name="dagster dev")
    except UiError as reason:
        sys.exit(str(reason))


def run_webserver(arguments: Sequence[str]) -> None:
    """Dagster's webserver, with the guard before its application."""
    from dagster_webserver import cli

    names: dict[str, Any] = vars(cli)
    create = names["create_app_from_workspace_process_context"]

    def create_with_guard(*positional: Any, **named: Any) -> UiGuard:
        return UiGuard(create(*positional, **named))

    names["create_app_from_workspace_process_context"] = create_with_guard
    cli.dagster_webserver(args=list(arguments), prog_name="dagster-webserver")


if __name__ == "__main__":
    {"dev": run_dev, "webserver": run_webserver}[sys.argv[1]](sys.argv[2:])

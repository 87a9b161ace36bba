"""The local stack: one process, one port of 127.0.0.1, one home directory.

    python -m infra.emulator.stack --home .loglake --port 4566

It serves ministack (S3, SQS, Lambda, Glue, CloudFormation, IAM and more) with what it fakes made real by
replacements.py, and only to those who hold its credentials (stack_guard.py), which are new at each start and kept in
the home's stack.json. ministack reads its environment while it is imported, so nothing here imports it before the
environment is set. Starting it from Python, and finding one that runs, is in processes.py.
"""

import argparse
import asyncio
import fcntl
import logging
import os
import signal
import socket
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING

from infra.emulator.browser_guard import App, Message, Receive, Send
from infra.emulator.credentials import new_credentials
from infra.emulator.processes import StackInfo, is_healthy, make_private, process_start, write_stack_info

if TYPE_CHECKING:
    from infra.emulator.replacements import Replacements

CANNOT_START = 2
CHILDREN_GRACE_SECONDS = 1.5
STOP_SECONDS = 4.5
"""A stop that takes longer is cut short after one more snapshot."""

logger = logging.getLogger("loglake.stack")


class CannotStart(Exception):
    """The stack cannot start as asked; the message is a sentence for the person who asked."""


@dataclass(frozen=True)
class Options:
    home: Path
    port: int
    auth: bool
    glue_minute_seconds: float


def main(arguments: list[str] | None = None) -> int:
    options = _options(arguments)
    try:
        _make_home(options.home)
        with _lock(options.home):
            listener = _listener(options.port)
            _set_environment(options)
            _serve(options, listener)
    except CannotStart as reason:
        print(reason, file=sys.stderr)
        return CANNOT_START
    return 0


def _options(arguments: list[str] | None) -> Options:
    parser = argparse.ArgumentParser(prog="python -m infra.emulator.stack", description="Serve AWS on this machine.")
    parser.add_argument("--home", type=Path, required=True, help="directory of everything the stack keeps")
    parser.add_argument("--port", type=int, required=True, help="TCP port of 127.0.0.1")
    parser.add_argument("--auth", action="store_true", help="enforce IAM policies")
    parser.add_argument(
        "--glue-minute-seconds", type=float, default=60.0, help="how long a minute of a job's Timeout lasts (for tests)"
    )
    given = parser.parse_args(arguments)
    return Options(given.home.resolve(), given.port, given.auth, given.glue_minute_seconds)


def _make_home(home: Path) -> None:
    try:
        make_private(home)
        for name in ("state", "s3", "runs", "tmp"):
            (home / name).mkdir(parents=True, exist_ok=True)
            if not os.access(home / name, os.W_OK | os.X_OK):
                raise PermissionError(13, "Permission denied", str(home / name))
    except OSError as error:
        raise CannotStart(
            f"The home {home} of the local stack cannot be written: {error}. Give another --home or change its owner."
        ) from error


def _lock(home: Path) -> IO[str]:
    """Held as long as the process lives; the operating system lets go of it however the process ends."""
    held = (home / "lock").open("w")
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        held.close()
        raise CannotStart(
            f"Another stack already serves the home {home} (see {home / 'stack.json'}). Use it, stop it, or give "
            f"another --home."
        ) from error
    return held


def _listener(port: int) -> socket.socket:
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(("127.0.0.1", port))
    except (OSError, OverflowError) as error:
        listener.close()
        raise CannotStart(
            f"The local stack cannot listen on 127.0.0.1:{port}: {error}. Free the port or give another --port."
        ) from error
    return listener


def _set_environment(options: Options) -> None:
    """What ministack and its Lambda workers read. Real AWS credentials of the person are kept away from both.

    ministack takes the credentials of its own environment for those of the account's root; here they are the stack's.
    """
    region = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or "us-east-1"
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        del os.environ[name]
    home = options.home
    key, secret = new_credentials()
    os.environ.update(
        AUTH="true" if options.auth else "false",
        AWS_ACCESS_KEY_ID=key,
        AWS_SECRET_ACCESS_KEY=secret,
        AWS_DEFAULT_REGION=region,
        AWS_EC2_METADATA_DISABLED="true",
        AWS_REGION=region,
        BIND_HOST="127.0.0.1",
        DOCKER_HOST=f"unix://{home / 'no-docker.sock'}",  # ministack removes containers it takes for its own
        GATEWAY_PORT=str(options.port),
        IOT_MTLS_ENABLED="0",
        LAMBDA_EXECUTOR="local",
        MINISTACK_REGION=region,
        PERSIST_STATE="1",
        S3_DATA_DIR=str(home / "s3"),
        S3_PERSIST="1",
        SFTP_ENABLED="0",
        STATE_DIR=str(home / "state"),
        TMPDIR=str(home / "tmp"),
    )


def _serve(options: Options, listener: socket.socket) -> None:
    from ministack import app as ministack_app
    from ministack.core import hypercorn_compat

    from infra.emulator.replacements import ReplacementError, install_replacements
    from infra.emulator.stack_guard import StackGuard

    try:
        parts = install_replacements(options.home, f"http://127.0.0.1:{options.port}", options.glue_minute_seconds)
    except ReplacementError as error:
        raise CannotStart(str(error)) from error
    hypercorn_compat.install()
    try:
        app = StackGuard(_recover_from(ministack_app.app, parts), options.port)
        asyncio.run(_serve_until_signal(options, listener, parts, app))
    finally:
        (options.home / "stack.json").unlink(missing_ok=True)
        parts.snapshots.take()
    logger.info("The stack of %s has stopped.", options.home)


async def _serve_until_signal(options: Options, listener: socket.socket, parts: "Replacements", app: App) -> None:
    from hypercorn.asyncio import serve
    from hypercorn.config import Config

    signalled = asyncio.Event()
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):  # set, so that an ignored SIGINT of a background shell counts too
        loop.add_signal_handler(number, signalled.set)
    config = Config()
    config.bind = [f"fd://{listener.detach()}"]
    config.keep_alive_timeout = 75
    config.graceful_timeout = 1
    config.errorlog = "-"
    announcing = asyncio.create_task(_announce(options))
    stopping = asyncio.create_task(_stop_when(signalled, stopped, options, parts))
    try:
        await serve(app, config, shutdown_trigger=stopped.wait)  # type: ignore[arg-type]
    finally:
        announcing.cancel()
        stopping.cancel()


async def _announce(options: Options) -> None:
    """Write stack.json once the port answers."""
    while not await asyncio.to_thread(is_healthy, options.port):
        await asyncio.sleep(0.05)
    known = os.environ["AWS_ACCESS_KEY_ID"], os.environ["AWS_SECRET_ACCESS_KEY"]
    info = StackInfo(os.getpid(), options.port, process_start(os.getpid()) or "", *known)
    write_stack_info(options.home, info)
    logger.info("The stack of %s is ready on %s.", options.home, info.endpoint_url)


async def _stop_when(signalled: asyncio.Event, stopped: asyncio.Event, options: Options, parts: "Replacements") -> None:
    await signalled.wait()
    threading.Thread(target=_stop_at_last, args=(options, parts), daemon=True).start()
    parts.snapshots.stop()
    await asyncio.to_thread(parts.runs.end_all, CHILDREN_GRACE_SECONDS)
    stopped.set()


def _stop_at_last(options: Options, parts: "Replacements") -> None:
    time.sleep(STOP_SECONDS)
    logger.error("Requests still go after %.1f s; the stack of %s stops without them.", STOP_SECONDS, options.home)
    parts.snapshots.take()
    (options.home / "stack.json").unlink(missing_ok=True)
    os._exit(0)


def _recover_from(app: App, parts: "Replacements") -> App:
    """`app`, which after loading its state and before its first request recovers what an earlier stack left."""

    async def recover_first(scope: Message, receive: Receive, send: Send) -> None:
        async def send_after_recovery(message: Message) -> None:
            if message["type"] == "lifespan.startup.complete":
                await asyncio.to_thread(_recover, parts)
            await send(message)

        await app(scope, receive, send_after_recovery if scope["type"] == "lifespan" else send)

    return recover_first


def _recover(parts: "Replacements") -> None:
    parts.runs.recover()
    count = parts.invocations.replay()
    if count:
        logger.info("%d invocations of an earlier stack are delivered again.", count)
    parts.snapshots.start()


if __name__ == "__main__":
    sys.exit(main())

"""The emulator's state on disk about once a second, because ministack writes it only when it is stopped cleanly.

Order is what makes a snapshot safe to fall back to. Queues are serialized first and written last: a message that the
snapshot no longer holds was consumed before the catalog was serialized, so what it caused is there; one that it still
holds is delivered again. Only then are the finished invocations forgotten. The worst a kill can do is repeat something.
"""

import hashlib
import json
import logging
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ministack import app
from ministack.core import persistence

from infra.emulator.invocations import Journal

INTERVAL_SECONDS = 1.0
COST_SHARE = 20
"""A snapshot may take a twentieth of the time: one that costs 0.2 s is taken every 4 s."""
ATTEMPTS = 10

logger = logging.getLogger("loglake.snapshots")


class Snapshots:
    """Takes snapshots in a thread of its own until stopped; `take` takes one now."""

    def __init__(self, directory: Path, journal: Journal) -> None:
        self._directory, self._journal = directory, journal
        self._written: dict[str, bytes] = {}
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._loop, daemon=True, name="snapshots")

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()

    def take(self) -> None:
        """Write each service whose state differs from what its file holds."""
        with self._lock:
            finished = self._journal.finished_ids()
            states = app._build_persistence_save_dict()
            texts = {name: _serialize(name, states[name]) for name in sorted(states, key=lambda name: name != "sqs")}
            for name in reversed(texts):
                self._write(name, texts[name])
            if finished:
                self._journal.forget(finished)

    def _write(self, name: str, text: str | None) -> None:
        if text is None:
            return
        digest = hashlib.blake2b(text.encode()).digest()
        if self._written.get(name) == digest:
            return
        scratch = self._directory / f"{name}.json.snapshot"
        scratch.write_text(text)
        os.replace(scratch, self._directory / f"{name}.json")
        self._written[name] = digest

    def _loop(self) -> None:
        pause = INTERVAL_SECONDS
        while not self._stopping.wait(pause):
            began = time.monotonic()
            try:
                self.take()
            except Exception:
                logger.exception("A state snapshot failed and is tried again; a kill falls back to the one before.")
            pause = max(INTERVAL_SECONDS, COST_SHARE * (time.monotonic() - began))


def _serialize(name: str, get_state: Callable[[], Any]) -> str | None:
    """The state as ministack's own files hold it, or None when there is none. Retried when it changes meanwhile."""
    for attempt in range(ATTEMPTS):
        try:
            state = get_state()
            if state is None:
                return None
            version = persistence._state_format_version(name)
            return json.dumps({"__ministack_format__": version, "payload": state}, default=persistence._json_default)
        except RuntimeError:  # dictionary changed size during iteration
            if attempt == ATTEMPTS - 1:
                raise
            time.sleep(0.01)
    return None

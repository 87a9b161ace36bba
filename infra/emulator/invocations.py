"""Asynchronous invocations of Lambdas, bounded and durable, in place of ministack's one thread an event.

ministack starts a thread (and soon an interpreter) for every event and gives an event up after three throttled tries;
a burst of 40 objects took 16 s and 1.35 GB, and 303 of 500 events were lost. Here a function has a queue and at most
three threads, a throttled event waits until it passes, and each event stands in a journal from before S3 answers its
PutObject until a state snapshot holds what the event caused. So a killed stack loses none; it may repeat some, as S3
itself may.
"""

import contextvars
import heapq
import itertools
import json
import logging
import sqlite3
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ministack.core.responses import request_scope
from ministack.services import lambda_svc

THREADS_A_FUNCTION = 3
FIRST_PAUSE_SECONDS = 0.25
LONGEST_PAUSE_SECONDS = 1.0
DEFAULT_RETRIES = 2
DEFAULT_EVENT_AGE_SECONDS = 21600

logger = logging.getLogger("loglake.invocations")


class Journal:
    """Events that were accepted and whose effect no snapshot holds yet. One sqlite file; threads may share it.

    synchronous=OFF: written pages outlive a killed process, and power loss is not the fault this is for.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = threading.Lock()
        self._database = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._database.execute("PRAGMA journal_mode=WAL")
        self._database.execute("PRAGMA synchronous=OFF")
        self._database.execute(
            "CREATE TABLE IF NOT EXISTS invocation (id INTEGER PRIMARY KEY AUTOINCREMENT, function TEXT, event TEXT)"
        )
        self._done: list[int] = []

    def append(self, function: str, event: dict[str, Any]) -> int:
        with self._lock:
            cursor = self._database.execute(
                "INSERT INTO invocation (function, event) VALUES (?, ?)", (function, json.dumps(event))
            )
            return int(cursor.lastrowid or 0)

    def finish(self, number: int) -> None:
        with self._lock:
            self._done.append(number)

    def finished_ids(self) -> list[int]:
        """What has ended by now; given to `forget` once a snapshot that began after this call is on disk."""
        with self._lock:
            return list(self._done)

    def forget(self, numbers: list[int]) -> None:
        with self._lock:
            self._database.execute("BEGIN")
            self._database.executemany("DELETE FROM invocation WHERE id = ?", ((number,) for number in numbers))
            self._database.execute("COMMIT")
            del self._done[: len(numbers)]

    def queue(self) -> list[tuple[int, str, dict[str, Any]]]:
        with self._lock:
            rows = self._database.execute("SELECT id, function, event FROM invocation ORDER BY id").fetchall()
        return [(number, function, json.loads(event)) for number, function, event in rows]


@dataclass(order=True)
class _Invocation:
    due: float
    order: int
    number: int = field(compare=False)
    event: dict[str, Any] = field(compare=False)
    context: contextvars.Context = field(compare=False)
    began: float = field(compare=False, default_factory=time.monotonic)
    failures: int = field(compare=False, default=0)
    pauses: int = field(compare=False, default=0)


class Invocations:
    """The queues of all functions. `invoke` is what ministack calls; `replay` is called once its state is loaded."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._lock = threading.Lock()
        self._queues: dict[str, _FunctionQueue] = {}

    def invoke(self, function: dict[str, Any], event: dict[str, Any]) -> None:
        arn = str((function.get("config") or function)["FunctionArn"])
        self._queue(arn).put(self._journal.append(arn, event), event)

    def replay(self) -> int:
        """Queue what an earlier stack had accepted and not finished; returns how many events."""
        pending = self._journal.queue()
        for number, arn, event in pending:
            self._queue(arn).put(number, event)
        return len(pending)

    def _queue(self, arn: str) -> "_FunctionQueue":
        with self._lock:
            return self._queues.setdefault(arn, _FunctionQueue(arn, self._journal))


class _FunctionQueue:
    def __init__(self, arn: str, journal: Journal) -> None:
        self._arn, self._journal = arn, journal
        self._changed = threading.Condition()
        self._waiting: list[_Invocation] = []
        self._order = itertools.count()
        self._threads = self._idle = 0

    def put(self, number: int, event: dict[str, Any]) -> None:
        self._add(_Invocation(time.monotonic(), next(self._order), number, event, contextvars.copy_context()))

    def _add(self, invocation: _Invocation) -> None:
        with self._changed:
            heapq.heappush(self._waiting, invocation)
            if len(self._waiting) > self._idle and self._threads < THREADS_A_FUNCTION:
                self._threads += 1
                threading.Thread(target=self._work, daemon=True, name=f"invoke-{self._arn[-40:]}").start()
            self._changed.notify()

    def _work(self) -> None:
        while True:
            invocation = self._next()
            try:
                again = invocation.context.run(self._attempt, invocation)
            except Exception:
                logger.exception("An invocation of %s could not be attempted; it is tried again.", self._arn)
                again = _backoff(invocation)
            if again is None:
                self._journal.finish(invocation.number)
            else:
                invocation.due = time.monotonic() + again
                self._add(invocation)

    def _next(self) -> _Invocation:
        with self._changed:
            self._idle += 1
            while not self._waiting or self._waiting[0].due > time.monotonic():
                self._changed.wait(self._waiting[0].due - time.monotonic() if self._waiting else None)
            self._idle -= 1
            return heapq.heappop(self._waiting)

    def _attempt(self, invocation: _Invocation) -> float | None:
        """Invoke once. Returns the seconds until the next try, or None when the event is done with."""
        account, region = self._arn.split(":")[4], self._arn.split(":")[3]
        with request_scope(account, region):
            record, config, name = lambda_svc._get_func_record_for_ref(self._arn)
            if not record or not config:
                logger.error("The function %s no longer exists; an event for it stays in the journal.", self._arn)
                return _backoff(invocation, most=60.0)
            function = lambda_svc._execution_record_for_config(record, config)
            result = lambda_svc._execute_function(function, invocation.event)
            while result.get("throttle"):  # keeps its thread, so that a full function is not asked for every event
                time.sleep(_backoff(invocation))
                result = lambda_svc._execute_function(function, invocation.event)
            if result.get("log"):
                logger.info("Lambda %s, asynchronous:\n%s", name, result["log"])
            return self._after_failure(invocation, function, name, result) if result.get("error") else None

    def _after_failure(
        self, invocation: _Invocation, function: dict[str, Any], name: str, result: dict[str, Any]
    ) -> float | None:
        """ministack's own rules: MaximumRetryAttempts with growing pauses, MaximumEventAge, then the destination."""
        rules = _event_invoke_config(function)
        retries = rules.get("MaximumRetryAttempts")
        delay = min(
            lambda_svc._LAMBDA_ASYNC_RETRY_BASE_SECONDS * 2**invocation.failures,
            lambda_svc._LAMBDA_ASYNC_RETRY_MAX_SECONDS,
        )
        invocation.failures += 1
        age = time.monotonic() - invocation.began + delay
        aged = age > int(rules.get("MaximumEventAgeInSeconds", DEFAULT_EVENT_AGE_SECONDS))
        if not aged and invocation.failures <= int(DEFAULT_RETRIES if retries is None else retries):
            return float(delay)
        target = _failure_destination(rules, function["config"])
        if target:
            lambda_svc._route_async_failure(target, name, invocation.event, result)
        went = target or "nowhere"
        logger.error("Lambda %s failed %d times on an event; it went to %s.", name, invocation.failures, went)
        return None


def _backoff(invocation: _Invocation, most: float = LONGEST_PAUSE_SECONDS) -> float:
    invocation.pauses += 1
    return min(FIRST_PAUSE_SECONDS * 2.0 ** min(invocation.pauses - 1, 10), most)


def _event_invoke_config(function: dict[str, Any]) -> dict[str, Any]:
    config: dict[str, Any] | None = function.get("event_invoke_config")
    return config or (function.get("event_invoke_configs") or {}).get("$LATEST") or {}


def _failure_destination(rules: dict[str, Any], config: dict[str, Any]) -> str:
    on_failure = (rules.get("DestinationConfig") or {}).get("OnFailure") or {}
    return str(on_failure.get("Destination") or (config.get("DeadLetterConfig") or {}).get("TargetArn") or "")

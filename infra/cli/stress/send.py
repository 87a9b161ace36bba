"""Putting objects at a set rate, open loop: each is due at its moment, whatever became of those before it.

A closed loop would wait for a slow answer and so hide the very slowness it is to find. What is sent late is sent all
the same, and its lateness kept.
"""

import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from infra.cli.stress.plan import Offer
from infra.cli.stress.results import Put

SENDERS = 32
AHEAD_SECONDS = 0.2


def stress_client(endpoint_url: str, region: str) -> Any:
    """An S3 client that never tries again by itself, so that every refusal is seen."""
    import boto3
    from botocore.config import Config

    config = Config(max_pool_connections=SENDERS, retries={"total_max_attempts": 1}, read_timeout=30)
    session: Any = boto3.session.Session()
    return session.client("s3", endpoint_url=endpoint_url, region_name=region, config=config)


class Sender:
    """A step's objects on their way, from a thread of its own. `puts` grows as they are answered."""

    def __init__(
        self, put_object: Callable[[str, bytes], Any], offered: Iterable[Offer], rate: float, senders: int = SENDERS
    ) -> None:
        self._put_object, self._offered, self._rate = put_object, list(offered), rate
        self._pool = ThreadPoolExecutor(senders, "stress")
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._send, daemon=True, name="stress-due")
        self.puts: list[Put] = []
        self.began = time.time() + AHEAD_SECONDS

    @property
    def count(self) -> int:
        return len(self._offered)

    @property
    def is_done(self) -> bool:
        return not self._thread.is_alive()

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Send nothing more, and wait for what is on its way."""
        self._stopping.set()
        if self._thread.ident is not None:
            self._thread.join()
        self._pool.shutdown(cancel_futures=True)

    def _send(self) -> None:
        sent: list[Future[None]] = []
        for number, offered in enumerate(self._offered):
            due = self.began + number / self._rate
            if self._stopping.wait(max(0.0, due - time.time())):
                return
            sent.append(self._pool.submit(self._put, offered, due))
        while not self._stopping.is_set() and not all(future.done() for future in sent):
            time.sleep(0.02)

    def _put(self, offered: Offer, due: float) -> None:
        started, answered, error = time.time(), None, ""
        try:
            self._put_object(offered.key, offered.body)
            answered = time.time()
        except Exception as refusal:  # whatever it is, it is a put that failed, and is counted
            error = type(refusal).__name__
        put = Put(offered.values, offered.key, offered.events, offered.is_new, due, started, answered, error)
        self.puts.append(put)

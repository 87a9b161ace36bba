"""How the job tells of itself: lines on stdout, and Dagster Pipes messages when an orchestrator opened a session.

A line on stdout begins with the run's own id: among what Spark prints there it is known by it as the job's own word.
"""

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

Report = Callable[[str, dict[str, Any]], None]
"""Called with a sentence for people and its numbers for machines. Counts, keys and ids only, never log content."""

_PIPES_CONTEXT, _RUN_ID = "--dagster-pipes-context", "--run_id"


@contextlib.contextmanager
def reporter(argv: Sequence[str]) -> Iterator[Report]:
    """A Report for this run: over Pipes when `argv` carries a session, else to stdout alone."""
    own = argv[argv.index(_RUN_ID) + 1] if _RUN_ID in argv[:-1] else "no run"
    if _PIPES_CONTEXT not in argv:
        yield lambda text, numbers: print(f"{own}: {text}", flush=True)
        return
    with _pipes_session() as pipes:

        def report(text: str, numbers: dict[str, Any]) -> None:
            print(f"{own}: {text}", flush=True)
            pipes.log.info(text)  # arrives while the job runs; custom messages only at its end

        yield report


@contextlib.contextmanager
def _pipes_session() -> Iterator[Any]:
    import boto3
    from dagster_pipes import PipesCliArgsParamsLoader, PipesS3MessageWriter, open_dagster_pipes

    with open_dagster_pipes(
        params_loader=PipesCliArgsParamsLoader(),  # type: ignore[no-untyped-call]  # dagster-pipes is half typed
        message_writer=PipesS3MessageWriter(client=boto3.client("s3")),
    ) as pipes:
        yield pipes


class Progress:
    """Tells of long work at most every `every_seconds`: how much of how much, and the rate; of none nothing."""

    def __init__(self, report: Report, what: str, total: int, every_seconds: float = 5.0) -> None:
        self._report, self._what, self._total, self._every = report, what, total, every_seconds
        self._started = self._told = time.monotonic()

    def at(self, done: int) -> None:
        """Note that `done` of the total are through."""
        now = time.monotonic()
        if not done or now - self._told < self._every:
            return
        self._told = now
        rate = done / max(now - self._started, 1e-9)
        self._report(f"{self._what}: {done:,} of {self._total:,}, {rate:,.0f} a second", {"done": done})

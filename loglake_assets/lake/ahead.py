"""Work done ahead of its reader, bounded: so many items in flight, results in order. Standard library only."""

import itertools
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def results_in_order(function: Callable[[Item], Result], items: Iterable[Item], in_flight: int) -> Iterator[Result]:
    """`function` of each item, in order, at most `in_flight` of them begun or waiting to be taken.

    `ThreadPoolExecutor.map` begins them all at once, and finished results then pile up behind a slower reader.
    """
    waiting = iter(items)
    with ThreadPoolExecutor(in_flight) as pool:
        begun: deque[Future[Result]] = deque(pool.submit(function, i) for i in itertools.islice(waiting, in_flight))
        while begun:
            result = begun.popleft().result()
            begun.extend(pool.submit(function, i) for i in itertools.islice(waiting, 1))
            yield result

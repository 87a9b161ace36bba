"""Work done ahead of its reader, bounded: so many items in flight, results in order. Standard library only."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def results_in_order(
    function: Callable[[Item], Result],
    items: Iterable[Item],
    in_flight: int,
    weight: Callable[[Item], int] = lambda item: 0,
    heaviest: int = 0,
) -> Iterator[Result]:
    """`function` of each item, in order, at most `in_flight` of them begun or waiting to be taken.

    Together they weigh at most `heaviest`, by `weight`; an item that is heavier is worked on alone.
    `ThreadPoolExecutor.map` begins them all at once, and finished results then pile up behind a slower reader.
    """
    waiting = iter(items)
    due = next(waiting, None)
    begun: deque[tuple[Future[Result], int]] = deque()
    with ThreadPoolExecutor(in_flight) as pool:
        while begun or due is not None:
            load = sum(own for _, own in begun)
            while due is not None and len(begun) < in_flight and (not begun or load + weight(due) <= heaviest):
                begun.append((pool.submit(function, due), weight(due)))
                load += weight(due)
                due = next(waiting, None)
            future, _ = begun[0]
            result = future.result()
            begun.popleft()
            yield result

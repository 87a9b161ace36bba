"""A sample that is spread over time: the newest, the oldest, and some drawn between. Standard library only."""

import hashlib
import heapq
from collections.abc import Callable, Iterable
from itertools import islice
from typing import TypeVar

T = TypeVar("T")

_BATCH = 10_000  # objects looked at together: a day of a large log has millions, and few of them need be kept


def spread(items: Iterable[T], count: int, seed: str, age: Callable[[T], float], name: Callable[[T], str]) -> list[T]:
    """At most `count` of the items by age: a third the newest, a third the oldest, the rest drawn from all of them.

    The same items and seed give the same sample; another seed draws others. Memory grows with `count` only. `age` grows
    with time, and `name` tells items apart.
    """
    third = count // 3

    def draw_order(item: T) -> bytes:
        return hashlib.sha256(f"{seed}/{name(item)}".encode()).digest()

    newest: list[T] = []
    oldest: list[T] = []
    drawn: list[T] = []
    remaining = iter(items)
    while batch := list(islice(remaining, _BATCH)):
        newest = heapq.nlargest(third, [*newest, *batch], key=age)
        oldest = heapq.nsmallest(third, [*oldest, *batch], key=age)
        drawn = heapq.nsmallest(count, [*drawn, *batch], key=draw_order)
    sample = {name(item): item for item in (*newest, *oldest, *drawn)}  # in this order, each once
    return sorted(islice(sample.values(), count), key=age)

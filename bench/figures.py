"""Medians, spreads and ratios of what was measured. Pure; nothing here measures."""

import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Figure:
    """A median with the lowest and highest of what it is the median of, and how many those were."""

    median: float
    lowest: float
    highest: float
    count: int
    unit: str

    def document(self) -> dict[str, Any]:
        """As results.json holds it."""
        rounded = {name: float(f"{value:.4g}") for name, value in asdict(self).items() if isinstance(value, float)}
        return {**asdict(self), **rounded}


def figure(values: Sequence[float], unit: str) -> Figure:
    """Raises ValueError where there is no value."""
    if not values:
        raise ValueError("nothing was measured")
    return Figure(float(statistics.median(values)), float(min(values)), float(max(values)), len(values), unit)


def ratio(above: Sequence[float], below: Sequence[float]) -> Figure:
    """Round by round, so that a slow minute of the machine meets both: the n-th of one over the n-th of the other."""
    return figure([a / b for a, b in zip(above, below, strict=True)], "times")


def per_million(values: Sequence[float], events: int, unit: str) -> Figure:
    return figure([value / events * 1e6 for value in values], f"{unit} a million events")


def slope(small: Sequence[float], large: Sequence[float], small_events: int, large_events: int, unit: str) -> Figure:
    """What a million more events take, session and warm-up apart: the difference of two sizes."""
    step = (large_events - small_events) / 1e6
    return figure([(b - a) / step for a, b in zip(small, large, strict=True)], f"{unit} a million more events")


def growth_exponent(points: Sequence[tuple[float, float]]) -> float:
    """p of y ~ x^p between the first and the last point. 1 is linear, 0 is flat. Raises ValueError for one point."""
    import math

    (x0, y0), (x1, y1) = points[0], points[-1]
    if x0 == x1:
        raise ValueError("growth needs two different sizes")
    return math.log(y1 / y0) / math.log(x1 / x0)

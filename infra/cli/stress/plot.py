"""A run as one SVG, written by hand: depths above, latency of each new partition below, over time, step by step."""

from collections.abc import Iterable, Sequence
from html import escape

from infra.cli.stress.results import Bounds, Step, failures

WIDTH, HEIGHT, LEFT, RIGHT = 1000, 230, 70, 20
GAP = 60
QUEUED, UNSENT, LATENCY = "#1f6fb4", "#c2571a", "#3a7d44"
Point = tuple[float, float]


def plot(title: str, steps: Sequence[Step], bounds: Bounds) -> str:
    """The SVG's text. Seconds count from the first object due; a step that gave is shaded."""
    began = steps[0].puts[0].due
    ends = [depth.time - began for step in steps for depth in step.depths]
    panels = (
        _Panel(
            40,
            max(ends, default=1.0),
            "messages in the queue (blue); new prefixes not yet in it (orange)",
            [
                (QUEUED, [(d.time - began, float(d.queued)) for s in steps for d in s.depths]),
                (UNSENT, [(d.time - began, float(d.backlog)) for s in steps for d in s.depths]),
            ],
            is_line=True,
        ),
        _Panel(
            40 + HEIGHT + GAP,
            max(ends, default=1.0),
            "seconds from an answered put to its partition, by when it was answered",
            [(LATENCY, [(at - began, seconds) for s in steps for at, seconds in s.latencies])],
            is_line=False,
        ),
    )
    height = 2 * HEIGHT + 2 * GAP + 40
    body = [line for panel in panels for line in (*_shades(panel, steps, began, bounds), *panel.lines())]
    return "\n".join(
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" '
            'font-family="sans-serif" font-size="12">',
            f'<rect width="{WIDTH}" height="{height}" fill="white"/>',
            _text(LEFT, 20, title, "start", 14),
            *body,
            "</svg>\n",
        )
    )


class _Panel:
    """Axes and series. Both scales begin at 0."""

    def __init__(
        self, top: float, seconds: float, heading: str, series: list[tuple[str, list[Point]]], is_line: bool
    ) -> None:
        self.top, self._seconds, self._heading = top, max(seconds, 1.0), heading
        self._series, self._is_line = series, is_line
        self._most = _round_up(max((y for _, points in series for _, y in points), default=0.0))

    def x(self, seconds: float) -> float:
        return LEFT + min(seconds, self._seconds) / self._seconds * (WIDTH - LEFT - RIGHT)

    def y(self, value: float) -> float:
        return self.top + HEIGHT - value / self._most * HEIGHT

    def lines(self) -> Iterable[str]:
        yield _text(LEFT, self.top - 6, self._heading, "start")
        for part in (0.0, 0.25, 0.5, 0.75, 1.0):
            y = self.y(self._most * part)
            yield f'<path d="M{LEFT} {y:.1f}H{WIDTH - RIGHT}" stroke="#ddd"/>'
            yield _text(LEFT - 6, y + 4, f"{self._most * part:,g}", "end")
            yield _text(
                self.x(self._seconds * part), self.top + HEIGHT + 16, f"{self._seconds * part:,.0f} s", "middle"
            )
        for color, points in self._series:
            yield from self._draw(color, points)

    def _draw(self, color: str, points: list[Point]) -> Iterable[str]:
        if self._is_line and points:
            joined = " ".join(f"{self.x(x):.1f},{self.y(y):.1f}" for x, y in points)
            yield f'<polyline points="{joined}" fill="none" stroke="{color}" stroke-width="1.5"/>'
            return
        for x, y in points:
            yield f'<circle cx="{self.x(x):.1f}" cy="{self.y(y):.1f}" r="1.5" fill="{color}" fill-opacity="0.6"/>'


def _shades(panel: _Panel, steps: Sequence[Step], began: float, bounds: Bounds) -> Iterable[str]:
    """A band for each step, from its first object due to the end of its sending, with its rate on it."""
    for step in steps:
        left = panel.x(step.puts[0].due - began)
        right = panel.x(step.puts[0].due - began + step.span_seconds)
        fill = "#fbe3e0" if failures(step, bounds) else "#eef4ea"
        yield f'<rect x="{left:.1f}" y="{panel.top}" width="{right - left:.1f}" height="{HEIGHT}" fill="{fill}"/>'
        yield _text((left + right) / 2, panel.top + 14, f"{step.rate:,.0f}/s", "middle")


def _round_up(value: float) -> float:
    """The next of 1, 2, 4, 8 times a power of ten, so that quarters of it are short numbers."""
    scale = 0.01
    while True:
        for factor in (1, 2, 4, 8):
            if value <= factor * scale:
                return factor * scale
        scale *= 10


def _text(x: float, y: float, text: str, anchor: str, size: int = 12) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}">{escape(text)}</text>'

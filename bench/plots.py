"""Growth as one SVG, written by hand: CPU and wall of our job against one measure a panel, and what linear would be."""

from collections.abc import Iterable, Sequence
from html import escape

WIDTH, HEIGHT, LEFT, TOP, GAP = 400, 200, 60, 50, 70
CPU, WALL, LINEAR = "#1f6fb4", "#c2571a", "#999"
Point = tuple[float, float]


def growth_plot(title: str, axes: dict[str, list[dict[str, float]]]) -> str:
    """The SVG's text; two panels a row, scales from 0. `axes` is what results.json holds as growth."""
    rows = (len(axes) + 1) // 2
    width, height = 2 * (WIDTH + LEFT) + 30, TOP + rows * (HEIGHT + GAP)
    panels = []
    for number, (axis, points) in enumerate(axes.items()):
        left, top = LEFT + number % 2 * (WIDTH + LEFT), TOP + number // 2 * (HEIGHT + GAP)
        panels += list(_panel(axis, points, left, top))
    return "\n".join(
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
            'font-family="sans-serif" font-size="12">',
            f'<rect width="{width}" height="{height}" fill="white"/>',
            _text(
                LEFT, 18, f"{title}: CPU seconds (blue), wall seconds (orange), linear from the first (grey)", "start"
            ),
            *panels,
            "</svg>\n",
        )
    )


def _panel(axis: str, points: Sequence[dict[str, float]], left: float, top: float) -> Iterable[str]:
    series = {
        CPU: [(p["x"], p["cpu_seconds"]) for p in points],
        WALL: [(p["x"], p["wall_seconds"]) for p in points],
    }
    most_x = max(p["x"] for p in points)
    most_y = _round_up(max(y for line in series.values() for _, y in line))
    first = series[CPU][0]

    def at(point: Point) -> Point:
        return left + point[0] / most_x * (WIDTH - 20), top + HEIGHT - min(point[1], most_y) / most_y * HEIGHT

    yield _text(left, top - 8, axis, "start")
    for part in (0.0, 0.5, 1.0):
        y = top + HEIGHT * (1 - part)
        yield f'<path d="M{left} {y:.1f}h{WIDTH - 20}" stroke="#ddd"/>'
        yield _text(left - 6, y + 4, f"{most_y * part:,g}", "end")
        yield _text(left + (WIDTH - 20) * part, top + HEIGHT + 16, f"{most_x * part:,.0f}", "middle")
    end = min(most_x, most_y / (first[1] / first[0]))
    yield _line([at((0, 0)), at((end, first[1] / first[0] * end))], LINEAR, ' stroke-dasharray="4 4"')
    for color, line in series.items():
        yield _line([at(point) for point in line], color, "")
        yield from (f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{color}"/>' for x, y in map(at, line))


def _line(points: Sequence[Point], color: str, more: str) -> str:
    joined = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    return f'<polyline points="{joined}" fill="none" stroke="{color}" stroke-width="1.5"{more}/>'


def _round_up(value: float) -> float:
    """The next of 1, 2, 5 times a power of ten."""
    scale = 0.01
    while True:
        for factor in (1, 2, 5):
            if value <= factor * scale:
                return factor * scale
        scale *= 10


def _text(x: float, y: float, text: str, anchor: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'

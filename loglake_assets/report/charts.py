"""Pictures of the report: Vega-Lite draws them as SVG that runs no program, in the page's colours, light and dark."""

import re
from collections.abc import Mapping
from typing import Any

from markupsafe import Markup

from loglake_assets.report.figures import NOTHING_DELIVERED, OPEN, UNBUILT, LogFigures
from loglake_assets.report.report_words import state_words

WHOLE, PARTLY, BROKEN, WAITING, QUIET, NOTHING = KINDS = (
    "complete",
    "not whole",
    "damaged",
    "not built or not checked",
    "no events, or still open",
    "nothing delivered",
)
"""What a square of the heat map says, in the order of the legend."""
_KIND_OF_WORD = {
    "complete": WHOLE,
    **dict.fromkeys(("incomplete", "surplus", "repeated", "differing", "raw_gone"), PARTLY),
    **dict.fromkeys(("damaged", "unplaced", "unregistered"), BROKEN),
    **dict.fromkeys((UNBUILT, "stale", "unchecked", "rolled_back"), WAITING),
    **dict.fromkeys(("empty", "excluded", OPEN), QUIET),
    NOTHING_DELIVERED: NOTHING,
}
# Placeholders that the drawing carries and the page's style gives a colour to.
_COLOURS = {
    WHOLE: ("#010101", "var(--whole)"),
    PARTLY: ("#020202", "var(--partly)"),
    BROKEN: ("#030303", "var(--broken)"),
    WAITING: ("#040404", "var(--waiting)"),
    QUIET: ("#050505", "var(--quiet)"),
    NOTHING: ("#060606", "var(--nothing)"),
}
_INK = ("#070707", "var(--soft)")
_WEEKS_OF_A_NAME = 2  # as wide as a month's name is drawn
_SAID = re.compile(r' aria-label="(\d{4}-\d\d[-:][^"]*)" role="graphics-symbol" aria-roledescription="[^"]*"([^>]*?)/>')
_WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


_STANDING = {
    "var(--whole)": "#2e8b57",
    "var(--partly)": "#d99a20",
    "var(--broken)": "#c4303a",
    "var(--waiting)": "#6d87b5",
    "var(--quiet)": "#9aa6b5",
    "var(--nothing)": "#8884",
    "var(--soft)": "#7a8290",
}


def inline_colours(svg: str) -> str:
    """A picture with colours of its own, for where the page's style is not."""
    for variable, colour in _STANDING.items():
        svg = svg.replace(variable, colour)
    return svg


def kind_of(state: str) -> str:
    """What a day's state means for a reader of the heat map: the gravest of its words."""
    kinds = [_KIND_OF_WORD.get(word, PARTLY) for word in state.split(", ")]
    return max(kinds, key=(WHOLE, NOTHING, QUIET, WAITING, PARTLY, BROKEN).index)


def heat_map(log: LogFigures, legend: bool = True) -> Markup:
    """A calendar of squares, a column a week: each day by what it is. Nothing where there are no days."""
    days = log.days
    if not days:
        return Markup()
    monday = days[0].day.toordinal() - days[0].day.weekday()
    weeks = [(figure.day.toordinal() - monday) // 7 for figure in days]
    rows = [
        {
            "week": week,
            "weekday": _WEEKDAYS[figure.day.weekday()],
            "kind": kind_of(figure.state),
            "said": f"{figure.day}: {state_words(figure.state)}"
            + (f", {figure.pct:.4f} %" if figure.pct is not None else ""),
        }
        for week, figure in zip(weeks, days, strict=True)
    ]
    begins = [
        (week, f"{figure.day:%b}")
        for week, figure in zip(weeks, days, strict=True)
        if figure.day.day == 1 or figure is days[0]
    ]
    # The first month may be of a few days: its name then ends where the next one's begins.
    is_crowded = len(begins) > 1 and begins[1][0] - begins[0][0] < _WEEKS_OF_A_NAME
    months = [
        {"week": week, "month": month, "align": "right" if is_crowded and n == 0 else "left"}
        for n, (week, month) in enumerate(begins)
    ]
    x = {
        "field": "week",
        "type": "ordinal",
        "axis": None,
        "scale": {"domain": list(range(weeks[-1] + 1)), "paddingInner": 0.15},
    }
    y = {
        "field": "weekday",
        "type": "ordinal",
        "sort": list(_WEEKDAYS),
        "title": None,
        "scale": {"domain": list(_WEEKDAYS), "paddingInner": 0.15},
    }
    colour = {
        "field": "kind",
        "type": "nominal",
        "scale": {"domain": list(KINDS), "range": [_COLOURS[kind][0] for kind in KINDS]},
        "legend": {
            "orient": "bottom",
            "title": None,
            "columns": 3,
            "columnPadding": 48,
            "symbolType": "square",
            "labelLimit": 240,
        }
        if legend
        else None,
    }
    squares = {
        "data": {"values": rows},
        "mark": {"type": "rect", "cornerRadius": 2},
        "encoding": {"x": x, "y": y, "color": colour, "description": {"field": "said", "type": "nominal"}},
    }
    labels = {
        "data": {"values": months},
        "mark": {
            **{"type": "text", "align": {"expr": "datum.align"}, "baseline": "bottom", "dy": -4},
            "dx": {"expr": "datum.align == 'right' ? -11 : -6"},
            **{"color": _INK[0], "fontSize": 11},
        },
        "encoding": {"x": x, "y": {"value": 0}, "text": {"field": "month", "type": "nominal"}},
    }
    title = f"{log.title}: each day by how whole it is"
    return _svg({"layer": [squares, labels], "width": {"step": 15}, "height": {"step": 15}}, title)


def monthly_bars(values: Mapping[str, float], title: str, unit: str) -> Markup:
    """A bar a month. Nothing where no month has any."""
    if not any(values.values()):
        return Markup()
    rows = [
        {"month": month, "value": value, "said": f"{month}: {value:,.6g} {unit}"} for month, value in values.items()
    ]
    month = {"field": "month", "type": "ordinal", "title": None, "axis": {"labelAngle": 0, "labelOverlap": True}}
    value = {
        "field": "value",
        "type": "quantitative",
        "title": unit,
        "axis": {"format": "~s" if max(values.values()) >= 10 else "~f", "tickCount": 3},
    }
    bars = {
        "data": {"values": rows},
        "mark": {"type": "bar", "color": _COLOURS[WHOLE][0]},
        "encoding": {"x": month, "y": value, "description": {"field": "said", "type": "nominal"}},
        "width": {"step": 28},
        "height": 90,
    }
    return _svg(bars, title)


def _svg(chart: Mapping[str, Any], title: str) -> Markup:
    """The chart as an SVG element that scales with the page. `title` is ours: no log's text stands in a picture."""
    import vl_convert

    config = {
        "background": None,
        "padding": {"left": 5, "top": 5, "bottom": 5, "right": 30},  # a browser's letters may be wider than Vega's
        "view": {"stroke": None},
        "axis": {"labelColor": _INK[0], "titleColor": _INK[0], "domain": False, "ticks": False, "grid": False},
        "legend": {"labelColor": _INK[0]},
        "font": "system-ui, sans-serif",
    }
    svg: str = vl_convert.vegalite_to_svg({**chart, "config": config})
    for placeholder, colour in (*_COLOURS.values(), _INK):
        svg = svg.replace(f'"{placeholder}"', f'"{colour}"')
    # What Vega says of a mark, browsers show to nobody: as its title it is what a mouse finds there.
    svg = _SAID.sub(r"\2><title>\1</title></path>", svg)
    size = re.search(r'width="(\d+)" height="(\d+)"', svg)
    assert size, "Vega gives every picture its size"
    width, height = size.groups()
    head = f'<svg role="img" aria-label="{title}" xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}"'
    style = f' class="chart" width="{width}" height="{height}">'
    return Markup(head + style + svg.partition(">")[2])

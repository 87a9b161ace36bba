"""Values on a page for people: whatever acts or cannot be seen is written out, and times and amounts read well."""

import base64
import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from loglake_assets.reviews.terminal_sequences import SEQUENCE, is_hidden
from loglake_assets.sources.words import round_down

_UNUSUAL = re.compile(f"({SEQUENCE.pattern}|[^\x20-\x7e])")
_NOTATIONS = {"\x1b": r"\e", "\r": r"\r", "\n": r"\n", "\t": r"\t", "\b": r"\b", "\a": r"\a"}


def notation(text: str) -> str:
    """`text` with every character that acts or cannot be seen written out."""
    return "".join(_NOTATIONS.get(c, f"\\u{{{ord(c):x}}}") if is_hidden(c) else c for c in text)


def text_for_page(value: Any) -> Any:
    """What the page shows for a value, whatever it holds: text is inert and what is hidden in it stands out."""
    if value is None:
        return Markup('<span class="none">not known</span>')
    if isinstance(value, Markup) or not isinstance(value, str):
        return value
    return Markup("".join(_pieces(value)))  # each piece is escaped


def _pieces(text: str) -> Iterator[str]:
    for position, piece in enumerate(_UNUSUAL.split(text)):
        if position % 2 and is_hidden(piece[0]):
            kind = "ctl tab" if piece == "\t" else "ctl"
            yield f'<span class="{kind}">{escape(notation(piece))}</span>'
        else:
            yield str(escape(piece))


def plain(value: Any) -> Markup:
    """For a title, an attribute or a text field, where no element can stand."""
    return escape("" if value is None else notation(str(value)))


def moment(value: str | None) -> str | None:
    """2026-11-01T10:00:00Z as 2026-11-01 10:00:00 UTC; anything else as it is."""
    found = re.fullmatch(r"([0-9]{4}-[0-9]{2}-[0-9]{2})T([0-9:.]+)Z", value or "")
    return f"{found[1]} {found[2]} UTC" if found else value


def iso(moment: datetime | None) -> str | None:
    """A time as a page's JSON twin has it: UTC, with Z."""
    if moment is None:
        return None
    spec = "milliseconds" if moment.microsecond else "seconds"
    return moment.astimezone(UTC).isoformat(timespec=spec).replace("+00:00", "Z")


def twin_json(document: Mapping[str, Any]) -> str:
    """The twin as text: ASCII, so that nothing in it acts on a terminal, and stable, so that two can be compared."""
    return json.dumps(document, ensure_ascii=True, indent=2, sort_keys=True, allow_nan=False) + "\n"


def duration(seconds: float) -> str:
    """For people: 1 h 2 min, 3 min 4 s, 5 s."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    parts = [(hours, "h"), (minutes, "min"), (rest, "s")]
    return " ".join(f"{count:,} {unit}" for count, unit in parts if count) or "0 s"


def duration_text(milliseconds: int) -> str:
    """As a duration; below a second in milliseconds."""
    return f"{milliseconds:,} ms" if milliseconds < 1_000 else duration(milliseconds / 1_000)


def percentage(pct: float | None) -> str | None:
    """Rounded down, so that 100 % means all."""
    return None if pct is None else f"{round_down(pct):g} %"


def style_source(style: str) -> Markup:
    """A style's digest, as a page's Content-Security-Policy names the one style that it has."""
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    return Markup(f"'sha256-{digest}'")


def page_environment(package: str) -> Environment:
    """Templates of a package's own folder and of this one, where every printed value passes `text_for_page`."""
    pages = Environment(
        loader=ChoiceLoader([PackageLoader(package, ""), PackageLoader("loglake_assets.reviews", "")]),
        autoescape=True,
        finalize=text_for_page,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    pages.filters |= {"plain": plain, "moment": moment, "percentage": percentage, "style_source": style_source}
    pages.filters |= {"grouped": "{:,}".format}
    return pages

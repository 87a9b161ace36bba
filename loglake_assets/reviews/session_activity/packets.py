"""A review packet: one session as one HTML file that opens without any service, and its JSON twin.

The packet is made from the twin alone and reads nothing else. Every text in it may have been chosen by the reviewed
person, so the page has no script, loads nothing, and writes whatever acts or cannot be seen as `\\e[0m` or `\\u{202e}`.
"""

import hashlib
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, Template

from loglake_assets.reviews.inputs import day_lacks
from loglake_assets.reviews.page_text import duration, moment, page_environment, twin_json
from loglake_assets.reviews.secret_masks import KINDS
from loglake_assets.reviews.session_activity.flags import FLAGS
from loglake_assets.reviews.session_activity.states import STATES, State
from loglake_assets.reviews.session_activity.verdicts import VERDICTS


@dataclass(frozen=True)
class FlagRuns:
    """One flag and the runs of lines (first, last, whether the first is on the page) that raised it."""

    name: str
    meaning: str
    count: int
    runs: tuple[tuple[int, int, bool], ...]


def packet_html(document: Mapping[str, Any]) -> str:
    """The page of one session, from its JSON twin. Raises `jinja2.UndefinedError` where the document lacks a field."""
    numbers = set(_numbers_on_page(document))
    marks: dict[int, list[str]] = defaultdict(list)
    for flag in document["flags"]:
        if flag["flag"] not in marks[flag["line"]]:
            marks[flag["line"]].append(flag["flag"])
    return _page("packet.html.j2").render(
        document=document,
        session=document["session"],
        state=_state(document["session"]["state"]),
        missing=[sentence for sentence in _missing_names(document) if sentence not in document.get("incomplete", ())],
        days=[(day, bool(day_lacks(day))) for day in document["coverage"]],
        masked=_masks(document, numbers),
        flagged=_flags(document["flags"], numbers),
        marks=marks,
        timeline=_timeline(document),
        verdicts=VERDICTS,
        chosen=document["verdict"]["verdict"],
    )


def index_html(entries: Sequence[Mapping[str, Any]], title: str, incomplete: Sequence[str] = ()) -> str:
    """A page that leads to several packets, what to look at first at its top.

    An entry holds a twin's `session`, `flag_count`, and `href` beside it.
    `incomplete`: a sentence for each day and log of which not all is in the packets.
    """
    rows = [
        (e["session"], _state(e["session"]["state"]), _relative(e["href"]), e["flag_count"])
        for e in sorted(entries, key=_reading_order)
    ]
    counts = Counter(state.label for _, state, _, _ in rows)
    return _page("index.html.j2").render(rows=rows, page_title=title, counts=counts, incomplete=incomplete)


def _reading_order(entry: Mapping[str, Any]) -> tuple[int, bool, int, str]:
    """By state as `STATES` ranks them, then by flagged lines, then by time; a session without a time comes last."""
    session = entry["session"]
    started = str(session["started"] or "")
    return _state(session["state"]).rank, not started, -entry["flag_count"], started


def write_packets(
    folder: Path, documents: Iterable[Mapping[str, Any]], title: str, incomplete: Sequence[str] = ()
) -> list[Path]:
    """Writes `<key>.html` and `<key>.json` of each document, then `index.html`; returns the paths in that order.

    Writing again replaces. A name in the folder that is a link is replaced, not followed.
    """
    folder.mkdir(parents=True, exist_ok=True)
    taken = {"index"}
    entries, paths, sentences = [], [], dict.fromkeys(incomplete)
    for document in documents:
        sentences |= dict.fromkeys(document.get("incomplete", ()))
        name = file_name(str(document["session"]["key"]), taken)
        paths.append(_write_text(folder / f"{name}.html", packet_html(document)))
        paths.append(_write_text(folder / f"{name}.json", twin_json(document)))
        count = len({flag["line"] for flag in document["flags"]})
        entries.append({"session": document["session"], "href": f"{name}.html", "flag_count": count})
    return [*paths, _write_text(folder / "index.html", index_html(entries, title, list(sentences)))]


def _write_text(path: Path, text: str) -> Path:
    path.unlink(missing_ok=True)
    with path.open("x", encoding="utf-8", newline="\n") as file:
        file.write(text)
    return path


def file_name(key: str, taken: set[str]) -> str:
    """A name of [A-Za-z0-9._-] that is not in `taken`, whatever the case; a key that had to change carries its hash."""
    stem = re.sub(r"[^A-Za-z0-9._-]+", "_", key).lstrip(".-")[:100]
    if not stem or stem != key:
        stem = f"{stem or 'session'}-{hashlib.sha256(key.encode(errors='surrogatepass')).hexdigest()[:12]}"
    name, number = stem, 1
    while name.lower() in taken:
        number += 1
        name = f"{stem}-{number}"
    taken.add(name.lower())
    return name


def _relative(href: str) -> str | None:
    """The link if it leads to a file below this page, else None: no scheme, no host, no way up."""
    return href if re.fullmatch(r"(?:[\w-][\w.-]*/)*[\w-][\w.-]*\.html", href, re.ASCII) else None


def _state(name: str) -> State:
    unknown = "This packet does not know the session's state. Treat the session as not recorded."
    return STATES.get(name) or State(str(name), "?", "bad", 0, unknown, "The session's state is not known.")


def _missing_names(document: Mapping[str, Any]) -> Iterator[str]:
    """A sentence for each thing that may be missing. None at all means that all was measured and all was there."""
    session = document["session"]
    if lacks := _state(session["state"]).lacks:
        yield lacks
    if not document["coverage"]:
        yield "No day was measured for this packet, so nobody can say what it lacks."
    for day in document["coverage"]:
        yield from day_lacks(day)
    for gap in document["gaps"]:
        between = f"between {moment(gap['after'])} and {moment(gap['before'])}"
        yield (
            f"No keystrokes for {duration(gap['seconds'])}, {between}. "
            "Nothing may have been typed, or a part of the recording is not here."
        )
    lines = len(set(_numbers_on_page(document)))
    if lines < (session["transcript_lines"] or 0):
        yield f"The transcript has {session['transcript_lines']:,} lines; this packet shows {lines:,} of them."
    if document["api_calls_not_shown"]:
        yield f"API calls that are not shown in this packet: {document['api_calls_not_shown']:,}."


@dataclass(frozen=True)
class MaskSummary:
    """What the page says of masks: how many of which kind, and where they stand."""

    count: int
    kinds: tuple[tuple[str, int], ...]
    lines: tuple[tuple[int, int, bool], ...]
    fields: tuple[str, ...]


def _masks(document: Mapping[str, Any], shown_numbers: set[int]) -> MaskSummary | None:
    """None where nothing was masked because nobody was to mask. A packet of before has no masks at all."""
    found = document.get("masked", {"is_masked": False})
    if not found["is_masked"]:
        return None
    places = found["places"]
    lines = runs(place["line"] for place in places if "line" in place)
    return MaskSummary(
        len(places),
        tuple((KINDS.get(kind, kind), count) for kind, count in found["counts"].items()),
        tuple((first, last, first in shown_numbers) for first, last in lines),
        tuple(sorted({place["field"] for place in places if "field" in place})),
    )


def _timeline(document: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The entries in time order, those without a time last; a keystroke block gets (number, text, anchored) lines.

    A line cut in two by the log stands in two blocks under one number; only the first can be the anchor.
    """
    entries = []
    anchored: set[int] = set()
    for entry in sorted(document["timeline"], key=lambda e: (e["time"] is None, str(e["time"]).rstrip("Z"))):
        numbered = []
        for number, line in enumerate(entry.get("lines", ()), entry.get("first_line", 1)):
            numbered.append((number, line, number not in anchored))
            anchored.add(number)
        entries.append({**entry, "numbered": numbered})
    return entries


def _numbers_on_page(document: Mapping[str, Any]) -> Iterator[int]:
    for entry in document["timeline"]:
        if entry["kind"] == "keystrokes":
            yield from range(entry["first_line"], entry["first_line"] + len(entry["lines"]))


def _flags(flags: Iterable[Mapping[str, Any]], shown_numbers: set[int]) -> list[FlagRuns]:
    """What to look at first, in the order of `FLAGS`; a name that is not there comes last."""
    lines: dict[str, set[int]] = defaultdict(set)
    for flag in flags:
        lines[flag["flag"]].add(flag["line"])
    order = [*(name for name in FLAGS if name in lines), *(name for name in lines if name not in FLAGS)]
    return [
        FlagRuns(
            name,
            FLAGS.get(name, "A flag that this packet does not know."),
            len(lines[name]),
            tuple((first, last, first in shown_numbers) for first, last in runs(lines[name])),
        )
        for name in order
    ]


def runs(numbers: Iterable[int]) -> list[tuple[int, int]]:
    """Numbers as runs: 1, 2, 3, 7 is (1, 3), (7, 7)."""
    found: list[tuple[int, int]] = []
    for number in sorted(set(numbers)):
        if found and number == found[-1][1] + 1:
            found[-1] = (found[-1][0], number)
        else:
            found.append((number, number))
    return found


def _duration(session: Mapping[str, Any]) -> str | None:
    try:
        seconds = datetime.fromisoformat(session["ended"]) - datetime.fromisoformat(session["started"])
    except (TypeError, ValueError):
        return None
    return duration(seconds.total_seconds()) if seconds.total_seconds() >= 0 else None


def shortest_name(session: Mapping[str, Any]) -> str | None:
    """The shortest name of a person that the session has; the whole identity stands beside it on the page."""
    arn = session["useridentity_arn"]
    return session["useridentity_sourceidentity"] or (arn.rsplit("/", 1)[-1] if arn else None)


@cache
def _pages() -> Environment:
    pages = page_environment(__package__)
    pages.filters |= {"runs": runs, "duration": _duration, "who": shortest_name}
    return pages


def _page(name: str) -> Template:
    return _pages().get_template(name)

"""Text from logs, shown on a terminal: escaped, never interpreted. Logs are written by whoever the log is about."""

import re
import textwrap
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from typing import IO, Any

from loglake_assets.sources.words import inflect, round_down, tally

_INVISIBLE = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}


def escape(text: str) -> str:
    """`text` with every control, bidi, zero-width and unassigned character as \\u{..}, so that nothing acts."""
    return "".join(f"\\u{{{ord(c):x}}}" if unicodedata.category(c) in _INVISIBLE else c for c in text)


def pct_text(pct: float | str | None) -> str:
    """A percentage with four decimals, rounded down; what is none is not available."""
    return f"{round_down(pct):.4f}" if isinstance(pct, int | float) else "n/a"


PLAIN_WIDTH = 200
"""Columns of text where output is no terminal, such as a file or a pipe."""
_LEAST = 8  # a cell narrower than this says nothing
_MOST_BLOCKS = 40
_ELLIPSIS = "…"


_WHOLE = re.compile(r"`[^`]*`|\bloglake [^;,`]+")
"""A command: where a line breaks, it does not, or only half of it would be pasted."""
_NO_BREAK = "\ue000"  # escaped text has none of the private characters


def terminal_width(output: IO[str] | None = None) -> int | None:
    """Columns of the terminal that is written to; None where it is none, such as a file or a pipe."""
    from rich.console import Console

    console = Console(file=output, highlight=False)
    return console.width if console.is_terminal else None


def print_text(text: str, output: IO[str] | None = None, indent: int = 4) -> None:
    """A line, escaped. On a terminal it is wrapped at its width; elsewhere it is whole, for what reads line by line."""
    width = terminal_width(output)
    for line in wrapped_lines(escape(text), width, indent) if width else [escape(text)]:
        print(line, file=output)


def wrapped_lines(text: str, width: int, indent: int) -> list[str]:
    """Escaped text in lines of at most so many columns, apart from names and commands, which stay whole."""
    joined_up = _WHOLE.sub(lambda found: found[0].replace(" ", _NO_BREAK), text)
    lines = textwrap.wrap(
        joined_up,
        max(width, indent + _LEAST),
        subsequent_indent=" " * indent,
        break_long_words=False,
        break_on_hyphens=False,
        drop_whitespace=True,
    )
    return [line.replace(_NO_BREAK, " ") for line in lines] or [""]


def print_pieces(text: str, output: IO[str] | None = None, indent: int = 2) -> None:
    """Text that has no words, such as a record: on a terminal in pieces of its width, elsewhere in one line."""
    width, shown = terminal_width(output), escape(text)
    room = max(width - indent, _LEAST) if width else len(shown) or 1
    for start in range(0, len(shown) or 1, room):
        print(" " * indent + shown[start : start + room], file=output)


def print_table(
    title: str, headings: Sequence[str], rows: Iterable[Sequence[Any]], output: IO[str] | None = None
) -> None:
    """A table as wide as the terminal, or 200 columns where it is none: a row is a line, longer cells are cut.

    Text is escaped and is no markup; numbers stand right. Where there are more columns than fit, a few rows are blocks
    of `column  value` lines, and of many rows the columns that fit are shown.
    """
    width = terminal_width(output) or PLAIN_WIDTH
    found = list(rows)
    fitting = max(1, (width + 2) // (_LEAST + 2))
    if len(headings) > fitting and 0 < len(found) <= _MOST_BLOCKS:
        _print_blocks(title, headings, [[_cell(value, width) for value in row] for row in found], width, output)
        return
    cells = [[_cell(value, width) for value in row[:fitting]] for row in found]
    _print_lines(title, [list(headings[:fitting]), *cells], width, output)
    if left := len(headings) - fitting if len(headings) > fitting else 0:
        print(
            f"{left} of {tally(len(headings), 'column')} {inflect(left, 'is', 'are')} not shown, since "
            f"{inflect(left, 'it does', 'they do')} not fit: name fewer.",
            file=output,
        )


def print_pairs(
    title: str, pairs: Iterable[tuple[str, Any]], output: IO[str] | None = None, is_cut: bool = False
) -> None:
    """Names with their values, one a line. On a terminal a value is wrapped, or cut where that is asked for."""
    found = [(escape(name), escape(str(value))) for name, value in pairs]
    names, width = max((len(name) for name, _ in found), default=0), terminal_width(output)
    if title:
        print(title, file=output)
    for name, value in found:
        for line in _pair_lines(f"{name:<{names}}  ", value, width, is_cut):
            print(line, file=output)


def _pair_lines(name: str, value: str, width: int | None, is_cut: bool) -> Iterator[str]:
    if width is None:
        yield f"{name}{value}"
        return
    room = max(width - len(name), _LEAST)
    lines = [_cut(value, room)] if is_cut else wrapped_lines(value, room, 0)
    yield f"{name}{lines[0]}"
    yield from (" " * len(name) + line for line in lines[1:])


def _print_lines(title: str, lines: list[list[str]], width: int, output: IO[str] | None) -> None:
    """The first of the lines are the headings."""
    columns = list(zip(*lines, strict=True))
    widths = _widths([max(map(len, column)) for column in columns], width)
    right = [len(column) > 1 and all(_is_number(cell) for cell in column[1:]) for column in columns]
    if title:
        print(title, file=output)
    for line in (lines[0], ["-" * column for column in widths], *lines[1:]):
        told = zip(line, widths, right, strict=True)
        print("  ".join(f"{_cut(c, w):>{w}}" if r else f"{_cut(c, w):<{w}}" for c, w, r in told).rstrip(), file=output)


def _widths(natural: list[int], width: int) -> list[int]:
    """The widths of columns, two apart: the widest are narrowed until all fit."""
    room = width - 2 * (len(natural) - 1)
    if sum(natural) <= room:
        return natural
    most = max(natural)
    while most > _LEAST and sum(min(most, one) for one in natural) > room:
        most -= 1
    return [min(most, one) for one in natural]


def _cut(cell: str, width: int) -> str:
    return cell if len(cell) <= width else cell[: width - 1] + _ELLIPSIS


def _print_blocks(
    title: str, headings: Sequence[str], cells: list[list[str]], width: int, output: IO[str] | None
) -> None:
    names = max(map(len, headings))
    if title:
        print(title, file=output)
    for number, row in enumerate(cells, 1):
        print(f"-- row {number}", file=output)
        for heading, cell in zip(headings, row, strict=True):
            if cell != "-":
                print(f"{heading:<{names}}  {_cut(cell, max(width - names - 2, _LEAST))}", file=output)


def _cell(value: Any, width: int) -> str:
    """A value as text, escaped; what lies beyond the width of the whole table is not looked at."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    return escape(str(value)[: width + 1])


def _is_number(cell: str) -> bool:
    return cell in {"-", "n/a"} or cell.replace(",", "").replace(".", "").replace("%", "").isdigit()


def size(count: int) -> str:
    """Bytes for people: 1.2 MB."""
    value, unit = float(count), "B"
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if value < 1000 or unit == "TB":
            break
        value /= 1000
    return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"

"""Text from logs, shown on a terminal: escaped, never interpreted. Logs are written by whoever the log is about."""

import unicodedata
from collections.abc import Iterable, Sequence
from typing import IO, Any

_INVISIBLE = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}


def escaped(text: str) -> str:
    """`text` with every control, bidi, zero-width and unassigned character as \\u{..}, so that nothing acts."""
    return "".join(f"\\u{{{ord(c):x}}}" if unicodedata.category(c) in _INVISIBLE else c for c in text)


def print_table(
    title: str, headings: Sequence[str], rows: Iterable[Sequence[Any]], output: IO[str] | None = None
) -> None:
    """A table on the terminal; numbers stand right, text is escaped and is not markup.

    Where it is no terminal, a row is a line however long, for grep. Where a terminal is too narrow for the columns,
    each row is a block of `column  value` lines instead.
    """
    from rich.console import Console

    cells = [[_cell(value) for value in row] for row in rows]
    console = Console(file=output, highlight=False)
    if not console.is_terminal:
        _print_plain(title, headings, cells, output)
    elif cells and len(headings) * 9 > console.width:
        _print_blocks(title, headings, cells, output)
    else:
        console.print(_table(title, headings, cells))


def _table(title: str, headings: Sequence[str], cells: list[list[str]]) -> Any:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(title=title or None, title_justify="left", box=box.SIMPLE_HEAD, title_style="bold")
    for position, heading in enumerate(headings):
        numeric = bool(cells) and all(_is_number(row[position]) for row in cells)
        table.add_column(Text(heading), justify="right" if numeric else "left", overflow="fold", no_wrap=position == 0)
    for row in cells:
        table.add_row(*(Text(cell) for cell in row))
    return table


def _print_plain(title: str, headings: Sequence[str], cells: list[list[str]], output: IO[str] | None) -> None:
    widths = [max(map(len, column)) for column in zip(headings, *cells, strict=True)]
    if title:
        print(title, file=output)
    for row in (headings, ["-" * width for width in widths], *cells):
        print("  ".join(f"{c:<{w}}" for c, w in zip(row, widths, strict=True)).rstrip(), file=output)


def _print_blocks(title: str, headings: Sequence[str], cells: list[list[str]], output: IO[str] | None) -> None:
    width = max(map(len, headings))
    if title:
        print(title, file=output)
    for number, row in enumerate(cells, 1):
        print(f"-- row {number}", file=output)
        for heading, cell in zip(headings, row, strict=True):
            if cell != "-":
                print(f"{heading:<{width}}  {cell}", file=output)


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    return escaped(str(value))


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

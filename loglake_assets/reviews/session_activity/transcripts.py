"""From the log events of a session to the lines that stood on its terminal, in order. Nothing is interpreted.

Session Manager's agent reads the terminal's log line by line through a buffer of 33,000 bytes (200,000 in old versions)
and sends as many whole lines in an event as fit. A line longer than the buffer is sent in pieces, each alone in its
event, so such an event's only line goes on in the next event. A character that was cut in two counts up to three bytes
more on either side.
"""

from collections.abc import Iterable
from dataclasses import dataclass

PIECE_BYTES = 33_000
_PIECES = (range(33_000, 33_007), range(200_000, 200_007))


@dataclass(frozen=True)
class Block:
    """The lines of one log event. `first_line` counts from 1; `continues`: its first line began in the event before."""

    lines: tuple[str, ...]
    first_line: int
    continues: bool


def event_lines(session: str, line_count: int, is_plain: bool) -> tuple[str, ...]:
    """The lines of one event, from the columns `session`, `session_linecount` and `session_isplain`."""
    if line_count == 0:
        return ()
    lines = session.split("\n")
    if is_plain:  # as uploaded at the session's end: text with an end of line behind each line
        lines = [line.removesuffix("\r") for line in lines]
        if len(lines) > 1 and lines[-1] == "":
            lines.pop()
    return tuple(lines)


def is_piece(lines: tuple[str, ...]) -> bool:
    """Whether an event's only line is a piece of a longer one."""
    if len(lines) != 1:
        return False
    size = len(lines[0].encode(errors="replace"))
    return any(size in sizes for sizes in _PIECES)


def blocks(events: Iterable[tuple[tuple[str, ...], bool]]) -> list[Block]:
    """The lines of each event (with whether it is a piece), in order, with the place of each in the transcript."""
    found: list[Block] = []
    next_line, open_piece = 1, False
    for lines, piece in events:
        continues = open_piece and bool(lines)
        first = next_line - 1 if continues else next_line
        found.append(Block(lines, first, continues))
        next_line = first + len(lines)
        open_piece = piece or (open_piece and not lines)
    return found


def transcript(found: Iterable[Block]) -> list[str]:
    """The whole lines."""
    lines: list[str] = []
    for block in found:
        if block.continues:
            lines[-1] += block.lines[0]
        lines.extend(block.lines[1:] if block.continues else block.lines)
    return lines

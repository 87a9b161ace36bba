"""Content of a stored object, piece by piece, and refused where more or less than one gzip member is there.

A reader that takes the first member and stops would call an object unchanged that has another appended.
"""

import zlib
from collections.abc import Iterable, Iterator

_MAGIC = b"\x1f\x8b"
_PIECE = 1 << 20  # bytes handed on at a time
LARGEST_CONTENT = 1 << 30  # bytes; the Glue job refuses to inflate more as well


class NotOneMemberError(ValueError):
    """The object is not exactly one gzip member; `kind` says what is wrong with it."""

    def __init__(self, kind: str) -> None:
        super().__init__(kind)
        self.kind = kind


def content(pieces: Iterable[bytes], largest: int = LARGEST_CONTENT) -> Iterator[bytes]:
    """Inflated bytes of a gzip object; those of an object that is no gzip as they are.

    Raises NotOneMemberError with truncated_file, trailing_gzip_member, trailing_bytes, or changed_file where the stream
    is damaged or inflates beyond `largest` bytes.
    """
    stored = filter(None, iter(pieces))
    first = next(stored, b"")
    while len(first) == 1 and (more := next(stored, b"")):
        first += more
    if first[:2] != _MAGIC:
        yield first
        yield from stored
        return
    yield from _member(first, stored, largest)


def _member(first: bytes, stored: Iterator[bytes], room: int) -> Iterator[bytes]:
    stream, piece = zlib.decompressobj(31), first
    while not stream.eof:
        if not piece and not (piece := next(stored, b"")):
            raise NotOneMemberError("truncated_file")
        try:
            inflated = stream.decompress(piece, _PIECE)
        except zlib.error as error:
            raise NotOneMemberError("changed_file") from error
        if (room := room - len(inflated)) < 0:
            raise NotOneMemberError("changed_file")
        piece = stream.unconsumed_tail
        yield inflated
    if rest := stream.unused_data + next(stored, b""):
        raise NotOneMemberError("trailing_gzip_member" if rest[:2] == _MAGIC else "trailing_bytes")

"""Content of a stored object, piece by piece, by zlib: what checks read with, where the job has a reader of its own.

A reader that takes the first gzip member and stops would call an object unchanged that has another appended, so
whatever lies behind is looked at. Standard library only.
"""

import zlib
from collections.abc import Iterable, Iterator

GZIP_MAGIC = b"\x1f\x8b"
LARGEST_CONTENT = 1 << 30  # bytes; the Glue job refuses to inflate more as well
_SPACE = b" \t\r\n"
_FED = 16 << 10  # bytes of gzip at a time: what follows a member in its piece comes back as a copy
_GIVEN = 1 << 20  # bytes of content at a time


class GzipError(ValueError):
    """The object cannot be inflated as a whole; `reason` is a word of the quarantine's, never content."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def content(
    pieces: Iterable[bytes],
    largest: int = LARGEST_CONTENT,
    several_members: bool = False,
    may_be_padded: bool = False,
) -> Iterator[bytes]:
    """Inflated bytes of a gzip object; those of an object that is no gzip as they are.

    `several_members` allows members one after another, with white space between them, `may_be_padded` zeros behind.
    Raises GzipError: truncated_gzip, corrupt_gzip, inflates_too_large (more than `largest` bytes),
    trailing_gzip_member or trailing_bytes.
    """
    stored = _PieceReader(pieces)
    if stored.head() != GZIP_MAGIC:
        yield from stored
        return
    room = largest
    while True:
        for part in _member(stored, room):
            room -= len(part)
            yield part
        if several_members:
            stored.pass_over(_SPACE)
        if stored.head() != GZIP_MAGIC:
            break
        if not several_members:
            raise GzipError("trailing_gzip_member")
    if may_be_padded:
        stored.pass_over(b"\0")
    if stored.head():
        raise GzipError("trailing_bytes")


class _PieceReader:
    """Bytes that are still to be read: a piece in the hand, and those that follow."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._following = (piece[n : n + _FED] for piece in pieces for n in range(0, len(piece), _FED))
        self._piece = b""

    def __iter__(self) -> Iterator[bytes]:
        while piece := self.take():
            yield piece

    def take(self) -> bytes:
        """The next bytes; none at the end."""
        piece, self._piece = self._piece or next(self._following, b""), b""
        return piece

    def put_back(self, rest: bytes) -> None:
        self._piece = rest + self._piece

    def head(self) -> bytes:
        """The first two bytes, fewer at the end; they stay."""
        while len(self._piece) < 2 and (more := next(self._following, b"")):
            self._piece += more
        return self._piece[:2]

    def pass_over(self, characters: bytes) -> None:
        while piece := self.take():
            if rest := piece.lstrip(characters):
                self.put_back(rest)
                return


def _member(stored: _PieceReader, room: int) -> Iterator[bytes]:
    """The content of one member; what follows it is put back."""
    stream = zlib.decompressobj(31)
    while not stream.eof:
        if not (piece := stored.take()):
            raise GzipError("truncated_gzip")
        try:
            part = stream.decompress(piece, min(_GIVEN, room + 1))
        except zlib.error as error:
            raise GzipError("corrupt_gzip") from error
        if (room := room - len(part)) < 0:
            raise GzipError("inflates_too_large")
        stored.put_back(stream.unused_data if stream.eof else stream.unconsumed_tail)
        yield part

"""From the bytes of an object to its text, by another path than the Glue job's: zlib, in pieces. For checks only."""

import re
import zlib

from loglake_assets.s3.packing import packing
from loglake_assets.sources.recounting import NotCountableError

_LARGEST_CONTENT, _BOMB_FLOOR, _BOMB_RATIO = 1 << 30, 64 << 20, 400  # bytes, bytes, times: as the job refuses them
_GZIP_MAGIC = b"\x1f\x8b"
_SPACE = re.compile(rb"[ \t\r\n]*")
_PIECE = 16 << 10  # bytes of gzip inflated at a time


def text_of(body: bytes, several_members: bool) -> str:
    """The object's text without gzip layers and byte order mark. Raises NotCountableError: why it has none."""
    content, cap = body, min(_LARGEST_CONTENT, max(_BOMB_FLOOR, len(body) * _BOMB_RATIO))
    for _ in range(3):
        if content[:2] != _GZIP_MAGIC:
            break
        content = _gunzipped(content, several_members, cap)
    if content[:2] == _GZIP_MAGIC:
        raise NotCountableError("too_many_gzip_layers")
    if other := packing(content):
        raise NotCountableError(other)
    return content.decode("utf-8-sig", errors="replace")


def _gunzipped(body: bytes, several_members: bool, cap: int) -> bytes:
    """Every member's content. Fed in pieces, since what follows a member in its piece comes back as a copy."""
    parts: list[bytes] = []
    room, at, stream = cap, 0, zlib.decompressobj(31)
    while at < len(body):
        if stream.eof:
            if several_members and (space := _SPACE.match(body, at)):
                at = space.end()
            if not several_members or body[at : at + 2] != _GZIP_MAGIC:
                if body[at:].strip(b"\0"):
                    raise NotCountableError("trailing_bytes")
                break
            stream = zlib.decompressobj(31)
        piece = body[at : at + _PIECE]
        try:
            parts.append(stream.decompress(piece, room + 1))
        except zlib.error as error:
            raise NotCountableError("corrupt_gzip") from error
        at += len(piece) - len(stream.unused_data)
        room -= len(parts[-1])
        if room < 0:
            raise NotCountableError("inflates_too_large")
    if not stream.eof:
        raise NotCountableError("truncated_gzip")
    return b"".join(parts)

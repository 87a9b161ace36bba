"""From the bytes of an object to the documents in it: gzip by magic number, capped, all or nothing.

Standard library only, apart from isal where it is installed (it inflates twice as fast and gives the same bytes).
"""

import re
import zlib
from dataclasses import dataclass
from typing import Any

from loglake_assets.s3.content_kind import unreadable_reason

try:
    from isal import isal_zlib as _zlib
except ImportError:  # Glue without the wheel: slower, same content
    _zlib: Any = zlib  # type: ignore[no-redef]

GZIP_MAGIC = b"\x1f\x8b"
_RESERVED_FLAGS = 0xE0  # of a gzip header, in its fourth byte
_REPLACEMENT = "\ufffd".encode()
_FIRST_STEP = 4096  # bytes; a member of Firehose is about as long
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_SPACE = re.compile(rb"[ \t\r\n]*")
_MAX_LAYERS = 3  # gzip of gzip is met where Firehose compresses what CloudWatch Logs compressed already


class UnreadableObjectError(ValueError):
    """The object cannot be read as a whole, so none of it is; `reason` is what quarantine lists, never content."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True)
class ContentLimits:
    """What one object may inflate to, in bytes. A ratio counts only beyond `ratio_floor`, where it becomes a bomb."""

    inflated: int = 1 << 30
    ratio: int = 400
    ratio_floor: int = 64 << 20


def inflate(body: bytes, several_members: bool, limits: ContentLimits = ContentLimits()) -> bytes:
    """The object's content with every gzip layer removed; a body that is no gzip comes back as it is.

    Where a log is delivered in several members, white space behind one is a delimiter, and passed over.
    Raises UnreadableObjectError: `truncated_gzip`, `corrupt_gzip`, `trailing_gzip_member` (where one member is what the
    log delivers, a second is tampering), `trailing_bytes`, `inflates_too_large`, `too_many_gzip_layers`.
    """
    content = body
    for _ in range(_MAX_LAYERS):
        if content[:2] != GZIP_MAGIC:
            return content
        content = _members(content, several_members, _cap(len(body), limits))
    if content[:2] == GZIP_MAGIC:
        raise UnreadableObjectError("too_many_gzip_layers")
    return content


def _cap(size: int, limits: ContentLimits) -> int:
    return min(limits.inflated, max(limits.ratio_floor, size * limits.ratio))


def _members(body: bytes, several: bool, cap: int) -> bytes:
    parts: list[bytes] = []
    rest, room = memoryview(body), cap
    while rest:
        if parts and bytes(rest[:2]) != GZIP_MAGIC:
            if bytes(rest).strip(b"\0"):
                raise UnreadableObjectError("trailing_bytes")
            break  # zero padding, which gzip allows
        if parts and not several:
            raise UnreadableObjectError("trailing_gzip_member")
        part, rest = _member(rest, room)
        room -= len(part)
        parts.append(part)
        if several and (space := _SPACE.match(rest)):
            rest = rest[space.end() :]
    return parts[0] if len(parts) == 1 else b"".join(parts)


def _member(body: memoryview, room: int) -> tuple[bytes, memoryview]:
    """The first member's content and what follows it.

    Fed piece by piece: what a piece holds beyond the member comes back as a copy, and copying all that follows at each
    of thousands of members would take the square of their number.
    """
    if len(body) > 3 and body[3] & _RESERVED_FLAGS:
        raise UnreadableObjectError("corrupt_gzip")  # zlib refuses what isal reads
    stream = _zlib.decompressobj(31)
    parts: list[bytes] = []
    fed, step = 0, _FIRST_STEP
    while not stream.eof:
        if fed >= len(body):
            raise UnreadableObjectError("truncated_gzip")
        try:
            part = stream.decompress(body[fed : fed + step], room + 1)
        except Exception as error:  # zlib.error and isal's IsalError share no base
            raise UnreadableObjectError("corrupt_gzip") from error
        room -= len(part)
        if room < 0:
            raise UnreadableObjectError("inflates_too_large")
        parts.append(part)
        fed = min(fed + step, len(body))
        step *= 2
    return b"".join(parts), body[fed - len(stream.unused_data) :]


def utf8(content: bytes) -> tuple[bytes, bool]:
    """(content as valid UTF-8 without a byte order mark, whether bytes had to be replaced by U+FFFD).

    Raises UnreadableObjectError with the name of another compression or encoding, where the first bytes are its mark.
    """
    if other := unreadable_reason(content):
        raise UnreadableObjectError(other)
    content = content.removeprefix(_BYTE_ORDER_MARK)
    try:
        content.decode()
        return content, False
    except UnicodeDecodeError:
        return content.decode(errors="replace").encode(), True


_ESCAPES = re.compile(
    rb"\\\\"  # an escaped backslash: what follows it is no escape
    rb"|\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"  # a pair
    rb"|\\u[dD][89a-fA-F][0-9a-fA-F]{2}"  # half of one
)


def without_lone_surrogates(content: bytes) -> bytes:
    """JSON text with every unpaired \\ud8xx escape as U+FFFD: grammar allows it, and no string can hold it."""
    return _ESCAPES.sub(lambda m: _REPLACEMENT if len(m[0]) == 6 else m[0], content)

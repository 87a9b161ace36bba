"""From the bytes of an object to its text, by another path than the Glue job's. For checks only."""

from loglake_assets.s3.content_kind import unreadable_reason
from loglake_assets.s3.gzip_stream import GZIP_MAGIC, LARGEST_CONTENT, GzipError, content
from loglake_assets.sources.counted_event import NotCountableError

_BOMB_FLOOR, _BOMB_RATIO = 64 << 20, 400  # bytes, times: as the job refuses them
_MOST_LAYERS = 3


def text_of(body: bytes, several_members: bool) -> str:
    """The object's text without gzip layers and byte order mark. Raises NotCountableError: why it has none."""
    inflated, cap = body, min(LARGEST_CONTENT, max(_BOMB_FLOOR, len(body) * _BOMB_RATIO))
    try:
        for _ in range(_MOST_LAYERS):
            if inflated[:2] != GZIP_MAGIC:
                break
            inflated = b"".join(content([inflated], cap, several_members, may_be_padded=True))
    except GzipError as error:
        raise NotCountableError(error.reason) from error
    if inflated[:2] == GZIP_MAGIC:
        raise NotCountableError("too_many_gzip_layers")
    if other := unreadable_reason(inflated):
        raise NotCountableError(other)
    return inflated.decode("utf-8-sig", errors="replace")

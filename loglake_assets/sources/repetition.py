"""Whether a JSON object says a key twice: readers keep the last value, and what was said first vanishes.

What was read is written again as short as JSON allows. Only if that is shorter than what was delivered is something
missing, which may be white space, a longer spelling, or a value: then it is looked at closer. Equal lengths prove it.
Standard library only, until a decoder asks: then msgspec is there.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import msgspec

KEY_TWICE = "key_twice"
"""The reason under which an object or a record that says a key twice is quarantined."""

Tree = Mapping[str, Any]
"""Keys below which an object is taken apart too, each with its own such keys; other values say nothing."""


class _Codec(NamedTuple):
    encode: Any
    decode: Any
    any: Any
    format: Any
    unreadable: tuple[type[Exception], ...]


@cache
def _codec() -> _Codec:
    from msgspec import DecodeError, Raw, json

    decode = json.Decoder(dict[str, Raw]).decode
    return _Codec(json.Encoder().encode, decode, json.Decoder().decode, json.format, (DecodeError, RecursionError))


def is_whole(found: object, delivered: "msgspec.Raw | bytes") -> bool:
    """Whether nothing was lost of `delivered` when it was read as `found`. False proves nothing."""
    return len(_codec().encode(found)) == len(memoryview(delivered))


def are_whole(found: Sequence[object], delivered: Iterable["msgspec.Raw | bytes"]) -> bool:
    """Whether nothing was lost of any of them, by one sum: nothing is written longer than it can be delivered."""
    commas_and_brackets = max(len(found) + 1, 2)
    return len(_codec().encode(found)) == sum(len(memoryview(one)) for one in delivered) + commas_and_brackets


def says_a_key_twice(raw: "msgspec.Raw | bytes", fields: Mapping[str, "msgspec.Raw"], tree: Tree | None = None) -> bool:
    """Whether the object `raw`, read as `fields`, says a key twice, or one of those below it that `tree` names does."""
    if not is_whole(fields, raw) and _repeats(bytes(raw)):
        return True
    below = ((fields[key], inner) for key, inner in (tree or {}).items() if key in fields)
    return any(_says_a_key_twice_below(block, inner) for block, inner in below if isinstance(inner, Mapping))


def _says_a_key_twice_below(block: "msgspec.Raw", tree: Tree) -> bool:
    try:
        fields = _codec().decode(block)
    except _codec().unreadable:
        return False  # no object: nothing of it is taken apart
    return says_a_key_twice(block, fields, tree)


def _repeats(raw: bytes) -> bool:
    """The same without white space, and at last key by key, since a key can be spelled with escapes."""
    compact = _codec().format(raw, indent=-1)
    if is_whole(_codec().decode(compact), compact):
        return False
    pairs = json.loads(compact, object_pairs_hook=tuple, parse_int=str, parse_float=str)
    return len({key for key, _ in pairs}) < len(pairs)


def says_a_key_twice_anywhere(text: bytes) -> bool:
    """Whether any object in a JSON text says a key twice. Raises ValueError or RecursionError where it is no JSON."""
    try:
        if _codec().encode(_codec().any(text)) == text:  # by bytes: a number can be spelled longer than it came
            return False
    except _codec().unreadable:
        pass
    found: list[int] = []

    def count(pairs: list[tuple[str, Any]]) -> None:
        if len(dict(pairs)) < len(pairs):
            found.append(len(pairs))

    json.loads(text, object_pairs_hook=count, parse_int=str, parse_float=str)
    return bool(found)

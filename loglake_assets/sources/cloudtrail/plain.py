"""Plain CloudTrail records, decoded in one pass over their bytes: the quick way to what `decode` gives. Needs msgspec.

A record is plain when none of its keys is unknown and every value has its column's type, as nearly all are. Of any
other, and of one without an id or with an odd spelling of its time, nothing is said here, and `decode` decides.
"""

from collections.abc import Callable, Iterable, Sequence
from operator import attrgetter
from typing import Any

import msgspec

from loglake_assets.sources.cloudtrail import decode
from loglake_assets.sources.cloudtrail.decode import BOOLEAN, JSON, NESTED, TEXT
from loglake_assets.sources.record import NotThisLogError, PlainRecord, plain_microseconds
from loglake_assets.sources.repetition import is_whole

_NULL = msgspec.Raw(b"null")
_UNREADABLE = (msgspec.DecodeError, RecursionError)


def _struct(name: str, paths: Iterable[tuple[str, ...]]) -> Any:
    """A Struct with an attribute for each key; for a longer path another Struct, empty where the record has none.

    A block that is null or no object is refused by msgspec, and so is not plain.
    """
    fields: dict[str, Any] = {}
    below: dict[str, list[tuple[str, ...]]] = {}
    for key, *rest in paths:
        if rest:
            below.setdefault(key, []).append(tuple(rest))
        else:
            fields[key] = (key, str | None, None)
    for key, inner in below.items():
        within = _struct(f"{name}_{key}", inner)
        fields[key] = (key, within, within())
    return msgspec.defstruct(name, fields.values(), frozen=True, gc=False, omit_defaults=True)


def _getter(paths: Iterable[tuple[str, ...]]) -> Callable[[Any], tuple[str | None, ...]]:
    return attrgetter(*(".".join(path) for path in paths))


_RECORD_FIELDS: list[tuple[str, Any, Any]] = [
    ("eventTime", str, ""),
    *((key, str | None, None) for key in TEXT),
    *((key, bool | None, None) for key in BOOLEAN),
    *((key, msgspec.Raw, _NULL) for key in JSON),
]
_RECORD = msgspec.json.Decoder(
    msgspec.defstruct("Record", _RECORD_FIELDS, forbid_unknown_fields=True, gc=False, omit_defaults=True)
)
_NAMES = [name for name, _, _ in _RECORD_FIELDS]
_EVENT_ID, _FIRST_BLOCK = _NAMES.index("eventID"), 1 + len(TEXT) + len(BOOLEAN)
_IDENTITY, _ADDENDUM = list(JSON).index("userIdentity"), list(JSON).index("addendum")
_IDENTITY_PATHS, _ADDENDUM_PATHS = ([p for b, p in NESTED if b == name] for name in ("useridentity", "addendum"))
_IDENTITY_DECODER, _ADDENDUM_DECODER = (
    msgspec.json.Decoder(_struct(name, paths))
    for name, paths in (("Identity", _IDENTITY_PATHS), ("Addendum", _ADDENDUM_PATHS))
)
_BLOCKS = {"userIdentity": _IDENTITY_DECODER.type, "addendum": _ADDENDUM_DECODER.type}
_WHOLE_RECORD = msgspec.defstruct(
    "WholeRecord",
    [
        (key, _BLOCKS[key], _BLOCKS[key]()) if key in _BLOCKS else (key, kind, none)
        for key, kind, none in _RECORD_FIELDS
    ],
    gc=False,
    omit_defaults=True,
)
_CONTENT = msgspec.json.Decoder(msgspec.defstruct("Content", [("Records", list[_WHOLE_RECORD])]))  # type: ignore[valid-type]
_identity, _addendum = _getter(_IDENTITY_PATHS), _getter(_ADDENDUM_PATHS)
_NO_IDENTITY: tuple[str | None, ...] = (None,) * len(_IDENTITY_PATHS)
_NO_ADDENDUM: tuple[str | None, ...] = (None,) * len(_ADDENDUM_PATHS)


def plain(raw: msgspec.Raw) -> PlainRecord | None:
    """The record's values in the order of FIELDS, blocks as bytes; None where `decode` must be asked."""
    try:
        record = _RECORD.decode(raw)
        found = msgspec.structs.astuple(record)
        blocks = [None if b is _NULL or (text := bytes(b)) == b"null" else text for b in found[_FIRST_BLOCK:]]
        whole = is_whole(record, raw)
        identity, addendum = _NO_IDENTITY, _NO_ADDENDUM
        if block := blocks[_IDENTITY]:
            values = _IDENTITY_DECODER.decode(block)
            whole, identity = whole and is_whole(values, block), _identity(values)
        if block := blocks[_ADDENDUM]:
            values = _ADDENDUM_DECODER.decode(block)
            whole, addendum = whole and is_whole(values, block), _addendum(values)
        if not whole and decode.repeats(raw):
            return None
    except _UNREADABLE:
        return None
    key, microseconds = found[_EVENT_ID], plain_microseconds(found[0])
    if not key or microseconds is None:
        return None
    return PlainRecord((key, microseconds, *found[1:_FIRST_BLOCK], *blocks, *identity, *addendum, None), microseconds)


def repeats(content: bytes) -> bool:
    """Whether a record of an object says a key twice, found without cutting records out where nothing is odd."""
    try:
        if is_whole(_CONTENT.decode(content), content):
            return False
    except _UNREADABLE:
        pass
    try:
        return any(decode.repeats(raw) for raw in decode.split(content))
    except (*_UNREADABLE, NotThisLogError):
        return True  # a record that is no object, or no delivery at all: to be decoded, which says what it is


def head_reader(columns: Sequence[str]) -> Callable[[bytes], list[tuple[Any, ...]] | None]:
    """A function from an object's content to (eventTime as spelled, *columns) of each record, None for what is absent.

    It takes one pass and cuts no record out, which is all that exclusion rules need. It says None of an object that is
    no delivery, or holds a record of which a value asked for is no text.
    """
    paths = [("eventTime",), *(_PATHS[column] for column in columns)]
    document = msgspec.defstruct("Document", [("Records", list[_struct("Head", paths)] | None)])  # type: ignore[misc]
    decoder: msgspec.json.Decoder[Any] = msgspec.json.Decoder(document)
    getter = _getter(paths)

    def heads(content: bytes) -> list[tuple[Any, ...]] | None:
        try:
            return [getter(record) for record in decoder.decode(content).Records or ()]
        except _UNREADABLE:
            return None

    return heads


_KEYS = {column: key for key, column in JSON.items()}
_PATHS = {column: (key,) for key, column in TEXT.items()} | {
    column: (_KEYS[block], *path) for (block, path), column in NESTED.items()
}

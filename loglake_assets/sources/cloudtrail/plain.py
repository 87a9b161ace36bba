"""Plain CloudTrail records, decoded by column: the quick way to what `decode` gives of each. Needs msgspec.

A record is plain when none of its keys is unknown and every value has its column's type, as nearly all are. Of any
other, and of one without an id or with an odd spelling of its time, nothing is said here, and `decode` decides.
"""

from collections.abc import Callable, Iterable, Sequence
from operator import attrgetter
from typing import Any, NamedTuple

import msgspec

from loglake_assets.sources.cloudtrail import decode
from loglake_assets.sources.cloudtrail.decode import BOOLEAN, JSON, NESTED, TEXT
from loglake_assets.sources.record import NotThisLogError, PlainRecords, plain_microseconds
from loglake_assets.sources.repetition import are_whole, is_whole

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
_NO_IDENTITY, _NO_ADDENDUM = _IDENTITY_DECODER.type(), _ADDENDUM_DECODER.type()
_event_id = attrgetter("eventID")
_SCALARS = [attrgetter(key) for key in (*TEXT, *BOOLEAN)]
_BLOCK_GETTERS = [attrgetter(key) for key in JSON]
_OF_IDENTITY, _OF_ADDENDUM = (
    [attrgetter(".".join(path)) for path in paths] for paths in (_IDENTITY_PATHS, _ADDENDUM_PATHS)
)


class _Parsed(NamedTuple):
    """Plain records by column, and the place of each in what was given. A block that is absent has None as its text."""

    places: list[int]
    raws: list[msgspec.Raw]
    records: list[Any]
    microseconds: list[int]
    identities: list[Any]
    identity_texts: list[bytes | None]
    addenda: list[Any]
    addendum_texts: list[bytes | None]

    def take(self, numbers: Sequence[int]) -> "_Parsed":
        return _Parsed._make([column[n] for n in numbers] for column in self)


def plain_records(raws: Sequence[msgspec.Raw]) -> PlainRecords:
    """The columns of those records that are plain, in the order of FIELDS, blocks as bytes."""
    found = _parse(raws)
    if not _say_all(found):
        found = found.take([n for n in range(len(found.places)) if _says_no_key_twice(found.take([n]))])
    columns: list[Sequence[Any]] = [list(map(_event_id, found.records)), found.microseconds]
    columns += [list(map(getter, found.records)) for getter in _SCALARS]
    columns += [_block_texts(map(getter, found.records)) for getter in _BLOCK_GETTERS]
    columns += [list(map(getter, found.identities)) for getter in _OF_IDENTITY]
    columns += [list(map(getter, found.addenda)) for getter in _OF_ADDENDUM]
    columns.append([None] * len(found.places))  # otherfields
    return PlainRecords(found.places, found.microseconds, columns)


def _parse(raws: Sequence[msgspec.Raw]) -> _Parsed:
    """The records whose values have their columns' types, with an id and a time that is spelled as AWS does."""
    found = _Parsed([], [], [], [], [], [], [], [])
    for place, raw in enumerate(raws):
        try:
            record: Any = _RECORD.decode(raw)
            identity_text, addendum_text = _block(record.userIdentity), _block(record.addendum)
            identity = _NO_IDENTITY if identity_text is None else _IDENTITY_DECODER.decode(identity_text)
            addendum = _NO_ADDENDUM if addendum_text is None else _ADDENDUM_DECODER.decode(addendum_text)
        except _UNREADABLE:
            continue
        microseconds = plain_microseconds(record.eventTime)
        if not record.eventID or microseconds is None:
            continue
        found.places.append(place)
        found.raws.append(raw)
        found.records.append(record)
        found.microseconds.append(microseconds)
        found.identities.append(identity)
        found.identity_texts.append(identity_text)
        found.addenda.append(addendum)
        found.addendum_texts.append(addendum_text)
    return found


def _block(raw: msgspec.Raw) -> bytes | None:
    if raw is _NULL:
        return None
    text = bytes(raw)
    return None if text == b"null" else text


def _block_texts(raws: Iterable[msgspec.Raw]) -> list[bytes | None]:
    texts = [None if raw is _NULL else bytes(raw) for raw in raws]
    return [None if text == b"null" else text for text in texts] if b"null" in texts else texts


def _say_all(found: _Parsed) -> bool:
    """Whether nothing was lost of any of the records and of their blocks of which columns are made."""
    return (
        are_whole(found.records, found.raws)
        and are_whole(*_present(found.identities, found.identity_texts))
        and are_whole(*_present(found.addenda, found.addendum_texts))
    )


def _present(values: list[Any], texts: Sequence[bytes | None]) -> tuple[list[Any], list[bytes]]:
    """The values that have a text, and these texts."""
    return [v for v, text in zip(values, texts, strict=True) if text is not None], [t for t in texts if t is not None]


def _says_no_key_twice(one: _Parsed) -> bool:
    if _say_all(one):
        return True
    try:
        return not decode.repeats(one.raws[0])
    except _UNREADABLE:
        return False


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
    no delivery, says more than Records, or holds a record of which a value asked for is no text.
    """
    paths = [("eventTime",), *(_PATHS[column] for column in columns)]
    records = [("Records", list[_struct("Head", paths)] | None)]  # type: ignore[misc]
    document = msgspec.defstruct("Document", records, forbid_unknown_fields=True)  # what is beside them is looked at
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

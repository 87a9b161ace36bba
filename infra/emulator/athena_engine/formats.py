"""Formats: the bytes of one object as rows."""

import gzip
import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import pyarrow as pa
from pyarrow import orc

from infra.emulator.athena_engine.failures import QueryFailed
from infra.emulator.athena_engine.hive_types import coerce, fold


@dataclass(frozen=True)
class ObjectRows:
    """Columns in the order wanted, and how many rows there are even where no column is wanted."""

    arrays: list[pa.Array | pa.ChunkedArray]
    num_rows: int


@dataclass(frozen=True)
class StoredObject:
    """One object with what the catalog says about its format. `columns` are all the table's, in order."""

    body: bytes
    url: str
    storage: dict[str, Any]
    columns: dict[str, str]

    @property
    def parameters(self) -> dict[str, str]:
        return (self.storage.get("SerdeInfo") or {}).get("Parameters") or {}

    def text(self) -> str:
        """The object as text; gzip is recognized by its first bytes, and all its members are read."""
        try:
            plain = gzip.decompress(self.body) if self.body[:2] == b"\x1f\x8b" else self.body
        except (OSError, EOFError):
            raise self.bad("is not whole gzip") from None
        return plain.decode("utf-8", "replace")

    def bad(self, what: str) -> QueryFailed:
        return QueryFailed(f"HIVE_BAD_DATA: {self.url} {what}")


def reader_of(storage: dict[str, Any]) -> Callable[[StoredObject, pa.Schema], ObjectRows]:
    """How objects of this storage are read. Raises QueryFailed for a format that is not known here."""
    serde = (storage.get("SerdeInfo") or {}).get("SerializationLibrary") or ""
    if "CloudTrailInputFormat" in (storage.get("InputFormat") or ""):
        return _from_cloudtrail
    for word, read in (("orc", _from_orc), ("regex", _from_regex), ("json", _from_json)):
        if word in serde.lower():
            return read
    raise QueryFailed(f"NOT_SUPPORTED: the local Athena reads ORC, JSON and RegexSerDe, not '{serde}'")


def _from_orc(source: StoredObject, wanted: pa.Schema) -> ObjectRows:
    """ORC by column name; a column that an older file lacks is NULL."""
    try:
        file = orc.ORCFile(pa.BufferReader(source.body))
        names = {name.lower(): name for name in file.schema.names}
        present = [names[name] for name in wanted.names if name in names]
        table = file.read(columns=present) if present else None
    except (pa.ArrowException, OSError):
        raise source.bad("cannot be read as ORC") from None
    columns = {name: table.column(name) for name in present} if table is not None else {}
    return ObjectRows([_orc_column(source, columns.get(names.get(f.name)), f, file.nrows) for f in wanted], file.nrows)


def _orc_column(source: StoredObject, column: pa.ChunkedArray | None, wanted: pa.Field, count: int) -> pa.ChunkedArray:
    if column is None:
        return pa.nulls(count, wanted.type)
    mismatch = f"has column '{wanted.name}' as {column.type}, the table declares {wanted.type}"
    if pa.types.is_string(column.type) != pa.types.is_string(wanted.type):
        raise source.bad(mismatch)
    try:
        return column.cast(wanted.type, safe=not pa.types.is_timestamp(wanted.type))
    except pa.ArrowException:
        raise source.bad(mismatch) from None


def _from_cloudtrail(source: StoredObject, wanted: pa.Schema) -> ObjectRows:
    """`{"Records": [...]}`: a row a record, as the input format gives them whatever the table's columns are."""
    try:
        document = json.loads(source.text())
    except ValueError:
        raise source.bad("is not one JSON document") from None
    return _from_documents(source, fold(document).get("records") or [], wanted)


def _from_json(source: StoredObject, wanted: pa.Schema) -> ObjectRows:
    """One document a line; as Hive does it, whatever follows a document on its line is not read."""
    decoder = json.JSONDecoder()
    try:
        documents = [decoder.raw_decode(line.lstrip())[0] for line in _lines(source.text()) if line.strip()]
    except ValueError:
        raise source.bad("holds a line that is not a JSON document") from None
    return _from_documents(source, documents, wanted)


def _from_documents(source: StoredObject, documents: Sequence[Any], wanted: pa.Schema) -> ObjectRows:
    rows = [fold(document) for document in documents]
    return ObjectRows([_column(source, [row.get(f.name) for row in rows], f) for f in wanted], len(rows))


def _from_regex(source: StoredObject, wanted: pa.Schema) -> ObjectRows:
    """One row a line, one column a group; a line that does not match is a row of NULLs, as in Hive."""
    pattern = _java_regex(source.parameters.get("input.regex", ""))
    matches = [pattern.fullmatch(line) for line in _lines(source.text())]
    groups = {name: position for position, name in enumerate(source.columns, start=1)}
    if pattern.groups != len(groups):
        raise QueryFailed(f"HIVE_INVALID_METADATA: input.regex has {pattern.groups} groups for {len(groups)} columns")
    found = [[m.group(groups[f.name]) if m else None for m in matches] for f in wanted]
    return ObjectRows([_column(source, v, f) for v, f in zip(found, wanted, strict=True)], len(matches))


@cache
def _java_regex(text: str) -> re.Pattern[str]:
    try:
        return re.compile(re.sub(r"\(\?<(?=[A-Za-z])", "(?P<", text))
    except re.error as error:
        raise QueryFailed(f"HIVE_INVALID_METADATA: input.regex does not compile: {error}") from None


def _lines(text: str) -> list[str]:
    """Lines end at a line feed only: str.splitlines would also cut at U+2028, which keystrokes may hold."""
    lines = text.split("\n")
    return [line.removesuffix("\r") for line in (lines[:-1] if lines[-1] == "" else lines)]


def _column(source: StoredObject, values: list[Any], wanted: pa.Field) -> pa.Array:
    try:
        return pa.array([coerce(value, wanted.type) for value in values], wanted.type)
    except (ValueError, TypeError, ArithmeticError, pa.ArrowException):
        raise source.bad(f"has a value in '{wanted.name}' that is no {wanted.type}") from None

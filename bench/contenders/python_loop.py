"""One Python loop without Spark: isal, msgspec, pyarrow ORC. What our own libraries cost with nothing around them."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
from isal import isal_zlib

from bench.contenders.columns import BLOCKS, BOOLEAN, CONTEXT, IDENTITY, NAMES, TEXT, Task, task
from bench.contenders.orc_files import write_orc
from bench.volumes import NEEDLE_NAMES

_ROWS = 20_000


class _Document(msgspec.Struct):
    Records: list[dict[str, msgspec.Raw]]


_DOCUMENT = msgspec.json.Decoder(_Document)
_ANY = msgspec.json.Decoder()


def main(asked: Task) -> None:
    write_orc(asked.rows, _batches(asked))


def _batches(asked: Task) -> Iterator[pa.RecordBatch]:
    rows: list[tuple[Any, ...]] = []
    accounts = frozenset(asked.accounts)
    for path in asked.volume.paths():
        for record in _DOCUMENT.decode(_inflate(Path(path).read_bytes())).Records:
            row = _row(record)
            if not asked.needle or (row[_NAME] in NEEDLE_NAMES and row[_ACCOUNT] in accounts):
                rows.append(row)
        if len(rows) >= _ROWS:
            yield _batch(rows)
            rows = []
    yield _batch(rows)


_NAME, _ACCOUNT = NAMES.index("eventname"), NAMES.index("recipientaccountid")
_SCHEMA = pa.schema([(name, pa.string()) for name in NAMES])


def _row(record: dict[str, msgspec.Raw]) -> tuple[Any, ...]:
    identity = _value(record, "userIdentity") or {}
    context = identity.get("sessionContext") or {}
    return (
        *(_text(_value(record, name)) for name in (*TEXT, *BOOLEAN)),
        *(_block(record.get(name)) for name in BLOCKS),
        *(_text(identity.get(name)) for name in IDENTITY),
        *(_text(_below(context, path)) for path in CONTEXT),
    )


def _inflate(body: bytes) -> bytes:
    content: bytes = isal_zlib.decompress(body, 31)
    return content


def _value(record: dict[str, msgspec.Raw], name: str) -> Any:
    raw = record.get(name)
    return None if raw is None else _ANY.decode(raw)


def _text(value: Any) -> str | None:
    return value if value is None or isinstance(value, str) else msgspec.json.encode(value).decode()


def _block(raw: msgspec.Raw | None) -> str | None:
    return None if raw is None or (text := bytes(raw)) == b"null" else text.decode()


def _below(block: dict[str, Any], path: tuple[str, ...]) -> Any:
    for step in path:
        block = block.get(step) or {}
    return block or None


def _batch(rows: list[tuple[Any, ...]]) -> pa.RecordBatch:
    columns = zip(*rows, strict=True) if rows else ((),) * len(NAMES)
    return pa.RecordBatch.from_arrays(
        [pa.array(c, f.type) for c, f in zip(columns, _SCHEMA, strict=True)], schema=_SCHEMA
    )


if __name__ == "__main__":
    main(task(sys.argv[1:]))

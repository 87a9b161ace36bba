"""Polars: each object inflated and read as one JSON line with types given; it writes no ORC, so pyarrow does."""

import gzip
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa

from bench.contenders.columns import BLOCKS, BOOLEAN, CONTEXT, IDENTITY, TEXT, Task, task
from bench.contenders.orc_files import write_orc
from bench.volumes import NEEDLE_NAMES

_FRAMES_A_BATCH = 40


def main(asked: Task) -> None:
    write_orc(asked.rows, _batches(asked))


def _batches(asked: Task) -> Iterator[pa.RecordBatch]:
    paths = asked.volume.paths()
    for start in range(0, len(paths), _FRAMES_A_BATCH):
        lines = b"\n".join(gzip.decompress(Path(path).read_bytes()) for path in paths[start : start + _FRAMES_A_BATCH])
        frame = pl.read_ndjson(lines, schema={"Records": pl.List(_struct())}).lazy()
        rows = frame.explode("Records").unnest("Records").select(_columns())
        if asked.needle:
            wanted = pl.col("eventname").is_in(NEEDLE_NAMES) & pl.col("recipientaccountid").is_in(asked.accounts)
            rows = rows.filter(wanted)
        yield from rows.collect().to_arrow(compat_level=pl.CompatLevel.oldest()).to_batches()


def _struct() -> pl.Struct:
    text = pl.String()
    issuer = pl.Struct({"type": text, "arn": text, "userName": text})
    attributes = pl.Struct({"mfaAuthenticated": text})
    context = pl.Struct({"sourceIdentity": text, "attributes": attributes, "sessionIssuer": issuer})
    identity = pl.Struct({**dict.fromkeys(IDENTITY, text), "sessionContext": context})
    fields: dict[str, Any] = dict.fromkeys((*TEXT, *BOOLEAN, *BLOCKS), text)
    return pl.Struct({**fields, "userIdentity": identity})


def _columns() -> list[pl.Expr]:
    identity = pl.col("userIdentity").struct
    columns = [pl.col(name).alias(name.lower()) for name in (*TEXT, *BOOLEAN, *BLOCKS)]
    columns += [identity.field(name).alias(f"useridentity_{name.lower()}") for name in IDENTITY]
    for path, column in CONTEXT.items():
        found = identity.field("sessionContext")
        for step in path:
            found = found.struct.field(step)
        columns.append(found.alias(column))
    return columns


if __name__ == "__main__":
    main(task(sys.argv[1:]))

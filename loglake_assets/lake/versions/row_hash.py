"""The hash of whole rows, over Arrow batches: XXH64 as Spark's `xxhash64` has it, so that anybody can ask Spark again.

Each column's hash is the seed of the next one's; a null leaves it as it is. Numbers and booleans are hashed as Spark
widens them, strings as their UTF-8 bytes. Rows are taken together, column by column and 32 bytes at a time, since a
call a value would cost more than all the rest of a build.
"""

from typing import Any

import numpy as np
import pyarrow as pa

Words = np.ndarray[Any, np.dtype[np.uint64]]
_P1, _P2, _P3, _P4, _P5 = (
    np.uint64(prime)
    for prime in (
        0x9E3779B185EBCA87,
        0xC2B2AE3D27D4EB4F,
        0x165667B19E3779F9,
        0x85EBCA77C2B2AE63,
        0x27D4EB2F165667C5,
    )
)
_SEED = 42


def hash_sum(batch: pa.RecordBatch) -> int:
    """The sum of the rows' hashes, as Spark's signed numbers."""
    hashes = row_hashes(batch)
    signed = hashes.view(np.int64)
    return (int((signed >> np.int64(32)).sum()) << 32) + int((hashes & np.uint64(0xFFFFFFFF)).sum())


def row_hashes(batch: pa.RecordBatch) -> Words:
    """The hash of each row, of all columns and then of whether each is null."""
    hashes = np.full(batch.num_rows, _SEED, dtype=np.uint64)
    for column in batch.columns:
        present = np.flatnonzero(column.is_valid().to_numpy(zero_copy_only=False))
        if len(present) == len(column):
            hashes = _hash(column, hashes)
        elif len(present):
            hashes[present] = _hash(column.drop_null(), hashes[present])
    for column in batch.columns:
        hashes = _of_int(column.is_null().to_numpy(zero_copy_only=False).astype(np.uint64), hashes)
    return hashes


def _hash(column: pa.Array, seeds: Words) -> Words:
    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        return _of_strings(column.cast(pa.large_string()), seeds)
    if pa.types.is_boolean(column.type):
        return _of_int(column.to_numpy(zero_copy_only=False).astype(np.uint64), seeds)
    if pa.types.is_int32(column.type):
        return _of_int(column.to_numpy().view(np.uint32).astype(np.uint64), seeds)
    if pa.types.is_int64(column.type) or column.type == pa.timestamp("us"):
        return _of_long(column.cast(pa.int64()).to_numpy().view(np.uint64), seeds)
    raise TypeError(
        f"No hash of {column.type} is known; string, boolean, int, bigint and timestamp in microseconds are."
    )


def _of_int(values: Words, seeds: Words) -> Words:
    hashes = (seeds + (_P5 + np.uint64(4))) ^ (values * _P1)
    return _finish(_rotate(hashes, 23) * _P2 + _P3)


def _of_long(values: Words, seeds: Words) -> Words:
    return _finish(_word((seeds + (_P5 + np.uint64(8))), values))


def _of_strings(column: pa.Array, seeds: Words) -> Words:
    """Longest first, so that the rows which still have 32 bytes are always the first ones."""
    offsets = np.frombuffer(column.buffers()[1], np.int64)[column.offset : column.offset + len(column) + 1]
    text = np.frombuffer(column.buffers()[2] or b"", np.uint8)[offsets[0] : offsets[-1]]
    text = np.concatenate((text, np.zeros(32, np.uint8)))  # so that a number may begin at any of its bytes
    lengths = np.diff(offsets)
    order = slice(None) if lengths.min() == lengths.max() else np.argsort(-lengths, kind="stable")
    at, lengths = offsets[:-1][order] - offsets[0], lengths[order]
    hashes = _stripes(text, at, lengths, seeds[order]) + lengths.astype(np.uint64)
    at, rest = at + (lengths & ~31), lengths & 31
    words, halves = _realign(text, np.uint64), _realign(text, np.uint32)
    for step in range(3):
        some = _where(rest >= 8 * (step + 1))
        hashes[some] = _word(hashes[some], words[at[some] + 8 * step])
    at, rest = at + (rest & ~7), rest & 7
    some = _where(rest >= 4)
    hashes[some] = _rotate(hashes[some] ^ (halves[at[some]].astype(np.uint64) * _P1), 23) * _P2 + _P3
    at, rest = at + (rest & ~3), rest & 3
    for step in range(3):
        some = _where(rest > step)
        hashes[some] = _rotate(hashes[some] ^ (text[at[some] + step].astype(np.uint64) * _P5), 11) * _P1
    result = np.empty_like(hashes)
    result[order] = _finish(hashes)
    return result


def _where(mask: Any) -> Any:
    """The positions that are true, or all of them as a slice, which copies nothing."""
    found = np.flatnonzero(mask)
    return slice(None) if len(found) == len(mask) else found


def _stripes(text: Any, at: Any, lengths: Any, seeds: Words) -> Words:
    """What the whole 32 bytes of each row make of its seed."""
    hashes = seeds + _P5
    count = int(np.searchsorted(-lengths, -32, side="right"))
    if not count:
        return hashes
    first = seeds[:count]
    lanes = np.stack((first + _P1 + _P2, first + _P2, first, first - _P1), axis=1)
    stripes = np.ndarray((len(text) - 31,), "V32", text, strides=(1,))
    left = count
    for step in range(int(lengths[0]) // 32):
        left = int(np.searchsorted(-lengths[:left], -32 * (step + 1), side="right"))
        taken = stripes[at[:left] + 32 * step].view(np.uint64).reshape(left, 4)
        taken *= _P2
        taken += lanes[:left]
        np.multiply(_rotate(taken, 31), _P1, out=lanes[:left])
    one, two, three, four = lanes.T
    mixed = _rotate(one, 1) + _rotate(two, 7) + _rotate(three, 12) + _rotate(four, 18)
    for lane in (one, two, three, four):
        mixed = (mixed ^ (_rotate(lane * _P2, 31) * _P1)) * _P1 + _P4
    hashes[:count] = mixed
    return hashes


def _realign(text: Any, kind: Any) -> Any:
    """Every position of the text as the beginning of a number."""
    size = np.dtype(kind).itemsize
    return np.ndarray((len(text) - size + 1,), kind, text, strides=(1,))


def _word(hashes: Words, values: Words) -> Words:
    mixed = _rotate(values * _P2, 31)
    mixed *= _P1
    mixed ^= hashes
    mixed = _rotate(mixed, 27)
    mixed *= _P1
    mixed += _P4
    return mixed


def _rotate(values: Words, bits: int) -> Words:
    turned = values << np.uint64(bits)
    turned |= values >> np.uint64(64 - bits)
    return turned


def _finish(hashes: Words) -> Words:
    mixed = hashes ^ (hashes >> np.uint64(33))
    mixed *= _P2
    mixed ^= mixed >> np.uint64(29)
    mixed *= _P3
    mixed ^= mixed >> np.uint64(32)
    return mixed

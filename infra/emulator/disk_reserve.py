"""A reserve of the disk that objects may not take: what the lake knows of itself must always find room.

On a disk that is full to the last byte a stored object has no notification, a commit no partition and a queue no
message, and every part fails in its own words minutes later. So the local S3 refuses objects while less than the
reserve is free, with one sentence that reaches whoever stores: a loading command, the Glue job, a query's result.
"""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

RESERVE_BYTES = 64_000_000  # snapshots of the emulator's state, its journal, Dagster's databases
CODE = "InsufficientStorage"
_STATUS = 507  # which no SDK retries
_WRITES = ("_put_object", "_copy_object", "_create_multipart_upload", "_upload_part")

Response = tuple[int, dict[str, str], bytes]
Operation = Callable[..., Response]


def replacements(home: Path, reserve: int = RESERVE_BYTES) -> dict[str, Operation]:
    """The functions of `ministack.services.s3` that store, each refusing where the disk of `home` is nearly full."""
    from ministack.services import s3

    return {name: _within_reserve(s3, getattr(s3, name), home, reserve) for name in _WRITES}


def _within_reserve(s3: Any, original: Operation, home: Path, reserve: int) -> Operation:
    def within_reserve(bucket: str, key: str, *arguments: Any, **named: Any) -> Response:
        free = free_bytes(home)
        if free >= reserve:
            return original(bucket, key, *arguments, **named)
        refusal: Response = s3._error(CODE, full_disk(home, free), _STATUS, f"/{bucket}/{key}")
        return refusal

    return within_reserve


def free_bytes(home: Path) -> int:
    """What the disk has free on which a home is, or would be."""
    return shutil.disk_usage(next(p for p in (home, *home.parents) if p.exists())).free


def full_disk(home: Path, free: int) -> str:
    """What is said of a disk with so many bytes free."""
    return (
        f"The disk of the lake in {home} is full: {free / 1e6:,.0f} MB are free, and {RESERVE_BYTES / 1e6:,.0f} MB are "
        "kept for what the lake knows of itself. Nothing more is stored, and nothing that stands is lost. Free some, "
        "then give the command again."
    )

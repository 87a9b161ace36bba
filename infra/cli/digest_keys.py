"""The public keys that came with samples, kept with a lake: its digests are validated with them, and AWS is not asked.

Local only in what they are: the file is named by LOGLAKE_KEPT_DIGEST_KEYS, and read as any file of keys.
"""

import fcntl
import json
from collections.abc import Mapping

from infra.cli.local_lake import DIGEST_KEYS, LocalLake
from infra.emulator.processes import write_atomically


def keep_keys(lake: LocalLake, keys: Mapping[str, str]) -> None:
    """Add public keys to those of the lake."""
    if not keys:
        return
    kept = lake.home / DIGEST_KEYS
    with (lake.home / f"{DIGEST_KEYS}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        known = json.loads(kept.read_text(encoding="utf-8")) if kept.exists() else {}
        write_atomically(kept, json.dumps(known | dict(keys), indent=1, sort_keys=True) + "\n")

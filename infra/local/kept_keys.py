"""The public keys that came with samples, kept with a lake: its digests are validated with them, and AWS is not asked.

Local only in what they are: the file is named by LOGLAKE_KEPT_DIGEST_KEYS, and read as any file of keys.
"""

import fcntl
import json
from collections.abc import Mapping
from pathlib import Path

from infra.local.opened import DIGEST_KEYS, OpenedLake
from infra.local.processes import write_atomically


class KeysFileError(ValueError):
    """A file of public keys beside samples cannot be read; the message says which and what to do."""


def keys_beside(file: Path) -> dict[str, str]:
    """Public keys by fingerprint that stand beside a tree of samples; none where there is no such file."""
    try:
        document = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise KeysFileError(
            f"The public keys beside the samples, {file}, cannot be read ({type(error).__name__}). Nothing was loaded. "
            "Generate the samples again, or remove the file: their digests are then validated with KEYS=<file>."
        ) from error
    return {str(fingerprint): str(key) for fingerprint, key in dict(document).items()}


def keep_keys(lake: OpenedLake, keys: Mapping[str, str]) -> None:
    """Add public keys to those of the lake."""
    if not keys:
        return
    kept = lake.home / DIGEST_KEYS
    with (lake.home / f"{DIGEST_KEYS}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        known = json.loads(kept.read_text(encoding="utf-8")) if kept.exists() else {}
        write_atomically(kept, json.dumps(known | dict(keys), indent=1, sort_keys=True) + "\n")

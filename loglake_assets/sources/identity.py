"""What names the records of a log that gives them no ids. Standard library only: decoder and recount both ask here.

A line that stands twice in one object is two records, so its bytes name none of them. Its place does: the digest of the
object's content and the position in it. The same content delivered again, under whatever key, gives the same names, and
so is known as a copy; nothing else is.
"""

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import count


def identities(content: bytes) -> Iterator[str]:
    """A name for each record of an object, in their order; `content` is its valid UTF-8 without compression."""
    digest = hashlib.sha256(content).hexdigest()
    return (f"sha256:{digest}:{position}" for position in count())


_OF_BYTES = "sha256:"


def has_keys_of_bytes(keys: Iterable[str]) -> bool:
    """Whether a key among them is one that `occurrence` counts."""
    return any(_OF_BYTES in key for key in keys)


def occurrence(key: str, seen: Counter[str]) -> str:
    """The key of a record within its object: one without an id that stands there again has its number behind it.

    Logs that give ids leave some records without; these are keyed by their bytes. `seen` counts the object's such keys
    in their order, so that the same object delivered twice gives the same keys, and honest repeats are kept.
    """
    if _OF_BYTES not in key:
        return key
    seen[key] += 1
    return key if seen[key] == 1 else f"{key}#{seen[key]}"

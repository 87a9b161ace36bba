"""Records that the lake keeps as JSON, read back into frozen types. Standard library only.

A record that cannot be read names its key and stops nothing else: whoever lists records goes on with the others.
Fields that are not known are those of a newer version and are left out.
"""

import json
from collections.abc import Mapping
from dataclasses import MISSING, fields
from typing import Any, TypeVar

Record = TypeVar("Record")


class BrokenRecordError(ValueError):
    """A stored record is empty, cut or without a field that it must have; the message names its key.

    Reading it again does not help.
    """

    def __init__(self, bucket: str, key: str, why: str, remedy: str) -> None:
        super().__init__(f"s3://{bucket}/{key} cannot be read: {why}. {remedy}")
        self.key = key


def json_record(body: bytes) -> dict[str, Any]:
    """The JSON object that `body` holds. Raises ValueError with the reason, which quotes nothing of it."""
    try:
        document = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise ValueError("it is empty" if not body.strip() else "it is no JSON, or was cut") from error
    if not isinstance(document, dict):
        raise ValueError("it is no JSON object")
    return document


def known_fields(kind: type[Record], document: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of dataclass `kind` that a document has. Raises ValueError naming those that are needed and absent."""
    of_kind = fields(kind)  # type: ignore[arg-type]  # every record is a dataclass
    needed = {f.name for f in of_kind if f.default is MISSING and f.default_factory is MISSING}
    if absent := sorted(needed - document.keys()):
        raise ValueError(f"it has no {', '.join(absent)}")
    return {f.name: document[f.name] for f in of_kind if f.name in document}

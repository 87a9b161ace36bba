"""One digest as a document: what it says of itself, of the one before it, and of the files of its hour."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

LARGEST_DIGEST = 64 << 20  # bytes inflated; an entry is about 400, and an hour has some thousands at most
_FINGERPRINT = re.compile(r"^[0-9A-Za-z:]{8,128}\Z")
_LONGEST_KEY = 1024  # bytes, of S3
_SHA256 = re.compile(r"^[0-9a-f]{64}\Z")


class UnreadableDigestError(ValueError):
    """The bytes are no digest; `reason` says why, without quoting them."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class NamedFile:
    """A delivered file by its original bucket and key, with the SHA-256 of its uncompressed content."""

    bucket: str
    key: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Digest:
    """A digest; bucket and key are those it was delivered under. `end_text` is signed as it is spelled."""

    bucket: str
    key: str
    start: datetime
    end: datetime
    end_text: str
    fingerprint: str
    previous_bucket: str | None
    previous_key: str | None
    previous_sha256: str | None
    previous_signature: str | None
    files: tuple[NamedFile, ...]


def parse_digest(content: bytes) -> Digest:
    """The digest that inflated bytes hold. Raises UnreadableDigestError."""
    try:
        document = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise UnreadableDigestError("not_json") from error
    if not isinstance(document, dict):
        raise UnreadableDigestError("not_an_object")
    if document.get("digestSignatureAlgorithm") != "SHA256withRSA":
        raise UnreadableDigestError("unknown_signature_algorithm")
    return Digest(
        bucket=_text(document, "digestS3Bucket"),
        key=_text(document, "digestS3Object"),
        start=_time(document, "digestStartTime"),
        end=_time(document, "digestEndTime"),
        end_text=_text(document, "digestEndTime"),
        fingerprint=_fingerprint(document),
        previous_bucket=_text_or_none(document, "previousDigestS3Bucket"),
        previous_key=_text_or_none(document, "previousDigestS3Object"),
        previous_sha256=_text_or_none(document, "previousDigestHashValue"),
        previous_signature=_text_or_none(document, "previousDigestSignature"),
        files=_files(document),
    )


def _fingerprint(document: Mapping[str, Any]) -> str:
    fingerprint = _text(document, "digestPublicKeyFingerprint")
    if not _FINGERPRINT.match(fingerprint):  # it is told in findings, so it must be one
        raise UnreadableDigestError("odd_digestPublicKeyFingerprint")
    return fingerprint


def _files(document: Mapping[str, Any]) -> tuple[NamedFile, ...]:
    files = document.get("logFiles")
    if not isinstance(files, list) or not all(isinstance(file, dict) for file in files):
        raise UnreadableDigestError("no_list_of_files")
    return tuple(_file(file) for file in files)


def _file(entry: Mapping[str, Any]) -> NamedFile:
    sha256 = _text(entry, "hashValue").lower()
    if entry.get("hashAlgorithm") != "SHA-256" or not _SHA256.match(sha256):
        raise UnreadableDigestError("unknown_hash")
    key = _text(entry, "s3Object")
    if _is_no_key(key):
        raise UnreadableDigestError("odd_key")
    return NamedFile(_text(entry, "s3Bucket"), key, sha256)


def _is_no_key(text: str) -> bool:
    return len(text.encode(errors="replace")) > _LONGEST_KEY


def _text(document: Mapping[str, Any], name: str) -> str:
    text = _text_or_none(document, name)
    if not text:
        raise UnreadableDigestError(f"without_{name}")
    return text


def _text_or_none(document: Mapping[str, Any], name: str) -> str | None:
    value = document.get(name)
    if not isinstance(value, str | None) or (value and name.endswith("S3Object") and _is_no_key(value)):
        raise UnreadableDigestError(f"odd_{name}")
    return value


def _time(document: Mapping[str, Any], name: str) -> datetime:
    try:
        moment = datetime.fromisoformat(_text(document, name))
        if moment.tzinfo is None:
            raise ValueError(name)
        return moment.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise UnreadableDigestError(f"odd_{name}") from error

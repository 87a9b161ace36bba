"""What lies in the bucket, read: a day's digests of a group, the names of its log files, and one file's hash."""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

from loglake_assets.s3.gzip_stream import GzipError, content
from loglake_assets.s3.pages import keys
from loglake_assets.sources.cloudtrail.digests.documents import (
    LARGEST_DIGEST,
    Digest,
    UnreadableDigestError,
    parse_digest,
)
from loglake_assets.sources.cloudtrail.digests.places import DigestPlace, Group, digest_place

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_PIECE = 1 << 20
_KINDS = {
    "truncated_gzip": "truncated_file",
    "corrupt_gzip": "changed_file",
    "inflates_too_large": "changed_file",
    "trailing_gzip_member": "trailing_gzip_member",
    "trailing_bytes": "trailing_bytes",
}
"""The kind of finding that an object is which cannot be inflated, by the reason why."""
_ATTEMPTS = 3  # the SDK retries a request, and not a body that is cut while it is read


@dataclass(frozen=True)
class StoredDigest:
    """A digest where it lies: its content, or the reason why it cannot be read, and what its metadata says."""

    place: DigestPlace
    size: int
    sha256: str
    digest: Digest | None
    fault: str
    signature: str | None


@dataclass(frozen=True)
class StoredDay:
    """A group's delivery prefix of one day: its digests, and the keys under the log files' prefix where asked for."""

    group: Group
    day: date
    digests: tuple[StoredDigest, ...]
    log_keys: tuple[str, ...]


@dataclass(frozen=True)
class StoredContent:
    """A stored object inflated: its hash, or the kind of finding that it is; `kind` is missing_file where none is."""

    sha256: str
    size: int
    kind: str = ""


def stored_day(s3: "S3Client", bucket: str, group: Group, day: date, with_logs: bool) -> StoredDay:
    """Read the digests that lie under a day; list its log files where asked."""
    places = (digest_place(key) for key in keys(s3, bucket, group.prefix(day, "CloudTrail-Digest")))
    digests = tuple(stored_digest(s3, bucket, place) for place in places if place)
    logs = keys(s3, bucket, group.prefix(day, "CloudTrail")) if with_logs else ()
    return StoredDay(group, day, digests, tuple(logs))


def stored_digest(s3: "S3Client", bucket: str, place: DigestPlace) -> StoredDigest:
    """Read one digest. What is wrong with its bytes stands in the answer."""
    body, metadata = _whole(s3, bucket, place.key)
    signature = metadata.get("signature")
    if len(body) > LARGEST_DIGEST:
        return StoredDigest(place, len(body), "", None, "too_large", signature)
    try:
        inflated = b"".join(content([body], LARGEST_DIGEST))
        sha256 = hashlib.sha256(inflated).hexdigest()
        return StoredDigest(place, len(body), sha256, parse_digest(inflated), "", signature)
    except GzipError as error:
        return StoredDigest(place, len(body), "", None, _KINDS[error.reason], signature)
    except UnreadableDigestError as error:
        return StoredDigest(place, len(body), "", None, error.reason, signature)


def _whole(s3: "S3Client", bucket: str, key: str) -> tuple[bytes, Mapping[str, str]]:
    """Body and metadata; of a body larger than any digest, so much that it is seen to be."""
    for attempt in range(_ATTEMPTS):
        answer = s3.get_object(Bucket=bucket, Key=key)
        try:
            size = min(int(answer["ContentLength"]), LARGEST_DIGEST + 1)
            return b"".join(_so_much(answer["Body"], size)), answer["Metadata"]
        except _truncation_errors():
            if attempt == _ATTEMPTS - 1:
                raise
    raise AssertionError("the last attempt returns or raises")


def _so_much(body: Any, size: int) -> Iterator[bytes]:
    while size > 0 and (piece := body.read(min(_PIECE, size))):
        size -= len(piece)
        yield piece


def stored_content(s3: "S3Client", bucket: str, candidates: tuple[str, ...]) -> tuple[str, StoredContent]:
    """(key, content) of the first of the keys that something is stored under; of the first key where nothing is."""
    for key in candidates:
        found = _content(s3, bucket, key)
        if found.kind != "missing_file":
            return key, found
    return candidates[0], StoredContent("", 0, "missing_file")


def _content(s3: "S3Client", bucket: str, key: str) -> StoredContent:
    for attempt in range(_ATTEMPTS):
        try:
            answer = s3.get_object(Bucket=bucket, Key=key)
            return _hash(answer["Body"], int(answer["ContentLength"]))
        except s3.exceptions.NoSuchKey:
            break
        except _truncation_errors():
            if attempt == _ATTEMPTS - 1:
                raise
    return StoredContent("", 0, "missing_file")


def _hash(body: Any, size: int) -> StoredContent:
    sha256 = hashlib.sha256()
    try:
        for piece in content(_pieces(body)):
            sha256.update(piece)
    except GzipError as error:
        return StoredContent("", size, _KINDS[error.reason])
    return StoredContent(sha256.hexdigest(), size)


def _pieces(body: Any) -> Iterator[bytes]:
    return iter(lambda: body.read(_PIECE), b"")


def _truncation_errors() -> tuple[type[Exception], ...]:
    from botocore.exceptions import IncompleteReadError, ReadTimeoutError, ResponseStreamingError

    return IncompleteReadError, ReadTimeoutError, ResponseStreamingError

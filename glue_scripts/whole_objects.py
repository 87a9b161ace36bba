"""Whole objects from S3, many requests in flight, each read again when it was cut or damaged on the way."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from loglake_assets.s3.objects import (
    ATTEMPTS,
    FIRST_PAUSE_SECONDS,
    GONE,
    CutObjectError,
    object_head,
    refusal,
    whole_object,
)
from loglake_assets.s3.read_ahead import results_in_order

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

IN_FLIGHT = 16  # requests at a time
_BYTES_IN_FLIGHT = 16 << 20  # of their objects, as listed
_BYTES_OF_UNLISTED = 4 << 20  # what an object of unknown size is taken for


class FetchError(RuntimeError):
    """An object could not be read. The message names it, what came back, and whether a retry can help."""


@dataclass(frozen=True)
class ObjectRef:
    """One raw object of the window: its number in the job's list, where it is, and the day of its delivery prefix."""

    number: int
    bucket: str
    key: str
    prefix_day: int
    size: int = 0
    """Bytes as listed; 0 of an object that the late ledger names."""


@dataclass(frozen=True)
class FetchedObject:
    """What S3 gave for an object; `body` is None when the object is gone, or is withheld for `reason`."""

    ref: ObjectRef
    body: bytes | None
    etag: str = ""
    version_id: str | None = None
    last_modified: float = 0.0
    reason: str = "gone_while_reading"


def s3_client(region: str | None) -> "S3Client":
    """An S3 client of this process, with a connection for each of the requests that are in flight."""
    import boto3
    from botocore.config import Config

    client: S3Client = boto3.client("s3", region_name=region, config=Config(max_pool_connections=IN_FLIGHT))
    return client


def fetch_all(s3: "S3Client", refs: Iterable[ObjectRef]) -> Iterator[FetchedObject]:
    """Each object in order, IN_FLIGHT requests ahead of the reader, so that waiting and decoding overlap.

    Where objects are large, fewer are held: `_BYTES_IN_FLIGHT` of them, or one that is larger.
    """
    yield from results_in_order(lambda ref: fetch(s3, ref), refs, IN_FLIGHT, _weight, _BYTES_IN_FLIGHT)


def _weight(ref: ObjectRef) -> int:
    return ref.size or _BYTES_OF_UNLISTED


def fetch(
    s3: "S3Client", ref: ObjectRef, attempts: int = ATTEMPTS, pause_seconds: float = FIRST_PAUSE_SECONDS
) -> FetchedObject:
    """The whole object. Raises FetchError after `attempts` reads that were cut or damaged, or when S3 refuses."""
    try:
        answer = whole_object(s3, ref.bucket, ref.key, attempts, pause_seconds)
    except CutObjectError as error:
        raise FetchError(f"{error} Nothing was committed; running the same days again can help.") from error
    except ClientError as error:
        if error.response["Error"]["Code"] in GONE:
            return FetchedObject(ref, None)
        if reason := refusal(error):
            return _withheld_object(s3, ref, reason)
        raise FetchError(_refusal_text(ref, error)) from error
    return FetchedObject(
        ref,
        answer["Body"],
        etag=answer["ETag"].strip('"'),
        version_id=answer.get("VersionId"),
        last_modified=answer["LastModified"].timestamp(),
    )


def _withheld_object(s3: "S3Client", ref: ObjectRef, reason: str) -> FetchedObject:
    """An object that is there and that S3 does not give: its content is known by ETag only."""
    answer = object_head(s3, ref.bucket, ref.key)
    if answer is None:
        return FetchedObject(ref, None)
    return FetchedObject(
        ref,
        None,
        etag=answer["ETag"].strip('"'),
        version_id=answer.get("VersionId"),
        last_modified=answer["LastModified"].timestamp(),
        reason=reason,
    )


def _refusal_text(ref: ObjectRef, error: ClientError) -> str:
    code = error.response["Error"]["Code"]
    advice = "grant the job's role s3:GetObject on it" if code in {"AccessDenied", "403"} else "run the same days again"
    return f"S3 refused to give s3://{ref.bucket}/{ref.key}: {code}. Nothing was committed; {advice}."

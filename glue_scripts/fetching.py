"""Whole objects from S3, many requests in flight, with the retries that the SDK does not do itself.

botocore retries refused and throttled requests; a body cut in mid-stream or failing its checksum it does not
(measured), so each read is tried again here as a whole.
"""

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import (
    ClientError,
    ConnectionError,
    FlexibleChecksumError,
    HTTPClientError,
    IncompleteReadError,
    ReadTimeoutError,
    ResponseStreamingError,
)

from loglake_assets.lake.ahead import results_in_order

_CUT_OR_DAMAGED = (
    ConnectionError,
    FlexibleChecksumError,
    HTTPClientError,
    IncompleteReadError,
    ReadTimeoutError,
    ResponseStreamingError,
)
_GONE = {"NoSuchKey", "404", "NoSuchVersion"}


class FetchError(RuntimeError):
    """An object could not be read. The message names it, what came back, and whether a retry can help."""


@dataclass(frozen=True)
class ObjectRef:
    """One raw object of the window: its number in the job's list, where it is, and the day of its delivery prefix."""

    number: int
    bucket: str
    key: str
    prefix_day: int


@dataclass(frozen=True)
class FetchedObject:
    """What S3 gave for an object; `body` is None when the object is gone."""

    ref: ObjectRef
    body: bytes | None
    etag: str = ""
    version_id: str | None = None
    last_modified: float = 0.0


def fetch_all(s3: Any, refs: Iterable[ObjectRef], in_flight: int = 16) -> Iterator[FetchedObject]:
    """Each object in order, `in_flight` requests ahead of the reader, so that waiting and decoding overlap."""
    yield from results_in_order(lambda ref: fetch(s3, ref), refs, in_flight)


def fetch(s3: Any, ref: ObjectRef, attempts: int = 4, pause_seconds: float = 0.5) -> FetchedObject:
    """The whole object. Raises FetchError after `attempts` reads that were cut or damaged, or when S3 refuses."""
    for attempt in range(1, attempts + 1):
        try:
            return _fetch_once(s3, ref)
        except ClientError as error:
            if error.response["Error"]["Code"] in _GONE:
                return FetchedObject(ref, None)
            raise FetchError(_refused(ref, error)) from error
        except _CUT_OR_DAMAGED as error:
            if attempt == attempts:
                raise FetchError(
                    f"Reading s3://{ref.bucket}/{ref.key} was cut or damaged {attempts} times, at last with "
                    f"{type(error).__name__}. Nothing was committed; running the same days again can help."
                ) from error
            time.sleep(pause_seconds * 2 ** (attempt - 1))
    raise AssertionError("unreachable: the last attempt returns or raises")


def _fetch_once(s3: Any, ref: ObjectRef) -> FetchedObject:
    answer = s3.get_object(Bucket=ref.bucket, Key=ref.key)
    body = answer["Body"].read()
    if len(body) != answer["ContentLength"]:
        raise IncompleteReadError(actual_bytes=len(body), expected_bytes=answer["ContentLength"])
    return FetchedObject(
        ref,
        body,
        etag=answer["ETag"].strip('"'),
        version_id=answer.get("VersionId"),
        last_modified=answer["LastModified"].timestamp(),
    )


def _refused(ref: ObjectRef, error: ClientError) -> str:
    code = error.response["Error"]["Code"]
    advice = "grant the job's role s3:GetObject on it" if code in {"AccessDenied", "403"} else "run the same days again"
    return f"S3 refused to give s3://{ref.bucket}/{ref.key}: {code}. Nothing was committed; {advice}."

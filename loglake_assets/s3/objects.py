"""An object, read whole, and again when it was cut or damaged on the way; written once. Clients are passed in.

botocore retries refused and throttled requests; a body cut in mid-stream or failing its checksum it does not
(measured), so each read is tried again here as a whole.
"""

import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

ALREADY_THERE = frozenset({"PreconditionFailed", "412"})
"""S3's answers to a conditional PutObject whose key exists."""
GONE = frozenset({"NoSuchKey", "NoSuchVersion", "NotFound", "404"})
"""S3's answers of an object that is not there."""
_HEAD_WITHOUT_KEY = frozenset({"400", "InvalidRequest"})
ATTEMPTS, FIRST_PAUSE_SECONDS = 4, 0.5


class CutObjectError(OSError):
    """A body came cut or damaged every time; the message names the object. Reading it later can help."""


def refusal(error: Any) -> str | None:
    """Why S3 does not give this one object, by its ClientError: `archived`, `key_unavailable`; None for anything else.

    Asking again does not help until the object is restored, or the key that it was encrypted with is enabled.
    """
    code = str(error.response["Error"]["Code"])
    if code == "InvalidObjectState":
        return "archived"
    is_of_the_key = code.startswith("KMS") or code == "InvalidRequest"  # the latter: a key that its writer kept
    return "key_unavailable" if is_of_the_key else None


def whole_object(
    s3: "S3Client",
    bucket: str,
    key: str,
    attempts: int = ATTEMPTS,
    pause_seconds: float = FIRST_PAUSE_SECONDS,
    **request: Any,
) -> dict[str, Any]:
    """GetObject's answer with all bytes as its `Body`. Raises CutObjectError, or what S3 refuses with, at once."""
    cut_or_damaged = _damage_errors()
    for attempt in range(1, attempts + 1):
        try:
            return _read_once(s3, bucket, key, request)
        except cut_or_damaged as error:
            if attempt == attempts:
                raise CutObjectError(
                    f"Reading s3://{bucket}/{key} was cut or damaged {attempts} times, at last with "
                    f"{type(error).__name__}."
                ) from error
            time.sleep(pause_seconds * 2 ** (attempt - 1))
    raise AssertionError("unreachable: the last attempt returns or raises")


def object_if_any(s3: "S3Client", bucket: str, key: str) -> bytes | None:
    """An object's bytes, or None where there is none. Raises what S3 refuses with otherwise."""
    from botocore.exceptions import ClientError

    try:
        body: bytes = whole_object(s3, bucket, key)["Body"]
        return body
    except ClientError as error:
        if error.response["Error"]["Code"] in GONE:
            return None
        raise


def object_head(s3: "S3Client", bucket: str, key: str) -> Any | None:
    """ETag, LastModified and what else HeadObject says of an object, or the listing; None where there is none.

    Of an object whose key its writer kept (SSE-C), S3 gives no head; the listing has its ETag all the same.
    """
    from botocore.exceptions import ClientError

    try:
        return s3.head_object(Bucket=bucket, Key=key)
    except ClientError as error:
        code = error.response["Error"]["Code"]
        if code in GONE or code == "NoSuchBucket":
            return None
        if code not in _HEAD_WITHOUT_KEY:
            raise
        listed = s3.list_objects_v2(Bucket=bucket, Prefix=key, MaxKeys=1).get("Contents", [])
        return listed[0] if listed and listed[0]["Key"] == key else None


def etag_if_any(s3: "S3Client", bucket: str, key: str) -> str | None:
    """An object's ETag without its quotation marks; None where there is none."""
    head = object_head(s3, bucket, key)
    return None if head is None else str(head["ETag"]).strip('"')


def put_once(s3: "S3Client", bucket: str, key: str, body: bytes, content_type: str = "application/json") -> None:
    """Write an object, unless it is there. There with the same bytes: the answer to an earlier try was lost.

    Raises ClientError, also where other bytes are there.
    """
    from botocore.exceptions import ClientError

    try:
        s3.put_object(Bucket=bucket, Key=key, Body=body, ContentType=content_type, IfNoneMatch="*")
    except ClientError as error:
        if error.response["Error"]["Code"] not in ALREADY_THERE or whole_object(s3, bucket, key)["Body"] != body:
            raise


def _read_once(s3: "S3Client", bucket: str, key: str, request: dict[str, Any]) -> dict[str, Any]:
    from botocore.exceptions import IncompleteReadError

    answer = s3.get_object(Bucket=bucket, Key=key, **request)
    body = answer["Body"].read()
    expected = answer.get("ContentLength", len(body))  # S3 always says it, a proxy in between may not
    if len(body) != expected:
        raise IncompleteReadError(actual_bytes=len(body), expected_bytes=expected)
    return {**answer, "Body": body}


def _damage_errors() -> tuple[type[Exception], ...]:
    from botocore import exceptions

    return (
        exceptions.ConnectionError,
        exceptions.FlexibleChecksumError,
        exceptions.HTTPClientError,
        exceptions.IncompleteReadError,
        exceptions.ReadTimeoutError,
        exceptions.ResponseStreamingError,
    )

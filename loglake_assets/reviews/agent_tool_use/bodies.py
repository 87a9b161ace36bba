"""Bodies of invocations that are too large for their record and lie in objects of their own beside it."""

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from loglake_assets.s3.gzip_content import ContentLimits, UnreadableObjectError, inflate
from loglake_assets.s3.read_ahead import results_in_order
from loglake_assets.s3.urls import bucket_and_key
from loglake_assets.sources.bedrock.tools import read_bodies

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_LIMITS = ContentLimits(inflated=64 << 20)
_IN_FLIGHT = 16
_COLUMNS = {"input_bodys3path": "input", "output_bodys3path": "output"}
_ABSENT = {"404", "NoSuchKey", "NoSuchBucket", "NotFound", "403", "AccessDenied"}
_LONGEST_KEY = 1024  # bytes; S3 has no longer one


@dataclass(frozen=True)
class Body:
    """A referenced body: `found` is False where it cannot be read, `document` its JSON where it was asked for.

    `is_followed` is False where it lies in a bucket that is not followed: nothing is known of it.
    """

    path: str
    found: bool
    document: Any = None
    is_followed: bool = True


def body_references(row: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """(side, path) of each body that an invocation refers to."""
    return ((side, row[column]) for column, side in _COLUMNS.items() if row[column])


def look_up(
    s3: "S3Client", bucket: str, rows: Sequence[Mapping[str, Any]], fetch: bool, followed: Collection[str] = ()
) -> dict[str, Body]:
    """Each referenced body by its path: only looked for, or also read.

    A path is what a log says, so it is followed into the log's own bucket and into those of `followed`, nowhere else.
    """
    paths = sorted({path for row in rows for _, path in body_references(row)})
    buckets = {bucket, *followed}
    found = results_in_order(lambda path: _body(s3, buckets, path, fetch), paths, _IN_FLIGHT)
    return dict(zip(paths, found, strict=True))


def _body(s3: "S3Client", buckets: Collection[str], path: str, fetch: bool) -> Body:
    bucket, key = bucket_and_key(path)
    if not path.startswith("s3://") or bucket not in buckets:
        return Body(path, False, is_followed=False)
    if not 0 < len(key.encode(errors="replace")) <= _LONGEST_KEY:
        return Body(path, False)
    try:
        if not fetch:
            s3.head_object(Bucket=bucket, Key=key)
            return Body(path, True)
        body = s3.get_object(Bucket=bucket, Key=key)["Body"].read()
        return Body(path, True, json.loads(inflate(body, False, _LIMITS)))
    except ClientError as error:
        if error.response["Error"]["Code"] in _ABSENT:
            return Body(path, False)
        raise
    except (ValueError, RecursionError, UnreadableObjectError):
        return Body(path, False)


def with_bodies(row: Mapping[str, Any], bodies: Mapping[str, Body]) -> dict[str, Any]:
    """The invocation with the tools that its fetched bodies tell of, beside those that stand in its record."""
    sides = {side: bodies[path].document for side, path in body_references(row)}
    if all(document is None for document in sides.values()):
        return dict(row)
    read = read_bodies(sides.get("input"), sides.get("output"), row["useridentity_arn"])
    names = {"tool_calls": "tool_calls", "tool_history": "tool_history", "f_conversation": "conversation"}
    results = (text for text in (read["tool_results"], row["tool_results"]) if text)
    told = json.dumps([result for text in results for result in json.loads(text)], ensure_ascii=False)
    own = {column: row[column] or read[name] for column, name in names.items()}
    return {**row, **own, "tool_results": None if told == "[]" else told}

"""Bodies of invocations that are too large for their record and lie in objects of their own beside it."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from glue_scripts.content import ContentLimits, UnreadableObjectError, inflated
from loglake_assets.lake.ahead import results_in_order
from loglake_assets.sources.bedrock.tools import read_bodies

_LIMITS = ContentLimits(inflated=64 << 20)
_IN_FLIGHT = 16
_COLUMNS = {"input_bodys3path": "input", "output_bodys3path": "output"}
_ABSENT = {"404", "NoSuchKey", "NotFound", "403", "AccessDenied"}


@dataclass(frozen=True)
class Body:
    """A referenced body: `found` is False where it cannot be read, `document` its JSON where it was asked for."""

    path: str
    found: bool
    document: Any = None


def referenced(row: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """(side, path) of each body that an invocation refers to."""
    return ((side, row[column]) for column, side in _COLUMNS.items() if row[column])


def looked_up(s3: Any, bucket: str, rows: Sequence[Mapping[str, Any]], fetch: bool) -> dict[str, Body]:
    """Each referenced body by its path: only looked for, or also read.

    A path is what a log says, so it is followed into the log's own bucket and nowhere else.
    """
    paths = sorted({path for row in rows for _, path in referenced(row)})
    found = results_in_order(lambda path: _body(s3, bucket, path, fetch), paths, _IN_FLIGHT)
    return dict(zip(paths, found, strict=True))


def _body(s3: Any, bucket: str, path: str, fetch: bool) -> Body:
    prefix = f"s3://{bucket}/"
    if not path.startswith(prefix):
        return Body(path, False)
    try:
        if not fetch:
            s3.head_object(Bucket=bucket, Key=path.removeprefix(prefix))
            return Body(path, True)
        body = s3.get_object(Bucket=bucket, Key=path.removeprefix(prefix))["Body"].read()
        return Body(path, True, json.loads(inflated(body, False, _LIMITS)))
    except ClientError as error:
        if error.response["Error"]["Code"] in _ABSENT:
            return Body(path, False)
        raise
    except (ValueError, RecursionError, UnreadableObjectError):
        return Body(path, False)


def with_bodies(row: Mapping[str, Any], bodies: Mapping[str, Body]) -> dict[str, Any]:
    """The invocation with the tools that its fetched bodies tell of."""
    sides = {side: bodies[path].document for side, path in referenced(row)}
    read = read_bodies(sides.get("input"), sides.get("output"), row["useridentity_arn"])
    names = {"tool_calls": "tool_calls", "tool_history": "tool_history", "tool_results": "tool_results"}
    names["f_conversation"] = "conversation"
    return {**row, **{column: row[column] or read[name] for column, name in names.items()}}

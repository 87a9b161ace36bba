"""Partitions of the emulated Glue catalog, with what ministack leaves out: Expression, paging and checks.

They live in ministack's own lists, so they persist and its other operations see them. An index over each list makes
finding one partition a dictionary lookup: AddAPart creates them one by one, and a scan of the list each time made
10,000 of them quadratic. One lock covers every read and write.
"""

import base64
import json
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from typing import Any

from ministack.core.responses import (
    error_response_json,
    get_account_id,
    get_region,
    json_response,
)
from ministack.services import glue

from infra.emulator.partition_filter import ExpressionError, PartitionFilter

PAGE_LIMIT = 1000
BATCH_LIMIT = 100

Request = dict[str, Any]
Partition = dict[str, Any]
Response = tuple[int, dict[str, str], bytes]


class Refusal(Exception):
    """An answer that is an error of the Glue API."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code, self.message = code, message

    def detail(self) -> dict[str, str]:
        return {"ErrorCode": self.code, "ErrorMessage": self.message}


class Partitions:
    """The partition operations of Glue over ministack's stores. Each takes a request and gives the answer's body."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._indexes: dict[tuple[str, str, str], _Index] = {}

    def create(self, request: Request) -> dict[str, Any]:
        self._add(request, request.get("PartitionInput") or {})
        return {}

    def batch_create(self, request: Request) -> dict[str, Any]:
        inputs = request.get("PartitionInputList") or []
        _check_batch("partitionInputList", inputs)
        _table(request)
        return {"Errors": list(self._create_each(request, inputs))}

    def delete(self, request: Request) -> dict[str, Any]:
        index, gone = self._find(request)
        del index.by_values[_values(gone["Values"])]
        index.stored[:] = [partition for partition in index.stored if partition is not gone]
        statistics = glue._partition_column_statistics.get(_table_key(request), [])
        statistics[:] = [entry for entry in statistics if entry.get("Values") != gone["Values"]]
        return {}

    def get(self, request: Request) -> dict[str, Any]:
        return {"Partition": self._find(request)[1]}

    def get_all(self, request: Request) -> dict[str, Any]:
        """GetPartitions: filtered by Expression and Segment, in the order of their values, a page at a time."""
        page, following = self._page(request)
        shown = [_without_columns(partition) for partition in page] if request.get("ExcludeColumnSchema") else page
        return {"Partitions": shown} | ({"NextToken": following} if following else {})

    def batch_get(self, request: Request) -> dict[str, Any]:
        entries = request.get("PartitionsToGet") or []
        by_values = self._index(request).by_values
        found = [by_values.get(_values(entry.get("Values"))) for entry in entries]
        missing = [entry for entry, partition in zip(entries, found, strict=True) if partition is None]
        return {"Partitions": [p for p in found if p is not None], "UnprocessedKeys": missing}

    def batch_update(self, request: Request) -> dict[str, Any]:
        entries = request.get("Entries") or []
        _check_batch("entries", entries)
        _table(request)
        return {"Errors": list(self._update_each(request, entries))}

    def serialize(self, operation: Callable[[Request], dict[str, Any]]) -> Callable[[Request], Response]:
        """`operation` under the lock, serialized before it is released, with a refusal as the API's error."""

        def answer(request: Request) -> Response:
            try:
                with self._lock:
                    response: Response = json_response(operation(request))
            except Refusal as refusal:
                response = error_response_json(refusal.code, refusal.message, 400)
            return response

        return answer

    def _create_each(self, request: Request, inputs: list[Partition]) -> Iterator[dict[str, Any]]:
        for given in inputs:
            try:
                self._add(request, given)
            except Refusal as refusal:
                yield {"PartitionValues": given.get("Values", []), "ErrorDetail": refusal.detail()}

    def _update_each(self, request: Request, entries: list[Request]) -> Iterator[dict[str, Any]]:
        for entry in entries:
            try:
                self._update(request, entry)
            except Refusal as refusal:
                yield {"PartitionValueList": entry.get("PartitionValueList", []), "ErrorDetail": refusal.detail()}

    def _add(self, request: Request, given: Partition) -> None:
        values = _values(given.get("Values"))
        _check_arity(_table(request), values)
        index = self._index(request)
        if values in index.by_values:
            raise Refusal("AlreadyExistsException", "Partition already exists.")
        partition = _record(request, given, values, created=time.time())
        index.stored.append(partition)
        index.by_values[values] = partition

    def _update(self, request: Request, entry: Request) -> None:
        index = self._index(request)
        old = _values(entry.get("PartitionValueList"))
        given = entry.get("PartitionInput") or {}
        new = _values(given.get("Values")) or old
        if old not in index.by_values:
            raise Refusal("EntityNotFoundException", "Partition not found.")
        if new != old and new in index.by_values:
            raise Refusal("AlreadyExistsException", "Partition already exists.")
        _check_arity(_table(request), new)
        partition = index.by_values.pop(old)
        created = partition.get("CreationTime")
        partition.clear()
        partition.update(_record(request, given, new, created))
        index.by_values[new] = partition

    def _page(self, request: Request) -> tuple[list[Partition], str | None]:
        limit = int(request.get("MaxResults") or PAGE_LIMIT)
        if not 1 <= limit <= PAGE_LIMIT:
            raise Refusal("InvalidInputException", f"MaxResults is {limit}; 1 to {PAGE_LIMIT} are accepted.")
        table = _table(request)
        after = _token_values(request.get("NextToken"))
        chosen = self._choose(request, table.get("PartitionKeys") or [])
        ordered = sorted((pair for pair in chosen if after is None or pair[0] > after), key=lambda pair: pair[0])
        page = ordered[:limit]
        return [p for _, p in page], _token(page[-1][0]) if len(ordered) > limit else None

    def _choose(self, request: Request, keys: list[dict[str, Any]]) -> list[tuple[tuple[str, ...], Partition]]:
        try:
            wanted = PartitionFilter(request["Expression"], keys) if request.get("Expression") else None
        except ExpressionError as error:
            raise Refusal("InvalidInputException", f"Unsupported expression: {error}.") from error
        segment = request.get("Segment")
        return [
            (values, partition)
            for values, partition in self._index(request).by_values.items()
            if (wanted is None or wanted.accepts(values)) and (segment is None or _in_segment(values, segment))
        ]

    def _find(self, request: Request) -> tuple["_Index", Partition]:
        index = self._index(request)
        partition = index.by_values.get(_values(request.get("PartitionValues")))
        if partition is None:
            raise Refusal("EntityNotFoundException", "Cannot find partition.")
        return index, partition

    def _index(self, request: Request) -> "_Index":
        """The index of the table's list, made anew when ministack has replaced or changed the list behind our back."""
        _table(request)
        name = _table_key(request)
        stored = glue._partitions.setdefault(name, [])
        place = (get_account_id(), get_region(), name)
        index = self._indexes.get(place)
        if index is None or index.stored is not stored or len(index.by_values) != len(stored):
            index = self._indexes[place] = _Index(stored)
        return index


class _Index:
    def __init__(self, stored: list[Partition]) -> None:
        self.stored = stored
        self.by_values = {_values(partition.get("Values")): partition for partition in stored}


def replacements() -> dict[str, Any]:
    """The functions of `ministack.services.glue` that these operations stand in for."""
    partitions = Partitions()
    operations = {
        "_create_partition": partitions.create,
        "_batch_create_partition": partitions.batch_create,
        "_delete_partition": partitions.delete,
        "_get_partition": partitions.get,
        "_get_partitions": partitions.get_all,
        "_batch_get_partition": partitions.batch_get,
        "_batch_update_partition": partitions.batch_update,
    }
    return {name: partitions.serialize(operation) for name, operation in operations.items()}


def _table_key(request: Request) -> str:
    return f"{request.get('DatabaseName')}/{request.get('TableName')}"


def _table(request: Request) -> dict[str, Any]:
    table: dict[str, Any] | None = glue._tables.get(_table_key(request))
    if table is None:
        raise Refusal("EntityNotFoundException", f"Table {request.get('TableName')} not found.")
    return table


def _values(given: Any) -> tuple[str, ...]:
    return tuple(str(value) for value in given or ())


def _check_arity(table: dict[str, Any], values: tuple[str, ...]) -> None:
    if len(values) != len(table.get("PartitionKeys") or []):
        raise Refusal(
            "InvalidInputException", "The number of partition keys do not match the number of partition values"
        )


def _check_batch(member: str, given: list[Any]) -> None:
    if len(given) > BATCH_LIMIT:
        raise Refusal(
            "ValidationException",
            f"1 validation error detected: Value at '{member}' failed to satisfy constraint: "
            f"Member must have length less than or equal to {BATCH_LIMIT}",
        )


def _record(request: Request, given: Partition, values: tuple[str, ...], created: float | None) -> Partition:
    return {
        **given,
        "Values": list(values),
        "DatabaseName": request.get("DatabaseName"),
        "TableName": request.get("TableName"),
        "CreationTime": created,
        "CatalogId": get_account_id(),
    }


def _without_columns(partition: Partition) -> Partition:
    storage = {name: value for name, value in (partition.get("StorageDescriptor") or {}).items() if name != "Columns"}
    return {**partition, "StorageDescriptor": storage}


def _in_segment(values: tuple[str, ...], segment: dict[str, int]) -> bool:
    return zlib.crc32("\0".join(values).encode()) % int(segment["TotalSegments"]) == int(segment["SegmentNumber"])


def _token(values: tuple[str, ...]) -> str:
    return base64.urlsafe_b64encode(json.dumps(values).encode()).decode()


def _token_values(token: str | None) -> tuple[str, ...] | None:
    """The values after which the next page starts, so that partitions made or deleted between pages shift nothing."""
    if not token:
        return None
    try:
        return _values(json.loads(base64.urlsafe_b64decode(token)))
    except ValueError as error:
        raise Refusal("InvalidInputException", "NextToken is not one that GetPartitions gave.") from error

"""json_value, json_query and json_exists over paths such as `lax $.a[0].b`, as Trino answers them.

A path is names, positions from zero, `[last]`, and `*` for all members or items. In lax mode an array is opened where a
member is asked for, a value that is no array is an array of one, and what is missing is nothing; in strict mode each of
these is an error. An error gives NULL, or false from json_exists, as where a statement has no ON ERROR.
"""

import json
import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

_STEP = re.compile(
    r'\s*(?:\.\s*(?P<name>[A-Za-z_][A-Za-z0-9_]*)|\.\s*"(?P<quoted>(?:[^"\\])*)"|(?P<members>\.\s*\*)'
    r"|\[\s*(?P<position>\d+|last)\s*\]|(?P<items>\[\s*\*\s*\]))"
)
_MODE = re.compile(r"\s*(?P<mode>lax|strict)\s+\$", re.IGNORECASE)


class PathError(ValueError):
    """A path that asks for what the local Athena does not have. The message does not hold the path."""


class _StructuralError(Exception):
    """A strict path that does not fit the document."""


@lru_cache(maxsize=256)
def path_steps(path: str) -> tuple[bool, tuple[tuple[str, str], ...]]:
    """Whether the path is strict, and its steps as (kind, name or position). Raises PathError."""
    begin = _MODE.match(path)
    if begin is None:
        raise PathError("a JSON path without `lax` or `strict` and `$` at its begin")
    steps, position = [], begin.end()
    while path[position:].strip():
        step = _STEP.match(path, position)
        if step is None:
            raise PathError("a JSON path with more than names, positions and `*` (filters and methods, for example)")
        kind = next(name for name, text in step.groupdict().items() if text is not None)
        steps.append(("name" if kind == "quoted" else kind, step[kind]))
        position = step.end()
    return begin["mode"].lower() == "strict", tuple(steps)


def json_value(text: str, path: str) -> str | None:
    """The one scalar at the path, as text."""
    found = _find(text, path)
    if found is None or len(found) != 1 or isinstance(found[0], (dict, list)) or found[0] is None:
        return None
    value = found[0]
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        raise PathError("json_value of a number with a fraction or an exponent; json_extract_scalar gives its text")
    return value if isinstance(value, str) else str(value)


def json_query(text: str, path: str) -> str | None:
    """The one value at the path, as JSON."""
    found = _find(text, path)
    if found is None or len(found) != 1:
        return None
    return json.dumps(found[0], separators=(",", ":"), ensure_ascii=False)


def json_exists(text: str, path: str) -> bool:
    """Whether there is anything at the path."""
    return bool(_find(text, path))


def json_number(text: str, path: str) -> str | None:
    """A number as it is written in the document. The path is the engine's own: `$.a[0]`."""
    try:
        document = json.loads(text, parse_float=_Written, parse_int=_Written)
    except (ValueError, RecursionError):
        return None
    found = _walk(document, "lax " + path)
    return str(found[0]) if found and len(found) == 1 else None


class _Written(str):
    """A number's own letters."""


def _find(text: str, path: str) -> list[Any] | None:
    """Every value at the path; None for an error in the document or, in strict mode, of the path."""
    try:
        return _walk(json.loads(text, parse_constant=_no_constant), path)
    except PathError:
        raise
    except (ValueError, RecursionError, _StructuralError):
        return None


def _no_constant(text: str) -> None:
    raise ValueError("NaN and Infinity are not JSON")


def _walk(document: Any, path: str) -> list[Any]:
    strict, steps = path_steps(path)
    values = [document]
    for kind, name in steps:
        values = [found for value in values for found in _step(value, kind, name, strict)]
    return values


def _step(value: Any, kind: str, name: str, strict: bool) -> Iterator[Any]:
    if kind in ("position", "items"):
        yield from _items(value, name, kind == "items", strict)
    elif isinstance(value, list) and not strict:
        for item in value:
            if not isinstance(item, list):
                yield from _step(item, kind, name, strict)
    elif not isinstance(value, dict) or (kind == "name" and name not in value):
        if strict:
            raise _StructuralError
    else:
        yield from value.values() if kind == "members" else [value[name]]


def _items(value: Any, position: str, every: bool, strict: bool) -> Iterator[Any]:
    if not isinstance(value, list):
        if strict:
            raise _StructuralError
        value = [value]
    if every:
        yield from value
        return
    at = len(value) - 1 if position == "last" else int(position)
    if 0 <= at < len(value):
        yield value[at]
    elif strict:
        raise _StructuralError

"""DuckDB's errors in Athena's words."""

import re

import duckdb
from sqlglot import exp

from infra.emulator.athena_engine.failures import place_of_identifier
from infra.emulator.athena_engine.statements import parse_statement

_ABSENT = re.compile(
    r'Referenced (?:column|table) "(?P<name>[^"]+)" not found|does not have a column named "(?P<named>[^"]+)"|'
    r'Could not find key "(?P<key>[^"]+)" in struct'
)
_REFUSED = re.compile(r"PathError: (?P<what>[^\n]+)")
_PARAMETERS = re.compile(
    r"No function matches the given name and argument types '(?P<name>[^(']+)\((?P<kinds>[^']*)\)'"
)
_SIGNS = {"~~": "like", "!~~": "like"}
_COMPARED = re.compile(
    r"Cannot (?:compare|mix) values of type (?P<left>[A-Z_ ()0-9,]+?) and (?:type )?"
    r"(?P<right>[A-Z_ ()0-9,]+?) (?:-|in )"
)
_NO_FUNCTION = re.compile(r"Function with name \"?(?P<name>\w+)\"? does not exist")


def failure_reason(error: duckdb.Error, sql: str) -> str:
    """DuckDB's error in Athena's words. Errors about values are told without the value: it is a row's content."""
    text = str(error)
    if absent := _ABSENT.search(text):
        name = next(word for word in absent.groups() if word)
        return f"COLUMN_NOT_FOUND: {_place_of(name, sql)}: Column '{name}' cannot be resolved"
    if unknown := _NO_FUNCTION.search(text):
        return f"FUNCTION_NOT_FOUND: line 1:1: Function '{unknown['name']}' not registered"
    if refused := _REFUSED.search(text):
        return f"NOT_SUPPORTED: line 1:1: not in the local Athena: {refused['what']}"
    if "perl operator" in text or "escape sequence" in text:
        return "NOT_SUPPORTED: line 1:1: not in the local Athena: a pattern with lookaround or a reference to a group"
    if "no address" in text:
        return _REASONS[duckdb.ConversionException]
    if "no such element" in text:
        return _NO_ELEMENT
    if "Division by zero" in text:
        return "DIVISION_BY_ZERO: Division by zero"
    if parameters := _PARAMETERS.search(text):
        name = _SIGNS.get(parameters["name"], parameters["name"].lower())
        given = f"Unexpected parameters ({parameters['kinds'].lower()}) for function {name}"
        return f"FUNCTION_NOT_FOUND: line 1:1: {given}"
    if compared := _COMPARED.search(text):
        kinds = f"{compared['left'].lower()} and {compared['right'].lower()}"
        return f"TYPE_MISMATCH: line 1:1: Cannot apply operator to {kinds}; cast one of them"
    if isinstance(error, duckdb.ParserException):
        return f"SYNTAX_ERROR: line 1:1: {_first_line(text)}"
    if isinstance(error, (duckdb.BinderException, duckdb.CatalogException)):
        return f"TYPE_MISMATCH: line 1:1: {_first_line(text)}"
    return _REASONS.get(type(error), f"GENERIC_INTERNAL_ERROR: the local engine stopped with {type(error).__name__}")


_REASONS: dict[type, str] = {
    duckdb.ConversionException: "INVALID_CAST_ARGUMENT: a value cannot be cast as asked; try_cast gives NULL",
    duckdb.InvalidInputException: "INVALID_FUNCTION_ARGUMENT: a function was given a value or pattern it does not take",
    duckdb.OutOfRangeException: "NUMERIC_VALUE_OUT_OF_RANGE: a value does not fit its type",
    duckdb.OutOfMemoryException: "Query exhausted resources at this scale factor",
    duckdb.PermissionException: "NOT_SUPPORTED: a statement reads tables of the catalog and nothing else",
    duckdb.InterruptException: "Query was cancelled by user",
}


_NO_ELEMENT = (
    "INVALID_FUNCTION_ARGUMENT: an array has no such position, or a map no such key; element_at gives NULL beyond an "
    "array's end and for an absent key. Positions begin at 1"
)


def _first_line(text: str) -> str:
    return text.split("\n", 1)[0].partition("Error: ")[2][:300]


def _place_of(name: str, sql: str) -> str:
    found = (node for node in parse_statement(sql).find_all(exp.Identifier) if node.name.lower() == name.lower())
    first = next(found, None)
    return place_of_identifier(first) if first is not None else "line 1:1"

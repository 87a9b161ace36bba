"""A statement through the Athena API, as a user of the lake would run it."""

import csv
import json
import math
import sys
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

from infra.cli.command_lake import CommandLake
from infra.cli.terminal_output import escape, print_table
from loglake_assets.sources.words import tally
from resources.athena import Answer, Athena, AthenaError

_WHOLE = {"tinyint", "smallint", "integer", "int", "bigint"}
_FRACTIONS = {"real", "float", "double", "decimal"}


class QueryError(RuntimeError):
    """Athena did not run the statement; the message is Athena's own."""


def statement(sql: str | None, file: Path | None) -> str:
    """The statement that was given: as an argument, in a file, or on standard input as `-`. Raises QueryError."""
    if bool(sql) == bool(file):
        raise QueryError('Give one statement: loglake query "select ...", --file path, or - for standard input.')
    if file:
        return file.read_text(encoding="utf-8")
    return sys.stdin.read() if sql == "-" else str(sql)


def ask(lake: CommandLake, sql: str) -> Answer:
    """Run one statement in the lake's database and workgroup. Raises QueryError."""
    settings = lake.settings
    try:
        return Athena(lake.client("athena"), settings.database, settings.workgroup, math.inf).ask(sql)
    except AthenaError as error:
        raise QueryError(f"Athena: {error.reason}") from error


def print_answer(answer: Answer, form: str) -> None:
    """As a table for people, whose cells are cut to fit, or whole for programs: csv, json or jsonl."""
    if form == "csv":
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerow(answer.columns)
        writer.writerows([None if cell is None else escape(cell) for cell in row] for row in answer.texts)
    elif form == "jsonl":
        for line in json_lines(answer):
            print(line)
    elif form == "json":
        print("[" + ",\n ".join(json_lines(answer)) + "]")
    else:
        print_table("", answer.columns, answer.texts)
        print(
            f"{tally(len(answer.texts), 'row')}, {tally(answer.bytes_scanned, 'byte')} scanned, {answer.seconds:.2f} s"
        )


def json_lines(answer: Answer) -> Iterator[str]:
    """One JSON object a row, with booleans and numbers as such; ASCII only, so nothing in it acts on a terminal."""
    for row in answer.texts:
        values = [_value(kind, cell) for kind, cell in zip(answer.types, row, strict=True)]
        yield json.dumps(dict(zip(answer.columns, values, strict=True)), allow_nan=False)


def _value(kind: str, text: str | None) -> Any:
    """A cell by its column's type. A number that JSON or a double cannot hold exactly stays text."""
    if text is None:
        return None
    if kind == "boolean":
        return text == "true"
    try:
        if kind in _WHOLE:
            return int(text)
        if kind in _FRACTIONS and math.isfinite(number := float(text)):
            return number if kind != "decimal" or Decimal(repr(number)) == Decimal(text) else text
    except ValueError:
        return text
    return text

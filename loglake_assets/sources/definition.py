"""What makes a source's rows what they are, as a digest: columns, views, decoder. Standard library only.

The job notes it in each manifest. A day whose manifest has another one was built by other code than there is now, and
building it again may give other rows. Comments and docstrings do not count.
"""

import ast
import functools
import hashlib
import importlib.resources
import json
import re
import threading
from collections.abc import Iterable

from loglake_assets.sources import LogSource
from loglake_assets.sources.views import view_statements

_NOT_OF_ROWS = frozenset({"__init__.py", "recount.py"})
_SHARED = ("firehose.py", "identity.py", "record.py", "repetition.py")
_JOB = ("day_views.py", "object_reader.py", "sql_on_arrow.py")
_S3 = ("arrow_types.py", "content_kind.py", "gzip_content.py")
_SQL_COMMENT = re.compile(r"--[^\n]*")
_PARSER = threading.Lock()
"""Python 3.11's `ast.parse` counts its depth in one place for all threads, and fails when two are in it."""


def definition_digest(source: LogSource) -> str:
    """SHA-256, as 32 hex digits, of the readready columns, the `.sql` views and the decoder's modules."""
    with _PARSER:
        return _definition_digest(source)


@functools.cache
def _definition_digest(source: LogSource) -> str:
    table = source.readready
    parts = {
        "columns": [(column.name, column.type) for column in table.all_columns],
        "grain": table.grain,
        "reading": [str(source.earliest_event), source.several_gzip_members, source.look_behind_days],
        "views": [(name, " ".join(_SQL_COMMENT.sub("", text).split())) for name, text in view_statements(source)],
        "code": [
            *_source_code(f"loglake_assets.sources.{source.name}"),
            *_code("loglake_assets.sources", _SHARED),
            *_code("loglake_assets.s3", _S3),
            *_code("glue_scripts", _JOB),
        ],
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:32]


def _source_code(package: str) -> list[tuple[str, str]]:
    """(file name, digest of its code) of the modules of a source that make rows."""
    try:
        names = sorted(file.name for file in importlib.resources.files(package).iterdir())
    except ModuleNotFoundError:  # a declaration that no folder holds, as a test makes one
        return []
    return _code(package, [name for name in names if name.endswith(".py") and name not in _NOT_OF_ROWS])


def _code(package: str, names: Iterable[str]) -> list[tuple[str, str]]:
    folder = importlib.resources.files(package)
    return [(name, _digest((folder / name).read_text(encoding="utf-8"))) for name in names]


def _digest(text: str) -> str:
    tree = ast.parse(text)
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list) and body and _is_text(body[0]):
            del body[0]
    return hashlib.sha256(ast.dump(tree).encode()).hexdigest()


def _is_text(node: ast.AST) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)

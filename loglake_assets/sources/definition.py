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
from collections.abc import Callable

from loglake_assets.sources import LogSource
from loglake_assets.sources.views import view_statements

_NOT_OF_ROWS = frozenset({"__init__.py", "recount.py"})
_SHARED = frozenset({"decoding.py", "identity.py", "repetition.py"})
_JOB = frozenset({"reading.py"})
_S3 = frozenset({"arrow_types.py", "gzip_content.py", "packing.py"})
_SQL_COMMENT = re.compile(r"--[^\n]*")


@functools.cache
def definition_digest(source: LogSource) -> str:
    """SHA-256, as 32 hex digits, of the readready columns, the `.sql` views and the decoder's modules."""
    table = source.readready
    parts = {
        "columns": [(column.name, column.type) for column in table.all_columns],
        "grain": table.grain,
        "reading": [str(source.earliest_event), source.several_gzip_members, source.look_behind_days],
        "views": [(name, " ".join(_SQL_COMMENT.sub("", text).split())) for name, text in view_statements(source)],
        "code": [
            *_code(f"loglake_assets.sources.{source.name}", lambda name: name not in _NOT_OF_ROWS),
            *_code("loglake_assets.sources", _SHARED.__contains__),
            *_code("loglake_assets.s3", _S3.__contains__),
            *_code("glue_scripts", _JOB.__contains__),
        ],
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:32]


def _code(package: str, is_of_rows: Callable[[str], bool]) -> list[tuple[str, str]]:
    """(file name, digest of its code) of those modules of a package that make rows."""
    try:
        files = sorted(importlib.resources.files(package).iterdir(), key=lambda file: file.name)
    except ModuleNotFoundError:  # a declaration that no folder holds, as a test makes one
        return []
    wanted = [file for file in files if file.name.endswith(".py") and is_of_rows(file.name)]
    return [(file.name, _digest(file.read_text(encoding="utf-8"))) for file in wanted]


def _digest(text: str) -> str:
    tree = ast.parse(text)
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list) and body and _is_text(body[0]):
            del body[0]
    return hashlib.sha256(ast.dump(tree).encode()).hexdigest()


def _is_text(node: ast.AST) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)

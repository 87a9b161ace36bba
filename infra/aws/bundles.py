"""The zips that Lambda and Glue run, built from the tree. The same tree gives the same bytes, so a key can carry the
digest and an unchanged bundle changes no stack. What they hold is imported with nothing installed (a test does so);
Looker's holds its one library, sqlglot, as this environment has it.
"""

import hashlib
import importlib.util
import io
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType

ROOT = Path(__file__).resolve().parents[2]
_EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest that a zip can say
_MODE = 0o100644 << 16
_SHIPPED_SUFFIXES = frozenset({".py", ".sql", ".toml"})  # defs.yaml is Dagster's alone
_NOT_SHIPPED = ("samples",)  # package of a source that makes sample logs
_SHIPPED_FOLDERS = ("s3", "lake", "lake/storage", "lake/addapart", "lake/versions")
"""Folders of `loglake_assets` whose modules go to Lambda and Glue, beside the declarations in `sources`."""


def lambda_bundle(root: Path = ROOT) -> bytes:
    """The zip of AddAPart's two functions and what they import."""
    own = [root / "lambdas" / "__init__.py", *(root / "lambdas" / "addapart").glob("*.py")]
    return _zip(root, [*own, *_common_files(root)])


def looker_bundle(root: Path = ROOT) -> bytes:
    """The zip of Log Lake Looker: its modules, the declarations of tables and reviews, and sqlglot."""
    own = [root / "lambdas" / "__init__.py", *(root / "lambdas" / "looker").glob("*.py")]
    reviews = root / "loglake_assets" / "reviews"
    shared = [reviews / f"{name}.py" for name in ("__init__", "model", "masking", "terminal")]
    checks = root / "loglake_assets" / "lake" / "checks"
    shared += [checks / "__init__.py", checks / "coverage.py"]
    declared = [*shared, *reviews.glob("*/__init__.py"), *reviews.glob("*/*.sql")]
    return _zip(root, [*own, *_common_files(root), *declared], _library("sqlglot"))


def glue_bundle(root: Path = ROOT) -> bytes:
    """The zip that the Glue job gets as `--extra-py-files`: `glue_scripts` and what they import."""
    return _zip(root, [*(root / "glue_scripts").glob("*.py"), *_common_files(root)])


def job_script(root: Path = ROOT) -> bytes:
    """The script that the Glue job starts. Raises FileNotFoundError when the tree has none."""
    return (root / "glue_scripts" / "readready.py").read_bytes()


def bundle_key(kind: str, content: bytes) -> str:
    """Key of a bundle in the artifacts bucket; `kind` is lambda, looker or glue."""
    return f"bundles/{kind}-{_digest(content)}.zip"


def script_key(content: bytes) -> str:
    """Key of the job's script in the artifacts bucket."""
    return f"scripts/readready-{_digest(content)}.py"


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]


def _common_files(root: Path) -> Iterator[Path]:
    """The parts of `loglake_assets` that every bundle holds."""
    package = root / "loglake_assets"
    yield from (package / "__init__.py", package / "rules.toml")
    sources = package / "sources"
    yield from (f for f in sources.rglob("*") if _is_of_a_source(f, f.relative_to(sources).with_suffix("")))
    for folder in _SHIPPED_FOLDERS:
        yield from (package / folder).glob("*.py")


def _is_of_a_source(file: Path, within: Path) -> bool:
    return file.is_file() and file.suffix in _SHIPPED_SUFFIXES and within.parts[1:2] != _NOT_SHIPPED


def _library(name: str) -> dict[str, Path]:
    """The Python files of an installed package by their names in a zip."""
    found = importlib.util.find_spec(name)
    assert found, f"{name} is a dependency of this project"
    assert found.origin, f"{name} is a package with files"
    folder = Path(found.origin).parent
    return {f.relative_to(folder.parent).as_posix(): f for f in folder.rglob("*.py")}


def _zip(root: Path, files: Iterable[Path], others: Mapping[str, Path] = MappingProxyType({})) -> bytes:
    """A zip of `files` under their names below `root`: sorted, dated 1980, mode 644, so that equal trees are equal."""
    by_name = {f.relative_to(root).as_posix(): f for f in files} | dict(others)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in sorted(by_name):
            entry = zipfile.ZipInfo(name, date_time=_EPOCH)
            entry.external_attr = _MODE
            entry.create_system = 3  # Unix, wherever it is built
            archive.writestr(entry, by_name[name].read_bytes(), zipfile.ZIP_DEFLATED, 9)
    return buffer.getvalue()

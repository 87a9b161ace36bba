"""The zips that Lambda and Glue run, built from the tree. The same tree gives the same bytes, so a key can carry the
digest and an unchanged bundle changes no stack. What they hold is imported with nothing installed (a test does so)."""

import ast
import hashlib
import io
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
_EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest that a zip can say
_MODE = 0o100644 << 16
_SHIPPED_SUFFIXES = frozenset({".py", ".sql", ".toml"})  # defs.yaml is Dagster's alone
_NOT_SHIPPED = ("samples",)  # module or package of a source; makes sample logs for the local lake, and imports `infra`
_SHIPS = "standard library only"


def lambda_bundle(root: Path = ROOT) -> bytes:
    """The zip of AddAPart's two functions: `lambdas` and what they import."""
    return _zipped(root, [*(root / "lambdas").glob("*.py"), *_shared_files(root)])


def glue_bundle(root: Path = ROOT) -> bytes:
    """The zip that the Glue job gets as `--extra-py-files`: `glue_scripts` and what they import."""
    return _zipped(root, [*(root / "glue_scripts").glob("*.py"), *_shared_files(root)])


def job_script(root: Path = ROOT) -> bytes:
    """The script that the Glue job starts. Raises FileNotFoundError when the tree has none."""
    return (root / "glue_scripts" / "readready.py").read_bytes()


def bundle_key(kind: str, content: bytes) -> str:
    """Key of a bundle in the artifacts bucket; `kind` is lambda or glue."""
    return f"bundles/{kind}-{_digest(content)}.zip"


def script_key(content: bytes) -> str:
    """Key of the job's script in the artifacts bucket."""
    return f"scripts/readready-{_digest(content)}.py"


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]


def _shared_files(root: Path) -> Iterator[Path]:
    """The parts of `loglake_assets` that both bundles hold."""
    package = root / "loglake_assets"
    yield from (package / "__init__.py", package / "rules.toml", package / "lake" / "__init__.py")
    sources = package / "sources"
    yield from (f for f in sources.rglob("*") if _is_of_a_source(f, f.relative_to(sources).with_suffix("")))
    yield from (f for f in (package / "lake").glob("*.py") if _says_it_ships(f))


def _is_of_a_source(file: Path, within: Path) -> bool:
    return file.is_file() and file.suffix in _SHIPPED_SUFFIXES and within.parts[1:2] != _NOT_SHIPPED


def _says_it_ships(module: Path) -> bool:
    docstring = ast.get_docstring(ast.parse(module.read_bytes())) or ""
    return _SHIPS in " ".join(docstring.split()).casefold()


def _zipped(root: Path, files: Iterable[Path]) -> bytes:
    """A zip of `files` under their names below `root`: sorted, dated 1980, mode 644, so that equal trees are equal."""
    by_name = {f.relative_to(root).as_posix(): f for f in files}
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in sorted(by_name):
            entry = zipfile.ZipInfo(name, date_time=_EPOCH)
            entry.external_attr = _MODE
            entry.create_system = 3  # Unix, wherever it is built
            archive.writestr(entry, by_name[name].read_bytes(), zipfile.ZIP_DEFLATED, 9)
    return buffer.getvalue()

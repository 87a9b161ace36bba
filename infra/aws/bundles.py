"""The zips that Lambda and Glue run, built from the tree. The same tree gives the same bytes, so a key can carry the
digest and an unchanged bundle changes no stack. What they hold is imported with nothing installed (a test does so);
Looker's holds its one library, sqlglot, as this environment has it.
"""

import hashlib
import importlib.util
import io
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from importlib.metadata import version
from pathlib import Path
from types import MappingProxyType

ROOT = Path(__file__).resolve().parents[2]
WHEELS = "wheels"
JOB_PACKAGES = frozenset({"dagster-pipes", "duckdb", "isal", "msgspec", "sqlglot"})
"""What the job imports and Glue does not bring; `make wheels` fetches them at the versions of the lock."""
_EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest that a zip can say
_MODE = 0o100644 << 16
_SHIPPED_SUFFIXES = frozenset({".py", ".sql", ".toml"})  # defs.yaml is Dagster's alone
_DEPLOYED_SUFFIXES = _SHIPPED_SUFFIXES | {".yaml"}
_DEPLOYED_FOLDERS = ("infra/aws", "lambdas", "glue_scripts", "loglake_assets", "resources")
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
    shared = [reviews / f"{name}.py" for name in ("__init__", "review_model", "secret_masks", "terminal_sequences")]
    checks = root / "loglake_assets" / "lake" / "checks"
    shared += [checks / "__init__.py", checks / "coverage.py"]
    scope = reviews / "session_activity" / "reviewer_scope.py"
    shared += [scope, reviews.parent / "reviewers.toml", root / "resources" / "athena.py"]
    shared.append(root / "resources" / "__init__.py")
    declared = [*shared, *reviews.glob("*/__init__.py"), *reviews.glob("*/*.sql")]
    return _zip(root, [*own, *_common_files(root), *declared], _library("sqlglot"))


def glue_bundle(root: Path = ROOT) -> bytes:
    """The zip that the Glue job gets as `--extra-py-files`: `glue_scripts` and what they import."""
    return _zip(root, [*(root / "glue_scripts").glob("*.py"), *_common_files(root)])


def job_script(root: Path = ROOT) -> bytes:
    """The script that the Glue job starts. Raises FileNotFoundError when the tree has none."""
    return (root / "glue_scripts" / "readready.py").read_bytes()


class WheelsError(ValueError):
    """The folder of wheels cannot be given to the job; the message says why and what to do."""


def wheels_bundle(folder: Path) -> bytes:
    """The zip of wheels that the job installs at its start, with the versions that they are, as Glue wants it.

    Raises WheelsError where the folder has none, two of one package, or not what the job imports.
    """
    found: dict[str, list[Path]] = {}
    for wheel in sorted(folder.glob("*.whl")):
        found.setdefault(wheel.name.split("-")[0].replace("_", "-").lower(), []).append(wheel)
    if twins := [name for name, wheels in found.items() if len(wheels) > 1]:
        raise WheelsError(f"{folder} has several wheels of {', '.join(twins)}. `make wheels` fills it anew.")
    if absent := sorted(JOB_PACKAGES - found.keys()):
        raise WheelsError(f"{folder} has no wheel of {', '.join(absent)}, which the job needs. `make wheels` fills it.")
    versions = [f"{name}=={wheel.name.split('-')[1]}" for name, (wheel,) in sorted(found.items())]
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr(_entry("wheels/requirements.txt"), "\n".join(versions) + "\n")
        for (wheel,) in found.values():
            archive.writestr(_entry(f"wheels/{wheel.name}"), wheel.read_bytes())
    return buffer.getvalue()


def bundle_key(kind: str, content: bytes) -> str:
    """Key of a bundle in the artifacts bucket; `kind` is lambda, looker, glue or wheels."""
    ending = "gluewheels.zip" if kind == WHEELS else "zip"
    return f"bundles/{kind}-{_digest(content)}.{ending}"


def script_key(content: bytes) -> str:
    """Key of the job's script in the artifacts bucket."""
    return f"scripts/readready-{_digest(content)}.py"


def tree_digest(root: Path = ROOT) -> str:
    """The digest of every file that a deployment may be made from, and of the version of the library it packs.

    Equal digests are equal templates, bundles and declarations; it takes the time of reading the files.
    """
    digest = hashlib.sha256(version("sqlglot").encode())
    files = (file for folder in _DEPLOYED_FOLDERS for file in (root / folder).rglob("*"))
    for file in sorted(file for file in files if file.suffix in _DEPLOYED_SUFFIXES):
        content = file.read_bytes()
        digest.update(f"{file.relative_to(root).as_posix()} {len(content)}\n".encode() + content)
    return digest.hexdigest()


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
            archive.writestr(_entry(name), by_name[name].read_bytes(), zipfile.ZIP_DEFLATED)
    return buffer.getvalue()


def _entry(name: str) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name, date_time=_EPOCH)
    entry.external_attr = _MODE
    entry.create_system = 3  # Unix, wherever it is built
    return entry

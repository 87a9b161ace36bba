"""Files of lakes/: which lakes there are on AWS, and how each is deployed."""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from infra.cli.home import lakes_folder
from resources.settings import RAW_BUCKETS, LakeSettings, lake_settings

_TEXTS = ("account", "region", "name", "dagster", "endpoint_url", "wheels", "first_day")
_LISTS = ("rollback_alarms",)
_TABLES = ("parameters", "tags", "buckets")
_KEYS = (*_TEXTS, *_LISTS, *_TABLES, "termination_protection")


class LakeFileError(ValueError):
    """No file describes the lake, or not as it must; the message names the file and what is accepted."""


@dataclass(frozen=True)
class LakeFile:
    """What a file of lakes/ says. `dagster` is the address of the lake's Dagster, None where it has none.

    The rest is of a deployment: `parameters` are named `<stack>:<Parameter>`, or `<Parameter>` where every stack that
    declares it gets it; `wheels` is a folder, None where the file names none.
    """

    path: Path
    settings: LakeSettings
    dagster: str | None = None
    first_day: str | None = None
    wheels: Path | None = None
    parameters: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    rollback_alarms: tuple[str, ...] = ()
    termination_protection: bool = False


def lake_file(name: str) -> LakeFile:
    """The description of a lake. Raises LakeFileError."""
    folder = lakes_folder()
    path = folder / f"{name}.toml"
    if not re.fullmatch(r"[a-z][a-z0-9-]*", name) or not path.is_file():
        known = ", ".join(sorted(one.stem for one in folder.glob("*.toml"))) or "none"
        raise LakeFileError(
            f"There is no lake {name!r}: {path} is not there. Known: local, {known}. lakes/README.md shows a file."
        )
    try:
        said = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise LakeFileError(f"{path} is no TOML: {error}. lakes/README.md shows a file.") from error
    _refuse_odd_keys(path, said)
    return LakeFile(
        path,
        _settings(path, name, said),
        said.get("dagster"),
        said.get("first_day"),
        (path.parent / said["wheels"]).resolve() if "wheels" in said else None,
        _parameters(path, said.get("parameters", {})),
        said.get("tags", {}),
        tuple(said.get("rollback_alarms", ())),
        said.get("termination_protection", False),
    )


def _refuse_odd_keys(path: Path, said: Mapping[str, Any]) -> None:
    for key, value in said.items():
        if key not in _KEYS:
            raise LakeFileError(f"{path}: {key} is not accepted; accepted are {', '.join(_KEYS)}.")
        if key in _TEXTS:
            is_odd, kind = not isinstance(value, str), "a text"
        elif key in _LISTS:
            is_odd, kind = not _are_texts(value, list), "a list of texts"
        elif key == "parameters":
            is_odd, kind = not isinstance(value, dict), "a table"
        elif key in _TABLES:
            is_odd, kind = not _are_texts(value, dict), "a table of texts"
        else:
            is_odd, kind = not isinstance(value, bool), "true or false"
        if is_odd:
            raise LakeFileError(f"{path}: {key} must be {kind}, as lakes/README.md shows.")


def _are_texts(value: Any, kind: type) -> bool:
    inner: Any = value.values() if isinstance(value, dict) else value
    return isinstance(value, kind) and all(isinstance(one, str) for one in inner)


def _parameters(path: Path, said: Mapping[str, Any]) -> dict[str, str]:
    """The templates' parameters: of all stacks as they stand, of one stack in a table of its name."""
    found: dict[str, str] = {}
    for name, value in said.items():
        if isinstance(value, dict):
            found |= {f"{name}:{inner}": _parameter(path, inner, one) for inner, one in value.items()}
        else:
            found[name] = _parameter(path, name, value)
    return found


def _parameter(path: Path, name: str, value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if _are_texts(value, list):
        return ",".join(value)
    if isinstance(value, str | int | float):
        return str(value)
    raise LakeFileError(f"{path}: the parameter {name} must be a text, a number, true or false, or a list of texts.")


def _settings(path: Path, name: str, said: Mapping[str, Any]) -> LakeSettings:
    given = {"LOGLAKE_NAME": said.get("name", name), "LOGLAKE_ACCOUNT": said.get("account")}
    given[RAW_BUCKETS] = ",".join(f"{log}={bucket}" for log, bucket in said.get("buckets", {}).items())
    given |= {"AWS_REGION": said.get("region"), "AWS_ENDPOINT_URL": said.get("endpoint_url")}
    try:
        return lake_settings({variable: value for variable, value in given.items() if value})
    except ValueError as error:
        raise LakeFileError(f"{path}: {error} (account, region and name are the file's keys for these.)") from error

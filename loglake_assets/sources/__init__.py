"""Every log source is a folder here. Standard library only: Lambdas and Glue import this with nothing installed."""

import functools
import importlib
import importlib.resources
from pathlib import Path

from loglake_assets.sources.model import COMPRESSIONS, DEFAULT_COMPRESSION, LogSource

__all__ = [
    "COMPRESSIONS",
    "DEFAULT_COMPRESSION",
    "LogSource",
    "UnknownSourceError",
    "load_source",
    "source_names",
]

_HERE = Path(__file__).parent


class UnknownSourceError(LookupError):
    """No folder of that name; the message lists those there are."""


def source_names() -> tuple[str, ...]:
    """The names of all declared sources, sorted: every folder here that is a package."""
    loader = globals()["__loader__"]
    if hasattr(loader, "archive"):  # running from a zip: Lambda and Glue name their source, and list none
        return _zip_source_names(loader)
    return tuple(sorted(p.parent.name for p in _HERE.glob("*/__init__.py")))


def _zip_source_names(loader: object) -> tuple[str, ...]:
    import zipfile

    prefix = "loglake_assets/sources/"
    with zipfile.ZipFile(loader.archive) as archive:  # type: ignore[attr-defined]  # zipimporter, checked by the caller
        paths = [n.removeprefix(prefix).split("/") for n in archive.namelist() if n.startswith(prefix)]
    return tuple(sorted(p[0] for p in paths if len(p) == 2 and p[1] == "__init__.py"))


@functools.cache  # the folders, or those of a zip, are read once and not for every object
def load_source(name: str) -> LogSource:
    """The declaration of source `name`. Raises UnknownSourceError."""
    if name not in source_names():
        raise UnknownSourceError(f"There is no log source {name!r}. Declared sources: {', '.join(source_names())}.")
    declared = importlib.import_module(f"loglake_assets.sources.{name}").SOURCE
    assert isinstance(declared, LogSource)
    return declared

"""Where the code of an asset is, as the UI links to it: the declaration, the `.sql` and the modules of its folder."""

import importlib.util
from pathlib import Path

import dagster as dg

_SUFFIXES = frozenset({".py", ".sql", ".yaml"})


def code_references(package: str) -> dg.CodeReferencesMetadataValue:
    """The files of a log's or a review's folder. Labels are paths in the repository, wherever the code runs."""
    found = importlib.util.find_spec(package)
    assert found, f"{package} is a package of this project"
    assert found.origin, f"{package} is a folder with files"
    folder = Path(found.origin).parent
    files = sorted(path for path in folder.iterdir() if path.suffix in _SUFFIXES)
    place = package.replace(".", "/")
    references = [dg.LocalFileCodeReference(file_path=str(path), label=f"{place}/{path.name}") for path in files]
    return dg.CodeReferencesMetadataValue(code_references=list(references))

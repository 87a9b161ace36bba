"""Checks a pack of evidence of a Log Lake. Needs Python 3.9 or later and nothing else: python3 verify.py [folder]

It says for each day whether its records agree with each other, and ends with 0 where nothing is wrong. That they are
the records of the lake is what the signature of SHA256SUMS proves, if there is one: README.txt says how to check it.
"""

from __future__ import annotations

import sys

if __name__ == "__main__" and not (sys.flags.isolated or getattr(sys.flags, "safe_path", False)):
    sys.path.pop(0)  # the pack's own folder: a file of it must not stand in for one of Python's

import gzip
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

SUMS, BESIDE = "SHA256SUMS", {"SHA256SUMS", "SHA256SUMS.sig"}


def sums(folder: Path) -> tuple[dict[str, str], list[str]]:
    """The digest of each file by SHA256SUMS, and a sentence for each line that is none. Raises OSError, ValueError."""
    known: dict[str, str] = {}
    wrong = []
    for number, line in enumerate((folder / SUMS).read_text(encoding="utf-8").splitlines(), 1):
        digest, _, name = line.partition("  ")
        if len(digest) != 64 or not name or name.startswith("/") or ".." in name.split("/"):
            wrong.append(f"line {number} of {SUMS} is none of a digest and a file of this folder")
        elif name in known:
            wrong.append(f"line {number} of {SUMS} names a file that an earlier line names")
        else:
            known[name] = digest
    return known, wrong


def wrong_files(folder: Path) -> Iterator[str]:
    """Yield a sentence for each file that is absent, changed, or in no line of SHA256SUMS, and for what is no file."""
    try:
        known, wrong = sums(folder)
    except (OSError, ValueError) as error:
        yield f"{SUMS} cannot be read ({type(error).__name__}), so nothing was compared"
        return
    yield from wrong
    folders = {parent.as_posix() for name in known for parent in Path(name).parents}
    for name, digest in known.items():
        path = folder / name
        if not path.is_file():
            yield f"{name}: it is not there"
        elif hashlib.sha256(path.read_bytes()).hexdigest() != digest:
            yield f"{name}: it was changed"
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_symlink():
            yield f"{name!a}: it is a link, and a pack has none"
        elif path.is_dir():
            if name not in folders:
                yield f"{name!a}: it is a folder of which no line of {SUMS} names a file"
        elif name not in known and name not in BESIDE:
            yield f"{name!a}: it is in no line of {SUMS}"


def wrong_in_day(folder: Path) -> Iterator[str]:
    """Yield a sentence for whatever does not agree among the records of a day."""
    commits = sorted((folder / "commits").glob("*.json"))
    before = None
    newest = None
    for path in commits:
        body = path.read_bytes()
        newest = json.loads(body)
        if newest.get("previous") and newest["previous"] != before:
            yield f"{path.name} names another record before it than the one that is here"
        before = hashlib.sha256(body).hexdigest()
    manifest = folder / "manifest.json.gz"
    if newest is None:
        return
    if not manifest.is_file():
        yield "the newest commit's manifest is not here"
        return
    body = manifest.read_bytes()
    if newest.get("manifest_sha256") not in ("", hashlib.sha256(body).hexdigest()):
        yield "the newest commit names another manifest than the one that is here"
    said = json.loads(gzip.decompress(body))
    rows = sum(one["rows"] for one in said["files"])
    if rows != newest["rows"]:
        yield f"the commit says {newest['rows']} rows, its manifest {rows}"
    if said["content_hash"] != newest["content_hash"]:
        yield "commit and manifest name rows of another content"


def state(folder: Path) -> str:
    """What the day's own count says of it, in a few words."""
    if not (folder / "commits").is_dir():
        return "not built"
    if not (folder / "coverage.json").is_file():
        return "built, and not counted again"
    found = json.loads((folder / "coverage.json").read_bytes())
    newest = max((folder / "commits").glob("*.json"))
    if found["commit_seq"] != json.loads(newest.read_bytes())["seq"]:
        return "built, and counted before its newest commit only"
    pct = found["coverage_pct"]
    return "no events" if pct is None else f"{pct:.4f} % of its events"


def not_here(folder: Path) -> Iterator[str]:
    """Yield what the pack itself says that it does not hold; nothing where its own account cannot be read."""
    try:
        yield from map(ascii, json.loads((folder / "pack.json").read_bytes())["not_here"])
    except (OSError, ValueError, KeyError, TypeError):
        return


def days(folder: Path) -> list[str]:
    """The days that the pack is of, by its own account; raises where that cannot be read."""
    return sorted(str(day) for day in json.loads((folder / "pack.json").read_bytes())["days"])


def main() -> int:
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parent)
    problems = list(wrong_files(folder))
    try:
        of_days = days(folder)
    except (OSError, ValueError, KeyError, TypeError) as error:
        of_days = []
        problems.append(f"pack.json cannot be read ({type(error).__name__}), so no day was looked at")
    for day in (folder / "days" / name for name in of_days):
        try:
            found, said = list(wrong_in_day(day)), state(day)
        except (ValueError, KeyError, TypeError, OSError, EOFError) as error:
            found, said = [f"a record cannot be read ({type(error).__name__})"], "not known"
        print(f"{day.name}: {said}" + "".join(f"; WRONG: {one}" for one in found))
        problems += [f"{day.name}: {one}" for one in found]
    for gap in not_here(folder):
        print(f"NOT HERE: {gap[1:-1]}")
    for problem in problems:
        print(f"WRONG: {problem}")
    print(
        f"{len(problems)} problem{'' if len(problems) == 1 else 's'}"
        if problems
        else "All files are as SHA256SUMS says, and all records agree."
    )
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())

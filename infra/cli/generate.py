"""Sample deliveries as files: relative paths are object keys, so that `loglake load` brings them into a lake.

The truth about them, the public keys that their digests are signed with, and the metadata of objects stand beside the
tree and not in it, since whatever is in the tree is loaded.
"""

import json
import shlex
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import date
from pathlib import Path, PurePosixPath
from typing import Any

from infra.cli.day_argument import day_of
from loglake_assets.sources.sample_deliveries import (
    DAYS,
    EVENTS,
    FIRST_DAY,
    GroundTruth,
    SampleObject,
    generate,
    sample_keys,
)
from loglake_assets.sources.words import tally
from resources.settings import loglake

Say = Callable[[str], None]
TOLD_EVERY_SECONDS = 2.0
PUBLIC_KEYS = ".public_keys.json"
"""Behind the tree's name: public keys of what its samples are signed with. `loglake load` brings them to the lake."""
METADATA = ".metadata.json"
"""Behind the tree's name: what S3 keeps beside objects, by key, such as the signatures of digests."""


class GenerateError(ValueError):
    """Samples cannot be written as asked; the message says why and what to do."""


@dataclass(frozen=True)
class SampleFiles:
    """What was written; objects that no file can be are counted by kind in `skipped_by_kind`."""

    files: int
    bytes: int
    late_files: int
    skipped_by_kind: dict[str, int]
    truth_path: Path
    late_folder: Path


def generate_files(
    source: str, folder: Path, first: str | None, days: int | None, events: int | None, faults: str, say: Say
) -> int:
    """Write samples and say what was written. Raises GenerateError."""
    first_day = day_of(first) if first else FIRST_DAY
    written = write_samples(source, folder, first_day, days or DAYS, events or EVENTS, faults_of(faults), say)
    say(
        f"{tally(written.files, 'file')}, {tally(written.bytes, 'byte')} in {folder}; the truth about them: "
        f"{written.truth_path}"
    )
    for kind, count in sorted(written.skipped_by_kind.items()):
        say(f"  {kind}: {count:,} left out, here and in the truth, as keys that end in / can be no file")
    if written.late_files:
        say(f"  {written.late_files:,} very late ones, to be loaded once the days are built: {written.late_folder}")
    say(loglake(f"load {source} {shlex.quote(str(folder))}"))
    return 0


def faults_of(text: str) -> dict[str, int]:
    """`corrupt=2,very_late=1` as a source's generator takes it. Raises GenerateError for anything else."""
    faults: dict[str, int] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, _, count = part.partition("=")
        if not name.isidentifier() or not count.isdecimal():
            raise GenerateError(f"--faults {text!r}: {part!r} is not <fault>=<count>, such as corrupt=2,very_late=1.")
        faults[name] = int(count)
    return faults


def beside(folder: Path, suffix: str) -> Path:
    """A path beside the tree that bears its name: path/logs and .late give path/logs.late."""
    whole = folder.absolute()
    return whole.with_name(whole.name + suffix)


def write_samples(
    source_name: str, folder: Path, first_day: date, days: int, events: int, faults: dict[str, int], say: Say
) -> SampleFiles:
    """Write the deliveries below `folder`, those that come very late below `<folder>.late`, and the truth about them.

    Raises GenerateError where one of the two holds files already: the truth would not be true of them.
    """
    late_folder, truth_path = beside(folder, ".late"), beside(folder, ".ground_truth.json")
    for taken in (folder, late_folder):
        refuse_files_in(taken)
    try:
        samples = generate(source_name, first_day, days, events, **faults)
    except ValueError as error:
        raise GenerateError(f"Nothing was written. {error}") from error
    truth = samples.ground_truth()
    folder.mkdir(parents=True, exist_ok=True)
    files, size, skipped = _write_objects(folder, samples.objects(), say)
    late_files, late_size, _ = _write_objects(late_folder, samples.late_objects(), say)
    document = {"source": source_name, **asdict(truth_of_files(truth, skipped))}
    truth_path.write_text(json.dumps(document, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    _write_beside(folder, PUBLIC_KEYS, sample_keys(source_name))
    return SampleFiles(files, size + late_size, late_files, dict(skipped), truth_path, late_folder)


def refuse_files_in(folder: Path) -> None:
    """Raise GenerateError where the folder is none, or holds a file."""
    if folder.exists() and not folder.is_dir():
        raise GenerateError(f"{folder} is no folder. Nothing was written; name one that is absent or empty.")
    if found := next((path for path in folder.rglob("*") if path.is_file()), None):
        raise GenerateError(
            f"{folder} already holds files, such as {found.relative_to(folder)}. Nothing was written, since the ground "
            "truth would not be true of what is there. Name an absent or empty folder, or remove this one."
        )


def truth_of_files(truth: GroundTruth, skipped: Counter[str]) -> GroundTruth:
    """The truth about the files: without the folder markers, which are objects but no files."""
    return replace(
        truth,
        objects_by_kind=_without(truth.objects_by_kind, skipped),
        ignored_keys=_without(truth.ignored_keys, Counter(folder_marker=skipped.total())),
    )


def _without(counts: dict[str, int], gone: Counter[str]) -> dict[str, int]:
    return {name: left for name, count in counts.items() if (left := count - gone[name]) > 0}


def _write_beside(folder: Path, suffix: str, document: Mapping[str, Any]) -> None:
    """Write a document beside the tree; where it is empty there is none, whatever an earlier tree had."""
    path = beside(folder, suffix)
    path.unlink(missing_ok=True)
    if document:
        path.write_text(json.dumps(document, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def read_beside(folder: Path, suffix: str) -> dict[str, Any]:
    """A document that stands beside a tree of samples; empty where there is none. Raises GenerateError."""
    path = beside(folder, suffix)
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, TypeError) as error:
        raise GenerateError(
            f"{path}, which `loglake generate` writes beside samples, cannot be read ({type(error).__name__}). Nothing "
            "was loaded. Generate the samples again, or remove the file where these are your own logs."
        ) from error


def _write_objects(folder: Path, objects: Iterable[SampleObject], say: Say) -> tuple[int, int, Counter[str]]:
    started = told = time.monotonic()
    files = size = 0
    skipped: Counter[str] = Counter()
    metadata: dict[str, dict[str, str]] = {}
    for sample in objects:
        if sample.key.endswith("/"):
            skipped[sample.kind] += 1
            continue
        path = folder / _relative(sample.key)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(sample.body)
        files, size = files + 1, size + len(sample.body)
        if sample.metadata:
            metadata[sample.key] = dict(sample.metadata)
        if time.monotonic() - told >= TOLD_EVERY_SECONDS:
            told = time.monotonic()
            say(f"  {files:,} files, {size / 1e6:,.1f} MB, {files / (told - started):,.0f} files a second")
    _write_beside(folder, METADATA, metadata)
    return files, size, skipped


def _relative(key: str) -> PurePosixPath:
    """The key as a path below the tree. Raises GenerateError where the path would not be the key again."""
    path = PurePosixPath(key)
    if path.is_absolute() or ".." in path.parts or path.as_posix() != key:
        raise GenerateError(f"The key {key!r} cannot be a relative path. Trying again does not help.")
    return path

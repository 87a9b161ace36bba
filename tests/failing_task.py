"""A task that fails once, as workers import it: those of Spark cannot load a test's own module."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from glue_scripts import tasks
from glue_scripts.orc_files import PartOfDay


@dataclass(frozen=True)
class WritePartAndFailOnce:
    """WritePart, whose process fails once for each part, after its files are stored; `folder` remembers which did."""

    folder: Path
    plan: tasks.Plan
    dropped: tasks.Ids

    def __call__(self, partition: int, payloads: Iterable[bytes]) -> Iterator[PartOfDay]:
        yield from tasks.WritePart(self.plan, self.dropped)(partition, payloads)
        failed = self.folder / str(partition)
        if not failed.exists():
            failed.touch()
            raise OSError("This task fails once, after it has stored its files.")

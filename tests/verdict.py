"""What the checker of invariants says. How it comes to it stands in invariants, judged_day and day_account."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

NAMES_SHOWN = 20


@dataclass(frozen=True)
class Violation:
    """One way in which an invariant does not hold. `names` are keys, records and files, at most 20 of them."""

    invariant: str
    day: int | None
    what: str
    names: tuple[str, ...] = ()


@dataclass
class Verdict:
    """`pending` is what may yet become true: events nobody had to build yet, counts that raw can no longer give."""

    violations: list[Violation] = field(default_factory=list)
    pending: list[Violation] = field(default_factory=list)
    object_count: int = 0
    record_count: int = 0
    """Records of the judged days, copies and excluded ones among them."""
    row_count: int = 0
    """Rows that readers of the judged days see."""

    @property
    def broken(self) -> set[str]:
        return {violation.invariant for violation in self.violations}


def violation_of(invariant: str, day: int | None, what: str, names: Iterable[str]) -> Iterator[Violation]:
    """One violation for all the names, none where there are none; `what` follows their number."""
    if found := sorted(set(names)):
        yield Violation(invariant, day, f"{len(found):,} {what}", tuple(found[:NAMES_SHOWN]))

"""Which delivery prefixes the build of a day reads: job, recount and checks share it. Standard library only.

A readready day is the day of the event. Its events lie under the prefix of that day, and under later ones for what was
delivered later: `ahead` days. Where a deliverer may use a time zone west of UTC in its prefixes, they lie under the
prefix of the day before as well: `behind` days, of which only objects are read that were stored since the day began,
since no object holds an event that is younger than itself.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

_CLOCK_TOLERANCE = timedelta(minutes=10)


@dataclass(frozen=True)
class Reach:
    """How far from its own day a build looks for events, in days of delivery."""

    ahead: int = 1
    behind: int = 0

    def prefix_days(self, days: Collection[date]) -> list[date]:
        """The delivery days that builds of `days` look at, in order."""
        near = range(-self.behind, self.ahead + 1)
        return sorted({day + timedelta(days=n) for day in days for n in near})

    def reads(self, day: date, prefix_day: date, last_modified: float) -> bool:
        """Whether the build of `day` reads an object of that prefix, stored at `last_modified` (seconds since 1970)."""
        later = (prefix_day - day).days
        if later >= 0:
            return later <= self.ahead
        began = datetime(day.year, day.month, day.day, tzinfo=UTC) - _CLOCK_TOLERANCE
        return -later <= self.behind and last_modified >= began.timestamp()

    def days_of(self, prefix_day: date, last_modified: float) -> list[date]:
        """The days whose builds read an object of that prefix, stored at `last_modified` (seconds since 1970)."""
        near = (prefix_day + timedelta(days=n) for n in range(-self.ahead, self.behind + 1))
        return [day for day in near if self.reads(day, prefix_day, last_modified)]

"""The account of one readready day by I6: what the manifest counts, and what storage gives when it is counted again."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from tests.stored_day import StoredDay, same_location
from tests.verdict import Violation, violation_of

_COUNTS = ("records_read", "written", "excluded", "duplicates", "quarantined_records")


@dataclass(frozen=True)
class DayAccount:
    """The newest commit's manifest beside rows, dropped copies and raw records."""

    stored: StoredDay

    def judge(self, pending: list[Violation]) -> Iterator[Violation]:
        """Violations of I6; what can no longer be counted again is added to `pending`."""
        manifest, head, day = self.stored.manifest, self.stored.head, self.stored.day
        if manifest is None:
            yield from violation_of("I6", day, "newest commits have no manifest", [head["run_id"]] if head else ())
            return
        said = {name: int(manifest["totals"][name]) for name in _COUNTS}
        accounted = sum(said[name] for name in _COUNTS[1:])
        if said["records_read"] != accounted:
            yield Violation("I6", day, f"{said['records_read']:,} records were read, {accounted:,} are accounted for")
        found = {**self._in_readready(manifest), **(self._in_raw() if self._is_countable(manifest, pending) else {})}
        for (name, where), count in found.items():
            if count != said[name]:
                yield Violation("I6", day, f"{name} {where}: {said[name]:,} by the manifest, {count:,} found")

    def _in_readready(self, manifest: Mapping[str, Any]) -> dict[tuple[str, str], int]:
        stored, location = self.stored, manifest["location"]
        is_seen = stored.shown is not None and same_location(stored.shown.location, location)
        rows = stored.seen if is_seen else stored.lake.stored_rows(location)
        return {
            ("written", "as rows"): rows.row_count,
            ("duplicates", "as rows"): stored.lake.duplicate_rows(stored.day, manifest["run_id"]),
            ("written", "by the commit"): int(stored.head["rows"]) if stored.head else rows.row_count,
        }

    def _is_countable(self, manifest: Mapping[str, Any], pending: list[Violation]) -> bool:
        """Whether raw is as the run read it, under the same rules."""
        entries = [e for e in manifest["objects"] if e["etag"]]  # one that was gone while the run read has none
        changed = [self.stored.uri(e["key"]) for e in entries if e["key"] not in self.stored.read]
        why = [
            *violation_of(
                "I6", self.stored.day, "objects are not what the run read: raw cannot be counted again", changed
            )
        ]
        if manifest["rules_version"] != self.stored.rules.version:
            why.append(Violation("I6", self.stored.day, "other rules stood at the build: raw cannot be counted again"))
        pending += why
        return not why

    def _in_raw(self) -> dict[tuple[str, str], int]:
        """The day's records, counted again in the objects that its run read and did not quarantine."""
        stored = self.stored
        read = [stored.raw.objects[key] for key, entry in stored.read.items() if entry["reason"] is None]
        events = stored.of_day[np.isin(stored.of_day["object"], [found.number for found in read])]
        kept = events[~events["excluded"]]
        distinct = len(np.unique(kept["key"]))
        odd = sum(len(found.odd) for found in read if found.prefix_day == stored.day)
        return {
            ("records_read", "in raw"): len(events) + odd,
            ("written", "in raw"): distinct,
            ("excluded", "in raw"): len(events) - len(kept),
            ("duplicates", "in raw"): len(kept) - distinct,
            ("quarantined_records", "in raw"): odd,
        }

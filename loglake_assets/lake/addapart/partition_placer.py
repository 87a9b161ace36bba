"""From a key of the layer's bucket to the partition it means. Pure; producer and consumer share it.

Standard library only. The raw layer places delivery prefixes, by the source's declaration; the readready layer places
days, by their commit records. Everything else in either bucket is ignored under a reason.
"""

import hashlib
from dataclasses import dataclass

from loglake_assets.lake.addapart.addapart_settings import AddAPartSettings
from loglake_assets.lake.storage.keys import parse_commit_key
from loglake_assets.sources import load_source
from loglake_assets.sources.placement import Ignored, place
from loglake_assets.sources.rules import load_rules


@dataclass(frozen=True)
class PartitionPlacer:
    """The partition a key belongs to. `location` is None where the newest commit says it."""

    table: str
    values: tuple[str, ...]
    location: str | None
    commit_seq: int | None = None

    @property
    def group_id(self) -> str:
        """FIFO message group: what concerns one partition is handled in order."""
        return hashlib.sha256("|".join((self.table, *self.values)).encode()).hexdigest()

    @property
    def deduplication_id(self) -> str:
        """Equal for all objects of a raw partition; a commit record is a message of its own."""
        return self.group_id if self.commit_seq is None else f"{self.group_id}-{self.commit_seq}"


def placer(
    settings: AddAPartSettings, bucket: str, key: str, rules_text: str | None = None
) -> PartitionPlacer | Ignored:
    """What partition `key` means, or why none. A denied key is ignored as `denied:<rule>`."""
    if bucket != settings.bucket:
        return Ignored("other_bucket")
    if settings.is_raw:
        return _raw_placer(settings, bucket, key, rules_text)
    parts = parse_commit_key(key)
    if parts is None:
        return Ignored("unknown_key")
    return PartitionPlacer(parts.table, (str(parts.day),), None, parts.seq)


def _raw_placer(settings: AddAPartSettings, bucket: str, key: str, rules_text: str | None) -> PartitionPlacer | Ignored:
    source = load_source(settings.source)
    placement = place(source, bucket, key)
    if isinstance(placement, Ignored):
        return placement
    names = tuple(column.name for column in source.raw.partition_keys)
    if rule := load_rules(source.name, rules_text).deny_rule(key, names, placement):
        return Ignored(f"denied:{rule}")
    return PartitionPlacer(source.raw.name, placement.values, placement.location)

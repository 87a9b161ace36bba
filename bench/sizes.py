"""How much each size measures. Small ends in ten minutes on two idle cores; full may take an hour."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

_FIRST_COMPILER = "-XX:TieredStopAtLevel=1 -XX:+UseParallelGC"
_BOTH_COMPILERS = "-XX:+UseParallelGC"


@dataclass(frozen=True)
class Size:
    """Events of each volume and rounds of each comparison. Growth lists go from the first to the last, ten times."""

    name: str
    rounds: int
    needle_rounds: int
    base_events: int
    build_events: int
    large_events: int
    """0: the part is left out, since it takes a quarter of an hour."""
    quiet_events: int
    tiny_events: int
    tiny_rounds: int
    growth_events: tuple[int, ...]
    growth_objects_each: int
    growth_per_object: tuple[int, ...]
    growth_days: tuple[int, ...]
    growth_accounts: tuple[int, ...]
    query_events: int
    query_rounds: int
    layout_events: int
    layout_rounds: int
    notifications: int
    backfill_days: int
    java_options: str
    """Of the other Spark jobs: what costs them the least at this size. Ours runs as the local stack starts it."""


_SMALL = Size(
    name="small",
    rounds=1,
    needle_rounds=1,
    base_events=10_000,
    build_events=40_000,
    large_events=0,
    quiet_events=20_000,
    tiny_events=10_000,
    tiny_rounds=1,
    growth_events=(6_000, 60_000),
    growth_objects_each=6_000,
    growth_per_object=(500, 50),
    growth_days=(1, 10),
    growth_accounts=(20, 200),
    query_events=30_000,
    query_rounds=5,
    layout_events=40_000,
    layout_rounds=1,
    notifications=50_000,
    backfill_days=7,
    java_options=_FIRST_COMPILER,
)
_FULL = Size(
    name="full",
    rounds=2,
    needle_rounds=1,
    base_events=100_000,
    build_events=1_000_000,
    large_events=5_000_000,
    quiet_events=20_000,
    tiny_events=100_000,
    tiny_rounds=1,
    growth_events=(40_000, 100_000, 400_000),
    growth_objects_each=100_000,
    growth_per_object=(500, 160, 50),
    growth_days=(1, 3, 10),
    growth_accounts=(20, 60, 200),
    query_events=1_000_000,
    query_rounds=7,
    layout_events=200_000,
    layout_rounds=1,
    notifications=500_000,
    backfill_days=90,
    java_options=_BOTH_COMPILERS,
)
_TRIAL = Size(
    name="trial",
    rounds=1,
    needle_rounds=1,
    base_events=2_000,
    build_events=6_000,
    large_events=12_000,
    quiet_events=2_000,
    tiny_events=2_000,
    tiny_rounds=1,
    growth_events=(2_000, 6_000),
    growth_objects_each=2_000,
    growth_per_object=(500, 50),
    growth_days=(1, 2),
    growth_accounts=(20, 200),
    query_events=5_000,
    query_rounds=2,
    layout_events=5_000,
    layout_rounds=1,
    notifications=5_000,
    backfill_days=2,
    java_options=_FIRST_COMPILER,
)
SIZES: Mapping[str, Size] = MappingProxyType({size.name: size for size in (_SMALL, _FULL, _TRIAL)})
"""By what SIZE= says. `trial` shows in minutes on a busy machine that all of it works; its figures mean nothing."""

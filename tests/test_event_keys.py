"""Keys of events compared on disk: against plain sets, and in a memory that does not grow with them."""

import subprocess
import sys
from collections import Counter
from random import Random

import pytest

from infra.cli.home import REPOSITORY
from loglake_assets.lake.checks.event_keys import event_keys

DAY, OTHER = 20261101, 20261102
ODD = ["", "\ud800", "a\0b", "ä", "🙂", "a", "A", "a "]


@pytest.mark.parametrize("seed", range(20))
def test_a_comparison_says_what_sets_say(seed: int) -> None:
    rng = Random(seed)
    names = ODD + [f"id-{n}" for n in range(rng.choice([0, 5, 40]))]
    expected = [(rng.choice([DAY, OTHER]), rng.choice(names), f"s3://b/{rng.randrange(4)}") for _ in range(60)]
    excluded = [(rng.choice([DAY, OTHER]), rng.choice(names)) for _ in range(9)]
    stored = {day: [(rng.choice(names), rng.random() < 0.8) for _ in range(rng.randrange(60))] for day in (DAY, OTHER)}
    with event_keys() as keys:
        for one in expected:
            keys.expect(*one)
        for day, key in excluded:
            keys.exclude(day, key)
        found = {day: keys.compare(day, iter(stored[day])) for day in (DAY, OTHER)}
    for day, comparison in found.items():
        first: dict[str, str] = {}
        for of_day, key, url in expected:
            if of_day == day:
                first.setdefault(key, url)
        rows = Counter(key for key, _ in stored[day])
        missing = sorted(first.keys() - rows.keys())
        assert comparison.missing == tuple(missing)
        assert comparison.missing_by_object == Counter(first[key] for key in missing)
        assert comparison.surplus == tuple(sorted({key for key, is_judged in stored[day] if is_judged} - first.keys()))
        assert (comparison.expected, comparison.excluded) == (len(first), len({k for d, k in excluded if d == day}))
        assert (comparison.found, comparison.rows) == (len(rows), rows.total())


COMPARE_MANY = """
import resource, sys
from loglake_assets.lake.checks.event_keys import event_keys
def compare(count):
    names = (f"{n:0100d}" for n in range(count))
    with event_keys() as keys:
        for name in names:
            keys.expect(20261101, name, "s3://b/k")
        found = keys.compare(20261101, ((f"{n:0100d}", True) for n in range(1, count + 1)))
    assert (found.expected, found.found, len(found.missing), len(found.surplus)) == (count, count, 1, 1)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
print(compare(200_000), compare(800_000))
"""


@pytest.mark.long
def test_four_times_as_many_events_take_no_more_memory() -> None:
    done = subprocess.run(
        [sys.executable, "-c", COMPARE_MANY], cwd=REPOSITORY, capture_output=True, text=True, check=True, timeout=300
    )
    few, many = map(int, done.stdout.split())
    assert many < few + 60, "megabytes; names of 800,000 events in sets are 240 MB more"

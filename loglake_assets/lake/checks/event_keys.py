"""Keys of events, as raw objects and as tables have them, compared on disk: memory does not grow with their number."""

import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice

_CACHE_KILOBYTES = 64 << 10
_ROWS_AT_ONCE = 10_000
_TABLES = """
CREATE TABLE raw (day INTEGER NOT NULL, key BLOB NOT NULL, object INTEGER NOT NULL);
CREATE TABLE excluded (day INTEGER NOT NULL, key BLOB NOT NULL);
CREATE TABLE stored (key BLOB NOT NULL, is_judged INTEGER NOT NULL);
"""
_EXPECTED = "SELECT count(*) FROM (SELECT 1 FROM raw WHERE day = ? GROUP BY key)"
_EXCLUDED = "SELECT count(*) FROM (SELECT 1 FROM excluded WHERE day = ? GROUP BY key)"
_STORED = "SELECT count(*), coalesce(sum(n), 0) FROM (SELECT count(*) AS n FROM stored GROUP BY key)"
_MISSING = """
SELECT key, object FROM raw WHERE rowid IN (
  SELECT min(rowid) FROM raw WHERE day = ? AND NOT EXISTS (SELECT 1 FROM stored WHERE stored.key = raw.key) GROUP BY key
) ORDER BY key
"""
_SURPLUS = """
SELECT key FROM stored WHERE is_judged
  AND NOT EXISTS (SELECT 1 FROM raw WHERE raw.day = ? AND raw.key = stored.key)
GROUP BY key ORDER BY key
"""


@dataclass(frozen=True)
class KeyComparison:
    """Distinct events of a day, but for `rows`, which are all rows of the table. Names are event keys, in order."""

    expected: int
    excluded: int
    found: int
    rows: int
    missing: tuple[str, ...]
    missing_by_object: dict[str, int]
    """Of the first object, by URL, that each missing event was met in."""
    surplus: tuple[str, ...]


class EventKeys:
    """A private SQLite database without a name, which SQLite keeps in a temporary file and removes when it is closed.

    Keys are compared byte by byte.
    """

    def __init__(self) -> None:
        self._database = sqlite3.connect("", isolation_level=None, check_same_thread=False)
        for setting in (f"cache_size = -{_CACHE_KILOBYTES}", "journal_mode = OFF", "synchronous = OFF"):
            self._database.execute(f"PRAGMA {setting}")
        self._database.executescript(_TABLES)
        self._urls: list[str] = []
        self._numbers: dict[str, int] = {}
        self._raw: list[tuple[int, bytes, int]] = []
        self._excluded: list[tuple[int, bytes]] = []

    def expect(self, day: int, key: str, url: str) -> None:
        """An event of a day (yyyymmdd) that the table must have, met in the object at `url`."""
        number = self._numbers.setdefault(url, len(self._urls))
        if number == len(self._urls):
            self._urls.append(url)
        self._raw.append((day, _bytes(key), number))
        if len(self._raw) >= _ROWS_AT_ONCE:
            self._flush()

    def exclude(self, day: int, key: str) -> None:
        """An event of a day that a rule keeps out of the table."""
        self._excluded.append((day, _bytes(key)))
        if len(self._excluded) >= _ROWS_AT_ONCE:
            self._flush()

    def compare(self, day: int, stored: Iterable[tuple[str, bool]]) -> KeyComparison:
        """A day against the rows of its table: (event key, whether the object it is from can be compared with it).

        Nothing can be expected afterwards.
        """
        self._flush()
        run = self._database.execute
        run("CREATE INDEX IF NOT EXISTS raw_by_key ON raw (day, key)")
        run("CREATE INDEX IF NOT EXISTS excluded_by_key ON excluded (day, key)")
        run("DROP INDEX IF EXISTS stored_by_key")
        run("DELETE FROM stored")
        rows = ((_bytes(key), is_judged) for key, is_judged in stored)
        while portion := list(islice(rows, _ROWS_AT_ONCE)):
            self._insert("INSERT INTO stored VALUES (?, ?)", portion)
        run("CREATE INDEX stored_by_key ON stored (key)")
        found, count = run(_STORED).fetchone()
        missing: list[str] = []
        objects: Counter[str] = Counter()
        for key, number in run(_MISSING, (day,)):
            missing.append(_text(key))
            objects[self._urls[number]] += 1
        return KeyComparison(
            expected=run(_EXPECTED, (day,)).fetchone()[0],
            excluded=run(_EXCLUDED, (day,)).fetchone()[0],
            found=found,
            rows=count,
            missing=tuple(missing),
            missing_by_object=dict(objects),
            surplus=tuple(_text(key) for (key,) in run(_SURPLUS, (day,))),
        )

    def _flush(self) -> None:
        self._insert("INSERT INTO raw VALUES (?, ?, ?)", self._raw)
        self._insert("INSERT INTO excluded VALUES (?, ?)", self._excluded)
        self._raw, self._excluded = [], []

    def _insert(self, statement: str, rows: Iterable[tuple[object, ...]]) -> None:
        self._database.execute("BEGIN")
        self._database.executemany(statement, rows)
        self._database.execute("COMMIT")

    def close(self) -> None:
        """Remove the database."""
        self._database.close()


@contextmanager
def event_keys() -> Iterator[EventKeys]:
    """EventKeys that are gone at the end of the block."""
    keys = EventKeys()
    try:
        yield keys
    finally:
        keys.close()


def _bytes(key: str) -> bytes:
    """A key may hold what is no UTF-8, such as half of a pair of surrogates."""
    return key.encode("utf-8", "surrogatepass")


def _text(key: bytes) -> str:
    return key.decode("utf-8", "surrogatepass")

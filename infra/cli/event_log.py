"""Dagster's event log of a local lake: its SQLite storage, with an eighth of the pages' size.

Dagster keeps a file for each run, in which some thirty tables and indexes take a page each whether they hold a row or
not: 130 KB before the first event. With small pages a run of checks takes a third of what it took.
"""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from dagster._core.storage.event_log import SqliteEventLogStorage

PAGE_BYTES = 512  # the least that SQLite has


class SmallPagesEventLogStorage(SqliteEventLogStorage):
    """As Dagster's own. A file that is there already keeps the size of its pages."""

    @classmethod
    def from_config_value(cls, inst_data: Any, config_value: Any) -> "SmallPagesEventLogStorage":
        """Made by Dagster from dagster.yaml."""
        return cls(inst_data=inst_data, **config_value)

    @contextmanager
    def _connect(self, shard: str) -> Iterator[Any]:
        path = self.path_for_shard(shard)
        if not os.path.exists(path):
            with sqlite3.connect(path) as connection:
                connection.execute(f"PRAGMA page_size={PAGE_BYTES}")
                connection.execute("PRAGMA journal_mode=WAL")  # writes the header, and with it the size of pages
            connection.close()
        with super()._connect(shard) as connected:
            yield connected

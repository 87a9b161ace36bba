"""Reads of every table and view through Athena: one row of one day each, of which only counts leave Athena."""

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import chain

from infra.aws.aws_errors import answer
from infra.aws.deploy import reviews_of
from infra.aws.findings import Deployment, Finding, bad, look_at
from loglake_assets.lake.storage.catalog import Catalog
from loglake_assets.lake.storage.partitions import a_day_since, day_position
from loglake_assets.reviews import views_of
from loglake_assets.sources.calendar_days import day_number
from loglake_assets.sources.companions import companion_tables
from resources.athena import Athena, AthenaError
from resources.settings import loglake

_DAYS_BACK = 31
_AT_ONCE = 4
_WAIT_SECONDS = 180.0
_SHOWN_CHARACTERS = 300
_DAMAGED = r"HIVE_(BAD_DATA|CANNOT_OPEN_SPLIT|CURSOR_ERROR|FILESYSTEM_ERROR|UNKNOWN_ERROR)"
_MISDECLARED = (
    r"HIVE_(INVALID_METADATA|METASTORE_ERROR|PARTITION_SCHEMA_MISMATCH|UNSUPPORTED_FORMAT|SERDE_NOT_FOUND)|INVALID_VIEW|"
    r"VIEW_IS_(STALE|RECURSIVE)|(COLUMN|TABLE|SCHEMA|FUNCTION)_NOT_FOUND|TYPE_MISMATCH|SYNTAX_ERROR|is stale"
)
_REMEDIES = (
    (r"KMS|kms:", "allow kms:Decrypt with the key that its objects are encrypted with to {person}"),
    (
        r"(?i)permission denied|access ?denied|forbidden",
        "allow s3:GetObject and s3:ListBucket there to {person}: the policy {name}-reader, of reviews {name}-reviewer",
    ),
    (r"(?i)insufficient permission|lake ?formation|not authorized", "grant the table to {person}: docs/deploy.md"),
    (r"(?i)bytes scanned limit", "raise BytesScannedCutoff of the storage stack"),
    (r"(?i)output bucket|output location", "{deploy}"),
    (_DAMAGED, "docs/runbooks/restore.md: files of that day are damaged or gone"),
    (_MISDECLARED, "{deploy}"),
    (r"(?i)exhausted|rate exceeded|too ?many ?requests|throttl|INTERNAL_ERROR", "look again in a minute"),
)
"""What mends it, by words of Athena's reason; the first that fits."""


@dataclass(frozen=True)
class _Read:
    """A table or view to read, all its columns. `partitions_of` is the table by whose partitions a day is chosen.

    Of a raw table that is its partitions: its objects are for the job, which names the damaged ones.
    """

    name: str
    columns: tuple[str, ...]
    partitions_of: str | None = None
    """None for a table without days."""
    day_position: int = 0

    def statement(self, day: date | None) -> str:
        """A SELECT of a row of the day, of which it counts the values that are there."""
        counts = ", ".join(["count(*)", *(f'count("{name}")' for name in self.columns)])
        where = f" where logcalendarday = {day_number(day)}" if day else ""
        return f'select {counts} from (select * from "{self.name}"{where} limit 1)'


_A_ROW = "a row"


def read_tables(lake: Deployment) -> Iterator[Finding]:
    """Whether Athena answers of each table and view, in the workgroup of people; else its own reason."""
    found = answer(lake.clients("athena").get_work_group, WorkGroup=lake.settings.workgroup)
    if found is None or found["WorkGroup"].get("State") != "ENABLED":
        sentence = f"no table was read: the Athena workgroup {lake.settings.workgroup} is off or not there"
        yield bad("reads", sentence, f"do what stands under workgroups, then `{loglake('doctor')}`")
        return
    reads = list(_reads(lake))
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        answers = pool.map(lambda one: list(look_at(lake, "reads", one.name, _read(lake, one))), reads)
        found = list(chain.from_iterable(answers))
    yield from (one for one in found if not one.is_well)
    rows = sum(one.sentence == _A_ROW for one in found)
    yield Finding(True, "reads", f"Athena read {len(reads)} tables and views, and found a row in {rows} of them")


def _reads(lake: Deployment) -> Iterator[_Read]:
    for source in lake.sources:
        yield _Read(f"{source.raw.name}$partitions", (), source.raw.name, day_position(source))
        table = source.readready
        yield _Read(table.name, tuple(column.name for column in table.all_columns), table.name)
        for beside in companion_tables(source):
            columns = tuple(column.name for column in beside.columns)
            yield _Read(beside.name, columns, beside.name if beside.is_partitioned else None)
    for view in views_of(reviews_of(lake.sources)):
        yield _Read(view.table.name, tuple(column.name for column in view.table.all_columns), view.table.name)
        yield _Read(view.name, tuple(column.name for column in view.columns), view.table.name)


def _read(lake: Deployment, one: _Read) -> Iterator[Finding]:
    settings, today = lake.settings, datetime.now(UTC).date()
    day = None
    if one.partitions_of:
        catalog, first = Catalog(lake.clients("glue"), settings.database), today - timedelta(days=_DAYS_BACK)
        day = a_day_since(catalog, one.partitions_of, first, one.day_position) or today
    try:
        athena = Athena(lake.clients("athena"), settings.database, settings.workgroup, _WAIT_SECONDS)
        (counts,) = athena.ask(one.statement(day)).texts
        yield Finding(True, "reads", "no row" if counts[0] == "0" else _A_ROW)
    except AthenaError as error:
        reason = error.reason[:_SHOWN_CHARACTERS]
        of_day = f" of {day}" if day else ""
        yield bad("reads", f"{one.name}{of_day}: Athena says {reason}", athena_remedy(lake, error.reason))


def athena_remedy(lake: Deployment, reason: str) -> str:
    """What mends it where Athena gives this reason."""
    for words, step in _REMEDIES:
        if re.search(words, reason):
            return step.format(person=lake.person, name=lake.settings.name, deploy=loglake("deploy"))
    return f"look at the query in Athena's console, in the workgroup {lake.settings.workgroup}"

"""What a log source is, as frozen declarations. Standard library only: Lambdas and Glue ship this file.

A declaration describes and does not act. Reading objects belongs to the Glue job, placing partitions to AddAPart,
assets and checks to Dagster; all three are made from what is declared here.
"""

import re
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property

DEFAULT_COMPRESSION = "zstd"
COMPRESSIONS = (DEFAULT_COMPRESSION, "zlib")
"""What the ORC files of readready may be compressed with; a reader sees which in each file's postscript."""
SPARK, LOCAL = ENGINES = ("spark", "local")
"""What spreads the tasks of a build: Spark, or the processes of one machine without a JVM. Both write the same."""
ENGINE = "LOGLAKE_ENGINE"
"""The environment variable that says which."""


@dataclass(frozen=True)
class Column:
    """One column; `type` is a Hive type name as Glue and Athena spell it, such as `string` or `timestamp`.

    `sql` says in Spark SQL what a readready column is made of, where it is not the field of its own name.
    """

    name: str
    type: str
    comment: str = ""
    sql: str = ""


EVIDENCE = (
    Column("raw_bucket", "string", "bucket of the object that the record stands in"),
    Column("raw_key", "string", "key of that object"),
    Column("raw_etag", "string", "ETag of that object as it was read"),
    Column("raw_versionid", "string", "version of that object as it was read; null in a bucket without versions"),
    Column("raw_objectsha256", "string", "of the object's bytes as stored"),
    Column("raw_ordinal", "int", "position of the record in its object, from 0"),
    Column("f_run", "string", "Glue run that wrote the row"),
)
"""The columns that lead from a row of any log back to its raw record."""


@dataclass(frozen=True)
class RawTable:
    """A table over objects exactly as delivered: one partition is one delivery prefix."""

    name: str
    columns: tuple[Column, ...]
    partition_keys: tuple[Column, ...]
    serde: str
    input_format: str
    output_format: str
    serde_parameters: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class ReadreadyTable:
    """A table of scalar columns in ORC, one partition a UTC day of the event.

    `grain` names the columns of which the first that is not null is unique in the table; `sort_by` the order inside a
    file, which is what lets a reader skip; `evidence` the columns that lead from a row back to its raw record.
    """

    name: str
    columns: tuple[Column, ...]
    grain: tuple[str, ...]
    sort_by: tuple[str, ...]
    evidence: tuple[Column, ...] = EVIDENCE
    partition_key: Column = Column("logcalendarday", "int", "UTC day of the event, yyyymmdd")

    @property
    def key(self) -> str:
        """The SQL of what is unique in the table."""
        return self.grain[0] if len(self.grain) == 1 else f"coalesce({', '.join(self.grain)})"

    @property
    def all_columns(self) -> tuple[Column, ...]:
        """Source columns followed by evidence columns; the partition key stands in the path."""
        return self.columns + self.evidence


@dataclass(frozen=True)
class IgnoredKey:
    """Objects that share the bucket and are no events: counted under `reason`, never placed."""

    reason: str
    pattern: str


@dataclass(frozen=True)
class KeyPattern:
    """How an object key says which partition it belongs to.

    `pattern` is a regular expression over the decoded key with one named group per raw partition key, except that the
    day comes from the groups `year`, `month` and `dayofmonth`; the group `prefix` is the delivery prefix, which becomes
    the partition's Location. `variants` are further patterns of the same kind, tried in order, for logs whose deliverer
    lets the day be spelled in several ways. Two keys of the same partition values must have the same `prefix`.
    """

    pattern: str
    ignored: tuple[IgnoredKey, ...] = ()
    variants: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for text in self.patterns:
            absent = {"year", "month", "dayofmonth", "prefix"} - re.compile(text).groupindex.keys()
            if absent:
                raise ValueError(f"The key pattern {text!r} has no group named {', '.join(sorted(absent))}.")

    @property
    def patterns(self) -> tuple[str, ...]:
        """All patterns, in the order in which they are tried."""
        return (self.pattern, *self.variants)

    @cached_property
    def regexes(self) -> tuple[re.Pattern[str], ...]:
        return tuple(re.compile(text) for text in self.patterns)

    def match(self, key: str) -> re.Match[str] | None:
        """What the key says, by the first of the patterns that it fits."""
        return next((found for regex in self.regexes if (found := regex.match(key))), None)

    @cached_property
    def ignored_regexes(self) -> tuple[tuple[str, re.Pattern[str]], ...]:
        return tuple((i.reason, re.compile(i.pattern)) for i in self.ignored)


@dataclass(frozen=True)
class Shape:
    """What the lake knows of a log's records beyond their columns; what differs is drift, and nothing is lost by it.

    `blocks` names columns of JSON text with the character that such a block begins with, `{` or `[`.
    """

    version_column: str | None = None
    versions: tuple[str, ...] = ()
    blocks: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class LogSource:
    """One log, declared once. Its folder holds this declaration, the `.sql` views, the decoder and `defs.yaml`."""

    name: str
    title: str
    description: str
    raw: RawTable
    readready: ReadreadyTable
    key_pattern: KeyPattern
    views: tuple[str, ...]
    """File names of the `.sql` views in the source's folder, in the order they are created: the last of them is
    `identified_as_view`, from which copies are found and the table's columns are taken."""
    decoder: str
    """Dotted path of the decoder module, imported by the Glue job only (it may need msgspec)."""
    quick_decoder: str | None = field(default=None, kw_only=True)
    """Dotted path of a module that decodes plain records at less cost: it has `plain`, `head_reader`, `repeats`."""
    recount: str
    """Dotted path of the module that counts events by another path than the decoder's, for the coverage check."""
    digests: str | None = None
    """Dotted path of the module that validates the log's own digests, as `modules.DigestValidation` says."""
    deliverer: str | None = field(default=None, kw_only=True)
    """Dotted path of the module that asks those who deliver the log how they fare, as `modules.Deliverer` says."""
    excludable: tuple[str, ...] = ()
    """Fields that exclusion rules may name: readready columns that the recount knows as well."""
    delivers: str = "log files"
    look_behind_days: int = field(default=0, kw_only=True)
    """Days of delivery before its own that may hold events of a day: 1 where prefixes may be in a zone west of UTC."""
    several_gzip_members: bool = False
    """False: a second gzip member is tampering and quarantines the object. True: members are how it is delivered."""
    shape: Shape = Shape()
    earliest_event: date = field(default=date(2013, 1, 1))
    """An event older than this cannot be real and is quarantined with the reason `eventtime_implausible`."""

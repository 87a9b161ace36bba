"""One lake as a value: its names and clients, and what commits, compares and counts its days."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from loglake_assets.lake.checks.reconciliation import Reconciler
from loglake_assets.lake.checks.recount import Recount
from loglake_assets.lake.checks.source_report import SourceReport, source_report
from loglake_assets.lake.storage.catalog import Catalog
from loglake_assets.lake.storage.partitions import days_expression, delivered_days, registered_values
from loglake_assets.lake.storage.raw_bucket import RawBucket
from loglake_assets.lake.storage.table import Table
from loglake_assets.lake.versions.commits import RUN
from loglake_assets.lake.versions.late_ledger import late_counts
from loglake_assets.lake.versions.publish import Publisher
from loglake_assets.lake.versions.served_day import ServedDay, partition_of_day, served_day
from loglake_assets.lake.versions.stored_rows import stored_hash
from loglake_assets.sources import LogSource
from loglake_assets.sources.calendar_days import day_number
from loglake_assets.sources.rules import load_rules
from resources.access import LakeAccess


@dataclass(frozen=True)
class Lake(LakeAccess):
    """One lake, whatever machine or account it lies on."""

    def table(self, name: str) -> Table:
        """A readready or review table of this lake."""
        return Table(name, self.s3, self.settings.readready_bucket)

    def raw_bucket(self, source: LogSource) -> RawBucket:
        """Where the objects of a log are delivered."""
        return RawBucket(self.s3, source, self.settings.raw_bucket(source.name))

    @property
    def catalog(self) -> Catalog:
        return Catalog(self.glue, self.settings.database)

    def publisher(self) -> Publisher:
        """What commits readready days of this lake."""
        return Publisher(
            s3=self.s3,
            catalog=self.catalog,
            sqs=self.sqs,
            bucket=self.settings.readready_bucket,
            queue_url=self.queue_url("readready"),
            wait_seconds=self.placement_wait_seconds,
        )

    def recount(self, source: LogSource, look_ahead: int) -> Recount:
        """What counts a source's days again from storage."""
        return Recount(
            raw=self.raw_bucket(source),
            table=self.table(source.readready.name),
            rules=load_rules(source.name),
            registered=lambda days: registered_values(self.catalog, source, days),
            served=lambda day: self.served_day(source.readready.name, day),
            content_hash=self.content_hash,
            look_ahead=look_ahead,
        )

    def reconciler(self, source: LogSource, look_ahead: int = 1) -> Reconciler:
        """What compares storage, catalog and builds of a source, by listing."""
        table = self.table(source.readready.name)
        return Reconciler(self.raw_bucket(source), table, self.catalog, load_rules(source.name), look_ahead)

    def source_report(self, source: LogSource, first_open: date) -> SourceReport:
        """Every day of a source, in one listing of its raw bucket; days from `first_open` on are not due."""
        return source_report(self.reconciler(source), first_open)

    def served_day(self, table: str, day: date) -> ServedDay:
        """Which run of a day readers are sent to."""
        return served_day(self.table(table), self.catalog, day_number(day))

    def days_with_logs(self, source: LogSource, days: Sequence[date]) -> list[date]:
        """Those of the days that have anything to be built from: a raw partition, or an object in the late ledger."""
        if not days:
            return []
        delivered = delivered_days(self.catalog, source, days_expression(days))
        late = late_counts(self.table(source.readready.name))
        return [day for day in days if day in delivered or day_number(day) in late]

    def content_hash(self, source: LogSource, bucket: str, keys: Sequence[str]) -> str:
        """The hash of the rows of some ORC files, as manifests spell it."""
        return stored_hash(self.s3, source, bucket, keys)

    def run_of_partition(self, table: str, day: int) -> set[str]:
        """The run that the catalog's partition of a day (yyyymmdd) names; empty where there is none."""
        partition = partition_of_day(self.catalog, table, day)
        if partition is None:
            return set()
        location = partition.get("StorageDescriptor", {}).get("Location", "")
        runs = {part.removeprefix("run=") for part in location.split("/") if part.startswith("run=")}
        return runs | {partition.get("Parameters", {}).get(RUN, "")}

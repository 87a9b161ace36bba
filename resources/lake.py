"""The lake as a Dagster resource: its names, and boto3 clients for them. Assets get this and never import boto3."""

import functools
import os
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg

from loglake_assets.lake.commits import RUN
from loglake_assets.lake.publishing import Publisher
from loglake_assets.lake.reconciliation import Reconciler
from loglake_assets.lake.reconciling import registered_values
from loglake_assets.lake.recount import Recount
from loglake_assets.lake.serving import Served, partition_of_day, served_day
from loglake_assets.sources import LogSource
from loglake_assets.sources.placement import day_number
from loglake_assets.sources.rules import load_rules
from resources.athena import Athena
from resources.settings import LakeSettings, digest_keys_file, lake_settings

if TYPE_CHECKING:
    from mypy_boto3_glue import GlueClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sqs import SQSClient


class LakeResource(dg.ConfigurableResource):  # type: ignore[type-arg]  # the resource gives itself to assets
    """One lake. `endpoint_url` is for tests; otherwise boto3 reads AWS_ENDPOINT_URL, and AWS itself needs none."""

    name: str
    account: str
    region: str
    endpoint_url: str | None = None
    placement_wait_seconds: float = 120.0

    @property
    def settings(self) -> LakeSettings:
        """The lake's names, refused with a sentence when odd."""
        return lake_settings({"LOGLAKE_NAME": self.name, "LOGLAKE_ACCOUNT": self.account, "AWS_REGION": self.region})

    @property
    def s3(self) -> "S3Client":
        client: S3Client = _client("s3", self.region, self.endpoint_url, _access())
        return client

    @property
    def glue(self) -> "GlueClient":
        client: GlueClient = _client("glue", self.region, self.endpoint_url, _access())
        return client

    @property
    def sqs(self) -> "SQSClient":
        client: SQSClient = _client("sqs", self.region, self.endpoint_url, _access())
        return client

    @property
    def athena(self) -> Athena:
        """The orchestrator's queries of this lake."""
        client = _client("athena", self.region, self.endpoint_url, _access())
        return Athena(client, self.settings.database, self.settings.dagster_workgroup)

    @property
    def digest_keys_file(self) -> Path | None:
        """The file of public keys that the environment names for validating digests, or None."""
        return digest_keys_file()

    def client(self, service: str, region: str) -> Any:
        """A client of a service in any Region, for what the lake's own Region does not know."""
        return _client(service, region, self.endpoint_url, _access())

    def queue_url(self, layer: str) -> str:
        """URL of AddAPart's FIFO queue of a layer (`raw-<source>` or `readready`)."""
        return self.sqs.get_queue_url(QueueName=self.settings.addapart_queue(layer))["QueueUrl"]

    def publisher(self) -> Publisher:
        """What commits readready days of this lake."""
        settings = self.settings
        return Publisher(
            s3=self.s3,
            glue=self.glue,
            sqs=self.sqs,
            database=settings.database,
            bucket=settings.readready_bucket,
            queue_url=self.queue_url("readready"),
            wait_seconds=self.placement_wait_seconds,
        )

    def recount(self, source: LogSource, look_ahead: int) -> Recount:
        """What counts a source's days again from storage."""
        settings = self.settings
        return Recount(
            s3=self.s3,
            source=source,
            rules=load_rules(source.name),
            raw_bucket=settings.raw_bucket(source.name),
            readready_bucket=settings.readready_bucket,
            registered=lambda days: registered_values(self.glue, settings.database, source, days),
            served=lambda day: self.served(source.readready.name, day),
            content_hash=self.content_hash,
            look_ahead=look_ahead,
        )

    def content_hash(self, source: LogSource, bucket: str, keys: Sequence[str]) -> str:
        """The hash of the rows of some ORC files, as manifests spell it."""
        from glue_scripts.stored_rows import stored_hash

        return stored_hash(self.s3, source, bucket, keys)

    def served(self, table: str, day: date) -> Served:
        """Which run of a day readers are sent to."""
        settings = self.settings
        number = day_number(day)
        return served_day(self.s3, self.glue, settings.database, settings.readready_bucket, table, number)

    def run_of_partition(self, table: str, day: int) -> set[str]:
        """The run that the catalog's partition of a day (yyyymmdd) names; empty where there is none."""
        partition = partition_of_day(self.glue, self.settings.database, table, day)
        if partition is None:
            return set()
        location = partition.get("StorageDescriptor", {}).get("Location", "")
        runs = {part.removeprefix("run=") for part in location.split("/") if part.startswith("run=")}
        return runs | {partition.get("Parameters", {}).get(RUN, "")}

    def reconciler(self, source: LogSource, look_ahead: int = 1) -> Reconciler:
        """What compares storage, catalog and builds of a source, by listing."""
        settings = self.settings
        return Reconciler(
            s3=self.s3,
            glue=self.glue,
            source=source,
            rules=load_rules(source.name),
            database=settings.database,
            raw_bucket=settings.raw_bucket(source.name),
            readready_bucket=settings.readready_bucket,
            look_ahead=look_ahead,
        )


def _access() -> tuple[str | None, ...]:
    """Where boto3 goes and as whom, by the environment of this moment: a client is kept for no other."""
    return tuple(os.environ.get(name) for name in ("AWS_ENDPOINT_URL", "AWS_ACCESS_KEY_ID", "AWS_PROFILE"))


@functools.cache
def _client(service: str, region: str, endpoint_url: str | None, access: tuple[str | None, ...]) -> Any:
    import boto3
    from botocore.config import Config

    config = Config(retries={"mode": "standard", "max_attempts": 6}, max_pool_connections=32)
    session: Any = boto3.session.Session()
    return session.client(service, region_name=region, endpoint_url=endpoint_url, config=config)

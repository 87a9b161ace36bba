"""The lake that a command works on: its names and clients, whether it lies on this machine or on AWS."""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from infra.cli.lake_file import LakeFile
from loglake_assets.lake.lake import Lake
from loglake_assets.lake.storage.catalog import Catalog
from loglake_assets.lake.storage.raw_bucket import RawBucket
from loglake_assets.lake.storage.table import Table
from loglake_assets.sources import LogSource
from resources.settings import LakeSettings


@dataclass(frozen=True)
class CommandLake:
    """A lake: its names and clients. `home` is a folder of this machine for what commands keep beside it."""

    home: Path
    settings: LakeSettings

    @property
    def resource(self) -> Lake:
        """The lake as assets get it, but for its queries, which are a person's."""
        return Lake(self.settings, workgroup=self.settings.workgroup)

    def client(self, service: str) -> Any:
        """A boto3 client of a service."""
        return self.resource.client(service)

    def table(self, name: str) -> Table:
        """A readready or review table of this lake."""
        return self.resource.table(name)

    def raw_bucket(self, source: LogSource) -> RawBucket:
        """Where the objects of a log are delivered."""
        return self.resource.raw_bucket(source)

    @property
    def catalog(self) -> Catalog:
        return self.resource.catalog

    @property
    def dagster_home(self) -> Path:
        """Where Dagster records the runs of commands."""
        return self.home / "dagster"

    @property
    def place(self) -> str:
        """Where the lake is, for a person."""
        return self.settings.place


@dataclass(frozen=True)
class AwsLake(CommandLake):
    """A lake of an AWS account. `dagster` is the address of its Dagster, None where a run is made here."""

    dagster: str | None = None
    file: LakeFile | None = None


def warn(text: str) -> None:
    """What a person has to know whatever the command was asked for, beside its output and not in it."""
    print(text, file=sys.stderr, flush=True)

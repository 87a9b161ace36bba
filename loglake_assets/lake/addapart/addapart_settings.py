"""What AddAPart's functions are told by their environment, read once per container. Standard library only."""

import os
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class AddAPartSettings:
    """One deployment of AddAPart: a bucket, and the layer (`raw-<source>` or `readready`) whose partitions it adds."""

    layer: str
    source: str
    database: str
    bucket: str
    queue_url: str
    quarantine_url: str

    @property
    def is_raw(self) -> bool:
        return self.layer != "readready"


def addapart_settings(environment: Mapping[str, str] | None = None) -> AddAPartSettings:
    """The settings of this container. Raises KeyError naming the variable that the template did not set."""
    env = os.environ if environment is None else environment
    return AddAPartSettings(
        layer=env["LOGLAKE_LAYER"],
        source=env.get("LOGLAKE_SOURCE", ""),
        database=env["LOGLAKE_DATABASE"],
        bucket=env["LOGLAKE_BUCKET"],
        queue_url=env.get("LOGLAKE_QUEUE_URL", ""),
        quarantine_url=env.get("LOGLAKE_QUARANTINE_URL", ""),
    )

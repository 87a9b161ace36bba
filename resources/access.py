"""Access to one lake: its names, and boto3 clients for them. Local and AWS differ in these values only."""

import functools
import os
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from resources.athena import Athena
from resources.settings import LakeSettings, digest_keys_file

if TYPE_CHECKING:
    from mypy_boto3_glue import GlueClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sqs import SQSClient


@dataclass(frozen=True)
class LakeAccess:
    """One lake's names and clients. A client is made when it is first asked for, and kept.

    Without an endpoint in the settings boto3 reads AWS_ENDPOINT_URL, and AWS itself needs none.
    """

    settings: LakeSettings
    placement_wait_seconds: float = 120.0
    workgroup: str | None = None
    """The Athena workgroup of queries; None for the orchestrator's, in which no person may ask."""

    @property
    def s3(self) -> "S3Client":
        client: S3Client = self.client("s3")
        return client

    @property
    def glue(self) -> "GlueClient":
        client: GlueClient = self.client("glue")
        return client

    @property
    def sqs(self) -> "SQSClient":
        client: SQSClient = self.client("sqs")
        return client

    @property
    def athena(self) -> Athena:
        """Queries of this lake, in the workgroup of whoever asks."""
        workgroup = self.workgroup or self.settings.dagster_workgroup
        return Athena(self.client("athena"), self.settings.database, workgroup)

    @property
    def digest_keys_file(self) -> Path | None:
        """The file of public keys that the environment names for validating digests, or None."""
        return digest_keys_file()

    def client(self, service: str, region: str | None = None) -> Any:
        """A client of a service; of another Region for what the lake's own does not know."""
        return boto_client(service, region or self.settings.region, self.settings.endpoint_url, _identity())

    def queue_url(self, layer: str) -> str:
        """URL of AddAPart's FIFO queue of a layer (`raw-<source>` or `readready`)."""
        return self.sqs.get_queue_url(QueueName=self.settings.addapart_queue(layer))["QueueUrl"]


def _identity() -> tuple[str | None, ...]:
    """Where boto3 goes and as whom, by the environment of this moment: a client is kept for no other."""
    return tuple(os.environ.get(name) for name in ("AWS_ENDPOINT_URL", "AWS_ACCESS_KEY_ID", "AWS_PROFILE"))


@functools.cache
def boto_client(
    service: str,
    region: str,
    endpoint_url: str | None,
    identity: tuple[str | None, ...] = (),
    credentials: tuple[tuple[str, str], ...] = (),
) -> Any:
    """A client as the lake uses them, kept for its arguments. `credentials` are boto3's by name; else as it finds them.

    `identity` is whom boto3 finds: a client is kept for no other.
    """
    from botocore.config import Config

    config = Config(retries={"mode": "standard", "max_attempts": 6}, max_pool_connections=32)
    with _ONE_CLIENT_AT_A_TIME:
        session = _session(identity)
        return session.client(
            service, region_name=region, endpoint_url=endpoint_url, config=config, **dict(credentials)
        )


_ONE_CLIENT_AT_A_TIME = threading.Lock()  # clients are safe between threads; a session that makes them is not


@functools.cache
def _session(identity: tuple[str | None, ...]) -> Any:
    """One session for each identity: it reads the models of AWS's services once, which is most of a client's making."""
    import boto3

    return boto3.session.Session()

"""Takes a lake down: its stacks, and what they keep only where that is asked for by name.

Logs are evidence, so buckets and tables stay by default: the stacks of the storage and of the catalog stay with them,
and a later deployment of the same name goes on with what it finds.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple

from botocore.exceptions import ClientError

from infra.aws.deploy import OPTIONAL_STACKS, Clients
from infra.aws.stacks import DeployError, Progress, StackOptions, Stacks
from loglake_assets.sources import source_names
from loglake_assets.sources.words import counted
from resources.settings import LakeSettings

if TYPE_CHECKING:
    from mypy_boto3_glue import GlueClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import ObjectIdentifierTypeDef

_KEEPING = ("storage", "catalog")
_USD_A_GB_MONTH = 0.023  # of S3 Standard in us-east-1, the first 50 TB: docs/aws.md
_SHOWN = 5


@dataclass(frozen=True)
class BucketContent:
    """What a bucket holds, old versions too, in objects and bytes; `locked` are keys that S3 did not let go."""

    name: str
    versions: int
    size: int
    locked: tuple[str, ...] = ()

    @property
    def usd_a_month(self) -> float:
        return self.size / 1e9 * _USD_A_GB_MONTH


class _Version(NamedTuple):
    key: str
    id: str
    size: int = 0


def lake_parts(settings: LakeSettings, clients: Clients) -> list[str]:
    """The names of the lake's stacks that are there, in the order in which they may be deleted.

    By whole names: of the lakes `a` and `a-jobs` one must not take the other with it.
    """
    layers = [*(f"addapart-raw-{name}" for name in source_names()), "addapart-readready"]
    pages = clients("cloudformation").get_paginator("describe_stacks").paginate()
    names = {str(stack["StackName"]) for page in pages for stack in page["Stacks"] if _is_there(stack)}
    parts = (*OPTIONAL_STACKS, "jobs", *layers, *reversed(_KEEPING))
    return [name for part in parts if (name := f"{settings.name}-{part}") in names]


def _is_there(stack: dict[str, Any]) -> bool:
    return str(stack["StackStatus"]) not in ("DELETE_COMPLETE", "REVIEW_IN_PROGRESS")


def lake_buckets(settings: LakeSettings, clients: Clients) -> list[str]:
    """The lake's own buckets that are there, whether or not a stack still knows them."""
    own = replace(settings, raw_buckets=())
    expected = {own.artifacts_bucket, own.results_bucket, own.readready_bucket, *map(own.raw_bucket, source_names())}
    return sorted(name for one in clients("s3").list_buckets()["Buckets"] if (name := str(one["Name"])) in expected)


def undeploy(settings: LakeSettings, clients: Clients, delete_data: bool, progress: Progress) -> list[BucketContent]:
    """Delete the lake's stacks, with `delete_data` also its buckets and tables; returns what of its data is left.

    Raises DeployError where a stack is protected, before anything is deleted, or where one cannot be deleted.
    """
    api = Stacks(clients("cloudformation"), clients("s3"), settings, StackOptions())
    names = lake_parts(settings, clients)
    protected = [name for name in names if (api.describe(name) or {}).get("EnableTerminationProtection")]
    if protected:
        raise DeployError(
            f"The stacks {', '.join(protected)} are protected from deletion. Nothing was deleted. Write "
            "termination_protection = false into the lake's file, deploy, and then undeploy."
        )
    keeping = {f"{settings.name}-{part}" for part in _KEEPING}
    api.delete([name for name in names if name not in keeping], progress)
    if not delete_data:
        return [_content(clients("s3"), bucket) for bucket in lake_buckets(settings, clients)]
    left = [_empty(clients("s3"), bucket, progress) for bucket in lake_buckets(settings, clients)]
    for name in (name for name in names if name in keeping):
        api.delete([name], progress)
    _drop_tables(settings, clients("glue"), progress)
    return [content for content in left if content]


def _versions(s3: "S3Client", bucket: str) -> Iterator[list[_Version]]:
    """All versions and delete markers of a bucket, in pages of at most a thousand, which one request deletes."""
    for page in s3.get_paginator("list_object_versions").paginate(Bucket=bucket):
        objects = [_Version(one["Key"], one["VersionId"], one["Size"]) for one in page.get("Versions", [])]
        yield objects + [_Version(one["Key"], one["VersionId"]) for one in page.get("DeleteMarkers", [])]


def _content(s3: "S3Client", bucket: str, locked: Sequence[str] = ()) -> BucketContent:
    count = size = 0
    for versions in _versions(s3, bucket):
        count += len(versions)
        size += sum(version.size for version in versions)
    return BucketContent(bucket, count, size, tuple(locked[:_SHOWN]))


def _empty(s3: "S3Client", bucket: str, progress: Progress) -> BucketContent | None:
    """Delete every version, then the bucket; what stays, where S3 refuses some since they are locked."""
    locked: list[str] = []
    deleted = 0
    for versions in filter(None, _versions(s3, bucket)):
        chosen: list[ObjectIdentifierTypeDef] = [{"Key": one.key, "VersionId": one.id} for one in versions]
        refused = s3.delete_objects(Bucket=bucket, Delete={"Objects": chosen, "Quiet": True}).get("Errors", [])
        locked += [error["Key"] for error in refused]
        deleted += len(chosen) - len(refused)
        progress(f"s3://{bucket}: {counted(deleted, 'version')} deleted")
    if locked:
        return _content(s3, bucket, locked)
    try:
        s3.delete_bucket(Bucket=bucket)
    except ClientError as error:
        progress(f"s3://{bucket}: not deleted ({error.response['Error']['Code']}); something writes to it still")
        return _content(s3, bucket)
    progress(f"s3://{bucket}: deleted")
    return None


def _drop_tables(settings: LakeSettings, glue: "GlueClient", progress: Progress) -> None:
    try:
        glue.delete_database(Name=settings.database)
    except glue.exceptions.EntityNotFoundException:
        return
    progress(f"{settings.database}: database and tables dropped")

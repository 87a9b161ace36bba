"""Takes a lake down: its stacks, and what they keep only where that is asked for by name.

Logs are evidence, so buckets and tables stay by default: the stacks of the storage and of the catalog stay with them,
and a later deployment of the same name goes on with what it finds. IAM deletes no policy that is attached to somebody:
so Dagster, whose role has policies of the jobs, goes before all others, and who else has one is named first.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple

from botocore.exceptions import ClientError

from infra.aws.aws_errors import answer, is_denied, permission
from infra.aws.deploy import OPTIONAL_STACKS, Clients
from infra.aws.stacks import DeployError, Progress, StackOptions, Stacks
from loglake_assets.sources import source_names
from loglake_assets.sources.words import tally
from resources.settings import LakeSettings

if TYPE_CHECKING:
    from mypy_boto3_glue import GlueClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import ObjectIdentifierTypeDef

_KEEPING = ("storage", "catalog")
_FIRST = "dagster"
_USD_A_GB_MONTH = 0.023  # of S3 Standard in us-east-1, the first 50 TB: docs/aws.md
_SNAPSHOT_USD_A_GB_MONTH = 0.095  # of RDS for PostgreSQL in us-east-1
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


@dataclass(frozen=True)
class Snapshot:
    """What RDS keeps of a database of Dagster's; `size_gib` is the database's disk, and a snapshot is at most that."""

    name: str
    size_gib: int

    @property
    def usd_a_month(self) -> float:
        return self.size_gib * _SNAPSHOT_USD_A_GB_MONTH


@dataclass(frozen=True)
class Remains:
    """What of a lake is there still and costs money."""

    buckets: Sequence[BucketContent] = ()
    snapshots: Sequence[Snapshot] = ()


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


def undeploy(settings: LakeSettings, clients: Clients, delete_data: bool, progress: Progress) -> Remains:
    """Delete the lake's stacks, with `delete_data` also its buckets and tables; returns what of it is left.

    Raises DeployError where a stack is protected or somebody has a policy of the lake, before anything is deleted, or
    where a stack cannot be deleted.
    """
    api = Stacks(clients("cloudformation"), clients("s3"), settings, StackOptions())
    names = lake_parts(settings, clients)
    _refuse_protected_stacks(api, names)
    keeping = [f"{settings.name}-{part}" for part in _KEEPING]
    going = [name for name in names if name not in keeping]
    _refuse_attached_policies(api, clients("iam"), going)
    dagster = f"{settings.name}-{_FIRST}"
    api.delete([name for name in going if name == dagster], progress)
    api.delete([name for name in going if name != dagster], progress)
    if not delete_data:
        buckets = [_content(clients("s3"), bucket) for bucket in lake_buckets(settings, clients)]
        return Remains(buckets, _snapshots(clients, dagster, progress))
    left = [_empty(clients("s3"), bucket, progress) for bucket in lake_buckets(settings, clients)]
    for name in (name for name in names if name in keeping):
        api.delete([name], progress)
    _drop_tables(settings, clients("glue"), progress)
    return Remains([content for content in left if content], _snapshots(clients, dagster, progress))


def _refuse_protected_stacks(api: Stacks, names: Sequence[str]) -> None:
    protected = [name for name in names if (api.describe(name) or {}).get("EnableTerminationProtection")]
    if protected:
        raise DeployError(
            f"The stacks {', '.join(protected)} are protected from deletion. Nothing was deleted. Write "
            "termination_protection = false into the lake's file, deploy, and then undeploy."
        )


def _refuse_attached_policies(api: Stacks, iam: Any, names: Sequence[str]) -> None:
    """CloudFormation would find it out in the middle: IAM deletes no policy that somebody has."""
    found = [(name, kind, thing) for name in names for kind, thing in api.resources(name)]
    own = {thing for _, kind, thing in found if kind == "AWS::IAM::Role"}
    steps = [
        step
        for _, kind, policy in found
        if kind == "AWS::IAM::ManagedPolicy"
        for entity, who, step in _attachments(iam, policy)
        if not (entity == "role" and who in own)
    ]
    if steps:
        raise DeployError(
            "Somebody has policies of the lake, and IAM deletes none that is attached. Nothing was deleted. Detach "
            f"them, and then undeploy; whoever it is loses what the policy allows: {'; '.join(steps)}"
        )


_ATTACHED = {"role": ("PolicyRoles", "RoleName"), "user": ("PolicyUsers", "UserName")}
_ATTACHED |= {"group": ("PolicyGroups", "GroupName")}


def _attachments(iam: Any, policy: str) -> Iterator[tuple[str, str, str]]:
    """(role, user or group; its name; the command that detaches the policy) of everybody who has it.

    Nobody has a policy that is gone, as after an undeployment that failed later.
    """
    pages = answer(lambda: list(iam.get_paginator("list_entities_for_policy").paginate(PolicyArn=policy))) or []
    for kind, (listed, name) in _ATTACHED.items():
        for who in (one[name] for page in pages for one in page[listed]):
            yield kind, who, f"aws iam detach-{kind}-policy --{kind}-name {who} --policy-arn {policy}"


def _snapshots(clients: Clients, database: str, progress: Progress) -> list[Snapshot]:
    """Snapshots of Dagster's database, which CloudFormation makes when it deletes that."""
    pages = clients("rds").get_paginator("describe_db_snapshots")
    try:
        found = list(pages.paginate(DBInstanceIdentifier=database, SnapshotType="manual"))
    except ClientError as error:
        if not is_denied(error):
            raise
        progress(f"AWS denies {permission(error)}, so snapshots of {database} may be there and cost, or not")
        return []
    return [
        Snapshot(one["DBSnapshotIdentifier"], int(one["AllocatedStorage"]))
        for page in found
        for one in page["DBSnapshots"]
    ]


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
        progress(f"s3://{bucket}: {tally(deleted, 'version')} deleted")
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

"""Deploys a lake: its CloudFormation stacks, and the bundles, partition indexes and views that no stack can make.

Twice is once. AWS and the local endpoint get the same templates through the same calls.
"""

import hashlib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from infra.aws.aws_errors import answer
from infra.aws.bundles import (
    WHEELS,
    WheelsError,
    bundle_key,
    glue_bundle,
    job_script,
    lambda_bundle,
    looker_bundle,
    script_key,
    wheels_bundle,
)
from infra.aws.catalog_template import partition_indexes, template_text, view_input
from infra.aws.dropped_tables import deployed_tables, restore_tables
from infra.aws.stacks import (
    DEPLOYED,
    DeployError,
    Progress,
    Stack,
    StackOptions,
    StackPlan,
    Stacks,
    defaults,
    stack_parameters,
)
from infra.aws.template import resources
from loglake_assets.lake.storage.keys import COMMITS_PREFIX
from loglake_assets.questions import Question, questions
from loglake_assets.reviews import Review, load_review, review_names, tables_of, views_of
from loglake_assets.sources import LogSource
from loglake_assets.sources.companions import companion_tables
from loglake_assets.sources.words import tally
from resources.settings import LakeSettings

if TYPE_CHECKING:
    from mypy_boto3_cloudformation import CloudFormationClient
    from mypy_boto3_glue import GlueClient
    from mypy_boto3_glue.type_defs import PartitionIndexTypeDef
    from mypy_boto3_s3 import S3Client

Clients = Callable[[str], Any]
"""From an AWS service's name to its boto3 client."""

Approve = Callable[[Sequence[StackPlan]], bool]
"""Shown what would change, which may be nothing, says whether to go on."""

_TEMPLATES = Path(__file__).resolve().parent / "cloudformation"
_INDEX = "by_day"
_NAMED_QUERIES = 50  # BatchGetNamedQuery takes no more
OPTIONAL_STACKS = {"dagster": "Image", "looker": "ModelId"}
"""Stacks that a lake has where its file names this parameter of theirs."""


@dataclass(frozen=True)
class Artifacts:
    """What the functions and the job run, and the zip of wheels that the job needs besides; empty for none."""

    lambda_bundle: bytes
    glue_bundle: bytes
    script: bytes
    wheels: bytes = b""
    looker_bundle: bytes = b""

    @property
    def objects(self) -> Iterator[tuple[str, bytes]]:
        """(key, bytes) of every object for the artifacts bucket."""
        yield bundle_key("lambda", self.lambda_bundle), self.lambda_bundle
        yield bundle_key("looker", self.looker_bundle), self.looker_bundle
        yield bundle_key("glue", self.glue_bundle), self.glue_bundle
        yield script_key(self.script), self.script
        if self.wheels:
            yield bundle_key(WHEELS, self.wheels), self.wheels

    def modules(self, bucket: str) -> str:
        """The wheels as the job's `--additional-python-modules`."""
        return f"s3://{bucket}/{bundle_key(WHEELS, self.wheels)}" if self.wheels else ""


def artifacts_of_tree(wheels: Path | None = None) -> Artifacts:
    """Artifacts of this tree, with the wheels of a folder. Raises DeployError where the job needs others."""
    try:
        content = wheels_bundle(wheels) if wheels else b""
    except WheelsError as error:
        raise DeployError(f"{error} Nothing was deployed.") from error
    return Artifacts(lambda_bundle(), glue_bundle(), job_script(), content, looker_bundle())


def deploy(
    settings: LakeSettings,
    clients: Clients,
    sources: Sequence[LogSource],
    parameters: Mapping[str, str],
    progress: Progress,
    artifacts: Artifacts | None = None,
    warn: Progress | None = None,
    options: StackOptions = StackOptions(),
    approve: Approve = lambda plans: True,
) -> bool:
    """Bring about the lake of `sources` and of the reviews that join them, and wait until it stands.

    Changes only what differs, and nothing that `approve` does not want: then it returns False.

    `parameters` go to every template that declares them; `<stack>:<Parameter>` goes to one stack only, where `<stack>`
    is storage, addapart-<layer>, catalog, jobs, looker or dagster. Looker is deployed where `looker:ModelId` says which
    model it may ask, Dagster where `dagster:Image` says what it runs. A parameter that a stack has and that is not
    given is refused, never set back. What somebody else dropped is made again, and `warn` is told of it, or else
    `progress`. Raises DeployError.
    """
    _refuse_other_account(settings, clients)
    built = artifacts or artifacts_of_tree()
    api = Stacks(clients("cloudformation"), clients("s3"), settings, options)
    stacks = lake_stacks(settings, sources, parameters, built)
    _refuse_to_drop_tables(settings, clients("cloudformation"), sources)
    _refuse_to_set_back(settings, api, stacks)
    is_there = api.describe(stacks[0].name) is not None
    plans = [plan for stack in stacks[: None if is_there else 1] if (plan := api.propose(stack))]
    later = [] if is_there else [api.plan_first(stack) for stack in stacks[1:]]
    if not approve([*plans, *later]):
        for plan in plans:
            api.discard(plan)
        return False
    _say_unchanged_stacks(stacks, [*plans, *later], progress)
    api.execute([plan for plan in plans if plan.stack is stacks[0]], progress)
    _upload(clients("s3"), settings.artifacts_bucket, built, progress)
    _restore_dropped_tables(settings, clients, stacks, warn or progress)
    if not is_there:
        plans += [plan for stack in stacks[1:] if (plan := api.propose(stack))]
    # The catalog before AddAPart: a new consumer places partitions of tables that an older lake does not have. Dagster
    # last: its role has the policy of the jobs' stack.
    rest = [plan for plan in plans if plan.stack is not stacks[0]]
    for part in (_CATALOG, "", _DAGSTER):
        api.execute([plan for plan in rest if _phase(plan.stack) == part], progress)
    api.protect([stack.name for stack in stacks])
    _make_what_no_stack_can(settings, clients, sources, progress)
    return True


def deployed_state(settings: LakeSettings, clients: Clients) -> dict[str, str] | None:
    """When each stack of the lake was changed last, by its name.

    None where one is not complete, or where an artifact that one names is gone: then something has to be deployed.
    """
    pages = clients("cloudformation").get_paginator("describe_stacks").paginate()
    stacks = [one for page in pages for one in page["Stacks"] if one["StackName"].startswith(f"{settings.name}-")]
    keys = {stack_parameters(one).get(name, "") for one in stacks for name in _ARTIFACT_PARAMETERS} - {""}
    s3, bucket = clients("s3"), settings.artifacts_bucket
    if not all(one["StackStatus"] in DEPLOYED for one in stacks):
        return None
    if not all(answer(s3.head_object, Bucket=bucket, Key=key) for key in sorted(keys)):
        return None
    return {one["StackName"]: str(one.get("LastUpdatedTime", one["CreationTime"])) for one in stacks}


def restore(
    settings: LakeSettings,
    clients: Clients,
    sources: Sequence[LogSource],
    parameters: Mapping[str, str],
    progress: Progress,
    warn: Progress,
) -> None:
    """Make again what somebody dropped from a lake that was deployed from this tree with these parameters.

    Tables, of which `warn` is told, partition indexes, views and saved questions. CloudFormation is asked to change
    nothing, which is most of the time that `deploy` takes where nothing changed.
    """
    stacks = lake_stacks(settings, sources, parameters, Artifacts(b"", b"", b""))
    _restore_dropped_tables(settings, clients, stacks, warn)
    _make_what_no_stack_can(settings, clients, sources, progress)


def _restore_dropped_tables(settings: LakeSettings, clients: Clients, stacks: Sequence[Stack], warn: Progress) -> None:
    (catalog,) = (stack for stack in stacks if _phase(stack) == _CATALOG)
    tables = resources(catalog.template, catalog.parameters, settings.account, settings.region)
    restore_tables(settings, clients("cloudformation"), clients("glue"), tables, warn)


def _say_unchanged_stacks(stacks: Sequence[Stack], plans: Sequence[StackPlan], progress: Progress) -> None:
    changed = {plan.stack.name for plan in plans}
    for stack in stacks:
        if stack.name not in changed:
            progress(f"{stack.name}: unchanged")


_CATALOG, _DAGSTER = "-catalog", "-dagster"


def _phase(stack: Stack) -> str:
    return next((part for part in (_CATALOG, _DAGSTER) if stack.name.endswith(part)), "")


def reviews_of(sources: Sequence[LogSource]) -> list[Review]:
    """The reviews of which all tables are there."""
    names = {source.name for source in sources}
    return [review for review in map(load_review, review_names()) if names.issuperset(review.sources)]


_ARTIFACT_PARAMETERS = ("LambdaCodeKey", "LookerCodeKey", "BundleKey", "ScriptKey")
_RAW_STACK = "addapart-raw-"
_OF_ONE_LOG = frozenset({"DeliveryServices", "DeliveryAccounts", "DeliveryOrgIds", "WriterRoles", "WriterRolePattern"})
_OF_ONE_LOG |= {"ReplicationRoles", "ReplicationRolePattern"}
"""Parameters by which others may write into a raw bucket: never for all buckets at once, and never for readready."""


def lake_stacks(
    settings: LakeSettings, sources: Sequence[LogSource], parameters: Mapping[str, str], built: Artifacts
) -> list[Stack]:
    """The stacks of a lake: storage first, which holds what the others need; the others need nothing of each other."""
    bucket = settings.artifacts_bucket
    known = {
        "LakeName": settings.name,
        "Database": settings.database,
        "ArtifactsBucket": bucket,
        "LambdaCodeKey": bundle_key("lambda", built.lambda_bundle),
        "LookerCodeKey": bundle_key("looker", built.looker_bundle),
        "BundleKey": bundle_key("glue", built.glue_bundle),
        "ScriptKey": script_key(built.script),
        "AdditionalPythonModules": built.modules(bucket),
        "AlarmTopicArn": settings.alarm_topic,
        "RawBuckets": settings.raw_buckets_text,
        **_existing_buckets(settings),
        "ViewArns": ",".join(_view_arn(settings, view.name) for view in views_of(reviews_of(sources))),
    }
    addapart = _template("addapart")
    planned: list[tuple[str, str, dict[str, str]]] = [("storage", _template("storage"), {})]
    existing = dict(settings.raw_buckets)
    if unknown := sorted(existing.keys() - {source.name for source in sources}):
        raise DeployError(
            f"The lake's file names buckets of {', '.join(unknown)}, which no log is called. Nothing was done."
        )
    for source in sources:
        own = {"Layer": f"raw-{source.name}", "Source": source.name, "ExistingBucket": existing.get(source.name, "")}
        planned.append((f"{_RAW_STACK}{source.name}", addapart, own))
    planned += [("addapart-readready", addapart, {"Layer": "readready", "NotificationPrefix": COMMITS_PREFIX})]
    planned += [("catalog", template_text(sources, reviews_of(sources), existing), {}), ("jobs", _template("jobs"), {})]
    planned += [(p, _template(p), {}) for p, needed in OPTIONAL_STACKS.items() if f"{p}:{needed}" in parameters]
    _refuse_unknown_parameters(parameters, {part: text for part, text, _ in planned})
    return [_stack(settings, part, text, {**known, **own}, parameters) for part, text, own in planned]


def _view_arn(settings: LakeSettings, name: str) -> str:
    return f"arn:{settings.partition}:glue:{settings.region}:{settings.account}:table/{settings.database}/{name}"


def _existing_buckets(settings: LakeSettings) -> dict[str, str]:
    """ARNs of the buckets that are not the lake's own, for the roles that read them."""
    arns = [f"arn:{settings.partition}:s3:::{bucket}" for _, bucket in settings.raw_buckets]
    return {"ExistingBucketArns": ",".join(arns), "ExistingObjectArns": ",".join(f"{arn}/*" for arn in arns)}


def _stack(
    settings: LakeSettings, part: str, template: str, known: Mapping[str, str], given: Mapping[str, str]
) -> Stack:
    scoped = {key.partition(":")[2]: value for key, value in given.items() if key.startswith(f"{part}:")}
    values = {**known, **given, **scoped}
    text = _with_bucket_names(template, {**known, "AWS::AccountId": settings.account})
    return Stack(f"{settings.name}-{part}", text, {n: v for n, v in values.items() if _declares(template, n)})


def _with_bucket_names(template: str, known: Mapping[str, str]) -> str:
    """The template with its buckets' names written out: CloudFormation takes over only what has such a name."""

    def write_out(found: re.Match[str]) -> str:
        return str(found[1]) + re.sub(r"\$\{([^}]+)\}", lambda name: known[name[1]], found[2])

    return re.sub(r'^(\s+BucketName: )!Sub "([^"]+)"$', write_out, template, flags=re.MULTILINE)


def _template(name: str) -> str:
    return (_TEMPLATES / f"{name}.yaml").read_text(encoding="utf-8")


def _declares(template: str, parameter: str) -> bool:
    """Whether a template's text declares a parameter: as YAML at two spaces, or as the generated JSON's."""
    head = template.partition("\nResources:\n")[0].partition('"Resources": ')[0]
    return f"\n  {parameter}:\n" in head or f'\n  "{parameter}": ' in head


def _refuse_unknown_parameters(parameters: Mapping[str, str], templates: Mapping[str, str]) -> None:
    for key in parameters:
        part, _, name = key.rpartition(":")
        if part and part not in templates:
            raise DeployError(f"The parameter {key} is for a stack {part!r}; this lake has {', '.join(templates)}.")
        if not any(_declares(text, name) for other, text in templates.items() if part in ("", other)):
            raise DeployError(f"No template declares the parameter {key}. Nothing was deployed; correct its name.")
        if name in _OF_ONE_LOG and not part.startswith(_RAW_STACK):
            raise DeployError(
                f"The parameter {key} lets others write into a bucket, so it is given to the stack of one log: "
                f"{_RAW_STACK}<log>:{name}=... . Nothing was deployed; readready is written by the lake alone."
            )


def _refuse_other_account(settings: LakeSettings, clients: Clients) -> None:
    """Bucket names carry the account: with another account's credentials templates and settings would disagree."""
    found = clients("sts").get_caller_identity()["Account"]
    if found != settings.account:
        raise DeployError(
            f"The lake {settings.name!r} is in account {settings.account}, the credentials are of account {found}. "
            "Nothing was deployed; use the credentials of the lake's account."
        )


def _refuse_to_set_back(settings: LakeSettings, api: Stacks, stacks: Sequence[Stack]) -> None:
    """A parameter that is not given would take its template's default: a delivery would be shut, an alarm silenced."""
    lost = []
    for stack in stacks:
        known = defaults(stack.template)
        for name, value in sorted(api.parameters(stack.name).items()):
            given = stack.parameters.get(name, known.get(name, value))
            is_lost = name not in stack.parameters and given != value
            if is_lost or (name == "AdditionalPythonModules" and value and not given):
                lost.append(f"{stack.name.removeprefix(f'{settings.name}-')}:{name}={value}")
    for part, needed in OPTIONAL_STACKS.items():
        name = f"{settings.name}-{part}"
        if name not in {stack.name for stack in stacks} and api.describe(name):
            lost.append(f"{part}:{needed}={api.parameters(name).get(needed, '')}")
    if lost:
        raise DeployError(
            f"The lake {settings.name!r} has what this deployment does not name: {'; '.join(lost)}. Nothing was "
            "deployed, since it would be set back without a word. Name each, with the value that it is to have."
        )


def _refuse_to_drop_tables(
    settings: LakeSettings, cloudformation: "CloudFormationClient", sources: Sequence[LogSource]
) -> None:
    """A catalog made from fewer sources would forget the tables of the others, and with them their partitions."""
    kept = {name for source in sources for name in (source.raw.name, source.readready.name)}
    kept |= {beside.name for source in sources for beside in companion_tables(source)}
    kept |= {table.name for table in tables_of(reviews_of(sources))}
    if dropped := sorted(deployed_tables(settings, cloudformation) - kept):
        raise DeployError(
            f"The lake {settings.name!r} has the tables {', '.join(dropped)}, which no source of this deployment "
            "declares. Nothing was deployed; deploy with all of the lake's sources."
        )


# --- what no stack can make -------------------------------------------------------------------------------------------


def _make_what_no_stack_can(
    settings: LakeSettings, clients: Clients, sources: Sequence[LogSource], progress: Progress
) -> None:
    """Partition indexes, views and saved questions, where they are not there as this tree has them."""
    glue, reviews = clients("glue"), reviews_of(sources)
    _index_partitions(glue, settings.database, partition_indexes(sources, reviews), progress)
    _create_views(glue, settings.database, reviews, progress)
    subjects = {source.name for source in sources} | {review.name for review in reviews}
    asked = [one for one in questions() if one.subject in subjects]
    _save_questions(clients("athena"), settings, asked, progress)


def _upload(s3: "S3Client", bucket: str, built: Artifacts, progress: Progress) -> None:
    """Put what is not there. A bundle's key carries its digest, so what lies under it never changes."""
    for key, content in built.objects:
        if not _is_stored(s3, bucket, key, len(content)):
            s3.put_object(Bucket=bucket, Key=key, Body=content)
            progress(f"s3://{bucket}/{key}: uploaded")


def _is_stored(s3: "S3Client", bucket: str, key: str, size: int) -> bool:
    found = answer(s3.head_object, Bucket=bucket, Key=key)
    return bool(found and found["ContentLength"] == size)


def _index_partitions(
    glue: "GlueClient", database: str, indexes: Iterable[tuple[str, tuple[str, ...]]], progress: Progress
) -> None:
    """Give every table its partition index. Without one, GetPartitions loads all partitions before it filters."""
    for table, keys in indexes:
        if not _has_index(glue, database, table):
            index: PartitionIndexTypeDef = {"IndexName": _INDEX, "Keys": list(keys)}
            glue.create_partition_index(DatabaseName=database, TableName=table, PartitionIndex=index)
            progress(f"{database}.{table}: partition index on {', '.join(keys)}")


def _create_views(glue: "GlueClient", database: str, reviews: Sequence[Review], progress: Progress) -> None:
    """Give every review its Athena views. A stack could not: a view's text carries the database's name in base64."""
    for view in views_of(reviews):
        given: Any = view_input(view, database)
        try:
            found = glue.get_table(DatabaseName=database, Name=view.name)["Table"]
        except glue.exceptions.EntityNotFoundException:
            glue.create_table(DatabaseName=database, TableInput=given)
        else:
            if found.get("ViewOriginalText") == given["ViewOriginalText"]:
                continue
            glue.update_table(DatabaseName=database, TableInput=given)
        progress(f"{database}.{view.name}: view over {view.table.name}")


def _save_questions(athena: Any, settings: LakeSettings, asked: Sequence[Question], progress: Progress) -> None:
    """Keep every question as a saved query of people's workgroup, over the last week. Others' queries stay."""
    pages = athena.get_paginator("list_named_queries").paginate(WorkGroup=settings.workgroup)
    ids = [one for page in pages for one in page.get("NamedQueryIds", [])]
    known: dict[str, Any] = {}
    for start in range(0, len(ids), _NAMED_QUERIES):
        found = athena.batch_get_named_query(NamedQueryIds=ids[start : start + _NAMED_QUERIES])["NamedQueries"]
        known |= {str(one["Name"]): one for one in found}
    changed = 0
    for one in asked:
        name, sql, description = f"{one.subject}/{one.name}", one.last_week(), f"{one.title} {one.why}"[:1024]
        old = known.get(name)
        if old and (old["QueryString"], old.get("Description")) == (sql, description):
            continue
        if old:
            athena.delete_named_query(NamedQueryId=old["NamedQueryId"])
        athena.create_named_query(
            Name=name,
            Description=description,
            Database=settings.database,
            QueryString=sql,
            WorkGroup=settings.workgroup,
            ClientRequestToken=hashlib.sha256(f"{name}\n{description}\n{sql}".encode()).hexdigest(),
        )
        changed += 1
    if changed:
        progress(f"{settings.workgroup}: {tally(changed, 'question')} saved as a query each")


def _has_index(glue: "GlueClient", database: str, table: str) -> bool:
    found = glue.get_partition_indexes(DatabaseName=database, TableName=table)["PartitionIndexDescriptorList"]
    return any(index["IndexName"] == _INDEX and index["IndexStatus"] != "FAILED" for index in found)

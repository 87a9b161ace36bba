"""What IAM decided for whom while tests worked on a deployed lake, beside what the policies allow."""

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

from infra.emulator.processes import DECISIONS
from tests.deployed_lake import ACCOUNT, DeployedLake

ATHENA = "Athena asks it with its caller's rights"
UNUSED = {
    "kms:Decrypt": "this lake has no key of its own",
    "kms:GenerateDataKey": "this lake has no key of its own",
    "athena:StopQueryExecution": "asked where a query takes too long, or a person stops it",
    "cloudwatch:PutMetricData": "Glue's own, beside the job",
    "glue:BatchUpdatePartition": "asked where a day is built again, or an object comes after its day",
    "glue:BatchStopJobRun": "asked where a run is cancelled",
    "glue:GetJobRuns": "asked where a run that nobody waits for is taken over",
    "glue:GetDatabase": ATHENA,
    "glue:GetTable": ATHENA,
    "glue:GetTables": ATHENA,
    "glue:GetPartition": ATHENA,
    "glue:BatchGetPartition": ATHENA,
    "logs:CreateLogGroup": "Glue's own, beside the job",
    "logs:CreateLogStream": "Lambda's and Glue's own, beside what they run",
    "logs:PutLogEvents": "Lambda's and Glue's own, beside what they run",
    "logs:GetLogEvents": "asked where a task of a run has failed",
    "s3:AbortMultipartUpload": f"{ATHENA}, for a large result",
    "s3:GetBucketLocation": ATHENA,
    "s3:ListBucketMultipartUploads": ATHENA,
    "s3:ListMultipartUploadParts": ATHENA,
    "s3:GetObjectRetention": "asked by HeadObject where an object is locked; this lake locks none",
    "s3:GetObjectLegalHold": "asked by HeadObject where an object is locked; this lake locks none",
    "s3:GetObjectVersion": "evidence reads an object as it was where it was overwritten since",
    "iam:PassRole": "asked by ECS for whoever starts a task",
    "ecs:TagResource": "asked by ECS for whoever starts a task with tags",
    "ecs:StopTask": "asked where a run is cancelled",
    "ec2:DescribeNetworkInterfaces": "the emulator's tasks have no network interface to describe",
    "sns:Publish": "asked where a run fails or a check turns red, once the sensor is switched on",
    "sqs:SendMessage": "asked where the catalog misses a partition, and by functions",
    "sqs:ReceiveMessage": "Lambda asks it with the function's role, to hand it messages",
    "sqs:DeleteMessage": "Lambda asks it with the function's role, once they are handled",
    "sqs:GetQueueAttributes": "Lambda asks it with the function's role",
    "sqs:ChangeMessageVisibility": "Lambda asks it for the messages of a batch that failed",
    "cloudtrail:ListPublicKeys": "asked where no file of keys is named",
}
"""Actions that a policy allows and no call of a file's tests asked for, with who does, whatever the principal."""

NEVER_DENIED = {"sts:GetCallerIdentity"}
"""What AWS lets everybody ask, whatever their policies."""
Actions = dict[str, set[str]]


def person(lake: DeployedLake, name: str, *policies: str) -> dict[str, str]:
    """Credentials, as an environment, of a user of this name who has these managed policies of the lake."""
    iam = lake.client("iam")
    iam.create_user(UserName=name)
    for policy in policies:
        iam.attach_user_policy(UserName=name, PolicyArn=f"arn:aws:iam::{ACCOUNT}:policy/{lake.name}-{policy}")
    key = iam.create_access_key(UserName=name)["AccessKey"]
    return {"AWS_ACCESS_KEY_ID": key["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"]}


def role_rights(lake: DeployedLake, role: str, name: str) -> dict[str, str]:
    """Credentials, as an environment, of a user of this name who may do what a role may."""
    iam = lake.client("iam")
    attached = [one["PolicyArn"] for one in iam.list_attached_role_policies(RoleName=role)["AttachedPolicies"]]
    rights = person(lake, name, *(arn.rpartition(f"/{lake.name}-")[2] for arn in attached))
    for policy in iam.list_role_policies(RoleName=role)["PolicyNames"]:
        document = iam.get_role_policy(RoleName=role, PolicyName=policy)["PolicyDocument"]
        iam.put_user_policy(UserName=name, PolicyName=policy, PolicyDocument=json.dumps(document))
    return rights


def take_policies(lake: DeployedLake, *people: str) -> None:
    """Take the managed policies of users from them, as `undeploy` asks for."""
    iam = lake.client("iam")
    for name in people:
        for policy in iam.list_attached_user_policies(UserName=name)["AttachedPolicies"]:
            iam.detach_user_policy(UserName=name, PolicyArn=policy["PolicyArn"])


def decisions(lake: DeployedLake, users: Mapping[str, str] | None = None) -> tuple[Actions, Actions]:
    """(allowed, denied) actions that were asked for, by the logical id of the role; `users` name that of a user."""
    asked: Actions = {}
    denied: Actions = {}
    for line in (lake.folder / "stack" / DECISIONS).read_text().splitlines():
        one = json.loads(line)
        if role := _role(one["principal"], users or {}):
            (asked if one["decision"] == "Allow" else denied).setdefault(role, set()).add(one["action"])
    return asked, denied


def _role(principal: str, users: Mapping[str, str]) -> str:
    """Of an assumed role its name is <stack>-<logical id>-<random>."""
    if found := re.search(r":user/(\w+)$", principal):
        return users.get(found[1], "")
    found = re.search(r":assumed-role/[^/]*?-([A-Za-z]+Role)-", principal)
    return found[1] if found else ""


def role_actions(lake: DeployedLake) -> Actions:
    """The actions that the policies of each role allow, by its logical id."""
    iam = lake.client("iam")
    found: Actions = {}
    for role in (one["RoleName"] for one in iam.list_roles()["Roles"]):
        documents = [
            iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"]
            for name in iam.list_role_policies(RoleName=role)["PolicyNames"]
        ]
        attached = iam.list_attached_role_policies(RoleName=role)["AttachedPolicies"]
        documents += [_policy_document(iam, policy["PolicyArn"]) for policy in attached]
        if logical := re.search(r"-([A-Za-z]+Role)-", role):
            found.setdefault(logical[1], set()).update(_actions(documents))
    return found


def policy_actions(lake: DeployedLake, *policies: str) -> set[str]:
    """The actions that managed policies of the lake allow together."""
    iam = lake.client("iam")
    return _actions(_policy_document(iam, f"arn:aws:iam::{ACCOUNT}:policy/{lake.name}-{policy}") for policy in policies)


def put_places(lake: DeployedLake, *policies: str) -> set[str]:
    """Where managed policies of the lake let somebody put objects, as what follows the bucket's name."""
    iam = lake.client("iam")
    documents = [_policy_document(iam, f"arn:aws:iam::{ACCOUNT}:policy/{lake.name}-{policy}") for policy in policies]
    statements = [s for one in documents for s in one["Statement"] if "s3:PutObject" in _as_list(s["Action"])]
    return {place.split("/", 1)[1] for statement in statements for place in _as_list(statement["Resource"])}


def _as_list(given: str | list[str]) -> list[str]:
    return [given] if isinstance(given, str) else given


def reasons_of(*actions: str) -> dict[str, str]:
    """The reasons for these actions alone: what excuses a machine does not excuse a person."""
    return {action: UNUSED[action] for action in actions}


def _policy_document(iam: Any, arn: str) -> Mapping[str, Any]:
    version = iam.get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"]
    document: Mapping[str, Any] = iam.get_policy_version(PolicyArn=arn, VersionId=version)["PolicyVersion"]["Document"]
    return document


def _actions(documents: Iterable[Mapping[str, Any]]) -> set[str]:
    statements = [s for document in documents for s in document["Statement"] if s["Effect"] == "Allow"]
    return {action for statement in statements for action in _as_list(statement["Action"])}


def differences(asked: Actions, allowed: Actions, reasons: Mapping[str, str] = UNUSED) -> list[str]:
    """What a principal was allowed by something else than its policies, and what it may do that nothing asked for."""
    found = []
    for role, actions in asked.items():
        found += [
            f"{role} was allowed {one} by something else" for one in sorted(actions - allowed[role] - NEVER_DENIED)
        ]
        unused = {one for one in allowed[role] - actions if not _is_excused(one, allowed[role], reasons)}
        found += [f"{role} may {one}, and nothing asks for it" for one in sorted(unused)]
    return found


def _is_excused(action: str, allowed: set[str], reasons: Mapping[str, str]) -> bool:
    """Whether a reason holds for a principal with these rights: one that asks no Athena needs nothing for Athena."""
    reason = reasons.get(action, "")
    return bool(reason) and (not reason.startswith(ATHENA) or "athena:StartQueryExecution" in allowed)

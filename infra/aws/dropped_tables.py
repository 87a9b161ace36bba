"""Tables of a lake that somebody dropped: made again as the catalog's template declares them.

CloudFormation does not see it: a stack whose template is unchanged is not updated, and one that is changed fails, since
Glue's UpdateTable answers EntityNotFoundException. So what is gone is made by Glue's CreateTable before the stack is
updated. The stack goes on to own it, as it knows a table by its name.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from infra.aws.aws_errors import is_absent
from infra.aws.stacks import Progress
from resources.settings import LakeSettings, loglake

if TYPE_CHECKING:
    from mypy_boto3_cloudformation import CloudFormationClient
    from mypy_boto3_glue import GlueClient


def restore_tables(
    settings: LakeSettings,
    cloudformation: "CloudFormationClient",
    glue: "GlueClient",
    resources: Mapping[str, Any],
    warn: Progress,
) -> None:
    """Make each table that the catalog stack has made and the catalog does not have; `resources` are its template's."""
    declared = {}
    for resource in resources.values():
        if resource["Type"] == "AWS::Glue::Table":
            table = _resolve(resource["Properties"]["TableInput"], settings)
            declared[table["Name"]] = table
    expected = deployed_tables(settings, cloudformation) & set(declared)
    for name in sorted(expected - _present(settings, glue, expected, resources)):
        glue.create_table(DatabaseName=settings.database, TableInput=declared[name])
        warn(
            f"The table {settings.database}.{name} was gone: somebody dropped it. It is made again, without its "
            f"partitions; `{loglake('reconcile')}` registers them. No file was lost by it."
        )


def deployed_tables(settings: LakeSettings, cloudformation: "CloudFormationClient") -> set[str]:
    """The tables that the lake's catalog stack has made; none where it does not exist yet."""
    found = set()
    pages = cloudformation.get_paginator("list_stack_resources").paginate(StackName=f"{settings.name}-catalog")
    try:
        for resource in (resource for page in pages for resource in page["StackResourceSummaries"]):
            stands = resource.get("PhysicalResourceId") and resource["ResourceStatus"] != "DELETE_COMPLETE"
            if resource["ResourceType"] == "AWS::Glue::Table" and stands:
                found.add(str(resource["PhysicalResourceId"]).split("|")[-1])
    except ClientError as error:
        if not is_absent(error):
            raise
    return found


def _present(settings: LakeSettings, glue: "GlueClient", expected: set[str], resources: Mapping[str, Any]) -> set[str]:
    """The tables that the catalog has. A database that is gone as well is made again first."""
    if not expected:
        return set()
    try:
        glue.get_database(Name=settings.database)
    except glue.exceptions.EntityNotFoundException:
        (database,) = (r for r in resources.values() if r["Type"] == "AWS::Glue::Database")
        glue.create_database(DatabaseInput=_resolve(database["Properties"]["DatabaseInput"], settings))
    pages = glue.get_paginator("get_tables").paginate(DatabaseName=settings.database)
    return {table["Name"] for page in pages for table in page["TableList"]}


def _resolve(value: Any, settings: LakeSettings) -> Any:
    """A value of the template with what CloudFormation would put in for its parameters."""
    known = {"LakeName": settings.name, "Database": settings.database, "AWS::AccountId": settings.account}
    if isinstance(value, dict) and set(value) == {"Ref"}:
        return known[value["Ref"]]
    if isinstance(value, dict) and set(value) == {"Fn::Sub"}:
        text: str = value["Fn::Sub"]
        for name, known_value in known.items():
            text = text.replace(f"${{{name}}}", known_value)
        return text
    if isinstance(value, dict):
        return {name: _resolve(inner, settings) for name, inner in value.items()}
    return [_resolve(inner, settings) for inner in value] if isinstance(value, list) else value

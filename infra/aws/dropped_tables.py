"""Tables of a lake that somebody dropped: made again as the catalog's template declares them.

CloudFormation does not see it: a stack whose template is unchanged is not updated, and one that is changed fails, since
Glue's UpdateTable answers EntityNotFoundException. So what is gone is made by Glue's CreateTable before the stack is
updated. The stack goes on to own it, as it knows a table by its name.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from infra.aws.aws_errors import is_absent
from infra.aws.stacks import Progress
from infra.aws.template import Resource
from resources.settings import LakeSettings, loglake

if TYPE_CHECKING:
    from mypy_boto3_cloudformation import CloudFormationClient
    from mypy_boto3_glue import GlueClient


def restore_tables(
    settings: LakeSettings,
    cloudformation: "CloudFormationClient",
    glue: "GlueClient",
    catalog: Mapping[str, Resource],
    warn: Progress,
) -> None:
    """Make each table that the catalog stack has made and the catalog does not have; `catalog` is what it declares."""
    tables = (one.properties["TableInput"] for one in catalog.values() if one.type == "AWS::Glue::Table")
    declared = {table["Name"]: table for table in tables}
    expected = deployed_tables(settings, cloudformation) & set(declared)
    for name in sorted(expected - _present(settings, glue, expected, catalog)):
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


def _present(
    settings: LakeSettings, glue: "GlueClient", expected: set[str], catalog: Mapping[str, Resource]
) -> set[str]:
    """The tables that the catalog has. A database that is gone as well is made again first."""
    if not expected:
        return set()
    try:
        glue.get_database(Name=settings.database)
    except glue.exceptions.EntityNotFoundException:
        (database,) = (one for one in catalog.values() if one.type == "AWS::Glue::Database")
        glue.create_database(DatabaseInput=database.properties["DatabaseInput"])
    pages = glue.get_paginator("get_tables").paginate(DatabaseName=settings.database)
    return {table["Name"] for page in pages for table in page["TableList"]}

"""Deploying and taking down a lake on AWS, as its file in lakes/ says: shown first, done when a person agrees."""

import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import typer

from infra.aws.deploy import artifacts_of_tree, deploy
from infra.aws.stacks import DeployError, StackOptions, StackPlan
from infra.aws.template import Grant
from infra.aws.undeploy import Remains, lake_buckets, lake_parts, undeploy
from infra.cli.command_lake import AwsLake
from infra.cli.lake_file import LakeFile
from infra.cli.terminal_output import escape, print_table, size
from loglake_assets.sources import load_source, source_names
from resources.settings import loglake

Say = Callable[[str], None]
_GRANTS_SHOWN = 10


class NotConfirmedError(RuntimeError):
    """A person has to agree, and there is none at the terminal; nothing was done."""


def deploy_aws_lake(lake: AwsLake, is_confirmed: bool, is_plan: bool, say: Say) -> bool:
    """Deploy the lake; False where it was only planned, or where a person did not agree. Raises DeployError."""
    assert lake.file is not None, "a lake on AWS has a file"
    file = lake.file
    sources = [load_source(name) for name in source_names()]
    options = StackOptions(file.tags, file.rollback_alarms, file.termination_protection)

    def approve(plans: Sequence[StackPlan]) -> bool:
        print_plan(plans, say)
        if is_plan or not plans:
            return not is_plan
        return is_confirmed or _confirm(f"Deploy this to {lake.place}?", "--yes")

    artifacts = artifacts_of_tree(_wheels(lake, file))
    parameters = {**_dagster_parameters(file), **file.parameters}
    return deploy(lake.settings, lake.client, sources, parameters, say, artifacts, say, options, approve)


def _dagster_parameters(file: LakeFile) -> dict[str, str]:
    """What Dagster's stack has to know of the file itself; nothing where the lake has no such stack."""
    if "dagster:Image" not in file.parameters:
        return {}
    first = {"dagster:FirstDay": file.first_day} if file.first_day else {}
    return {"dagster:Command": f"loglake --lake {file.path.stem}", **first}


def _wheels(lake: AwsLake, file: LakeFile) -> Path | None:
    if file.wheels is None and lake.settings.endpoint_url is None:
        raise DeployError(
            f"{file.path} names no folder of wheels, and without them the job ends at its first import. Nothing was "
            f'deployed. `make wheels` fills wheels/; then write wheels = "../wheels" into the file.'
        )
    return file.wheels


def _confirm(question: str, option: str) -> bool:
    if not sys.stdin.isatty():
        raise NotConfirmedError(
            f"{question} Nobody can answer here, so nothing was done. {option} says yes where no person is there."
        )
    return typer.confirm(question)


def print_plan(plans: Sequence[StackPlan], say: Say) -> None:
    """What a deployment would do, stack by stack, and which policies would allow more than they do."""
    if not plans:
        say("No stack would change.")
    for plan in plans:
        counts = {a: n for a in _ACTIONS if (n := sum(change.action == a for change in plan.changes))}
        told = ", ".join(f"{n} {_ACTIONS[action]}" for action, n in counts.items()) or "its settings"
        say(f"{plan.stack.name}: {'new, ' if plan.is_new else ''}{told}")
        for change in plan.changes:
            if not plan.is_new or change.action == "import":
                say(f"  {change.action:<8} {change.logical_id} ({change.type})")
        for logical_id, grants in plan.wider.items():
            say(f"  WIDER    {logical_id} allows {len(grants)} more:")
            for grant in grants[:_GRANTS_SHOWN]:
                say(f"             {escape(_sentence(grant))}")
            if len(grants) > _GRANTS_SHOWN:
                say(f"             and {len(grants) - _GRANTS_SHOWN} more")


_ACTIONS = {"add": "added", "change": "changed", "replace": "replaced", "remove": "removed", "import": "taken over"}


def _sentence(grant: Grant) -> str:
    who = f" to {grant.who}" if grant.who not in ('""', "") else ""
    where = f" on {grant.resource}" if grant.resource else ""
    bound = f" if {grant.condition}" if grant.condition != "{}" else ""
    word = "no longer denied: " if grant.effect == "Deny" else ""
    return f"{word}{grant.action}{where}{who}{bound}"


def take_down(lake: AwsLake, delete_data: bool, is_confirmed: bool, confirmed_name: str | None, say: Say) -> bool:
    """Delete the lake's stacks, and its data where that is asked for; False where a person did not agree.

    Raises DeployError, and NotConfirmedError.
    """
    stacks, buckets = lake_parts(lake.settings, lake.client), lake_buckets(lake.settings, lake.client)
    if not stacks and not buckets:
        say(f"There is nothing of the lake {lake.settings.name} in {lake.place}.")
        return True
    say(f"Stacks: {', '.join(stacks) or 'none'}")
    say(f"Buckets: {', '.join(buckets) or 'none'}")
    if delete_data:
        if not _is_named(lake.settings.name, confirmed_name):
            return False
    elif not (is_confirmed or _confirm("Delete all but storage and catalog? Data and tables stay.", "--yes")):
        return False
    _say_remains(undeploy(lake.settings, lake.client, delete_data, say), delete_data, say)
    return True


def _is_named(name: str, given: str | None) -> bool:
    """Whether the lake whose data goes was named once more: nothing brings it back."""
    if given is None and sys.stdin.isatty():
        given = typer.prompt(f"All logs, tables and evidence of the lake are deleted for good. Type its name, {name}")
    if given is None:
        raise NotConfirmedError(
            f"--delete-data deletes logs for good. Nothing was deleted. Name the lake once more: --confirm {name}"
        )
    return given == name


def _say_remains(left: Remains, delete_data: bool, say: Say) -> None:
    if left.buckets:
        rows = [[one.name, one.versions, size(one.size), f"{one.usd_a_month:,.2f}"] for one in left.buckets]
        print_table("What stays", ["bucket", "versions", "bytes", "USD a month, about"], rows)
    for one in left.buckets:
        if one.locked:
            names = ", ".join(escape(key) for key in one.locked)
            say(f"{one.name}: S3 let some versions not go, as it does while they are locked, such as {names}")
    if left.buckets and not delete_data:
        say(
            "Nothing is delivered to these buckets any more, since their policies are gone. "
            f"`{loglake('deploy')}` takes them over again; `{loglake('undeploy --delete-data')}` deletes them."
        )
    for snapshot in left.snapshots:
        say(
            f"The snapshot {snapshot.name} of Dagster's database stays, the ledger of its runs and checks, for at most "
            f"{snapshot.usd_a_month:,.2f} USD a month; no log is in it. "
            f"`aws rds delete-db-snapshot --db-snapshot-identifier {snapshot.name}` deletes it."
        )

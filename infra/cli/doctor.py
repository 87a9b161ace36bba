"""`loglake doctor`: a deployed lake looked at, and what is wrong said with what mends it."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from infra.aws.deploy import artifacts_of_tree, lake_stacks
from infra.aws.examination import examine
from infra.aws.findings import Deployment, Finding
from infra.cli.command_lake import AwsLake
from infra.cli.terminal_output import escape
from loglake_assets.lake.versions import retention
from loglake_assets.sources import load_source, source_names
from loglake_assets.sources.words import tally

Say = Callable[[str], None]
_SERVER_SECONDS = 10


def print_findings(lake: AwsLake, say: Say) -> bool:
    """Look at the lake and print each finding as it is found; returns whether all is well."""
    assert lake.file is not None, "a lake on AWS has a file"
    sources = [load_source(name) for name in source_names()]
    stacks = lake_stacks(lake.settings, sources, lake.file.parameters, artifacts_of_tree(lake.file.wheels))
    deployment = Deployment(lake.settings, lake.client, stacks, sources)
    bad = 0
    for finding in (*examine(deployment), *examine_dagster(lake.dagster)):
        bad += not finding.is_well
        say(f"{'ok ' if finding.is_well else 'BAD'}  {finding.subject:<12} {escape(finding.sentence)}")
        if finding.remedy:
            say(f"                  mend: {finding.remedy}")
    say("All is well." if not bad else f"{tally(bad, 'finding')}. Mend the first ones first: others may hang on them.")
    return not bad


def examine_dagster(address: str | None) -> Iterator[Finding]:
    """Whether the Dagster of this address answers, has the lake's code, and has its schedules and sensors on."""
    if not address:
        yield Finding(True, "dagster", "the lake's file names none: days are built by commands")
        return
    import requests

    address = address.rstrip("/")
    try:
        answer = requests.post(f"{address}/graphql", json={"query": _QUERY}, timeout=_SERVER_SECONDS)
        answer.raise_for_status()
        found = answer.json()["data"]["repositoriesOrError"]
    except (requests.RequestException, ValueError, KeyError, TypeError) as error:
        yield Finding(
            False,
            "dagster",
            f"{address} does not answer ({type(error).__name__})",
            "see that its tasks run: the stack dagster",
        )
        return
    repositories = found.get("nodes", [])
    off = sorted(_stopped_automation(repositories))
    if not repositories:
        yield Finding(False, "dagster", f"{address} has loaded no code", "Deployment in its UI says why; then reload")
    elif off:
        yield Finding(False, "dagster", f"switched off: {', '.join(off)}", "switch them on under Automation in its UI")
    else:
        yield Finding(True, "dagster", f"{address} answers, all schedules and sensors are on")


def _stopped_automation(repositories: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    for repository in repositories:
        stopped = (one["name"] for one in repository["schedules"] if one["scheduleState"]["status"] != "RUNNING")
        yield from (name for name in stopped if name != retention.COLLECTION_JOB)
        yield from (one["name"] for one in repository["sensors"] if one["sensorState"]["status"] != "RUNNING")


_QUERY = """{ repositoriesOrError { ... on RepositoryConnection { nodes {
  schedules { name scheduleState { status } } sensors { name sensorState { status } } } } } }"""

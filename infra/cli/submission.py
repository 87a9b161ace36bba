"""Days built by a lake's own Dagster: runs are submitted to it, and followed in its UI."""

from collections.abc import Callable, Mapping
from datetime import date
from typing import Any
from urllib.parse import urlsplit

from infra.cli.command_lake import AwsLake
from infra.cli.dagster_runs import days_per_run, days_until_now, job_and_asset, load_definitions
from infra.cli.day_argument import BuildError
from loglake_assets.orchestration.source_config import window_tags, windows
from resources.settings import loglake


def submit_days(
    lake: AwsLake,
    name: str,
    first: date,
    last: date,
    days_to_submit: Callable[[list[date]], list[date]],
    tags: Mapping[str, str],
    say: Callable[[str], None],
) -> int:
    """Submit a run for each window of the days to submit; returns 0 once all are with Dagster. Raises BuildError.

    Dagster starts them in its own time; nothing is waited for.
    """
    definitions = load_definitions(first)
    job, key = job_and_asset(definitions, name)
    client = _client(str(lake.dagster))
    days = days_to_submit(days_until_now(job, name, first, last))
    for window in windows(days, days_per_run(definitions, key)):
        run_id = _submit(client, lake, job.name, {**tags, **window_tags(window)})
        say(f"  {name} {window[0]} to {window[-1]}: {str(lake.dagster).rstrip('/')}/runs/{run_id}")
    say(f"Submitted to the lake's Dagster. `{loglake('status')}` shows what became of the days.")
    return 0


def _submit(client: Any, lake: AwsLake, job: str, tags: Mapping[str, str]) -> str:
    from dagster_graphql import DagsterGraphQLClientError
    from requests.exceptions import RequestException

    try:
        return str(client.submit_job_execution(job, tags=dict(tags)))
    except (DagsterGraphQLClientError, RequestException) as error:
        raise BuildError(
            f"The Dagster of the lake at {lake.dagster} did not take a run of {job} ({type(error).__name__}): nothing "
            "of this window was started. See whether it is up and has this code; then give the command again."
        ) from error


def _client(address: str) -> Any:
    from dagster_graphql import DagsterGraphQLClient

    parts = urlsplit(address)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise BuildError(f"{address!r} is no address of a Dagster; lakes/ wants one such as https://dagster.example.")
    return DagsterGraphQLClient(
        parts.hostname, port_number=parts.port, use_https=parts.scheme == "https", path_prefix=parts.path.rstrip("/")
    )

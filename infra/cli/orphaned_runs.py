"""Dagster runs that a killed Dagster left as started: nothing carries them out, and nothing else would end them.

Its run launcher cannot be asked for the health of a run, so such a run would stand as started for good, and its
backfill with it. Ended as failed here, Dagster tries it once more, and that adopts a Glue run that still goes.
"""

import json
import socket
from pathlib import Path

_SERVER_TAG = ".dagster/grpc_info"
"""Where the server listens that carries a run out. A run within a command of ours has none and is left alone."""


def end_orphaned_runs(dagster_home: Path) -> int:
    """Report as failed every started run whose server is gone; returns how many. Before Dagster starts."""
    from dagster import DagsterInstance, DagsterRunStatus, RunsFilter

    going = [DagsterRunStatus.STARTING, DagsterRunStatus.STARTED, DagsterRunStatus.CANCELING]
    with DagsterInstance.from_config(str(dagster_home)) as instance:
        found = instance.get_runs(filters=RunsFilter(statuses=going))
        orphaned = [run for run in found if _SERVER_TAG in run.tags and not _is_served(run.tags[_SERVER_TAG])]
        for run in orphaned:
            instance.report_run_failed(run, "Dagster was killed or stopped while this run was going.")
    return len(orphaned)


def _is_served(tag: str) -> bool:
    """Whether something listens where the run's server did."""
    at = json.loads(tag)
    family = socket.AF_UNIX if at.get("socket") else socket.AF_INET
    address = at["socket"] if at.get("socket") else (at["host"], int(at["port"]))
    with socket.socket(family) as probe:
        try:
            probe.connect(address)
        except OSError:
            return False
    return True

"""Days built by a process of its own, so that it can be killed, with all it asks AWS for through AWS_ENDPOINT_URL.

    python -m tests.build_process <source> <first day> <last day>

DAGSTER_HOME names its instance. Exits with 0 when its Dagster run succeeded; else its last line says why not.
"""

import sys
from datetime import date, timedelta

import dagster as dg

from infra.cli.dagster_runs import load_definitions, run_window


def main(source: str, first: date, last: date) -> str | None:
    """The error, or None."""
    job = load_definitions().resolve_job_def(f"{source}_readready")
    with dg.DagsterInstance.get() as instance:
        days = [first + timedelta(days=n) for n in range((last - first).days + 1)]
        return run_window(job, instance, days)[1]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], date.fromisoformat(sys.argv[2]), date.fromisoformat(sys.argv[3])))

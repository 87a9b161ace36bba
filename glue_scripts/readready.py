"""Glue job script: build readready days of one log source. `--source`, a window of days, a run id; see arguments.py."""

import sys
from datetime import UTC, datetime

from glue_scripts.arguments import parse_arguments
from glue_scripts.job import run_job
from glue_scripts.progress import reporter

if __name__ == "__main__":
    with reporter(sys.argv[1:]) as report:
        run_job(parse_arguments(sys.argv[1:], today=datetime.now(UTC).date()), report)

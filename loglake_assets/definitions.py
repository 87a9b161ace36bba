"""Where the parts meet: every source's definitions, and the resources they get."""

from pathlib import Path

import dagster as dg

from resources.assembly import lake_resources
from resources.progress_log import progress_logger


@dg.definitions
def defs() -> dg.Definitions:
    return dg.Definitions.merge(
        dg.load_from_defs_folder(path_within_project=Path(__file__).parent),
        dg.Definitions(
            resources=lake_resources(),
            executor=dg.in_process_executor,
            loggers={"console": dg.colored_console_logger, "progress": progress_logger},
        ),
    )
